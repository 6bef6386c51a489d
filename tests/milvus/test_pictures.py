"""Files with several pictures in a store: every picture is there, and each answer is that of the index."""

import contextlib
import json
import random
from dataclasses import replace

import numpy as np
import pytest

from clipsearch.conditions import Not, Test
from clipsearch.errors import CollectionDamaged, CollectionError
from clipsearch.milvus import push as pushing
from clipsearch.milvus.address import parse_address
from clipsearch.milvus.pull import pull
from clipsearch.milvus.rows import digest_of
from clipsearch.milvus.store import MilvusStore
from clipsearch.milvus.table import Table
from clipsearch.store.collection import Collection
from clipsearch.store.image_table import ImageTable
from clipsearch.store.rows import Place
from clipsearch.store.verify import verify
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import ImageFile, ImageInfo, Moment
from tests.milvus.support import DIM, Killed, add_photo, contents, killed_at, local, make_index, push_index, stored
from tests.store.support import random_units, unit, writer

FILMS = {"party.mp4": 12, "scan.tif": 3, "long.mp4": 40, "two.tif": 2}
PICTURES = sum(FILMS.values())
ANY_PICTURE = [5, pytest.param(0, marks=pytest.mark.long), pytest.param(39, marks=pytest.mark.long)]
CONDITIONS = [
    Test("format", "=", "MP4"), Not(Test("format", "=", "MP4")), Test("name", "~", "*.tif"), Test("path", "~", "*o*"),
    Not(Test("path", "~", "*.mp4")), Test("width", ">", 150.0), Test("caption", "~", "*dog*"),
]  # fmt: skip


@pytest.fixture(scope="module")
def place():
    return "lite"


pytestmark = pytest.mark.usefixtures("nobody_waits")


def add_film(collection, name, vectors, seed=0):
    (root_id,) = collection.roots()
    unit_of = "page" if name.endswith(".tif") else "second"
    info = ImageInfo(
        640, 480, name[-3:].upper(), name.encode().hex().zfill(64), camera="Söny", caption="a dog",
        moments=tuple(Moment(unit_of, number + 1 if unit_of == "page" else 1.7 * number) for number in range(len(vectors))),
    )  # fmt: skip
    file = ImageFile(f"{collection.roots()[root_id]}/films/{name}", 1234 + seed, seed)
    return collection.add(Place(root_id, "films", name), file, info, vectors)


