"""One suite for all sources of answers: a local index, Milvus Lite, and a Milvus server."""

import random
import time
from dataclasses import replace

import numpy as np
import pytest

from clipsearch import Query, SearchEngine, Term
from clipsearch.conditions import All, Below, Either, Known, Located, Near, Not, Test
from clipsearch.errors import CollectionDamaged, ModelMismatch, QueryError
from clipsearch.milvus.address import parse_address
from clipsearch.milvus.store import MilvusStore
from clipsearch.milvus.table import Table
from clipsearch.store.collection import Collection
from clipsearch.types import Fingerprint
from tests.conftest import save_photo
from tests.milvus.support import AWKWARD, CAPTIONS, DIM, answering, make_index, push_index
from tests.store.support import random_units, unit
from tests.store.test_filters import LEAVES, holds

MORE = [
    *(Test("name", operator, name) for name in AWKWARD for operator in ("=", "!=", "~")),
    *(Test("name", "~", f"*{name[:3]}*") for name in AWKWARD),
    Test("camera", "=", 'X" OR 1 == 1'), Test("camera", "=", "no"), Test("camera", "~", "*"), Test("folder", "=", "O'BRIEN"),
    Test("folder", "~", "tr%p/*"), Test("path", "~", "o'b*"), Test("taken", "~", "2024-*T0*"), Test("megapixels", "=", 0.02),
    Test("size", "=", 2.5), Test("orientation", "!=", "square"), Test("orientation", "~", "*a*"), Test("name", "=", "k.jpg"),
    Test("name", "~", "?.jpg"), Test("longitude", "!=", 0.0), Test("latitude", ">=", -1e-9),
    *(Test("caption", operator, text or "") for text in CAPTIONS[2:-1] for operator in ("=", "!=", "~")),
    *(Test("caption", "~", f"{text[:1]}*{text[-3:].upper()}") for text in CAPTIONS[1:-1]), Test("caption", "~", "*"),
    Located(("RU", "US/AK", "CN")), Located(()), Known("place"), All((Located(("AU",)), Test("width", ">", 100))),
    Test("caption", "~", "k*snow"), Test("caption", "~", "*[K-L]äfer*"), Test("caption", "~", "?0?% cat"),
]  # fmt: skip


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return make_index(tmp_path_factory.mktemp("photos") / ".clipsearch")


@pytest.fixture(scope="module")
def source(index, place, new_url):
    """The index, or a store that it was pushed to."""
    with answering(index, place, new_url) as source:
        yield source


@pytest.fixture(scope="module")
def everything(index):
    with Collection(index) as collection:
        ids = collection.ids().tolist()
        records = collection.records(ids)
        return [records[image_id] for image_id in ids], collection.vectors(ids)


def expected(everything, query, top_k, keep=lambda record: True):
    records, vectors = everything
    scores = (vectors.astype(np.float64) * query.astype(np.float64)).sum(axis=1)
    pairs = [(score, record) for score, record in zip(scores.tolist(), records, strict=True) if keep(record)]
    pairs.sort(key=lambda pair: (-pair[0], pair[1].file.path))
    return [(min(max(score, -1.0), 1.0), record) for score, record in pairs[:top_k]]


@pytest.mark.parametrize("top_k", [7, *(pytest.param(top_k, marks=pytest.mark.long) for top_k in (1, 60, 299, 1000))])
def test_rankings_are_those_of_brute_force(source, everything, top_k):
    tied = everything[1][50]  # forty photos have this vector
    queries = np.concatenate([random_units(4, DIM, seed=9), tied[None], unit(-tied[None])])
    assert len(source) == 300
    for query, answer in zip(queries, source.search(queries, top_k), strict=True):
        assert answer == expected(everything, query, top_k)
        assert source.search(query[None], top_k) == [answer]
    best = source.best_scores(queries, top_k)
    for query, scores in zip(queries, best, strict=True):
        assert np.allclose(scores, [score for score, _ in expected(everything, query, top_k)], rtol=0, atol=1e-9)


@pytest.mark.parametrize("condition", [LEAVES[0], Not(LEAVES[0])])
def test_the_best_scores_among_some_photos_come_with_their_ranking(source, index, everything, condition):
    root, queries = str(index.parent), random_units(2, DIM, seed=9)
    chosen, first = source.select(condition), everything[0][0].image_id

    def keep(record):
        return record.image_id != first and holds(condition, record, root)

    for query, (ranking, best) in zip(queries, source.search_with_best(queries, 3, 40, chosen, [first]), strict=True):
        assert ranking == expected(everything, query, 3, keep)
        assert np.allclose(best, [score for score, _ in expected(everything, query, 40, keep)], rtol=0, atol=1e-9)
        (alone,) = source.best_scores(query[None], 40, chosen)
        right = [score for score, _ in expected(everything, query, 40, lambda record: holds(condition, record, root))]
        assert np.allclose(alone, right, rtol=0, atol=1e-9)


