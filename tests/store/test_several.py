"""Several indexes that answer as one."""

import math
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime

import numpy as np
import pytest

from clipsearch import ClipsearchError, ModelMismatch, Query, SearchEngine
from clipsearch.conditions import Among, Below, InAlbum, Not, Test
from clipsearch.encoders.base import normalise
from clipsearch.errors import CollectionDamaged, CollectionNotFound, QueryError
from clipsearch.store.several import ID_STEP
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Hit, ImageFile, ImageInfo
from tests.conftest import ColourEncoder, give_facts, load_colours, names, save_photo


def make_index(folder, photos):
    for name, colour in photos.items():
        save_photo(folder / name, colour, note=f"{colour} {name}")
    with SearchEngine.open(folder) as engine:
        engine.index()
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two folders with an index each, and one index of the same photos. b/copy.jpg has the content of a/red.jpg."""
    top = tmp_path_factory.mktemp("several")
    with pytest.MonkeyPatch.context() as patch:
        load_colours(patch)
        first = make_index(top / "a", {"red.jpg": "red", "green.jpg": "green", "wine.jpg": (150, 20, 60)})
        (top / "b").mkdir()
        shutil.copy(first / "red.jpg", top / "b" / "copy.jpg")
        make_index(top / "b", {"rose.jpg": (240, 60, 60), "blue.jpg": "blue"})
        for part in ("a", "b"):
            shutil.copytree(top / part, top / "both" / part, ignore=shutil.ignore_patterns(".clipsearch", "copy.jpg"))
        make_index(top / "both", {})
    return top


@pytest.fixture
def folders(made, tmp_path, encoder):
    """The two folders. Tests may change them."""
    return tuple(shutil.copytree(made / part, tmp_path / part) for part in ("a", "b"))


@pytest.fixture
def many(folders):
    with SearchEngine.open_many(folders) as engine:
        yield engine


@pytest.fixture
def one(made, encoder):
    """The index of the same photos, without the copy."""
    with SearchEngine.open(made / "both") as engine:
        yield engine


def facts(hits):
    return [(hit.rank, hit.path.rpartition("/")[2], round(hit.score, 9)) for hit in hits]


def test_several_indexes_give_one_ranking_in_which_copies_are_once(many, one):
    for query in ("red", "blue", Query.parse("red - blue"), Query.parse("red", name="*e*.jpg", min_score=0.1)):
        assert facts(many.search(query)) == facts(one.search(query))
    hits = many.search("red")
    assert names(hits)[:2] == ["red.jpg", "rose.jpg"] and hits.explanation.images == 5
    answers = many.search_many(["red", "blue", "green", "yellow", "grey"], 2)  # scored in one pass over the vectors
    assert [facts(hits) for hits in answers] == [
        facts(hits) for hits in one.search_many(["red", "blue", "green", "yellow", "grey"], 2)
    ]


@pytest.mark.parametrize("more", [{}, {"hybrid": True}, {"diverse": True}, {"relevant": True}, {"all_moments": True}])
def test_a_filter_that_no_photo_meets_leaves_none(many, more):
    for filters in ({"person": "Nobody"}, {"where": "width > 9999"}):
        assert many.search("red", **filters, **more) == []
        assert many.search_many(["red", "blue"], **filters, **more) == [[], []]


def test_match_is_what_it_would_be_in_one_index(many, one):
    for query in ("red", "red and then something else that is green", Query.parse("red", name="*r*")):
        theirs = [hit.match for hit in one.search(query)]
        assert [hit.match for hit in many.search(query)] == pytest.approx(theirs, abs=1e-6)


def test_ids_are_unambiguous(many, folders):
    hits = many.search("red", 9)
    ids = [hit.record.image_id for hit in hits]
    assert len(set(ids)) == len(ids) == 5 and max(ids) > ID_STEP
    records = many.records([*ids, 7 * ID_STEP, 99])
    assert [records[image_id].file.path for image_id in ids] == [hit.path for hit in hits] and len(records) == 5
    for hit in hits:
        assert many.search(many.vector(hit.record.image_id), 1)[0].path == hit.path
    with pytest.raises(KeyError):
        many.vector(5 * ID_STEP + 1)


def test_among_some_photos_means_those_with_these_ids(many, folders):
    (blue,) = (hit for hit in many.search("blue", 1))
    assert blue.record.image_id > ID_STEP
    for chosen in (
        many.search("blue", where=Among((blue.record.image_id,))),
        many.browse(Among((blue.record.image_id,)))[0],
    ):
        assert [one.path if isinstance(one, Hit) else one.file.path for one in chosen] == [blue.path]
    first = many.search("red", 1)[0]
    both = many.search("red", where=Among((first.record.image_id, blue.record.image_id)), hybrid=True)
    assert {hit.path for hit in both} == {first.path, blue.path}
    assert many.search("red", where=Not(Among((first.record.image_id,))))[0].path != first.path


def test_marks_and_the_own_picture_are_of_the_right_index(many, folders):
    hits = many.search("red")
    wrong = many.search("red", wrong=[hits[1]])
    assert hits[1].path not in [hit.path for hit in wrong]
    found = many.search(folders[1] / "rose.jpg")
    assert "rose.jpg" not in names(found) and found.explanation.own_photos[0].file.name == "rose.jpg"
    copied = many.search(folders[1] / "copy.jpg")  # the first index has it
    assert copied.explanation.own_photos[0].file.path == str(folders[0] / "red.jpg")
    term, own = many.like(hits[1].record)
    assert names(many.search(Query((term,), own=own), 1)) != [hits[1].record.file.name]


def test_lists_are_merged(many, folders):
    give_facts(folders[1] / ".clipsearch", "blue.jpg", taken_at=datetime(2024, 5, 1))
    give_facts(folders[0] / ".clipsearch", "wine.jpg", taken_at=datetime(2020, 5, 1))
    records, total = many.browse(sort="date", top_k=3)
    assert [record.file.name for record in records] == ["blue.jpg", "wine.jpg", "green.jpg"] and total == 5
    assert [record.file.name for record in many.browse(sort="oldest", top_k=2)[0]] == ["wine.jpg", "blue.jpg"]
    records, total = many.browse(sort="name", offset=1, top_k=2)
    assert [record.file.name for record in records] == ["green.jpg", "red.jpg"] and total == 5
    records, total = many.browse(Below(str(folders[1])), sort="name")
    assert [record.file.name for record in records] == ["blue.jpg", "copy.jpg", "rose.jpg"] and total == 3
    listed = many.search(sort="name", name="*r*.jpg")
    assert names(listed) == ["green.jpg", "red.jpg", "rose.jpg"] and all(math.isnan(hit.score) for hit in listed)


@pytest.mark.parametrize("hybrid", [False, True])
def test_a_photo_is_found_by_what_any_of_the_indexes_knows_of_it(many, folders, hybrid):
    """copy.jpg in the second index is red.jpg in the first, with other facts."""
    give_facts(folders[1] / ".clipsearch", "copy.jpg", keywords=("Minka",), rating=5)
    for filters in ({"keyword": "Minka"}, {"name": "cop*"}, {"rating": 5}, {"text": "Minka"}, {"in_": folders[1]}):
        hits = many.search("red", hybrid=hybrid, **filters)
        assert names(hits)[0] == "copy.jpg" and not hits.explanation.notes
        assert "copy.jpg" in names(many.search(sort="name", **filters))
    (hit,) = many.search(name="cop*")
    assert names(many.search(name=["cop*", "re*"])) == ["red.jpg"] and many.browse(sort="name")[1] == 5
    assert names(many.search("red", wrong=[hit], hybrid=hybrid))[0] == "rose.jpg"
    assert "copy.jpg" not in names(many.search(folders[0] / "red.jpg", in_=folders[1]))


@pytest.mark.parametrize("sort", ["date", "oldest", "name"])
def test_pages_are_those_of_one_index(folders, tmp_path, encoder, sort):
    """Photos that tie, as those without a date do, come folder by folder, on each page."""
    tied = ("x/deep/a.jpg", "x/c.jpg", "y z/b.jpg", "y/b.jpg", "b.jpg")
    for part in ("a", "b"):
        for number, name in enumerate(tied):
            for top in (tmp_path / part, tmp_path / "both" / part):
                save_photo(top / name, (number, number, 9 if part == "a" else 200))
    for top in folders:
        (top / "copy.jpg").unlink(missing_ok=True)
        with SearchEngine.open(top) as engine:
            engine.index()
    for name in ("red.jpg", "green.jpg", "wine.jpg"):
        shutil.copy(folders[0] / name, tmp_path / "both" / "a")
    for name in ("rose.jpg", "blue.jpg"):
        shutil.copy(folders[1] / name, tmp_path / "both" / "b")
    with SearchEngine.open(tmp_path / "both") as one, SearchEngine.open_many(folders) as many:
        one.index()
        wanted = [record.file.path.replace("/both", "") for record in one.browse(sort=sort)[0]]
        pages = [many.browse(sort=sort, offset=offset, top_k=2)[0] for offset in range(0, 16, 2)]
    assert [record.file.path for page in pages for record in page] == wanted and len(wanted) == 15


def test_an_album_of_any_of_them_counts_for_all(many, folders):
    """The index of b has the album. Its copy of red.jpg is found in the index of a, which has the photo first."""
    with SearchEngine.open(folders[1]) as engine:
        photos = engine.browse(sort="name")[0]
        engine.albums.add("Warm", [record for record in photos if record.file.name in ("copy.jpg", "rose.jpg")])
    assert names(many.search("red", album="Warm")) == ["red.jpg", "rose.jpg"]
    assert [record.file.name for record in many.browse(InAlbum("Warm"), sort="name")[0]] == ["red.jpg", "rose.jpg"]
    assert names(many.search("red", where="not album = Warm")) == ["wine.jpg", "green.jpg", "blue.jpg"]
    with pytest.raises(QueryError, match="there is no album 'Cold'"):
        many.search("red", album="Cold")


def test_words_are_looked_for_in_all_of_them(many, folders):
    give_facts(folders[1] / ".clipsearch", "blue.jpg", title="The harbour of Trieste")
    give_facts(folders[0] / ".clipsearch", "wine.jpg", title="A harbour")
    hits = many.search("harbour", hybrid=True)
    assert set(names(hits)[:2]) == {"blue.jpg", "wine.jpg"} and "text" in hits[0].found_by
    assert names(many.search("red", text="Trieste")) == ["blue.jpg"]


def test_a_commit_to_one_of_them_is_seen(many, folders):
    version = many.version
    assert "pink.jpg" not in names(many.search("red"))
    make_index(folders[1], {"pink.jpg": (255, 30, 30)})
    assert "pink.jpg" in names(many.search("red")) and many.version != version


def test_the_same_file_in_two_indexes_is_once_even_if_one_of_them_is_old(tmp_path, encoder):
    make_index(tmp_path / "a", {"trip/one.jpg": "red", "two.jpg": "green"})
    inner = tmp_path / "a" / "trip"
    with SearchEngine(tmp_path / "inner") as engine:
        save_photo(inner / "one.jpg", "blue", note="changed after the first index")
        engine.index(inner)
    with SearchEngine.open_many([tmp_path / "a", tmp_path / "inner"]) as engine:
        assert sorted(names(engine.search("red"))) == ["one.jpg", "two.jpg"]
        assert engine.browse()[1] == 2


def test_an_empty_index_takes_no_part(folders, tmp_path, encoder):
    empty = tmp_path / "empty"
    empty.mkdir()
    with CollectionWriter(empty / ".clipsearch"):
        pass
    with SearchEngine.open_many([empty, *folders]) as engine:
        assert names(engine.search("red"))[0] == "red.jpg"
    with SearchEngine.open_many([empty, empty / ".clipsearch"]) as engine:
        assert engine.search("red") == []


def test_indexes_of_two_models_are_refused_with_what_to_do(folders, tmp_path, monkeypatch):
    with CollectionWriter(tmp_path / "other") as collection:
        collection.require(ColourEncoder("other colours").spec.fingerprint)
        collection.commit()
    with (
        SearchEngine.open_many([folders[0], tmp_path / "other"]) as engine,
        pytest.raises(
            ModelMismatch, match=r"cannot be searched together: .*'colours'.*'other colours'.*--model colours"
        ),
    ):
        engine.search("red")


def test_different_models_for_texts_are_refused(folders):
    with CollectionWriter(folders[1] / ".clipsearch") as collection:
        collection.set_text_model("team/texts")
        collection.commit()
    with SearchEngine.open_many(folders) as engine, pytest.raises(ModelMismatch, match="different models for texts"):
        engine.search("red")
    with SearchEngine.open_many(folders, text_model="none") as engine:
        assert names(engine.search("red"))[0] == "red.jpg"


def test_they_only_answer_queries(many, tmp_path):
    with pytest.raises(QueryError, match="open the one that is meant by itself"):
        many.index()
    with pytest.raises(QueryError, match="only answer queries"):
        many.status()
    with pytest.raises(ClipsearchError, match="list of folders"):
        SearchEngine.open_many("photos")
    with pytest.raises(ClipsearchError, match="at least one"):
        SearchEngine.open_many([])
    with pytest.raises(QueryError, match="is a store"):
        SearchEngine.open_many(["milvus://here/photos"])
    with SearchEngine.open_many([tmp_path / "nowhere"]) as engine, pytest.raises(CollectionNotFound):
        engine.search("red")


def test_a_smart_query_knows_the_people_of_all_of_them(many, folders):
    give_facts(folders[1] / ".clipsearch", "blue.jpg", people=("Ada",))
    hits = many.search("Ada in blue", smart=True)
    assert names(hits) == ["blue.jpg"] and hits.query.filters == (Test("person", "=", "Ada"),)


def test_random_indexes_rank_as_a_brute_force_over_all_vectors(tmp_path, encoder):
    chance = np.random.default_rng(4)
    vectors = {}
    for part in "abc":
        with CollectionWriter(tmp_path / part) as collection:
            collection.require(encoder.spec.fingerprint)
            root = collection.add_root(str(tmp_path / f"photos {part}"), {})
            for number in range(40):
                file = ImageFile(str(tmp_path / f"photos {part}" / f"{number}.jpg"), number, 1)
                vectors[file.path] = normalise(chance.normal(size=(1, 4)))[0]
                info = ImageInfo(9, 9, "JPEG", f"{part}{number:02}".encode().hex().zfill(64))
                collection.add(collection.place(file.path), file, info, vectors[file.path])
            collection.commit()
            assert root
    query = normalise(chance.normal(size=(1, 4)))[0]
    scores = {path: float(vector.astype(np.float64) @ query.astype(np.float64)) for path, vector in vectors.items()}
    best = sorted(scores, key=lambda path: (-scores[path], path))
    with SearchEngine([tmp_path / part for part in "abc"]) as engine:
        assert [hit.path for hit in engine.search(query, 120)] == best
        assert [hit.path for hit in engine.search(query, 7, offset=20)] == best[20:27]
        some = [path for path in best if path.endswith("7.jpg")]
        assert [hit.path for hit in engine.search(query, 20, name="*7.jpg")] == some


def test_damage_names_the_index_that_has_it_and_commands_for_it(folders):
    for statement, problem in (
        ("UPDATE images SET vector_check = vector_check + 1", "the vector of image 1 is damaged"),
        ("UPDATE images SET width = width + 1", "the catalog's row of image 1 is damaged"),
        ("UPDATE meta SET value = value || 'x' WHERE key = 'check'", "the catalog"),
    ):
        with closing(sqlite3.connect(folders[1] / ".clipsearch" / "catalog.sqlite")) as catalog, catalog:
            catalog.execute(statement)
        with SearchEngine.open_many(folders) as engine, pytest.raises(CollectionDamaged) as caught:
            engine.search("blue")
        message = str(caught.value)
        assert problem in message and message.count(f"clipsearch verify --index {folders[1] / '.clipsearch'}`") == 1
        assert str(folders[0]) not in message, message
