"""An approximate index reaches its stated recall, is optional, and never returns missing photos."""

import dataclasses
import json
import os
import shutil
import warnings

import numpy as np
import pytest

from clipsearch import Query, Term
from clipsearch.analysis.optimization import optimize
from clipsearch.conditions import Test
from clipsearch.errors import ClipsearchError, ClipsearchWarning, CollectionBusy
from clipsearch.query.embed import QueryEmbedder
from clipsearch.query.search import search
from clipsearch.store.approximate.file_format import file_size, opened, small_crc
from clipsearch.store.approximate.index import DEEPEST, remove
from clipsearch.store.approximate.info import INFO_FILE, KINDS, read_info, write_info
from clipsearch.store.approximate.tune import tuning_queries
from clipsearch.store.collection import Collection
from clipsearch.store.repair import repair
from clipsearch.store.rows import Place
from clipsearch.store.verify import verify
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import ImageFile, ImageInfo, Moment
from tests.store.approximating import (
    DIM,
    PHOTOS,
    Texts,
    best,
    clustered,
    filled,
    names,
    nearest_names,
    optimized,
    queries,
    recall,
)
from tests.store.support import add, unit

VECTORS = clustered(PHOTOS)
QUERIES = queries(60)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """An index of 6,000 photos, searched exactly."""
    return filled(tmp_path_factory.mktemp("plain") / "photos" / ".clipsearch", VECTORS)


@pytest.fixture(scope="module")
def quick(plain, tmp_path_factory):
    """The same photos with an approximate index."""
    folder = shutil.copytree(plain, tmp_path_factory.mktemp("quick") / "photos" / ".clipsearch")
    assert optimized(folder, kinds=["ivf-sq8"]).chosen
    return folder


@pytest.fixture
def index(quick, tmp_path):
    return shutil.copytree(quick, tmp_path / "photos" / ".clipsearch")


def changed(folder, **values):
    """Write other values on the card."""
    card = dataclasses.replace(read_info(folder / "approximate"), **values)
    write_info(folder / "approximate", card)
    return card


def careless(folder):
    """Make the index look into few parts, so that it misses much."""
    changed(folder, effort=4)


def is_exact(collection, queries=QUERIES[:5], **options):
    return all(nearest_names(collection, query, **options) == best(VECTORS, query) for query in queries)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_reaches_the_recall_asked_for_by_queries_of_nobody_s_choice(plain, tmp_path, kind):
    folder = shutil.copytree(plain, tmp_path / "photos" / ".clipsearch")
    report = optimized(folder, kinds=[kind])
    measured = report.chosen.measured
    assert report.chosen.shape.kind == kind and min(measured.text, measured.image) >= 0.95
    with Collection(folder) as collection:
        assert collection.approximation(10).shape.kind == kind
        assert recall(collection, VECTORS, queries(300)) >= 0.95
        scores = [score for score, _ in collection.search(QUERIES[:1], 10)[0]]
        exact = np.sort(VECTORS.astype(np.float64) @ QUERIES[0].astype(np.float64))[::-1]
        assert np.isin(np.round(scores, 12), np.round(exact, 12)).all()  # each hit has its exact score


@pytest.mark.long
def test_the_quickest_of_the_kinds_that_reach_it_is_kept(plain, tmp_path):
    folder = shutil.copytree(plain, tmp_path / "photos" / ".clipsearch")
    report = optimized(folder, kinds=["ivf-sq8", "ivf-pq"])
    good = [card for card in report.tried if min(card.measured.text, card.measured.image) >= 0.95]
    assert report.chosen == min(good, key=lambda card: card.measured.milliseconds)
    files = {path.name for path in (folder / "approximate").iterdir()}
    assert files == {INFO_FILE, "writer.lock", report.chosen.file}