def test_large_answers_are_fetched_in_parts(source, everything, place, monkeypatch):
    queries = np.concatenate([random_units(2, DIM, seed=9), everything[1][50:51]])
    if place != "index":
        monkeypatch.setattr("clipsearch.milvus.exact_search._MAX_ROWS", 70)
        monkeypatch.setattr("clipsearch.milvus.table.MAX_IDS", 30)
        for method in ("search", "query"):
            monkeypatch.setattr(Table, method, counting(getattr(Table, method), 70))
    for top_k in (5, 60, 299):
        for query, answer in zip(queries, source.search(queries, top_k), strict=True):
            assert answer == expected(everything, query, top_k)


def counting(ask, most):
    """Wrap a store's query function. The wrapper fails if an answer has more than `most` whole rows."""

    def asked(table, *arguments, **options):
        answer = ask(table, *arguments, **options)
        blocks = [rows for _, rows in answer] if ask.__name__ == "search" else [answer]
        assert sum(len(rows) for rows in blocks if rows and "caption" in rows[0]) <= most
        return answer

    return asked


@pytest.mark.parametrize("batch", [0, *(pytest.param(batch, marks=pytest.mark.long) for batch in range(1, 24))])
def test_conditions_mean_the_same(source, index, everything, batch):
    root, query = str(index.parent), random_units(1, DIM, seed=3)
    for condition in [*LEAVES, *MORE][batch::24]:
        for either_way in (condition, Not(condition)):
            with Collection(index) as collection:
                meant = set(collection.ids(either_way).tolist())
            if condition in LEAVES:
                assert meant == {record.image_id for record in everything[0] if holds(either_way, record, root)}
            chosen = source.select(either_way)
            assert len(chosen) == len(meant), either_way
            answer = source.search(query, 9, chosen)[0]
            assert answer == expected(everything, query[0], 9, lambda record, meant=meant: record.image_id in meant), (
                either_way
            )
    assert len(source) == 300


@pytest.mark.long
def test_conditions_within_conditions(source, index, everything):
    chance, query = random.Random(1), random_units(1, DIM, seed=4)
    leaves = [*LEAVES, *MORE, *(Below(str(index.parent / part)) for part in ("trip", "tr%p", "tr%p/\udcff", "", "no"))]

    def chain(depth):
        if depth == 0:
            return chance.choice(leaves)
        parts = tuple(chain(depth - 1) for _ in range(chance.randrange(3)))
        return chance.choice([All(parts), Either(parts), Not(chain(depth - 1))])

    sizes = set()
    for _ in range(60):
        condition = chain(3)
        with Collection(index) as collection:
            meant = set(collection.ids(condition).tolist())
        chosen = source.select(condition)
        assert len(chosen) == len(meant), condition
        out = sorted(meant)[:3]
        answer = source.search(query, 5, chosen, out)[0]
        kept = meant.difference(out)
        assert answer == expected(everything, query[0], 5, lambda record, kept=kept: record.image_id in kept), condition
        sizes.add(len(meant))
    assert len(sizes) > 10


def test_conditions_that_are_too_deep_are_refused(source, index):
    """The index can answer all conditions that are allowed, although SQLite's parser has a stack of only 100."""
    for leaf in (*LEAVES, Test("camera", "~", "*[a]*"), Below(str(index.parent / "trip"))):
        chain = leaf
        for number in range(60):
            chain = (All if number % 2 else Either)((Test("height", "<", 1.0), chain))
        negated = leaf
        for _ in range(30):
            negated = Not(negated)
        with Collection(index) as collection:
            assert set(collection.ids(negated).tolist()) == set(collection.ids(leaf).tolist())
            collection.ids(chain)
    assert len(source.select(negated)) == len(source.select(leaf)) > 0
    for deep in (Not(negated), nested(61), nested(150)):
        with pytest.raises(QueryError, match="too many conditions within conditions"):
            source.select(deep)


def nested(levels):
    chain = Test("width", ">", 1.0)
    for _ in range(levels):
        chain = Either((chain, Test("width", "<", 0.0)))
    return chain


def test_folders_and_places(source, index, everything):
    root = index.parent
    for folder in (
        root,
        root / "trip",
        root / "trip" / "day 1",
        root / "Trip",
        root.parent,
        root / "tri",
        root / "o'brien",
    ):
        meant = sum(holds(Below(str(folder)), record, str(root)) for record in everything[0])
        assert len(source.select(Below(str(folder)))) == meant
    for test in (Test("path", "~", f"{root}/trip/*"), Test("folder", "=", str(root)), Test("folder", "!=", str(root))):
        with Collection(index) as collection:
            meant = collection.count_of(test)
        assert len(source.select(test)) == meant > 0
    for near in (Near(0, 0, 3000), Near(89.9, 0, 2000), Near(0, 179.9, 1000)):
        assert len(source.select(near)) == sum(holds(near, record, str(root)) for record in everything[0])


