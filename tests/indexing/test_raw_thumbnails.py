"""Raw files that an older clipsearch indexed as TIFF files, by their thumbnails, are read again once, and nothing else is."""

import os
import shutil
import sqlite3

import numpy as np
import pytest

from clipsearch import SearchEngine
from clipsearch.store.catalog import READ_AS_TIFF
from clipsearch.store.repair import repair
from clipsearch.store.writer import CollectionWriter
from tests.conftest import save_photo
from tests.images import raw_files
from tests.indexing.old_index import index_as_before


@pytest.fixture
def raws(photos):
    """A raw file and its copy in another folder, beside the photos; and a TIFF that is called like a raw file."""
    (photos / "raw.NEF").write_bytes(raw_files.nef())
    shutil.copy(photos / "raw.NEF", photos / "trip" / "copy.nef")
    save_photo(photos / "plain.tif", "red", note="a TIFF").rename(photos / "scan.dng")
    save_photo(photos / "plain.tif", "blue", note="another TIFF")
    return photos


def facts(engine):
    return {
        record.file.name: (record.info.format, record.info.width, record.info.caption) for record in engine.browse()[0]
    }


NEW = ("NEF", 3000, "said elsewhere")


def test_raw_files_indexed_by_their_thumbnails_are_read_again_once(engine, raws, encoder):
    index_as_before(engine, "raw.NEF", "copy.nef")
    before, encoded = facts(engine), encoder.encoded
    assert before["raw.NEF"] == before["copy.nef"] == ("TIFF", 160, "said elsewhere")
    assert engine.status().roots[0].changed == 3 and len(engine.preview().changed) == 3
    report = engine.index()
    assert (report.updated, report.added, report.removed, report.failed) == (3, 0, 0, 0)
    assert encoder.encoded - encoded == 2, "the raw file, whose copy has the same content, and the TIFF called scan.dng"
    after = facts(engine)
    assert after["raw.NEF"] == after["copy.nef"] == NEW
    assert {name: value for name, value in after.items() if value != NEW} == {
        name: value for name, value in before.items() if name not in ("raw.NEF", "copy.nef")
    }
    vectors = [engine.vector(record.image_id) for record in engine.browse()[0] if record.info.format == "NEF"]
    assert np.array_equal(*vectors) and not np.allclose(vectors[0], 0.5)
    encoded = encoder.encoded
    report = engine.index()
    assert (report.updated, report.unchanged, encoder.encoded) == (0, 9, encoded)
    assert engine.status().stale == 0


def test_a_tiff_called_like_a_raw_file_is_embedded_once_in_a_new_index(engine, raws, encoder):
    engine.index()
    shutil.copy(raws / "plain.tif", raws / "other.dng")
    save_photo(raws / "more.tif", "green", note="more").rename(raws / "more.dng")
    engine.index()
    encoded = encoder.encoded
    assert engine.index().updated == 0 and encoder.encoded == encoded


def test_copies_and_moved_files_do_not_take_the_embedding_of_a_thumbnail(engine, raws, encoder):
    index_as_before(engine, "raw.NEF", "copy.nef")
    shutil.copy(raws / "raw.NEF", raws / "a new copy.nef")
    (raws / "trip" / "copy.nef").rename(raws / "trip" / "moved.nef")
    os.utime(raws / "raw.NEF", ns=(1, 1))
    encoded = encoder.encoded
    engine.index()
    formats = {name: value[0] for name, value in facts(engine).items() if name.lower().endswith(".nef")}
    assert formats == dict.fromkeys(("raw.NEF", "a new copy.nef", "moved.nef"), "NEF")
    assert encoder.encoded - encoded == 2  # with scan.dng
    assert engine.index().updated == 0


def test_a_thumbnail_stays_while_its_raw_file_cannot_be_read_and_is_replaced_later(engine, raws, encoder, monkeypatch):
    index_as_before(engine, "raw.NEF")
    (raws / "scan.dng").unlink()
    with monkeypatch.context() as failing:
        failing.setattr("clipsearch.images.pool.DecoderPool.read", read_nothing)
        report = engine.index()
    assert (report.failed, report.kept, report.updated) == (1, 1, 0)
    assert facts(engine)["raw.NEF"][0] == "TIFF"
    report = engine.index()
    assert (report.updated, report.failed) == (0, 0) and facts(engine)["raw.NEF"][0] == "TIFF", "it is not due again"
    assert engine.status().stale == 0 and len(engine.failures()) == 1
    monkeypatch.setattr("clipsearch.indexing.retries._decoders", lambda: "rawpy 1.0")
    assert engine.index().updated == 1
    assert facts(engine)["raw.NEF"] == NEW and engine.failures() == []


def read_nothing(self, files, cancel=None):
    from clipsearch.types import Failure

    for file in files:
        yield Failure(file, "a raw photo without a preview", "content")


def test_only_the_folder_that_is_indexed_is_read_again(engine, raws, encoder):
    index_as_before(engine, "raw.NEF", "copy.nef")
    engine.index(raws / "trip")
    assert facts(engine)["copy.nef"] == NEW and facts(engine)["raw.NEF"][0] == "TIFF"
    engine.index()
    assert facts(engine)["raw.NEF"] == NEW


def test_a_key_that_somebody_else_wrote_is_harmless(engine, raws):
    engine.index()
    with CollectionWriter(engine.index_folder) as collection:
        collection.set_meta(READ_AS_TIFF, "x,-1,99999999999999999999999999,1.5,,7777")
        collection.commit()
    assert engine.index().updated == 0


def test_a_tiff_called_like_a_raw_file_is_unchanged_after_a_repair(engine, raws):
    engine.index()
    with sqlite3.connect(engine.index_folder / "catalog.sqlite") as catalog:
        catalog.execute("UPDATE facts SET rating = 5 WHERE image_id = 1")
    catalog.close()
    assert repair(engine.index_folder).damages
    with SearchEngine.open(raws) as again:
        report = again.index()
    assert (report.updated, report.facts, report.unchanged) == (0, 1, 9)
