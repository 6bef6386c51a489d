"""Files with several pictures: their vectors, their one place in a ranking, and what is kept of them through everything."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from clipsearch.conditions import Test
from clipsearch.store.collection import Collection
from clipsearch.store.file_ids import FileIds
from clipsearch.store.repair import repair
from clipsearch.store.rows import Place
from clipsearch.store.verify import verify
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import ImageFile, ImageInfo, Moment
from tests.store.support import downgrade, random_units, writer

DIM = 8
COUNTS = {"a.jpg": 1, "film.mp4": 10, "b.jpg": 1, "scan.tif": 3, "c.jpg": 1}


def info_of(name, count):
    unit = "page" if name.endswith(".tif") else "second"
    moments = tuple(Moment(unit, number + 1.5 if unit == "second" else number + 1) for number in range(count))
    return ImageInfo(640, 480, name[-3:].upper(), name.encode().hex(), moments=moments if count > 1 else ())


def file_of(collection, name):
    (root,) = collection.roots().values()
    return ImageFile(f"{root}/{name}", len(name), 7)


def add(collection, name, vectors):
    (root_id,) = collection.roots()
    info = info_of(name, len(vectors))
    return collection.add(Place(root_id, "", name), file_of(collection, name), info, vectors)


@pytest.fixture
def vectors():
    """Name → the unit vectors of the file's pictures."""
    parts = np.split(random_units(sum(COUNTS.values()), DIM), np.cumsum(list(COUNTS.values()))[:-1])
    return dict(zip(COUNTS, parts, strict=True))


@pytest.fixture
def index(tmp_path, vectors):
    folder = tmp_path / "photos" / ".clipsearch"
    with writer(folder, DIM) as collection:
        for name in COUNTS:
            add(collection, name, vectors[name])
        collection.commit()
    return folder


def expected(vectors, query):
    """(score, name, number of the picture) of all pictures, best first: the definition of exact."""
    scores = [
        (float(score), name, number)
        for name, rows in vectors.items()
        for number, score in enumerate(rows.astype(np.float64) @ query.astype(np.float64))
    ]
    return sorted(scores, key=lambda item: -item[0])


def best_of_each(ranked):
    seen = set()
    return [item for item in ranked if not (item[1] in seen or seen.add(item[1]))]


def found(collection, query, top_k, **options):
    (hits,) = collection.search(query[None], top_k, **options)
    return [
        (
            pytest.approx(score, abs=1e-9),
            record.file.name,
            record.info.moments.index(record.moment) if record.moment else 0,
        )
        for score, record in hits
    ]


@pytest.mark.parametrize("top_k", [1, 2, 3, 5, 50])
def test_a_file_counts_once_by_its_best_picture_and_on_request_by_all(index, vectors, top_k):
    with Collection(index) as collection:
        for query in random_units(20, DIM, seed=5):
            ranked = expected(vectors, query)
            assert found(collection, query, top_k) == best_of_each(ranked)[:top_k]
            assert found(collection, query, top_k, all_moments=True) == ranked[:top_k]


def test_many_queries_at_once_get_the_same_answers(index):
    queries = random_units(9, DIM, seed=6)
    with Collection(index) as collection:
        together = collection.search(queries, 3)
        assert together == [collection.search(query[None], 3)[0] for query in queries]


def test_a_long_film_does_not_hide_the_photos(index, vectors):
    """All 400 pictures of a film are better than any photo; the photos follow it, as they would without the film."""
    query = random_units(1, DIM, seed=7)[0]
    film = random_units(400, DIM, seed=8) * 0.02 + query
    film = (film / np.linalg.norm(film, axis=1, keepdims=True)).astype(np.float32)
    with Collection(index) as collection:
        before = collection.search(query[None], 4)[0]
        rivals = collection.best_scores(query[None], 4)[0]
    with CollectionWriter(index) as collection:
        add(collection, "long.mp4", film)
        collection.commit()
        after = collection.search(query[None], 5)[0]
        assert after[0][1].file.name == "long.mp4" and after[1:] == before
        assert collection.best_scores(query[None], 5)[0][1:].tolist() == rivals.tolist()


