"""If an index is damaged, `verify` reports it, searches never answer wrongly, and `repair` keeps the good rows."""

import os
import random
import shutil
import sqlite3

import numpy as np
import pytest

from clipsearch.errors import ClipsearchError, CollectionDamaged, CollectionError
from clipsearch.store import repair as repairing
from clipsearch.store.catalog import SETTINGS
from clipsearch.store.collection import Collection
from clipsearch.store.database import finish_repair
from clipsearch.store.repair import repair
from clipsearch.store.verify import verify
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Failure
from tests.store.support import add, random_units, writer

DIM, PHOTOS = 16, 400
VECTORS = random_units(PHOTOS, DIM)
NAMES = [f"{number:03} ünï.jpg" for number in range(PHOTOS)]
QUERIES = random_units(3, DIM, seed=5)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An index of several segments with compact copies, tombstones and failures."""
    folder = tmp_path_factory.mktemp("whole") / "photos" / ".clipsearch"
    with pytest.MonkeyPatch.context() as patch, writer(folder, DIM) as collection:
        patch.setattr("clipsearch.store.segments.COMPACT_ROWS", 100)
        for start, end in ((0, 150), (150, 300), (300, PHOTOS)):
            add(collection, NAMES[start:end], VECTORS[start:end])
            collection.commit()
        place = collection.place(str(folder.parent / NAMES[7]))
        collection.discard(place)
        collection.fail(place, Failure(next(iter(collection.records([1]).values())).file, "not a picture"))
        collection.remove([20, 170])
        collection.commit()
    return folder


@pytest.fixture
def index(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "photos" / ".clipsearch")


def answers(folder):
    """The answers of an index, or its refusal."""
    try:
        with Collection(folder) as collection:
            hits = collection.search(QUERIES[:1], 20)
            return [(score, record.file.path.rpartition("/")[2]) for score, record in hits[0]]
    except ClipsearchError:
        return None


def truth():
    scores = VECTORS.astype(np.float64) @ QUERIES[0].astype(np.float64)
    return {name: float(score) for name, score in zip(NAMES, scores, strict=True)}


def test_a_whole_index_is_clean(index):
    report = verify(index)
    assert report.damages == () and report.images == PHOTOS - 3 and report.segments == 3
    before = {path: path.read_bytes() for path in index.rglob("*.faiss")}
    done = repair(index)
    assert (done.damages, done.kept, done.lost) == ((), PHOTOS - 3, ())
    assert {path: path.read_bytes() for path in index.rglob("*.faiss")} == before


@pytest.mark.parametrize("places", [15, pytest.param(60, marks=pytest.mark.long)])
def test_flipped_bits_anywhere_are_found_and_never_answer_wrongly(whole, tmp_path, places):
    """If verify finds nothing, the byte is unused: every answer and every row is as before."""
    expected, right = answers(whole), truth()
    rows = everything(whole)
    chance = random.Random(3)
    silent = 0
    for file in ["catalog.sqlite", *sorted(str(path.relative_to(whole)) for path in whole.rglob("*.faiss"))]:
        size = (whole / file).stat().st_size
        positions = {chance.randrange(size) for _ in range(places)} | {0, 17, 18, 24, 60, 100, size - 1}
        for position in sorted(positions):
            index = tmp_path / "photos" / ".clipsearch"
            shutil.rmtree(index.parent, ignore_errors=True)
            shutil.copytree(whole, index)
            data = bytearray((index / file).read_bytes())
            data[position] ^= 1 << chance.randrange(8)
            (index / file).write_bytes(data)
            ranking = answers(index)
            for score, name in ranking or []:
                assert score == pytest.approx(right[name], abs=1e-12), f"{file} {position}: a wrong photo"
            if is_clean(index):
                silent += 1
                assert ranking == expected and everything(index) == rows, f"{file} {position}: not found"
    assert silent < places


def is_clean(folder):
    try:
        return not verify(folder).damages
    except CollectionError:  # its format number now belongs to a newer format
        return False


def everything(folder):
    with sqlite3.connect(folder / "catalog.sqlite") as database:
        tables = ("images", "failures", "roots", "segments", "compact", "tombstones", "meta")
        rows = {table: database.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
    database.close()
    return rows


def test_swapped_missing_short_and_long_files_are_found_and_all_that_is_good_is_kept(index):
    first, second, third = sorted(path for path in index.glob("segments/*.faiss") if ".int8." not in path.name)
    damages = {
        "swapped": lambda: (os.rename(first, index / "x"), os.rename(second, first), os.rename(index / "x", second)),
        "missing": second.unlink,
        "short": lambda: third.write_bytes(third.read_bytes()[:-1000]),
        "long": lambda: third.write_bytes(third.read_bytes() + b"more"),
        "empty": lambda: first.write_bytes(b""),
    }
    original = index.parent.parent / "original"
    shutil.copytree(index, original)
    right = truth()
    for kind, damage in damages.items():
        shutil.rmtree(index)
        shutil.copytree(original, index)
        damage()
        assert verify(index).damages, kind
        done = repair(index)
        assert done.damages and verify(index).damages == (), kind
        assert done.kept + len(done.lost) == PHOTOS - 3, kind
        least = {"swapped": PHOTOS - 3, "long": PHOTOS - 3, "missing": PHOTOS - 3 - 150, "empty": 0, "short": 200}[kind]
        assert done.kept >= least, kind
        for score, name in answers(index):
            assert score == pytest.approx(right[name], abs=1e-12)


@pytest.mark.skipif(os.name == "nt", reason="Windows lets nobody cut a file short that is mapped")
def test_files_that_are_cut_short_while_they_are_open_do_not_end_the_process(index, monkeypatch):
    monkeypatch.setattr("clipsearch.store.segments.MAPPED_FROM", 0)
    segments = [path for path in (index / "segments").iterdir() if not path.name.endswith(".int8.faiss")]
    with Collection(index) as collection:
        before = collection.search(QUERIES[:1], 20)
        for path in (index / "segments").glob("*.int8.faiss"):
            os.truncate(path, 0)
        assert collection.search(QUERIES[:1], 20) == before  # a search works without the compact copies
        for path in segments:
            os.truncate(path, 0)
        for count in (1, 3, 3):  # several queries share a pass over the vectors
            with pytest.raises(CollectionDamaged, match=r"was cut short while it was open.*repair"):
                collection.search(random_units(2 * count - 1, DIM), 20)
        with pytest.raises(CollectionDamaged, match=r"was cut short while it was open.*repair"):
            collection.vectors([1])


def test_a_repair_keeps_what_the_user_has_chosen_and_names_the_catalog_of_before(index):
    with CollectionWriter(index) as collection:
        for key in SETTINGS:
            collection.remember(key, "yes")
        collection.commit()
    victim = sorted(index.glob("segments/*.faiss"))[0]
    data = bytearray(victim.read_bytes())
    data[200] ^= 4
    victim.write_bytes(data)
    done = repair(index)
    assert done.former_catalog == str(index / "catalog.sqlite.damaged") and os.path.exists(done.former_catalog)
    with Collection(index) as collection:
        assert SETTINGS and all(collection.meta(key) == "yes" for key in SETTINGS)
    assert repair(index).former_catalog is None  # nothing is damaged now


def test_a_repaired_index_goes_on(index):
    """New ids are new, forgotten photos stay forgotten, and lost photos can be added again."""
    victim = sorted(index.glob("segments/*.faiss"))[0]
    data = bytearray(victim.read_bytes())
    data[200] ^= 4
    victim.write_bytes(data)
    with pytest.raises(CollectionDamaged, match="repair"), Collection(index) as collection:
        collection.search(QUERIES[:1], PHOTOS)
    done = repair(index)
    assert len(done.lost) == 1 and done.kept == PHOTOS - 4
    with CollectionWriter(index) as collection:
        assert len(collection) == PHOTOS - 4
        number = int(done.lost[0].rpartition("/")[2][:3])
        (image_id,) = add(collection, [NAMES[number]], VECTORS[number : number + 1])
        assert image_id == PHOTOS + 1
        collection.commit()
    assert verify(index).damages == ()
    assert len(answers(index)) == 20
    assert not {NAMES[7], NAMES[19], NAMES[169]} & {name for _, name in answers_all(index)}


@pytest.mark.parametrize(
    ("number", "next_id"), [(PHOTOS + 50, PHOTOS + 51), (2**63 - 1, PHOTOS + 1), ("x", PHOTOS + 1)]
)
def test_ids_of_removed_photos_are_not_given_again_after_a_repair(index, number, next_id):
    """Repair trusts the catalog's own count of ids, unless damage changed it."""
    with sqlite3.connect(index / "catalog.sqlite") as database:
        database.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'images'", (number,))
    database.close()
    victim = sorted(index.glob("segments/*.faiss"))[0]
    data = bytearray(victim.read_bytes())
    data[200] ^= 4
    victim.write_bytes(data)
    assert repair(index).kept == PHOTOS - 4
    with CollectionWriter(index) as collection:
        assert add(collection, ["new.jpg"], VECTORS[:1]) == [next_id]


