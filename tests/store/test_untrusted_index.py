"""An index folder from a stranger can break only itself. Nothing outside it is touched."""

import json
import os
import shutil
import sqlite3
import struct
import sys

import numpy as np
import pytest

from clipsearch.encoders import require_trusted_model
from clipsearch.engine import SearchEngine
from clipsearch.errors import ClipsearchError, CollectionDamaged, ModelError
from clipsearch.store.collection import Collection
from clipsearch.store.repair import repair
from clipsearch.store.rows import IMAGE_COLUMNS, image_check
from clipsearch.store.segments import write_segment
from clipsearch.store.verify import verify
from clipsearch.store.writer import CollectionWriter
from tests.store.support import add, random_units, writer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")


@pytest.fixture
def index(tmp_path):
    with writer(tmp_path / "received" / ".clipsearch", 8) as collection:
        add(collection, ["a.jpg", "b.jpg", "c.jpg"], random_units(3, 8))
        collection.commit()
    return tmp_path / "received" / ".clipsearch"


@pytest.fixture
def victim(tmp_path):
    """A file of the user's, outside of the index."""
    path = tmp_path / "mine" / "thesis.txt"
    path.parent.mkdir()
    path.write_text("years of work")
    yield path
    assert path.read_text() == "years of work"


def craft(index, *statements, values=()):
    """Change a catalog as an attacker would: with correct checksums, or without any if that is allowed."""
    with sqlite3.connect(index / "catalog.sqlite") as database:
        database.create_function("image_check", -1, image_check)
        for statement in statements:
            database.execute(statement, values)
        if database.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'meta'").fetchone():
            database.execute("DELETE FROM meta WHERE key = 'check'")
    database.close()


SOUND = f"UPDATE images SET row_check = image_check({IMAGE_COLUMNS}, caption)"


def everything(index):
    """Run every user action on an index. Each one succeeds or is refused with our own error."""
    refused = []

    def reading(collection):
        list(collection.all_records())
        collection.failures()
        collection.search(random_units(1, 8, seed=1), 3)
        collection.known_files(1, "")
        collection.folders(1)

    def look():
        with Collection(index) as collection:
            reading(collection)

    def write():
        with CollectionWriter(index) as collection:
            reading(collection)
            add(collection, ["new.jpg"], random_units(1, 8, seed=2))
            collection.commit()

    for action in (look, lambda: SearchEngine(index).status(), lambda: verify(index), write, lambda: repair(index)):
        try:
            action()
        except ClipsearchError as error:
            refused.append(str(error))
    return refused


def test_the_harmless_index_of_these_tests_is_taken(index):
    assert everything(index) == []


# -- links and files that lead elsewhere


@pytest.mark.parametrize(
    "name",
    ["writer.lock", "catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm", "catalog.sqlite-journal",
     "catalog.sqlite.damaged", "catalog.sqlite.repaired"],
)  # fmt: skip
def test_a_link_in_place_of_a_file_is_not_followed(index, victim, name):
    (index / name).unlink(missing_ok=True)
    (index / name).symlink_to(victim)
    assert len(everything(index)) >= 3
    if name != "catalog.sqlite":
        with pytest.raises(CollectionDamaged, match="symbolic link"):
            Collection(index)


def test_a_link_in_place_of_the_segments_does_not_cost_another_index_its_own(index, tmp_path):
    with writer(tmp_path / "other" / ".clipsearch", 8) as collection:
        add(collection, ["x.jpg"], random_units(1, 8))
        collection.commit()
    shutil.rmtree(index / "segments")
    (index / "segments").symlink_to(tmp_path / "other" / ".clipsearch" / "segments")
    assert any("symbolic link" in reason for reason in everything(index))
    assert verify(tmp_path / "other" / ".clipsearch").damages == ()


def test_a_segment_that_is_a_link_is_not_opened(index, tmp_path):
    (segment,) = (index / "segments").iterdir()
    shutil.move(segment, tmp_path / "elsewhere.faiss")
    segment.symlink_to(tmp_path / "elsewhere.faiss")
    with Collection(index) as collection, pytest.raises(CollectionDamaged, match="symbolic link"):
        collection.search(random_units(1, 8), 1)
    assert (tmp_path / "elsewhere.faiss").exists()