@pytest.fixture
def index(tmp_path):
    """Thirty photos, and four files with several pictures among them; two pictures of a film are equal."""
    folder, chance = tmp_path / "photos" / ".clipsearch", random.Random(3)
    vectors = random_units(PICTURES, DIM, seed=5)
    vectors[20] = vectors[18]
    films = dict(zip(FILMS, np.split(vectors, np.cumsum(list(FILMS.values()))[:-1]), strict=True))
    with writer(folder, DIM) as collection:
        root_id = collection.add_root(str(folder.parent), {})
        for number, vector in enumerate(random_units(30, DIM, seed=4)):
            if number % 8 == 2:
                name = list(FILMS)[number // 8]
                add_film(collection, name, films[name])
            add_photo(collection, root_id, folder, 100 + number, vector, chance)
        collection.commit()
    return folder


@contextlib.contextmanager
def both(index, url):
    """The index, and the store that it was pushed to."""
    push_index(index, url)
    with Collection(index) as collection, MilvusStore(parse_address(url)) as store:
        yield collection, store


def film_id(collection, name):
    (file_id,) = collection.ids(Test("name", "=", name)).tolist()
    return file_id


def changed_row(url, number, **values):
    """Change a row of a store behind its back; `number` is that of its picture."""
    table = Table(parse_address(url))
    table.exists()
    (row,) = table.fetch_pictures([number], ("*",))
    table.insert([{**row, **values}])
    table.close()


def test_all_pictures_are_sent_once_and_files_are_counted(index, url):
    first = push_index(index, url)
    assert (first.sent, first.images, first.unchanged) == (30 + PICTURES, 34, 0)
    again = push_index(index, url)
    assert (again.sent, again.images, again.unchanged, again.version) == (0, 34, 34, 1)
    with CollectionWriter(index) as collection:
        root_id, file_id = next(iter(collection.roots())), film_id(collection, "long.mp4")
        collection.move(file_id, Place(root_id, "", "moved.mp4"), collection.records([file_id])[file_id].file)
        collection.remove([film_id(collection, "scan.tif")])
        collection.commit()
    third = push_index(index, url)
    assert (third.sent, third.images, third.unchanged, third.removed) == (40, 33, 32, 1)
    with Collection(index) as collection, MilvusStore(parse_address(url)) as store:
        assert contents(store) == contents(collection) and len(store) == len(collection) == 33
        assert third.digest == digest_of(collection.checksums()) == store.manifest.digest
        assert store.table.count("row > 0") == 30 + PICTURES - 3
        status = store.status()
        assert (status.images, status.outdated, status.unpublished) == (33, 0, 0)


@pytest.mark.parametrize("top_k", [3, *(pytest.param(top_k, marks=pytest.mark.long) for top_k in (1, 10, 33, 100))])
def test_rankings_are_those_of_the_index(index, url, top_k):
    with both(index, url) as (collection, store):
        films = collection.file_vectors(film_id(collection, "long.mp4"))
        queries = np.concatenate([random_units(5, DIM, seed=8), films[3:7], unit(-films[:1])])
        assert store.search(queries, top_k) == collection.search(queries, top_k)
        everything = collection.search(queries, top_k, all_moments=True)
        assert store.search(queries, top_k, all_moments=True) == everything
        assert everything != collection.search(queries, top_k) or top_k == 1
        for mine, theirs in zip(store.best_scores(queries, top_k), collection.best_scores(queries, top_k), strict=True):
            assert mine.tolist() == pytest.approx(theirs.tolist(), abs=1e-12)


@pytest.mark.parametrize("condition", CONDITIONS, ids=str)
def test_conditions_are_about_files(index, url, condition):
    with both(index, url) as (collection, store):
        mine, theirs = store.select(condition), collection.select(condition)
        assert len(mine) == len(theirs) > 0
        query = random_units(1, DIM, seed=8)
        for all_moments in (False, True):
            answer = collection.search(query, 20, theirs, all_moments=all_moments)
            assert store.search(query, 20, mine, all_moments=all_moments) == answer
        assert store.browse(condition, "name", 0, 50) == collection.browse(condition, "name", 0, 50)


def test_pictures_are_found_and_left_out_by_any_id(index, url):
    with both(index, url) as (collection, store):
        ids = list(range(1, collection.last_id + 1))
        assert store.records([0, *ids, 999]) == collection.records(ids)
        assert np.array_equal(store.vectors(ids[::-1]), collection.vectors(ids[::-1]))
        with pytest.raises(KeyError):
            store.vectors([1, 999])
        file_id = film_id(collection, "long.mp4")
        query = collection.vectors([file_id + 7])
        for without in ([file_id], [file_id + 7], [file_id + 39, 1]):
            answer = collection.search(query, 50, without=without)
            assert store.search(query, 50, without=without) == answer
            assert "long.mp4" not in {record.file.name for _, record in answer[0]}
        content = collection.records([file_id])[file_id].info.content_hash
        assert store.same_content(content) == collection.same_content(content) == [file_id]
        assert store.browse(None, "date", 5, 9) == collection.browse(None, "date", 5, 9)


def test_many_ids_are_asked_for_in_parts(index, url, monkeypatch):
    monkeypatch.setattr("clipsearch.milvus.table.MAX_IDS", 7)
    monkeypatch.setattr("clipsearch.milvus.table._MOST_RANGES", 4)
    monkeypatch.setattr("clipsearch.milvus.exact_search._FILES_AT_ONCE", 1)
    with both(index, url) as (collection, store):
        ids = list(range(1, collection.last_id + 1))
        assert store.records(ids) == collection.records(ids)
        query = random_units(1, DIM, seed=8)
        assert store.search(query, 80, all_moments=True) == collection.search(query, 80, all_moments=True)


def test_a_film_that_fills_every_answer_of_the_store_does_not_hide_the_photos(index, url, monkeypatch):
    query = random_units(1, DIM, seed=7)
    film = random_units(90, DIM, seed=8) * 0.02 + query
    film /= np.linalg.norm(film, axis=1, keepdims=True)
    with CollectionWriter(index) as collection:
        add_film(collection, "near.mp4", film.astype(np.float32))
        collection.commit()
    monkeypatch.setattr("clipsearch.milvus.exact_search.MAX_HITS", 60)
    monkeypatch.setattr("clipsearch.milvus.exact_search._EXTRA_HITS", 2)
    monkeypatch.setattr("clipsearch.milvus.table._SCAN_LONG_ROWS", 16)
    with both(index, url) as (collection, store):
        (answer,) = store.search(query, 9)
        assert [answer] == collection.search(query, 9)
        assert answer[0][1].file.name == "near.mp4" != answer[1][1].file.name


def test_a_push_that_was_killed_inside_a_film_is_continued(index, url, monkeypatch):
    monkeypatch.setattr(pushing, "_BLOCK", 12)
    with monkeypatch.context() as patch:
        killed_at(patch, 4, after=True)
        with pytest.raises(Killed):
            push_index(index, url)
    report = push_index(index, url)
    assert report.resumed >= 24 and report.sent + report.resumed == 30 + PICTURES
    assert stored(url) == local(index)


@pytest.mark.long
@pytest.mark.parametrize("after", [False, True])
def test_a_push_killed_at_any_point_leaves_one_version_and_is_continued(tmp_path, index, url, monkeypatch, after):
    monkeypatch.setattr(pushing, "_BLOCK", 12)  # which divides films
    push_index(index, url)
    steps = 0
    for number in range(100):
        old = local(index)
        with CollectionWriter(index) as collection:
            root_id, file_id = next(iter(collection.roots())), film_id(collection, "party.mp4")
            add_film(collection, "long.mp4", random_units(30 + number, DIM, seed=60 + number), seed=number + 1)
            collection.move(
                file_id, Place(root_id, f"{number}", "party.mp4"), collection.records([file_id])[file_id].file
            )
            collection.commit()
        new = local(index)
        with monkeypatch.context() as patch:
            reached = killed_at(patch, number, after=after)
            with contextlib.suppress(Killed):
                push_index(index, url)
        assert stored(url) in (old, new)
        if not reached:
            break
        steps += 1
        report = push_index(index, url)
        assert report.images == 34 and report.sent + report.resumed <= 30 + number + 12
        with Collection(index) as collection, MilvusStore(parse_address(url)) as store:
            assert contents(store) == new
            query = random_units(1, DIM, seed=8)
            assert store.search(query, 99, all_moments=True) == collection.search(query, 99, all_moments=True)
            assert store.table.count("row > 0") == len(store) + store.manifest.later == 30 + PICTURES - 10 + number
    assert steps > 8


def test_a_store_without_films_is_what_earlier_versions_read_until_it_has_some(tmp_path, new_url):
    index, url = make_index(tmp_path / "photos" / ".clipsearch", 20), new_url()
    push_index(index, url)
    with MilvusStore(parse_address(url)) as store:
        (note,) = store.manifest.to_notes().values()
        assert json.loads(note)["clipsearch"] == 1 and "later" not in json.loads(note)
    with CollectionWriter(index) as collection:
        add_film(collection, "new.mp4", random_units(5, DIM, seed=1))
        collection.commit()
    push_index(index, url)
    with MilvusStore(parse_address(url)) as store:
        (note,) = store.manifest.to_notes().values()
        assert json.loads(note)["clipsearch"] == 3  # they say that clipsearch must be upgraded
        many = replace(store.manifest, dead=tuple(range(10**6, 10**6 + 20_000)), dead_until=1)
        assert len(many.to_notes()) > 1 and json.loads(list(many.to_notes().values())[-1])["clipsearch"] == 3
        assert contents(store) == local(index)
    with CollectionWriter(index) as collection:
        collection.remove([film_id(collection, "new.mp4")])
        collection.commit()
    push_index(index, url)
    with MilvusStore(parse_address(url)) as store:
        (note,) = store.manifest.to_notes().values()
        assert json.loads(note)["clipsearch"] == 1 and contents(store) == local(index)


class TestPull:
    def test_a_copy_has_the_same_rows_and_vectors(self, index, url, tmp_path):
        push_index(index, url)
        copy = tmp_path / "copy"
        report = pull(parse_address(url), copy)
        assert (report.fetched, report.images) == (34, 34)
        with Collection(index) as original, Collection(copy) as pulled:
            ids = original.ids().tolist()
            assert pulled.rows(ids) == original.rows(ids)
            every = list(range(1, original.last_id + 1))
            assert np.array_equal(pulled.vectors(every), original.vectors(every))
            assert pulled.last_id == original.last_id
        assert verify(copy).damages == ()
        assert pull(parse_address(url), copy).fetched == 0

    def test_blocks_hold_whole_films(self, index, url, tmp_path, monkeypatch):
        monkeypatch.setattr("clipsearch.milvus.pull._BLOCK", 10)
        monkeypatch.setattr("clipsearch.milvus.pull._COMMIT_IMAGES", 5)
        push_index(index, url)
        pull(parse_address(url), tmp_path / "copy")
        assert local(tmp_path / "copy") == local(index) and verify(tmp_path / "copy").damages == ()

    def test_moved_and_removed_films_follow(self, index, url, tmp_path):
        push_index(index, url)
        copy = tmp_path / "copy"
        pull(parse_address(url), copy)
        with CollectionWriter(index) as collection:
            root_id, file_id = next(iter(collection.roots())), film_id(collection, "long.mp4")
            collection.move(file_id, Place(root_id, "", "moved.mp4"), collection.records([file_id])[file_id].file)
            collection.remove([film_id(collection, "scan.tif")])
            collection.commit()
        push_index(index, url)
        report = pull(parse_address(url), copy, prune=True)
        assert (report.fetched, report.removed) == (1, 1)
        assert local(copy) == local(index) and verify(copy).damages == ()

    @pytest.mark.parametrize("merged", [False, True])
    def test_a_film_that_was_lost_here_comes_back(self, index, url, tmp_path, monkeypatch, merged):
        """Its vectors may be in two segments, one of which has been rewritten without them."""
        push_index(index, url)
        copy = tmp_path / "copy"
        with monkeypatch.context() as patch:
            patch.setattr("clipsearch.store.staging.MOST_STAGED", 4 * DIM * 20)  # the long film is in several segments
            pull(parse_address(url), copy)
        with CollectionWriter(copy) as collection:
            file_id = film_id(collection, "long.mp4")
            collection.remove([file_id])
            collection.publish()
            if merged:
                dead = np.array(collection.tombstones())
                parts = [segment for segment in collection.snapshot().segments if np.isin(segment.ids, dead).any()]
                collection._merge(parts[:1])
                assert 0 < len(collection.tombstones()) < 40
        report = pull(parse_address(url), copy)
        assert report.fetched == 1
        assert local(copy) == local(index) and verify(copy).damages == ()

    def test_other_photos_under_the_ids_of_a_film_are_refused(self, index, url, tmp_path):
        """Two copies of an index have each taken a new file under the same ids."""
        push_index(index, url)
        copy = tmp_path / "copy"
        pull(parse_address(url), copy)
        with CollectionWriter(copy) as collection:
            for number in range(2):
                add_film(collection, f"other {number}.tif", random_units(1 + number, DIM, seed=90 + number)[:2]) if (
                    number
                ) else add_photo(
                    collection, next(iter(collection.roots())), copy, 500, random_units(1, DIM, seed=89)[0],
                    random.Random(1),
                )  # fmt: skip
            collection.commit()
        with CollectionWriter(index) as collection:
            add_film(collection, "mine.mp4", random_units(9, DIM, seed=70))
            collection.commit()
        push_index(index, url)
        with pytest.raises(CollectionError, match="other photos under the store's ids"):
            pull(parse_address(url), copy, prune=True)
        with CollectionWriter(copy) as collection:  # the same if they were removed, but their vectors are there
            collection.remove([image_id for image_id in collection.ids().tolist() if image_id > 30 + PICTURES])
            collection.publish()
        with pytest.raises(CollectionError, match="other photos under the store's ids"):
            pull(parse_address(url), copy, prune=True)


class TestDamage:
    @pytest.mark.parametrize("picture", ANY_PICTURE)
    @pytest.mark.parametrize("field", ["vector", "camera", "vector_check", "note", "row_check"])
    def test_a_changed_row_is_noticed_by_a_search_and_a_pull_and_replaced_by_a_push(
        self, index, url, tmp_path, picture, field
    ):
        with both(index, url) as (collection, _):
            number = film_id(collection, "long.mp4") + picture
            query = collection.vectors([number])
        other = {"vector": random_units(1, DIM, seed=1)[0].tolist(), "camera": "x41", "vector_check": 7, "row_check": 7}
        values = (
            {field: other[field]} if field in other else {"note": '2 {"unit": "second", "at": [0, 1], "checks": [1]}'}
        )
        changed_row(url, number, **values)
        if field != "note" or not picture:  # the others have no note that counts
            with MilvusStore(parse_address(url)) as store, pytest.raises((CollectionDamaged, KeyError)):
                store.search(query, 60, all_moments=True)
                store.search(-query, 60, all_moments=True)
            with pytest.raises(CollectionDamaged):
                pull(parse_address(url), tmp_path / "copy")
        if field in ("vector_check", "row_check"):  # a push compares the checksums of rows
            push_index(index, url)
            assert stored(url) == local(index)

    @pytest.mark.parametrize("picture", ANY_PICTURE)
    def test_a_missing_row_is_noticed_and_replaced(self, index, url, tmp_path, picture):
        with both(index, url) as (collection, store):
            number = film_id(collection, "long.mp4") + picture
            (row,) = store.table.fetch_pictures([number], ("row",))
            store.table.delete([row["row"]])
        with pytest.raises(CollectionDamaged):
            pull(parse_address(url), tmp_path / "copy")
        push_index(index, url)
        assert stored(url) == local(index)
        pull(parse_address(url), tmp_path / "copy")
        assert local(tmp_path / "copy") == local(index)

    def test_an_index_that_gives_other_checks_is_not_pushed(self, index, url, monkeypatch):
        later = ImageTable.later_vector_checks

        def other(table):
            return {file_id: [check ^ 1 for check in checks] for file_id, checks in later(table).items()}

        monkeypatch.setattr(ImageTable, "later_vector_checks", other)
        with pytest.raises(CollectionDamaged, match="index's own row"):
            push_index(index, url)