def answers_all(folder):
    with Collection(folder) as collection:
        return [
            (score, record.file.path.rpartition("/")[2]) for score, record in collection.search(QUERIES[:1], PHOTOS)[0]
        ]


def test_a_damaged_row_costs_that_row_alone(index):
    with sqlite3.connect(index / "catalog.sqlite") as database:
        database.execute("UPDATE images SET name = x'6f74686572' WHERE image_id = 33")
    database.close()
    with pytest.raises(CollectionDamaged, match="image 33"), Collection(index) as collection:
        collection.search(QUERIES[:1], PHOTOS)
    done = repair(index)
    assert (done.kept, done.lost, done.lost_unnamed) == (PHOTOS - 4, (), 1)  # the photo's name is lost
    assert verify(index).damages == ()


@pytest.mark.parametrize(
    ("change", "where", "name", "unnamed"),
    [
        ("size = size + 1", "photo 33, 032 ünï.jpg,", NAMES[32], 0),  # its photo is where the row says
        ("image_id = 5000", "photo 5000, 032 ünï.jpg,", NAMES[32], 0),
        ("name = x'6f74686572'", "photo 33, other,", None, 1),
        (f"name = x'{NAMES[32].encode().hex()}1b5b'", "photo 33, 032 ünï.jpg\x1b[,", None, 1),
        ("name = 5", "photo 33 is", None, 1),
        (None, "1 vector belongs to no image, first that of image 33", None, 1),
    ],
)
def test_a_photo_that_is_lost_with_its_row_is_told(index, change, where, name, unnamed):
    (index.parent / NAMES[32]).write_bytes(b"x")
    with sqlite3.connect(index / "catalog.sqlite") as database:
        database.execute(
            f"UPDATE images SET {change} WHERE image_id = 33" if change else "DELETE FROM images WHERE image_id = 33"
        )
    database.close()
    whats = [damage.what for damage in verify(index).damages]
    assert any(where in what for what in whats) and "b'" not in str(whats)
    assert not change or any(
        what.startswith("the row of ") and what.endswith(" is not as it was written") for what in whats
    )
    done = repair(index)
    assert (done.kept, done.lost_unnamed) == (PHOTOS - 4, unnamed)
    assert done.lost == ((str(index.parent / name),) if name else ())