def test_a_link_where_a_segment_will_be_written_is_not_written_through(index, victim):
    for number in range(1, 5):
        (index / "segments" / f"{number:06}.faiss.partial").symlink_to(victim)
    write_segment(index / "segments", "000004.faiss", np.array([1]), random_units(1, 8))
    everything(index)


def test_a_pipe_in_place_of_a_file_does_not_hang(index):
    for name in ("catalog.sqlite-wal", "catalog.sqlite-journal", "writer.lock"):
        (index / name).unlink(missing_ok=True)
        os.mkfifo(index / name)
        with pytest.raises(CollectionDamaged, match="not a file"):
            Collection(index)
        os.unlink(index / name)
    (segment,) = (index / "segments").iterdir()
    segment.unlink()
    os.mkfifo(segment)
    craft(index, "UPDATE segments SET size = 0")
    with Collection(index) as collection, pytest.raises(CollectionDamaged, match="not a file"):
        collection.search(random_units(1, 8), 1)


def super_journal(catalog, name):
    """A "hot" journal after which SQLite deletes the file of that name. https://sqlite.org/fileformat2.html#the_rollback_journal"""
    page = 4096
    magic = bytes.fromhex("d9d505f920a163d7")
    head = magic + struct.pack(">iIIII", 0, 0, catalog.stat().st_size // page, 512, page)
    check = sum(struct.unpack(f"{len(name)}b", name)) & 0xFFFFFFFF
    tail = struct.pack(">I", 0x40000000 // page + 1) + name + struct.pack(">II", len(name), check) + magic
    return head.ljust(512, b"\0") + tail


def test_a_journal_cannot_have_a_file_deleted(index, victim):
    journal = index / "catalog.sqlite-journal"
    content = super_journal(index / "catalog.sqlite", os.fsencode(victim))
    journal.write_bytes(content)
    refused = everything(index)
    assert len(refused) >= 3 and "names another file to be deleted" in refused[0]


# -- the catalog


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON images BEGIN DELETE FROM roots; END",
        "CREATE VIEW v AS SELECT * FROM images",
        "CREATE TABLE more (x)",
        "CREATE VIRTUAL TABLE more USING fts5(x)",
        "ALTER TABLE images ADD COLUMN more AS (hex(zeroblob(900000000)))",
        "DROP TABLE tombstones",
    ],
)
def test_a_catalog_with_more_or_less_in_it_than_plain_tables_is_refused(index, statement):
    craft(index, statement)
    for opened in (Collection, CollectionWriter):
        with pytest.raises(
            CollectionDamaged, match=r"(never makes|has no table).*nothing in .* can be kept. Move that"
        ):
            opened(index)
    assert not verify(index).readable  # so the command does not propose `repair`, which can keep nothing
    everything(index)


def test_a_view_in_place_of_a_table_does_not_run(index):
    endless = (
        "WITH RECURSIVE r(k, value) AS (SELECT 'x', 'y' UNION ALL SELECT k, value FROM r) SELECT k AS key, value FROM r"
    )
    craft(index, "DROP TABLE meta", f"CREATE VIEW meta AS {endless}")
    with pytest.raises(CollectionDamaged, match="view"):
        Collection(index)


BOMB = "[" * 200_000


@pytest.mark.parametrize(
    "value",
    [
        BOMB, '{"model": ' + BOMB, "{}", "[]", "1", "null ", '"mini"', "\0", '{"a": 1}',
        *(json.dumps({"model": "mini", "revision": "", "digest": "d", "dim": 8, **wrong}) for wrong in (
            {"dim": 10**12}, {"dim": -8}, {"dim": 8.5}, {"dim": "8"}, {"dim": True}, {"dim": None}, {"model": ["mini"]},
            {"digest": {}}, {"precision": 5}, {"dim": 4}, {"more": 1},
        )),
    ],
    ids=lambda value: value[:20],
)  # fmt: skip
def test_a_fingerprint_that_is_none_is_damage(index, value):
    craft(index, "UPDATE meta SET value = ? WHERE key = 'fingerprint'", values=(value,))
    with Collection(index) as collection, pytest.raises(CollectionDamaged):
        collection.search(random_units(1, 8), 1)
    assert everything(index)


@pytest.mark.parametrize(
    "rules", [BOMB, "5", "null", "[1]", "\0", '{"exclude": 5, "hidden": []}', '{"exclude": [{}, 5]}']
)
def test_rules_that_are_none_break_nothing(index, rules):
    craft(index, "UPDATE roots SET rules = ?", values=(rules,))
    everything(index)