def test_filters_and_what_is_left_out_are_about_files(index, vectors):
    query = vectors["film.mp4"][7]
    with Collection(index) as collection:
        films = collection.select(Test("format", "=", "MP4"))
        assert len(films) == 1
        assert [number for _, _, number in found(collection, query, 5, allowed=films)] == [7]
        assert len(found(collection, query, 50, allowed=films, all_moments=True)) == 10
        (film,) = films.tolist()
        for own in (film, film + 4):
            assert "film.mp4" not in [name for _, name, _ in found(collection, query, 50, without=[own])]


def test_records_and_vectors_are_found_by_the_id_of_any_picture(index, vectors):
    with Collection(index) as collection:
        records = collection.records(range(-1, 30))
        assert sorted(records) == list(range(1, 17)) == [record.image_id for _, record in sorted(records.items())]
        assert [str(records[image_id].moment) for image_id in (1, 2, 3, 12, 13, 15)] == [
            "None", "at 0:01", "at 0:02", "None", "page 1", "page 3",
        ]  # fmt: skip
        assert np.array_equal(collection.vectors([4, 15]), [vectors["film.mp4"][2], vectors["scan.tif"][2]])
        assert np.array_equal(collection.file_vectors(2), vectors["film.mp4"])
        assert len(collection) == 5 and collection.counts()[0] == 5 and collection.last_id == 16
        listed, count = collection.browse(None, "name", 0, 10)
        assert count == 5 and [record.moment for record in listed] == [None] * 5
        assert [record.moment for record in collection.all_records()] == [None] * 5


def test_pictures_are_counted_and_read_apart_from_files(index, vectors):
    with Collection(index) as collection:
        assert (len(collection), collection.count_pictures()) == (5, 16)
        assert collection.scan_bytes(5) == 4 * DIM * 16
        every = [
            (record.file.name, record.moment)
            for records, _ in collection.scan(all_pictures=True, block=3)
            for record in records
        ]
        assert [name for name, _ in every] == [name for name, count in COUNTS.items() for _ in range(count)]
        assert [str(moment) for _, moment in every[12:15]] == ["page 1", "page 2", "page 3"]
        stored = np.concatenate([block for _, block in collection.scan(all_pictures=True, block=3)])
        assert np.array_equal(stored, np.concatenate(list(vectors.values())))
        films = [records for records, _ in collection.scan(Test("format", "=", "TIF"), all_pictures=True)]
        assert [len(records) for records in films] == [3]
        firsts = [record.image_id for records, _ in collection.scan() for record in records]
        assert firsts == collection.ids().tolist()


def test_ids_are_not_given_again(index, vectors):
    with CollectionWriter(index) as collection:
        collection.remove([13, 16])
        collection.commit()
        assert add(collection, "d.tif", vectors["scan.tif"]) == 17
        assert add(collection, "e.jpg", vectors["a.jpg"]) == 20
        collection.commit()
        assert verify(index).damages == ()


def test_a_removed_file_leaves_nothing(index, vectors):
    with CollectionWriter(index) as collection:
        collection.remove([2])
        collection.commit()
        assert found(collection, vectors["film.mp4"][3], 50, all_moments=True)[0][1] != "film.mp4"
        assert collection.records(range(2, 12)) == {} and len(collection) == 4
    assert verify(index).damages == ()


def test_a_replaced_file_may_have_another_number_of_pictures(index, vectors):
    with CollectionWriter(index) as collection:
        add(collection, "film.mp4", vectors["scan.tif"])
        add(collection, "scan.tif", vectors["a.jpg"])
        collection.commit()
        with Collection(index) as reader:
            assert len(reader) == 5
            assert len(found(reader, vectors["a.jpg"][0], 50, all_moments=True)) == 1 + 3 + 1 + 1 + 1
    assert verify(index).damages == ()


def test_a_moved_file_keeps_its_pictures(index, vectors):
    with CollectionWriter(index) as collection:
        (root_id,) = collection.roots()
        collection.move(2, Place(root_id, "", "renamed.mp4"), file_of(collection, "renamed.mp4"))
        collection.commit()
        (hit,) = found(collection, vectors["film.mp4"][9], 1)
        assert hit[1:] == ("renamed.mp4", 9)
    assert verify(index).damages == ()


def test_staged_pictures_can_be_read_before_they_are_published(index, vectors):
    with CollectionWriter(index) as collection:
        file_id = add(collection, "new.mp4", vectors["film.mp4"][::-1])
        assert np.array_equal(collection.file_vectors(file_id), vectors["film.mp4"][::-1])


