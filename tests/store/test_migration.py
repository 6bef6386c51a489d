"""A migration to the current format happens completely or not at all."""

import shutil
import sqlite3

import numpy as np
import pytest

from clipsearch.errors import ClipsearchError
from clipsearch.store import database
from clipsearch.store.collection import Collection
from clipsearch.store.verify import verify
from clipsearch.store.writer import CollectionWriter
from tests.store.support import add, downgrade, random_units, writer

VECTORS = random_units(40, 8)


def version_of(index):
    with sqlite3.connect(index / "catalog.sqlite") as catalog:
        (version,) = catalog.execute("PRAGMA user_version").fetchone()
    catalog.close()
    return version


def answers(index):
    with Collection(index) as collection:
        return [(score, record.image_id) for score, record in collection.search(VECTORS[:1], 40)[0]]


@pytest.fixture(params=range(1, database.FORMAT_VERSION))
def old(request, tmp_path):
    """An index of each older version."""
    index = tmp_path / "photos" / ".clipsearch"
    with writer(index, 8) as collection:
        add(collection, [f"{number}.jpg" for number in range(40)], VECTORS)
        collection.commit()
    downgrade(index, request.param)
    return index, request.param


def test_there_is_a_step_from_each_version_to_the_next():
    assert sorted(database._MIGRATIONS) == list(range(1, database.FORMAT_VERSION))


def test_a_migration_that_fails_at_its_end_changes_nothing(old, monkeypatch):
    index, version = old
    before = answers(index)
    last = database.FORMAT_VERSION - 1
    broken = {**database._MIGRATIONS, last: f"{database._MIGRATIONS[last]} INSERT INTO nowhere VALUES (1);"}
    monkeypatch.setattr(database, "_MIGRATIONS", broken)
    with pytest.raises(ClipsearchError):
        CollectionWriter(index)
    assert version_of(index) == version and answers(index) == before
    monkeypatch.undo()
    with CollectionWriter(index):
        pass
    assert version_of(index) == database.FORMAT_VERSION and answers(index) == before
    assert verify(index).damages == ()


def test_a_migration_that_is_cut_short_is_none(old):
    """All writes except the commit are on the disk, as after a kill: the log lacks its last frames."""
    index, version = old
    before = answers(index)
    with CollectionWriter(index):
        log = (index / "catalog.sqlite-wal").read_bytes()
        killed = shutil.copytree(index, index.parent.parent / "killed" / ".clipsearch")
    frames = (len(log) - 32) // (24 + 4096)
    reached = set()
    for frame in sorted(set(np.linspace(0, frames, 8).astype(int).tolist())):
        cut = shutil.copytree(killed, index.parent.parent / str(frame) / ".clipsearch")
        (cut / "catalog.sqlite-wal").write_bytes(log[: 32 + frame * (24 + 4096)])
        (cut / "catalog.sqlite-shm").unlink(missing_ok=True)
        reached.add(version_of(cut))
        assert answers(cut) == before
        with CollectionWriter(cut):
            pass
        assert version_of(cut) == database.FORMAT_VERSION and verify(cut).damages == ()
    assert reached == {version, database.FORMAT_VERSION}