@pytest.mark.parametrize("root", ["../../mine", "../..", "..\0", "../x/../../mine", "../../../../../../../etc"])
def test_a_root_does_not_lead_out_of_the_folder_it_came_in(index, victim, root):
    craft(index, "UPDATE roots SET path = ?", values=(os.fsencode(root),))
    with Collection(index) as collection, pytest.raises(CollectionDamaged, match="names a folder"):
        collection.roots()
    everything(index)


@pytest.mark.parametrize(
    ("folder", "name"),
    [(b"", b"../../mine/thesis.txt"), (b"..", b"x.jpg"), (b"a/../../mine", b"thesis.txt"), (b"/etc", b"passwd"),
     (b"", b"/etc/passwd"), (b"", b".."), (b"", b""), (b"", b"a\0b"), (b"a\0", b"b"), ("text", b"a.jpg"), (5, b"a.jpg"),
     (b"", 1.5)],
)  # fmt: skip
def test_no_name_leads_out_of_its_root(index, folder, name):
    craft(index, f"UPDATE images SET folder = {literal(folder)}, name = {literal(name)} WHERE image_id = 1", SOUND)
    craft(index, f"INSERT INTO failures VALUES (1, {literal(folder)}, {literal(name)}, 1, 1, 'why', 0, '', 0, '')")
    with Collection(index) as collection:
        for read in (
            lambda: list(collection.all_records()),
            lambda: collection.search(random_units(1, 8), 3),
            collection.failures,
        ):
            with pytest.raises(CollectionDamaged):
                read()
    everything(index)


def literal(value):
    return f"x'{value.hex()}'" if isinstance(value, bytes) else repr(value)


@pytest.mark.parametrize(
    "change",
    ["size = 'x'", "mtime_ns = 1.5", "width = x'00'", "format = x'00'", "content_hash = 'text'", "taken_at = 'never'",
     "taken_at = 5", "camera = x'ff'", "latitude = 'north'", "root_id = 77", "root_id = 'one'", "latitude = 1",
     "caption = x'00'", "caption = printf('%03000d', 0)"],
)  # fmt: skip
def test_values_of_another_kind_are_damage(index, change):
    craft(index, f"UPDATE images SET {change} WHERE image_id = 2", SOUND)
    with Collection(index) as collection, pytest.raises(CollectionDamaged):
        list(collection.all_records())
    everything(index)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE segments SET name = '/etc/passwd'", "UPDATE segments SET name = '../../../mine/1.faiss'",
        "UPDATE segments SET name = x'00'", "UPDATE segments SET name = '1.faiss' || char(10)",
        "UPDATE segments SET rows = 1000000000000", "UPDATE segments SET rows = -1", "UPDATE segments SET rows = 'x'",
        "UPDATE segments SET rows = 2", "UPDATE segments SET size = 1e300", "UPDATE segments SET sha256 = x'00'",
        "INSERT INTO compact VALUES ('000001.faiss', 5, 'x', 'no bytes', 5, 'x')",
        "INSERT INTO compact VALUES (x'00', 5, 'x', 'no bytes', 5, 'x')",
        "INSERT INTO tombstones VALUES (-5)", "UPDATE sqlite_sequence SET seq = 'x'", "DELETE FROM roots",
        "UPDATE images SET vector_check = 'x'",
    ],
)  # fmt: skip
def test_other_lies_are_told_or_harmless(index, victim, statement):
    craft(index, statement)
    everything(index)


# -- segments

HEADER = 37  # of each of the two indexes in a segment: name 4, dim 4, rows 8, two times 8, trained 1, metric 4
HUGE = [2**31 - 1, 2**40, 2**62, -1, 2**63 - 1]


@pytest.mark.parametrize("value", HUGE)
@pytest.mark.parametrize("offset", [8, HEADER + 8, 2 * HEADER, 2 * HEADER + 8 + 3 * 8 * 4])
def test_sizes_are_checked_before_anything_is_allocated(index, offset, value, monkeypatch):
    """The header claims more rows, values or ids than any file can hold."""
    (segment,) = (index / "segments").iterdir()
    data = bytearray(segment.read_bytes())
    data[offset : offset + 8] = struct.pack("<q", value)
    segment.write_bytes(data)
    monkeypatch.setattr("faiss.read_index", lambda *_: pytest.fail("faiss was asked"))
    with Collection(index) as collection, pytest.raises(CollectionDamaged, match=segment.name):
        collection.search(random_units(1, 8), 1)
    assert verify(index).damages


