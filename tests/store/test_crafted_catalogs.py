"""Malicious catalogs with correct checksums: every command answers, or refuses with our own error."""

import os
import random
import shutil
from dataclasses import replace
from datetime import datetime

import pytest

from clipsearch.engine import SearchEngine
from clipsearch.errors import ClipsearchError, CollectionDamaged
from clipsearch.store.collection import Collection
from clipsearch.store.repair import repair
from clipsearch.store.verify import verify
from clipsearch.store.writer import CollectionWriter
from tests.cli.running import run_here
from tests.conftest import save_photo
from tests.store.crafted import COLUMNS, NASTY, craft

CHANGES = 70  # of each run; all of them take an hour
COMMANDS = (
    ("stats", "--by", "year", "--by", "month", "--by", "camera", "--by", "folder", "--by", "megapixels", "--json"),
    ("status", "--json"), ("failures", "--json"), ("verify",), ("duplicates", "--exact"),
    ("query", "red", "--json", "--explain"), ("query", "red", "--near", "48,11,500", "--camera", "é", "--sort", "date"),
    ("query", "red", "--group-by", "day"), ("similar", "blue.jpg", "--name", "*d*", "--paths"),
    ("label", "--label", "red", "--label", "blue"), ("export", "x.jsonl", "--force"), ("export", "x.csv", "--force"),
)  # fmt: skip


@pytest.fixture
def crafted(photos, encoder, tmp_path, monkeypatch):
    """Five photos with dates, cameras and places, one failed photo, and a way to forge their catalog."""
    monkeypatch.setattr("clipsearch.store.segments.COMPACT_ROWS", 4)
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    with SearchEngine.open(photos) as engine:
        engine.index()
    index = photos / ".clipsearch"
    with CollectionWriter(index) as collection:
        for records, vectors in list(collection.scan()):
            for record, vector in zip(records, vectors, strict=True):
                info = replace(
                    record.info,
                    taken_at=datetime(2024, 1, record.image_id),
                    camera="Canon",
                    gps=(48.0, 11.0),
                    caption="é",
                )
                collection.add(collection.place(record.file.path), record.file, info, vector)
        collection.commit()
    shutil.copytree(index, tmp_path / "sound")

    def make(*change):
        shutil.rmtree(index)
        shutil.copytree(tmp_path / "sound", index)
        return index if craft(index / "catalog.sqlite", change) else None

    return make


def test_every_command_answers_or_refuses_whatever_a_column_holds(crafted, photos):
    changes = [(*column, value, in_all) for column in COLUMNS for value in NASTY for in_all in (False, True)]
    chance = random.Random(16)
    for change in chance.sample(changes, CHANGES):
        if crafted(*change):
            for command in chance.sample(COMMANDS, 3):
                _, _, errors = run_here(*command, cwd=photos)  # run_here fails on an unexpected error
                assert len(errors) < 5000, (change, command)


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("images", "size", float("inf")), ("images", "size", -1), ("images", "mtime_ns", 1.5), ("images", "width", 0),
        ("images", "height", 2**31), ("images", "latitude", 91.0), ("images", "longitude", float("-inf")),
        ("images", "taken_at", "20240101T000000"), ("images", "taken_at", ""), ("images", "root_id", 77),
        ("images", "image_id", 2**63 - 1), ("failures", "size", float("inf")), ("failures", "root_id", 77),
        ("failures", "reason", b""), ("roots", "rules", "[" * 200_000), ("roots", "path", 5),
        ("segments", "segment_id", 2**63 - 1), ("segments", "rows", -1), ("segments", "size", float("inf")),
        ("segments", "name", "9" * 300 + ".faiss"), ("compact", "size", "x"), ("compact", "error", float("inf")),
        ("sqlite_sequence", "seq", 2**63 - 1), ("images", "pictures", 5), ("images", "pictures", 2**40),
        ("images", "moments", '{"unit": "page", "at": [1, 1], "checks": [5]}'), ("images", "moments", "[" * 100_000),
    ],
)  # fmt: skip
def test_verify_finds_what_clipsearch_never_writes_and_repair_ends_it(crafted, table, column, value):
    index = crafted(table, column, value, False)
    assert any("never writes" in damage.what for damage in verify(index).damages)
    try:
        repair(index)
    except CollectionDamaged as error:
        assert "index the photos again" in str(error)  # its only root, or all its photos
        return
    assert verify(index).damages == ()
    with SearchEngine(index) as engine:
        assert len(list(engine.search("red"))) >= 4
        engine.failures()
        engine.stats()


def test_all_sizes_that_add_up_to_more_than_sqlite_can_are_damage(crafted, photos):
    assert crafted("images", "size", 2**63 - 1, True)
    for command in ("status", "stats"):
        status, _, errors = run_here(command, cwd=photos)
        assert status == 4 and "is damaged" in errors and "clipsearch verify" in errors


def test_a_table_with_other_columns_is_refused(crafted, photos):
    index = crafted("images", "size", 5, False)
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(index / "catalog.sqlite", isolation_level=None)) as database:
        database.execute("ALTER TABLE images RENAME COLUMN camera TO maker")
    with pytest.raises(CollectionDamaged, match="other columns"):
        Collection(index)


def test_a_photo_without_a_vector_is_damage_of_ours_when_all_are_exported(crafted, photos):
    crafted("images", "image_id", 77, False)
    status, _, errors = run_here("export", "x.npy", cwd=photos)
    assert status == 4 and "has no vector" in errors and not os.path.exists(photos / "x.npy")


def test_a_writer_refuses_a_catalog_that_has_no_numbers_left(crafted):
    index = crafted("sqlite_sequence", "seq", 2**63 - 1, True)
    with pytest.raises(ClipsearchError, match="last number"):
        CollectionWriter(index)


def test_the_values_that_clipsearch_writes_are_taken(crafted, photos):
    index = crafted("images", "mtime_ns", -(2**63), False)
    assert verify(index).damages == ()
    save_photo(photos / "new.jpg", "red", note="new")
    with SearchEngine(index) as engine:
        engine.index(prune=True)
        assert len(list(engine.search("red"))) == 6
