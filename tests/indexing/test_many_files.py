"""Folders of very many files: a run takes limited memory and time for each file."""

import gc
import os
import tracemalloc

import pytest

from clipsearch.engine import SearchEngine
from clipsearch.indexing.plan import plan_sync
from clipsearch.indexing.walk import WalkRules
from clipsearch.store.collection import Collection
from clipsearch.store.writer import CollectionWriter
from tests.conftest import ColourEncoder, save_photo

PER_FILE = 1000
"""Bytes a new file may take in memory until it is indexed. 1,000,000 in one folder took 577 each, with paths of 51 bytes."""


def links(folder, count):
    """Make `count` names of one photo, which take almost no space."""
    photo = save_photo(folder / "first.jpg", "red")
    for number in range(count - 1):
        os.link(photo, folder / f"IMG_{number:08}.jpg")
    return folder


def peak(photos, index):
    """The peak number of bytes in use while a run is planned, and the number of files in the plan."""
    with CollectionWriter(index) as collection:
        collection.require(ColourEncoder().spec.fingerprint)
        root_id = collection.add_root(str(photos), {})
        gc.collect()
        tracemalloc.start()
        try:
            plan = plan_sync(collection, str(photos), root_id, WalkRules())
            return tracemalloc.get_traced_memory()[1], len(plan.todo)
        finally:
            tracemalloc.stop()


@pytest.mark.skipif(not hasattr(os, "link"), reason="has no hard links")
def test_memory_grows_by_a_kilobyte_a_file_at_most_in_one_folder_or_in_many(tmp_path):
    few, _ = peak(links(tmp_path / "few", 500), tmp_path / "index0")
    most, count = peak(links(tmp_path / "many", 6500), tmp_path / "index1")
    assert count == 6500 and most - few < 6000 * PER_FILE
    for number in range(60):
        links(tmp_path / "folders" / f"{number:02}", 100)
    spread, count = peak(tmp_path / "folders", tmp_path / "index2")
    assert count == 6000 and spread - few < 5500 * PER_FILE


def test_a_folder_is_not_held_in_memory_beside_what_is_known_of_it(tmp_path, monkeypatch):
    """Each entry of os.scandir remembers its file's status: a kilobyte, for as long as the entry is kept."""
    links(tmp_path / "photos", 3000)
    alive, most, real = [0], [0], os.scandir

    class Entry:
        def __init__(self, entry):
            self._entry = entry
            self._asked = False
            self.name, self.path, self.is_dir = entry.name, entry.path, entry.is_dir

        def stat(self):
            self._asked = True
            alive[0] += 1
            most[0] = max(most[0], alive[0])
            return self._entry.stat()

        def __del__(self):
            alive[0] -= self._asked

    class Entries:
        def __init__(self, path):
            with real(path) as entries:
                self._entries = iter([Entry(entry) for entry in entries])

        def __enter__(self):
            return self._entries

        def __exit__(self, *_):
            pass

    monkeypatch.setattr("clipsearch.indexing.walk.os.scandir", Entries)
    assert peak(tmp_path / "photos", tmp_path / "index")[1] == 3000
    assert most[0] <= 10


@pytest.mark.skipif(not hasattr(os, "link"), reason="has no hard links")
def test_very_many_copies_of_one_file_cost_each_the_same(photos, encoder, monkeypatch):
    """Hundreds of placeholders have the same content. Each copy must look up only a limited number of them."""
    from clipsearch.store.image_table import ImageTable

    looked_at, real = [], ImageTable.same_content

    def counting(self, *arguments):
        rows = real(self, *arguments)
        looked_at.append(len(rows))
        return rows

    links(photos / "placeholders", 300)
    monkeypatch.setattr(ImageTable, "same_content", counting)
    with SearchEngine.open(photos) as engine:
        report = engine.index(jobs=1)
        assert (report.added, report.failed) == (305, 0) and report.copied >= 299
    assert max(looked_at) <= 64 and encoder.encoded <= 6


def test_a_query_takes_a_few_bytes_for_each_vector_that_it_reads_and_no_copy_of_it(tmp_path):
    """Vectors are mapped, 2,048 bytes each here. The query's own memory grows by a few bytes a vector, for its score."""
    from tests.store.support import add, random_units, writer

    def most(count):
        vectors = random_units(count, 512)
        with writer(tmp_path / str(count) / ".clipsearch", 512) as collection:
            add(collection, [f"{number}.jpg" for number in range(count)], vectors)
            collection.commit()
        query = vectors[:1].copy()
        with Collection(tmp_path / str(count) / ".clipsearch") as collection:
            collection.search(query, 10)
            tracemalloc.start()
            try:
                collection.search(query, 10)
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    assert most(9000) - most(1000) < 8000 * 64