def test_damaged_failures_and_vectors_are_told_in_sentences(index):
    with sqlite3.connect(index / "catalog.sqlite") as database:
        database.execute("UPDATE failures SET reason = 'other'")
        database.execute("UPDATE images SET vector_check = 1 WHERE image_id = 33")
    database.close()
    whats = [damage.what for damage in verify(index).damages]
    assert f"the failure of photo {NAMES[7]} is not as it was written" in whats
    assert "1 vector is not as it was, first that of image 33" in whats


def test_folders_that_cannot_be_proven_are_proven_by_the_photos_in_them(index):
    root = index.parent
    for name in NAMES[:50]:
        (root / name).write_bytes(b"x" * len(name))
        os.utime(root / name, ns=(0, 0))
    with sqlite3.connect(index / "catalog.sqlite") as database:
        database.execute("UPDATE roots SET rules = '{\"hidden\": true}'")
    database.close()
    assert any("folders" in damage.what for damage in verify(index).damages)
    assert answers(index) is None
    done = repair(index)
    assert done.kept == 48  # of the fifty, one has failed and one was forgotten
    assert verify(index).damages == ()


def test_pages_of_the_catalog_that_cannot_be_read_cost_what_was_in_them(index):
    path = index / "catalog.sqlite"
    data = bytearray(path.read_bytes())
    pages = len(data) // 4096
    kept = []
    for page in range(2, pages):
        shutil.copy(path, index / "whole")
        data[page * 4096 : page * 4096 + 4096] = bytes(4096)
        path.write_bytes(data)
        try:
            done = repair(index)
        except CollectionDamaged:
            done = None  # everything depends on this page
        if done and done.damages:
            kept.append(done.kept)
            assert done.kept + len(done.lost) + done.lost_unnamed >= PHOTOS - 3, page
            assert verify(index).damages == ()
        shutil.move(index / "whole", path)
        for other in ("catalog.sqlite-wal", "catalog.sqlite-shm", "catalog.sqlite.damaged"):
            (index / other).unlink(missing_ok=True)
        data = bytearray(path.read_bytes())
    assert sum(count >= 200 for count in kept) >= pages // 2


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\0" + bytes(4080)])
def test_where_nothing_can_be_proven_nothing_is_changed(index, content):
    (index / "catalog.sqlite").write_bytes(content)
    before = {path: path.read_bytes() for path in index.rglob("*.faiss")}
    assert verify(index).damages
    with pytest.raises(CollectionDamaged, match="index the photos again"):
        repair(index)
    if content.startswith(b"not"):  # no advice leads in a circle
        assert not verify(index).readable
        with pytest.raises(
            CollectionDamaged, match=r"nothing in .* can be kept\. Move that folder away, index"
        ) as raised:
            Collection(index)
        assert "`" not in str(raised.value)
    assert {path: path.read_bytes() for path in index.rglob("*.faiss")} == before
    assert (index / "catalog.sqlite").read_bytes() == content


def test_a_repair_that_is_cut_short_is_finished_by_the_next_writer(index, monkeypatch):
    victim = sorted(index.glob("segments/*.faiss"))[0]
    victim.write_bytes(b"")
    monkeypatch.setattr(repairing, "finish_replacement", lambda folder: None)
    kept = repair(index).kept
    assert verify(index).damages  # the old catalog is still in its place
    monkeypatch.undo()
    with CollectionWriter(index) as collection:
        assert len(collection) == kept
    assert verify(index).damages == ()
    finish_repair(index)  # nothing is left to finish
    assert verify(index).damages == ()