@pytest.mark.long
def test_where_nothing_reaches_it_the_best_is_told_and_nothing_is_left(plain, tmp_path):
    folder = shutil.copytree(plain, tmp_path / "photos" / ".clipsearch")
    with pytest.raises(ClipsearchError, match=r"within 1e-06 ms.*The best was ivf-sq8 with [01]\.\d+ for texts"):
        optimized(folder, kinds=["ivf-sq8"], max_milliseconds=1e-6)
    with pytest.raises(ClipsearchError, match=r"within 1e-06 GB: ivf-sq8: it would have 0\.\d+ GB"):
        optimized(folder, kinds=["ivf-sq8"], max_bytes=1000)
    assert {path.name for path in (folder / "approximate").iterdir()} == {"writer.lock"}


def test_few_photos_are_left_as_they_are(tmp_path):
    folder = filled(tmp_path / "photos" / ".clipsearch", VECTORS[:50])
    from clipsearch.analysis.optimization import optimize

    with Collection(folder) as collection:
        report = optimize(collection, lambda: pytest.fail("the model is not needed"), recall=0.99)
    assert report.chosen is None and "50 photos" in report.reason and not (folder / "approximate").exists()


def test_new_photos_are_found_exactly_and_those_that_are_gone_never(index):
    near = unit(QUERIES[0] + 0.05 * np.random.default_rng(1).standard_normal((40, DIM)))
    with CollectionWriter(index) as collection:
        add(collection, names(PHOTOS, PHOTOS + 40), near)
        collection.commit()
    both = np.concatenate([VECTORS, near])
    with Collection(index) as collection:
        assert collection.approximation(10) and nearest_names(collection, QUERIES[0]) == best(both, QUERIES[0])
        state = collection.approximate_status()
        assert (state.problem, state.images, state.new, state.gone) == (None, PHOTOS, 40, 0)
        assert recall(collection, both, QUERIES) >= 0.93
    gone = best(both, QUERIES[0], 400)  # more than it would name
    with CollectionWriter(index) as collection:
        collection.remove(gone)
        collection.commit()
    with Collection(index) as collection:
        assert collection.approximation(10)
        right = best(both, QUERIES[0], without=set(gone))
        assert len(set(nearest_names(collection, QUERIES[0])) & set(right)) >= 8
        state = collection.approximate_status()
        assert state.gone + 40 - state.new == 400


def test_exact_filters_and_deep_rankings_bypass_it(index):
    careless(index)
    with Collection(index) as collection:
        assert recall(collection, VECTORS, QUERIES) < 0.9  # the approximate answers differ from the exact ones
        assert is_exact(collection, exact=True)
        assert is_exact(collection, allowed=np.arange(1, PHOTOS + 1))
        deep = [nearest_names(collection, query, DEEPEST + 1)[:10] for query in QUERIES[:5]]
        assert deep == [best(VECTORS, query) for query in QUERIES[:5]]
        right = np.sort(VECTORS.astype(np.float64) @ QUERIES[0].astype(np.float64))[::-1][:100]
        assert np.allclose(collection.best_scores(QUERIES[:1], 100, exact=True)[0], right)
        right = [np.sort(VECTORS.astype(np.float64) @ query.astype(np.float64))[::-1][:100] for query in QUERIES]
        assert not np.allclose(collection.best_scores(QUERIES, 100), right)
        assert np.allclose(collection.best_scores(QUERIES, 100, exact=True), right)


def test_a_match_is_exact_where_the_search_is(index):
    careless(index)
    every = Test("width", ">", 0)
    queries = [Query((Term(f"unheard of {number}"),), filters=(every,)) for number in range(20)]
    with Collection(index) as collection:
        answers = [
            search(
                collection, QueryEmbedder(Texts()), [dataclasses.replace(query, exact=exact) for query in queries], 10
            )
            for exact in (False, True)
        ]
    assert [[(hit.score, hit.match) for hit in hits] for hits in answers[0]] == [
        [(hit.score, hit.match) for hit in hits] for hits in answers[1]
    ]
    assert answers[0][0].explanation.approximate is None