def test_records_vectors_and_copies(source, everything):
    records, vectors = everything
    ids = [record.image_id for record in records]
    assert source.records([*ids[:40], 9999]) == {record.image_id: record for record in records[:40]}
    assert {record.file.name for record in source.records(ids).values()} >= set(AWKWARD)
    backwards = ids[::-7]
    assert source.vectors(backwards).tobytes() == vectors[::-7].tobytes()
    with pytest.raises(KeyError):
        source.vectors([9999])
    same = [record.image_id for record in records if record.info.content_hash == records[10].info.content_hash]
    assert source.same_content(records[10].info.content_hash) == same == [11, 12]
    assert source.same_content("f" * 64) == []


def test_photos_in_order(source, index):
    with Collection(index) as collection:
        for condition in (None, Known("taken"), Test("name", "~", "*1*")):
            for order in ("date", "name"):
                for offset, count in ((37, 20), (290, 50)):
                    assert source.browse(condition, order, offset, count) == collection.browse(
                        condition, order, offset, count
                    )


def test_another_model_is_refused(source):
    fingerprint = source.fingerprint
    assert fingerprint.dim == DIM
    source.require(fingerprint)
    with pytest.raises(ModelMismatch, match="another"):
        source.require(Fingerprint("another", "", "other digest", DIM))


def without_facts(hit):
    """A hit without what a store does not have: the photo's description."""
    return replace(hit, record=replace(hit.record, info=replace(hit.record.info, description=None)))


def test_queries_are_answered_alike(engine, photos, place, new_url):
    """The same engine gets the same `Query`: texts, pictures, weights, filters, matches, pages."""
    for number in range(4):
        save_photo(photos / f"red {number}.jpg", (220 - number, 20, 20))
    engine.index()
    if place == "index":
        other = SearchEngine.open(photos)
    else:
        url = new_url()
        engine.push(url)
        other = SearchEngine.open(url)
    jpeg, wide = Test("format", "=", "JPEG"), Test("width", ">", 20)
    queries = [
        Query((Term("red"),)), Query((Term("green"), Term("blue", -0.5))), Query((Term("yellow"),), (jpeg,)),
        Query((Term("blue"),), offset=1), Query((Term(photos / "red.jpg"),)), Query((Term("grey"),), sort="name"),
        Query((Term("red"),), min_match=0.0, diverse=True), Query((Term("red"),), (Not(jpeg), wide)),
        Query((Term(photos / "red.jpg"),), keep_own=True), Query((Term("red"),), (Test("name", "~", "*e*"),), diverse=True),
        Query((Term("red"),), (Below(str(photos / "trip")),)), Query((Term("red"),), min_score=0.9),
    ]  # fmt: skip
    with other:
        assert other.model_name == engine.model_name
        for query in queries:
            mine, theirs = engine.search(query, 4), other.search(query, 4)
            assert list(map(without_facts, theirs)) == list(map(without_facts, mine))
            assert (theirs.explanation.images, theirs.explanation.considered) == (9, mine.explanation.considered)
        for mine, theirs in zip(engine.search_many(queries, 4), other.search_many(queries, 4), strict=True):
            assert list(map(without_facts, theirs)) == list(map(without_facts, mine))
        (mine, count), (theirs, same) = engine.browse(jpeg, sort="name"), other.browse(jpeg, sort="name")
        assert count == same and [photo.file for photo in mine] == [photo.file for photo in theirs]
        assert other.vector(1).tobytes() == engine.vector(1).tobytes()


def test_rows_that_changed_in_the_store_are_noticed(index, place, new_url):
    if place == "index":
        pytest.skip("tests/store/test_damage.py")
    url = new_url()
    push_index(index, url)
    with MilvusStore(parse_address(url)) as reader:
        (row,) = reader.table.query("image_id == 20", ["*"])
        query = np.array([row["vector"]], np.float32)
        for change in ({"name": b"other.jpg".hex()}, {"vector": random_units(1, DIM)[0]}, {"name": "zz"}, {"size": 5}):
            reader.table.delete([row["row"]])
            reader.table.insert([{**row, **change, "row": row["row"] + 1}])
            with pytest.raises(CollectionDamaged):
                reader.search(query, 300)
            reader.table.delete([row["row"] + 1])
        reader.table.insert([{**row, "row": row["row"] + 2}])
        end = time.monotonic() + 20
        while time.monotonic() < end:  # a server shows the last deletion with a delay
            try:
                assert reader.search(query, 1)[0][0][1].image_id == 20
                break
            except CollectionDamaged:
                time.sleep(0.2)
        else:
            raise AssertionError("the row is as it was, and is still called damaged")
