"""An index stays open while a repair replaces its catalog."""

import os
import shutil
import sqlite3
import sys

import numpy as np
import pytest

from clipsearch.errors import CollectionDamaged, ModelMismatch
from clipsearch.store.collection import Collection
from clipsearch.store.repair import repair
from clipsearch.store.verify import verify
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Fingerprint
from tests.store.support import add, random_units, writer

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be replaced there")

DIM, PHOTOS = 8, 60
VECTORS = random_units(PHOTOS, DIM)
NAMES = [f"{number:02}.jpg" for number in range(PHOTOS)]


@pytest.fixture
def index(tmp_path):
    folder = tmp_path / "photos" / ".clipsearch"
    with writer(folder, DIM) as collection:
        for start in (0, 30):
            add(collection, NAMES[start : start + 30], VECTORS[start : start + 30])
            collection.commit()
    return folder


def damage_row(index, image_id):
    with sqlite3.connect(index / "catalog.sqlite") as database:
        database.execute("UPDATE images SET name = x'6f74686572' WHERE image_id = ?", (image_id,))
    database.close()


def open_files():
    return [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]


def names_in(reader):
    return {record.file.name for _, record in reader.search(VECTORS[:1], PHOTOS)[0]}


def test_an_open_reader_answers_from_the_repaired_index(index):
    with Collection(index) as reader:
        assert names_in(reader) == set(NAMES)
        damage_row(index, 5)
        with pytest.raises(CollectionDamaged, match="image 5"):
            reader.search(VECTORS[:1], PHOTOS)
        assert repair(index).kept == PHOTOS - 1
        assert names_in(reader) == set(NAMES) - {NAMES[4]} and len(reader) == PHOTOS - 1
        with CollectionWriter(index) as collection:
            add(collection, [NAMES[4]], VECTORS[4:5])
            collection.commit()
        assert names_in(reader) == set(NAMES)
    assert verify(index).damages == ()


def test_what_was_begun_goes_on_with_the_old_one(index):
    with Collection(index) as reader:
        scan = reader.scan(block=10)
        records = [record for record, _ in zip(next(scan)[0], range(10), strict=True)]
        rows = reader.all_records()
        next(rows)
        damage_row(index, 60)
        repair(index)
        for block, _ in scan:
            records += block
        assert [record.file.name for record in records] == NAMES  # as it was when it began
        assert len(reader) == PHOTOS - 1
        assert sum(1 for _ in rows) == PHOTOS - 1  # of 60, the first was taken before


def test_a_reader_that_is_closed_after_takes_nothing_away(index):
    """SQLite deletes a log when its last reader closes. It must not delete the log of a new file with the same name."""
    reader = Collection(index)
    assert names_in(reader) == set(NAMES)
    damage_row(index, 5)
    repair(index)
    with CollectionWriter(index) as collection:
        add(collection, [NAMES[4]], VECTORS[4:5])
        collection.commit()
        assert (index / "catalog.sqlite-wal").stat().st_size
        reader._catalog.close()  # as a reader that has not noticed the repair
        copy = shutil.copytree(index, index.parent.parent / "killed" / ".clipsearch")
    with Collection(copy) as left:
        assert names_in(left) == set(NAMES)


def test_an_index_of_another_model_is_not_searched_with_the_vectors_of_the_first(index, tmp_path):
    other = tmp_path / "other" / ".clipsearch"
    with CollectionWriter(other) as collection:
        collection.require(Fingerprint("other", "", "another digest", DIM))
        collection.add_root(str(other.parent), {})
        add(collection, NAMES[:3], VECTORS[:3])
        collection.commit()
    with Collection(index) as reader:
        assert names_in(reader) == set(NAMES)
        shutil.rmtree(index)
        shutil.copytree(other, index)
        for _ in range(2):
            with pytest.raises(ModelMismatch, match="open it again"):
                reader.search(VECTORS[:1], 3)
    with Collection(index) as reader:
        assert names_in(reader) == set(NAMES[:3])


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="asks /proc")
def test_nothing_stays_open_and_an_index_that_is_gone_is_no_new_one(index):
    with Collection(index) as reader:
        for number in (3, 4, 5):
            names_in(reader)
            damage_row(index, number)
            repair(index)
        assert len(names_in(reader)) == PHOTOS - 3
        vector = np.array(reader.vectors([1])[0])
        (index / "catalog.sqlite").rename(index / "elsewhere")
        assert (reader.vectors([1])[0] == vector).all()
        assert [path for path in open_files() if path.startswith(os.path.realpath(index))]
    assert not [path for path in open_files() if path.startswith(os.path.realpath(index))]