def test_a_photo_is_left_out_of_its_own_answer_and_many_queries_are_answered_at_once(index):
    with Collection(index) as collection:
        ranked = collection.search(VECTORS[:20], 10)
        assert [hits[0][1].image_id for hits in ranked] == list(range(1, 21))
        without = [record.image_id for _, record in collection.search(VECTORS[6:7], 10, without=[7])[0]]
        assert 7 not in without and len(set(without) & set(best(VECTORS, VECTORS[6], without={7}))) >= 8


def test_merges_and_compact_copies_do_not_touch_it(index, monkeypatch):
    with Collection(index) as reader:
        before = [nearest_names(reader, query) for query in QUERIES[:10]]
        with monkeypatch.context() as patch, CollectionWriter(index) as collection:
            patch.setattr("clipsearch.store.merge.FAN_IN", 2)
            patch.setattr("clipsearch.store.merge.SMALLEST_TIER", 100_000)
            segments = len(collection.segment_infos())
            add(collection, names(PHOTOS, PHOTOS + 1), -QUERIES[:1])
            collection.commit()
            assert len(collection.segment_infos()) == 1 < segments
        assert [nearest_names(reader, query) for query in QUERIES[:10]] == before
        state = reader.approximate_status()
        assert reader.approximation(10) and (state.new, state.gone) == (1, 0)
        assert nearest_names(reader, -QUERIES[0])[0] == PHOTOS + 1


@pytest.mark.long
def test_a_reader_notices_that_it_is_made_anew_or_removed(plain, tmp_path):
    folder = shutil.copytree(plain, tmp_path / "photos" / ".clipsearch")
    with Collection(folder) as reader:
        assert reader.approximation(10) is None and is_exact(reader)
        first = optimized(folder, kinds=["ivf-sq8"]).chosen
        assert reader.approximation(10) == read_info(folder / "approximate") == first
        second = optimized(folder, kinds=["ivf-pq"], recall=0.9).chosen
        assert reader.approximation(10) == second and recall(reader, VECTORS, QUERIES) >= 0.85
        assert remove(folder) and not remove(folder)
        assert reader.approximation(10) is None and is_exact(reader)
    assert {path.name for path in (folder / "approximate").iterdir()} == {"writer.lock"}