@pytest.mark.parametrize("problem", ["fewer vectors", "more vectors", "not unit"])
def test_vectors_that_do_not_fit_the_moments_are_refused(index, vectors, problem):
    film = vectors["film.mp4"]
    bad = {"fewer vectors": film[:9], "more vectors": np.concatenate([film, film]), "not unit": film * 2}[problem]
    with CollectionWriter(index) as collection:
        (root_id,) = collection.roots()
        with pytest.raises(ValueError):
            collection.add(Place(root_id, "", "x.mp4"), file_of(collection, "x.mp4"), info_of("x.mp4", 10), bad)


def test_an_index_of_the_format_before_is_read_and_upgraded_with_its_vectors(tmp_path, vectors):
    index = tmp_path / "photos" / ".clipsearch"
    with writer(index, DIM) as collection:
        for name in ("a.jpg", "b.jpg", "c.jpg"):
            add(collection, name, vectors[name])
        collection.commit()
    downgrade(index, 6)
    query = random_units(1, DIM, seed=9)[0]
    segments = {path.name: path.read_bytes() for path in (index / "segments").iterdir()}
    with Collection(index) as collection:
        assert collection.format_version == 6
        before = found(collection, query, 9)
        assert collection.records([1, 2, 9]).keys() == {1, 2}
    with CollectionWriter(index) as collection:
        assert found(collection, query, 9) == before
        assert {path.name: path.read_bytes() for path in (index / "segments").iterdir()} == segments
        add(collection, "film.mp4", vectors["film.mp4"])
        collection.commit()
    assert verify(index).damages == ()


class TestDamage:
    def test_a_changed_moment_is_noticed_and_the_file_is_lost(self, index, vectors):
        with closing(sqlite3.connect(index / "catalog.sqlite", isolation_level=None)) as catalog:
            catalog.execute("UPDATE images SET moments = replace(moments, '2.5', '2.6') WHERE image_id = 2")
        assert verify(index).damages
        repaired = repair(index)
        assert (repaired.kept, repaired.lost, repaired.lost_unnamed) == (4, (), 1)
        assert verify(index).damages == ()
        with CollectionWriter(index) as collection:
            assert add(collection, "film.mp4", vectors["film.mp4"]) >= 17

    @pytest.mark.parametrize("picture", [0, 4, 9])
    def test_a_film_with_one_damaged_vector_is_lost_as_a_whole(self, index, vectors, picture):
        (segment,) = (index / "segments").glob("*[0-9].faiss")
        data = segment.read_bytes()
        place = data.index(vectors["film.mp4"][picture].tobytes())
        segment.write_bytes(data[: place + 5] + bytes([data[place + 5] ^ 64]) + data[place + 6 :])
        assert verify(index).damages
        repaired = repair(index)
        assert [path.rpartition("/")[2] for path in repaired.lost] == ["film.mp4"] and repaired.kept == 4
        assert verify(index).damages == ()
        with Collection(index) as collection:
            query = vectors["scan.tif"][2]
            assert found(collection, query, 1) == [(pytest.approx(1, abs=1e-6), "scan.tif", 2)]

    def test_two_files_with_a_common_id_are_damage(self, index):
        from tests.store.crafted import craft

        moments = '{"unit": "second", "at": [1, 2, 3], "checks": [1, 2]}'
        assert craft(index / "catalog.sqlite", ("images", "pictures", 3, True), ("images", "moments", moments, True))
        assert any("the same id" in damage.what for damage in verify(index).damages)


class TestFileIds:
    def test_ids_of_files_with_one_picture_stay(self):
        none = FileIds(np.empty(0, np.int64), np.empty(0, np.int64))
        assert none.files_of(np.array([5, 1])).tolist() == [5, 1] and none.expanded([3, 4]).tolist() == [3, 4]

    def test_pictures_belong_to_the_file_before_them(self):
        ids = FileIds(np.array([10, 20]), np.array([3, 2]))
        assert ids.files_of(np.arange(8, 24)).tolist() == [8, 9, 10, 10, 10, *range(13, 20), 20, 20, 22, 23]
        assert ids.expanded([1, 10, 15]).tolist() == [1, 10, 11, 12, 15]
        assert ids.expanded([20, 10]).tolist() == [10, 11, 12, 20, 21]