@pytest.mark.parametrize("offset", [0, 4, HEADER - 4, HEADER, HEADER + 4, 2 * HEADER - 4])
def test_another_kind_of_index_is_not_opened(index, offset, monkeypatch):
    (segment,) = (index / "segments").iterdir()
    data = bytearray(segment.read_bytes())
    data[offset : offset + 4] = b"IxF2"
    segment.write_bytes(data)
    monkeypatch.setattr("faiss.read_index", lambda *_: pytest.fail("faiss was asked"))
    with Collection(index) as collection, pytest.raises(CollectionDamaged, match=segment.name):
        collection.search(random_units(1, 8), 1)


def test_a_compact_copy_that_lies_is_done_without(tmp_path, monkeypatch):
    monkeypatch.setattr("clipsearch.store.segments.COMPACT_ROWS", 50)
    index = tmp_path / "received" / ".clipsearch"
    vectors = random_units(60, 8)
    with writer(index, 8) as collection:
        add(collection, [f"{number:02}.jpg" for number in range(60)], vectors)
        collection.commit()
        right = [record.file.name for _, record in collection.search(vectors[:1], 5)[0]]
    (copy,) = (index / "segments").glob("*.int8.faiss")
    original = copy.read_bytes()
    for offset in (4, 8, 37, 49, 57, 65, 81):
        for value in (0, 1, 2**31 - 1, 2**40, -1):
            data = bytearray(original)
            data[offset : offset + 8] = struct.pack("<q", value)
            copy.write_bytes(data)
            with Collection(index) as collection:
                assert [record.file.name for _, record in collection.search(vectors[:1], 5)[0]] == right
    copy.write_bytes(original)
    for statement in (
        "scales = x'0000'",
        "error = 'x'",
        "error = -1",
        "error = 9e999",
        "deltas = 5",
        "scales = zeroblob(32)",
    ):
        craft(index, f"UPDATE compact SET {statement}")
        with Collection(index) as collection:
            try:
                collection.search(vectors[:1], 5)
            except CollectionDamaged:
                continue


# -- the model


@pytest.mark.parametrize("name", ["model", "./model", "../received/model", "~/model", "org/model", "//host/share", "."])
def test_a_model_by_a_name_that_leads_to_whatever_is_there_is_asked_about(index, name, monkeypatch):
    monkeypatch.chdir(index.parent)
    (index.parent / "org" / "model").mkdir(parents=True)
    with pytest.raises(ModelError, match="name it: `model`"):
        require_trusted_model(name, index)


def test_a_model_that_came_with_the_index_or_would_be_downloaded_is_asked_about(index, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="name it"):
        require_trusted_model(str(index.parent / "model"), index)
    (tmp_path / "link").symlink_to(index.parent)
    with pytest.raises(ModelError, match="name it"):
        require_trusted_model(str(tmp_path / "link" / "model"), index)
    with pytest.raises(ModelError, match="name it"):
        require_trusted_model("somebody/some-model", index)
    (tmp_path / "openai" / "clip-vit-base-patch32").mkdir(parents=True)
    with pytest.raises(ModelError, match="name it"):  # a local folder has the name of a checkpoint on the hub
        require_trusted_model("openai/clip-vit-base-patch32", index)


def test_models_that_were_chosen_here_need_no_second_word(index, tmp_path, monkeypatch):
    require_trusted_model("mini", index)
    require_trusted_model("openai/clip-vit-base-patch32", index)
    require_trusted_model(str(tmp_path / "checkpoints" / "clip"), index)
    monkeypatch.setenv("HOME", str(index.parent))
    require_trusted_model(str(index.parent / "checkpoints" / "clip"), index)


def test_a_query_on_a_received_index_loads_nothing_that_it_brings(index, monkeypatch):
    fingerprint = {"model": str(index.parent / "model"), "revision": "", "digest": "digest 8", "dim": 8}
    craft(index, "UPDATE meta SET value = ? WHERE key = 'fingerprint'", values=(json.dumps(fingerprint),))
    monkeypatch.setattr("clipsearch.query.index_model.load_encoder", lambda *_, **__: pytest.fail("it was loaded"))
    with SearchEngine(index) as engine, pytest.raises(ModelError, match="`model`"):
        engine.search("a dog")