def test_ctrl_c_leaves_nothing_behind_and_what_was_there_in_use(index):
    before = read_info(index / "approximate")

    def press(stage, done, total):
        if stage.startswith("tuning"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optimized(index, kinds=["ivf-pq"], progress=press)
    assert {path.name for path in (index / "approximate").iterdir()} == {INFO_FILE, "writer.lock", before.file}
    with Collection(index) as collection:
        assert collection.approximation(10) == before


def test_one_at_a_time(index):
    from clipsearch.store.approximate.index import making

    with making(index), pytest.raises(CollectionBusy):
        optimized(index)
    assert remove(index)
    with making(index) as folder:  # if the lock's file were deleted, other processes would lock another file
        (folder / "0123456789abcdef.vectors").write_bytes(b"half made")
        with pytest.raises(CollectionBusy):
            remove(index)
        assert (folder / "0123456789abcdef.vectors").exists()


def test_photos_that_come_back_with_an_older_catalog_are_found(index):
    """The approximate index has read their segment but does not contain them."""
    backup = shutil.copytree(index, index.parent / "backup", ignore=shutil.ignore_patterns("approximate"))
    gone = best(VECTORS, QUERIES[0], 5)
    with CollectionWriter(index) as collection:
        collection.remove(gone)
        collection.commit()
    assert optimized(index, recall=0.8, kinds=["ivf-sq8"]).chosen
    with Collection(index) as collection:
        right = best(VECTORS, QUERIES[0], without=set(gone))
        assert len(set(nearest_names(collection, QUERIES[0])) & set(right)) >= 6
    for path in index.glob("catalog*"):
        path.unlink()
    shutil.rmtree(index / "segments")
    shutil.copytree(backup, index, dirs_exist_ok=True)
    with Collection(index) as collection:
        assert collection.approximate_status().new == 5
        assert nearest_names(collection, QUERIES[0])[:5] == gone


@pytest.mark.parametrize("count", [2, 3, 100])
def test_few_photos_are_no_trouble_when_forced(tmp_path, count):
    folder = filled(tmp_path / "photos" / ".clipsearch", VECTORS[:count], commits=1)
    report = optimized(folder, recall=0.1)
    assert report.chosen and "256 photos" in report.skipped["ivf-pq"]
    with Collection(folder) as collection:
        assert nearest_names(collection, QUERIES[0]) == best(VECTORS[:count], QUERIES[0])


def test_one_photo_needs_nothing(tmp_path):
    folder = filled(tmp_path / "photos" / ".clipsearch", VECTORS[:1], commits=1)
    assert not optimized(folder).chosen


def test_what_stays_in_use_is_said(index):
    from clipsearch.analysis.optimization import optimize

    with Collection(index) as collection:
        report = optimize(collection, lambda: pytest.fail("the model is not needed"), recall=0.99)
    assert not report.chosen and "for a recall of 0.95, stays in use" in report.reason


def test_a_later_version_s_is_left_alone(index):
    """An index that cannot be read is not deleted when a new one cannot be made."""
    path = index / "approximate" / INFO_FILE
    card = json.loads(path.read_text())
    path.write_text(json.dumps({**card, "format": 99}))
    with pytest.raises(ClipsearchError, match="reaches"):
        optimized(index, recall=1, kinds=["ivf-pq"], max_milliseconds=1e-6)
    assert (index / "approximate" / card["file"]).exists()


def cut(folder, card):
    path = folder / card.file
    os.truncate(path, card.size - 1)


def flip_a_centroid(folder, card):
    place = opened(folder, card)[0]["entries"].nbytes + card.shape.lists * 8 + 200
    with open(folder / card.file, "r+b") as stream:
        stream.seek(place)
        byte = stream.read(1)
        stream.seek(place)
        stream.write(bytes([byte[0] ^ 1]))


def link_the_file(folder, card):
    (folder / card.file).rename(folder.parent / "elsewhere")
    (folder / card.file).symlink_to(folder.parent / "elsewhere")


def link_the_folder(folder, card):
    folder.rename(folder.parent / "elsewhere")
    folder.symlink_to(folder.parent / "elsewhere")


def write_on_card(**values):
    def write(folder, card):
        about = json.loads((folder / INFO_FILE).read_text())
        for name, value in values.items():
            part, _, key = name.rpartition("__")
            (about[part] if part else about)[key] = value
        (folder / INFO_FILE).write_text(json.dumps(about))

    return write


def negative_sizes(folder, card):
    """Lists with impossible lengths that still add up, under a correct checksum."""
    start = -(-opened(folder, card)[0]["entries"].nbytes // 64) * 64
    with open(folder / card.file, "r+b") as stream:
        stream.seek(start)
        sizes = np.frombuffer(stream.read(16), "<i8").copy()
        stream.seek(start)
        stream.write((sizes + np.array([10**9, -(10**9)])).astype("<i8").tobytes())
    arrays = dict(opened(folder, dataclasses.replace(card, small_crc=crc_of(folder, card)))[0])
    assert (arrays["sizes"] < 0).any()
    write_info(folder, dataclasses.replace(card, small_crc=small_crc(arrays)))


def crc_of(folder, card):
    from clipsearch.store.approximate import file_format as arrays

    places, size = arrays._places(card.shape)
    with open(folder / card.file, "rb") as stream:
        views = arrays._views(bytearray(stream.read(size)), places)
    return small_crc(views)


def hollow(folder, card):
    """A sparse file with the length that a million parts need."""
    shape = dataclasses.replace(card.shape, lists=1_000_000)
    for size in (0, file_size(shape)):
        os.truncate(folder / card.file, size)
    write_on_card(shape__lists=shape.lists, size=file_size(shape))(folder, card)


DAMAGES = {
    "cut": cut,
    "gone": lambda folder, card: (folder / card.file).unlink(),
    "a flipped bit": flip_a_centroid,
    "a link for the file": link_the_file,
    "a link for the folder": link_the_folder,
    "a folder for the file": lambda folder, card: ((folder / card.file).unlink(), (folder / card.file).mkdir()),
    "half a card": lambda folder, card: os.truncate(folder / INFO_FILE, 100),
    "no JSON": lambda folder, card: (folder / INFO_FILE).write_bytes(b"\xff\x00 nothing"),
    "deep JSON": lambda folder, card: (folder / INFO_FILE).write_text("[" * 100_000),
    "another JSON": lambda folder, card: (folder / INFO_FILE).write_text("[1, 2]"),
    "a huge card": lambda folder, card: (folder / INFO_FILE).write_bytes(b" " * (2 << 20)),
    "a fifo": lambda folder, card: ((folder / INFO_FILE).unlink(), os.mkfifo(folder / INFO_FILE)),
    "another file": write_on_card(file="../../catalog.sqlite"),
    "another model": write_on_card(digest="of another"),
    "another width": write_on_card(shape__dim=DIM * 2),
    "another format": write_on_card(format=2),
    "an unknown kind": write_on_card(shape__kind="flat"),
    "too many rows": write_on_card(shape__rows=2**61),
    "negative rows": write_on_card(shape__rows=-5),
    "no rows": write_on_card(shape__rows=0),
    "rows of text": write_on_card(shape__rows="many"),
    "true rows": write_on_card(shape__rows=True),
    "more lists": write_on_card(shape__lists=2**40),
    "parts without contents": hollow,
    "no number": write_on_card(measured__text=float("nan")),
    "other images": write_on_card(samples=[[1, 12345]]),
    "later images": write_on_card(shape__last_id=PHOTOS + 1),
    "lists of negative length": negative_sizes,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_whatever_is_not_one_of_ours_is_told_once_and_done_without(index, damage):
    damage(index / "approximate", read_info(index / "approximate"))
    with Collection(index) as collection:
        with pytest.warns(ClipsearchWarning, match=r"is not used: .*The search is exact.*clipsearch optimize"):
            assert is_exact(collection)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert is_exact(collection)
        assert collection.approximation(10) is None and collection.approximate_status().problem


@pytest.mark.parametrize("damage", ["cut", "gone", "a flipped bit", "half a card"])
def test_verify_finds_it_and_repair_takes_it_away_and_nothing_else(index, damage):
    DAMAGES[damage](index / "approximate", read_info(index / "approximate"))
    assert [damage.where.startswith("approximate/") for damage in verify(index).damages] == [True]
    repaired = repair(index)
    assert (
        repaired.kept == PHOTOS
        and repaired.lost == ()
        and {path.name for path in (index / "approximate").iterdir()} <= {"writer.lock"}
    )
    assert not verify(index).damages
    with Collection(index) as collection:
        assert is_exact(collection)


def test_flipped_codes_cost_recall_at_most_and_verify_finds_them(index):
    card = read_info(index / "approximate")
    assert not verify(index).damages
    with open(index / "approximate" / card.file, "r+b") as stream:  # codes and ids alike
        stream.write(np.random.default_rng(0).bytes(opened(index / "approximate", card)[0]["entries"].nbytes))
    with Collection(index) as collection:
        for query in QUERIES[:10]:
            answer = collection.search(query[None], 10)[0]
            ids = [record.image_id for _, record in answer]
            assert len(set(ids)) == 10
            right = VECTORS[np.array(ids) - 1].astype(np.float64) @ query.astype(np.float64)
            assert np.allclose([score for score, _ in answer], right, rtol=0, atol=1e-12)
    (damage,) = verify(index).damages
    assert damage.where == f"approximate/{card.file}" and "bytes" in damage.what


@pytest.mark.skipif(os.name == "nt", reason="Windows lets nobody cut a file short that is mapped")
def test_a_file_that_is_cut_short_while_it_is_open_is_not_used_any_more(index):
    with Collection(index) as collection:
        collection.search(QUERIES[:1], 10)
        os.truncate(index / "approximate" / read_info(index / "approximate").file, 0)
        with pytest.warns(
            ClipsearchWarning, match=r"is not used: .*was cut short while it was open.*The search is exact"
        ):
            assert is_exact(collection, QUERIES[:1])
        assert is_exact(collection)  # and says so once


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """800 photos and a graph of them."""
    folder = filled(tmp_path_factory.mktemp("graph") / "photos" / ".clipsearch", VECTORS[:800])
    assert optimized(folder, recall=0.5, kinds=["hnsw-sq8"]).chosen
    return folder


@pytest.mark.parametrize(
    ("array", "value"),
    [("neighbours", 800), ("neighbours", 2**31 - 1), ("neighbours", -2), ("levels", 0), ("levels", 10**6), ("levels", -1),
     ("entry", 800), ("entry", -1)],
)  # fmt: skip
def test_a_graph_that_leads_out_of_itself_is_not_entered(graph, tmp_path, array, value):
    from clipsearch.store.approximate import file_format as arrays

    folder = shutil.copytree(graph, tmp_path / "photos" / ".clipsearch")
    card = read_info(folder / "approximate")
    start, kind, _ = arrays._places(card.shape)[0][array]
    with open(folder / "approximate" / card.file, "r+b") as stream:
        stream.seek(start)
        stream.write(np.array([value], kind).tobytes())
    write_info(folder / "approximate", dataclasses.replace(card, small_crc=crc_of(folder / "approximate", card)))
    with Collection(folder) as collection, pytest.warns(ClipsearchWarning, match="not as it was written"):
        nearest_names(collection, QUERIES[0])


def test_an_index_restored_from_before_does_without_it(index, plain):
    """Its next photos get ids that the approximate index uses for other photos."""
    with CollectionWriter(index) as collection:
        add(collection, names(PHOTOS, PHOTOS + 5), clustered(5, seed=3))
        collection.commit()
    optimized(index, kinds=["ivf-sq8"])
    for path in index.iterdir():
        if path.name.startswith("catalog"):
            path.unlink()
    shutil.rmtree(index / "segments")
    shutil.copytree(plain, index, dirs_exist_ok=True)
    with Collection(index) as collection, pytest.warns(ClipsearchWarning, match="of other images"):
        assert is_exact(collection)
    with CollectionWriter(index) as collection:
        add(collection, names(PHOTOS, PHOTOS + 9), clustered(9, seed=4))
        collection.commit()
    with Collection(index) as collection, pytest.warns(ClipsearchWarning, match="of other images"):
        assert is_exact(collection)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films") / "photos" / ".clipsearch"
    filled(folder, VECTORS[:3000])
    with CollectionWriter(folder) as collection:
        for number, rows in enumerate(np.split(VECTORS[3000:6000], 100)):
            add_film(collection, number, rows)
        collection.commit()
    return folder


@pytest.fixture(scope="module")
def quick_films(films, tmp_path_factory):
    """The same films with an approximate index, and the report of making it."""
    folder = shutil.copytree(films, tmp_path_factory.mktemp("quick-films") / "photos" / ".clipsearch")
    return folder, optimized(folder, kinds=["ivf-sq8"])


def add_film(collection, number, vectors):
    (root_id,) = collection.roots()
    name, moments = f"{number}.mp4", tuple(Moment("second", at) for at in range(len(vectors)))
    file = ImageFile(f"{collection.roots()[root_id]}/{name}", 5, 5)
    info = ImageInfo(9, 9, "MP4", name.encode().hex(), moments=moments)
    return collection.add(Place(root_id, "", name), file, info, vectors)


class TestFilesWithSeveralPictures:
    """Half of the vectors belong to films. Recall is that of files, each at its best picture."""

    def test_recall_is_measured_and_reached_in_files(self, quick_films):
        folder, report = quick_films
        assert report.images == 3100 and report.chosen.shape.rows == 6000
        measured = report.chosen.measured
        assert min(measured.text, measured.image) >= 0.95
        shares = []
        with Collection(folder) as collection:
            assert collection.approximation(10).shape.kind == "ivf-sq8"
            for query in queries(200):
                (exact,) = collection.search(query[None], 10, exact=True)
                (quick,) = collection.search(query[None], 10)
                assert len({record.file.path for _, record in quick}) == len(quick) == 10
                shares.append(len({record.file for _, record in exact} & {record.file for _, record in quick}) / 10)
        assert np.mean(shares) >= 0.95
        assert verify(folder).damages == ()

    def test_the_exact_answers_that_it_is_measured_against_are_files(self, films):
        with Collection(films) as collection:
            snapshot, texts = collection.snapshot(), queries(70)
            answers = tuning_queries(snapshot, texts, (), lambda done, total: None)
            for query, best_ids, deep in zip(texts, answers.best, answers.deep, strict=True):
                (exact,) = collection.search(query[None], DEEPEST, exact=True)
                assert sorted(best_ids) == sorted(record.image_id for _, record in exact[:10])
                assert sorted(deep) == sorted(record.image_id for _, record in exact)
            own = [3001, 3017, 3030, 5, 3999]
            answers = tuning_queries(snapshot, collection.vectors(own), own, lambda done, total: None)
            for picture, deep in zip(own, answers.deep, strict=True):
                file_of = snapshot.file_ids.files_of
                assert file_of(np.array([picture]))[0] not in file_of(deep) and len(deep) == DEEPEST

    def test_a_film_that_fills_the_candidates_does_not_hide_the_photos(self, films, tmp_path):
        folder = shutil.copytree(films, tmp_path / "photos" / ".clipsearch")
        query = queries(1)
        near = unit(np.random.default_rng(3).standard_normal((900, DIM)) * 0.02 + query)
        with CollectionWriter(folder) as collection:
            film = add_film(collection, 500, near)
            collection.commit()
        assert optimized(folder, kinds=["ivf-sq8"], recall=0.9).chosen
        with Collection(folder) as collection:
            assert collection.approximation(10)
            assert collection.search(query, 10) == collection.search(query, 10, exact=True)
            assert len(collection.search(query, 10, all_moments=True)[0]) == 10
            (hits,) = collection.search(query, 5, without=[film + 3])
            assert film not in {record.image_id - len(record.info.moments) for _, record in hits} and len(hits) == 5

    def test_new_films_are_found_and_removed_ones_are_not(self, quick_films, tmp_path):
        folder = shutil.copytree(quick_films[0], tmp_path / "photos" / ".clipsearch")
        added = clustered(30, seed=77)
        with CollectionWriter(folder) as collection:
            file_id = add_film(collection, 900, added)
            collection.remove([3001])
            collection.commit()
            (hit, *_) = collection.search(added[17:18], 3)[0]
            assert hit[1].image_id == file_id + 17
            (hit, *_) = collection.search(VECTORS[3005:3006], 3)[0]
            assert hit[1].file.name != "0.mp4"
            status = collection.approximate_status()
            assert (status.images, status.new, status.gone) == (6000, 30, 30)

    def test_an_index_of_many_pictures_is_worth_it_even_if_it_has_few_files(self, films, monkeypatch):
        monkeypatch.setattr("clipsearch.analysis.optimization.MIN_IMAGES", 7000)
        with Collection(films) as collection:
            assert collection.count_pictures() == 6000 and len(collection) == 3100
            reason = optimize(collection, Texts, recall=0.95).reason
        assert "6,000 pictures is as fast" in reason and "from 7,000 pictures on" in reason
