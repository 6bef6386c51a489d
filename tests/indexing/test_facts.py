"""Facts about photos follow the photos, the files beside them and their names, and no photo is embedded twice for that."""

import json
import os
import shutil
from datetime import datetime

import pytest
from PIL import Image

from clipsearch._internal.partial_dates import to_iso
from clipsearch.conditions import Contains, Test
from clipsearch.images.xmp import add_keywords
from clipsearch.indexing import facts
from clipsearch.indexing.apply import index_folders
from clipsearch.indexing.plan import SyncOptions
from clipsearch.indexing.reconciler import Reconciler
from clipsearch.indexing.status import read_status
from clipsearch.store.catalog import DATE_FROM_FILES
from clipsearch.store.collection import Collection
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Failure, ImageFile
from tests.conftest import ColourEncoder, save_photo
from tests.store.support import downgrade

XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="{rating}">
<dc:subject><rdf:Bag><rdf:li>{keyword}</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"""


@pytest.fixture
def run(photos, tmp_path):
    """A function that brings the index up to date and returns (report, photos that were embedded)."""

    def index(progress=None, **options):
        encoder = ColourEncoder()
        with CollectionWriter(tmp_path / "index") as collection:
            collection.require(encoder.spec.fingerprint)
            options = SyncOptions(jobs=1, **options)
            report = index_folders(collection, [str(photos)], lambda: encoder, options, progress)
        return report, encoder.encoded

    return index


@pytest.fixture
def info(tmp_path):
    """A function that returns what the index knows of a photo, by its file name."""

    def read(name):
        with Collection(tmp_path / "index") as collection:
            (found,) = [record.info for record in collection.all_records() if record.file.name == name]
        return found

    return read


@pytest.fixture
def find(tmp_path):
    """A function that returns the names of the photos that meet a condition."""

    def ids(condition):
        with Collection(tmp_path / "index") as collection:
            return sorted(
                record.file.name for record in collection.records(collection.ids(condition).tolist()).values()
            )

    return ids


def write_sidecar(path, keyword, rating=3):
    path.write_text(XMP.format(keyword=keyword, rating=rating))


def test_a_sidecar_is_read_with_its_photo(photos, run, info, find):
    write_sidecar(photos / "red.jpg.xmp", "Sea", 4)
    write_sidecar(photos / "green.xmp", "Sea")
    (photos / "blue.xmp").write_text(
        XMP.format(keyword="Sky", rating=3).replace("xmp:R", 'xmp:CreateDate="2019-01" xmp:R')
    )
    run()
    assert to_iso(info("blue.jpg").taken_at) == "2019-01"  # no day was made up
    assert (info("red.jpg").keywords, info("red.jpg").rating) == (("Sea",), 4)
    (photos / "stray.xmp").write_text("")
    report, _ = run()
    assert (report.others, report.skipped) == (1, {".xmp": 1})  # files that are read are not skipped
    assert find(Test("keyword", "=", "sea")) == ["green.jpg", "red.jpg"] and find(Contains("sea")) == [
        "green.jpg",
        "red.jpg",
    ]


def test_a_sidecar_that_comes_changes_or_goes_is_followed_without_embedding(photos, run, info):
    run()
    sidecar = photos / "red.jpg.xmp"
    for keyword in ("Sea", "Lake"):
        write_sidecar(sidecar, keyword)
        report, embedded = run()
        assert (report.facts, report.unchanged, report.left, embedded) == (1, 5, 0, 0)
        assert info("red.jpg").keywords == (keyword,)
        assert run()[0].facts == 0
    sidecar.unlink()
    assert run()[0].facts == 1 and info("red.jpg").keywords == () and info("red.jpg").rating is None


def test_what_label_writes_is_found(photos, run, find):
    run()
    add_keywords(str(photos / "blue.jpg"), ["boat"])
    run()
    assert find(Test("keyword", "=", "boat")) == ["blue.jpg"]


def test_takeout_and_names_give_dates(photos, run, info):
    (photos / "red.jpg.json").write_text(
        json.dumps({"title": "red.jpg", "photoTakenTime": {"timestamp": "1577836800"}, "description": "By the sea"})
    )
    save_photo(photos / "IMG-20240131-WA0001.jpg", "blue", note="sent")
    run()
    assert (info("red.jpg").taken_from, info("red.jpg").taken_at.year) == ("takeout", 2020)
    sent = info("IMG-20240131-WA0001.jpg")
    assert (sent.taken_at, sent.taken_from) == (datetime(2024, 1, 31), "name")


def test_a_renamed_or_copied_photo_gets_the_date_in_its_own_name(photos, run, info, monkeypatch):
    run()
    decoded = []
    monkeypatch.setattr(Reconciler, "take_facts", lambda *arguments: decoded.append(arguments))
    os.rename(photos / "red.jpg", photos / "IMG_20200102_030405.jpg")
    shutil.copy(photos / "green.jpg", photos / "IMG_20210102_030405.jpg")
    report, embedded = run()
    assert (report.moved, report.copied, report.facts, report.left, embedded) == (1, 1, 0, 0, 0)
    assert not decoded  # what they say themselves is known
    assert info("IMG_20200102_030405.jpg").taken_at == datetime(2020, 1, 2, 3, 4, 5)
    assert info("IMG_20210102_030405.jpg").taken_at == datetime(2021, 1, 2, 3, 4, 5)
    assert info("green.jpg").taken_at is None
    os.rename(photos / "IMG_20200102_030405.jpg", photos / "red.jpg")
    run()
    assert info("red.jpg").taken_at is None


def test_a_photo_that_moves_away_from_its_sidecar_loses_what_that_said(photos, run, info):
    write_sidecar(photos / "red.jpg.xmp", "Sea")
    run()
    os.rename(photos / "red.jpg", photos / "trip" / "red.jpg")
    shutil.copy(photos / "trip" / "red.jpg", photos / "trip" / "copy.jpg")
    steps = []
    report, embedded = run(progress=lambda report, done, total: steps.append((done, total)))
    assert (report.moved, report.copied, report.left, embedded) == (1, 1, 0, 0)
    assert {total for _, total in steps} == {2} and [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1] == (2, 2)  # a photo whose facts are read later is still one photo
    assert info("red.jpg").keywords == () == info("copy.jpg").keywords
    os.rename(photos / "red.jpg.xmp", photos / "trip" / "red.jpg.xmp")
    assert run()[0].facts == 1 and info("red.jpg").keywords == ("Sea",)


def test_the_time_of_a_file_is_a_date_only_if_asked_and_then_remembered(photos, run, info, tmp_path):
    os.utime(photos / "red.jpg", (1_600_000_000, 1_600_000_000))
    run()
    assert info("red.jpg").taken_at is None
    report, embedded = run(date_from_files=True)
    assert (report.facts, embedded) == (5, 0)
    assert (info("red.jpg").taken_at, info("red.jpg").taken_from) == (datetime.fromtimestamp(1_600_000_000), "file")
    assert run()[0].facts == 0
    with Collection(tmp_path / "index") as collection:
        assert collection.meta(DATE_FROM_FILES) and read_status(collection, scan=True).stale == 0
    assert run(date_from_files=False)[0].facts == 5 and info("red.jpg").taken_at is None


def test_an_older_index_learns_the_facts_without_embedding(photos, run, info, tmp_path):
    run()
    write_sidecar(photos / "red.jpg.xmp", "Sea")
    downgrade(tmp_path / "index", 7)
    report, embedded = run()
    assert (report.facts, report.unchanged, embedded) == (5, 5, 0)
    assert info("red.jpg").keywords == ("Sea",) and run()[0].facts == 0


def test_other_readers_read_all_facts_again(run, monkeypatch):
    run()
    monkeypatch.setattr(facts, "READERS", 99)
    assert run()[0].facts == 5 and run()[0].facts == 0


def test_a_file_that_cannot_be_read_now_keeps_its_facts_and_is_read_by_a_later_run(photos, run, info, monkeypatch):
    write_sidecar(photos / "red.jpg.xmp", "Sea")
    run()
    write_sidecar(photos / "red.jpg.xmp", "Lake")
    taken = Reconciler.take_facts
    broken = Failure(ImageFile("", 0, 0), "a disk sleeps", "access")
    monkeypatch.setattr(Reconciler, "take_facts", lambda self, file, read: taken(self, file, broken))
    assert run()[0].facts == 0 and info("red.jpg").keywords == ("Sea",)
    monkeypatch.undo()
    assert run()[0].facts == 1 and info("red.jpg").keywords == ("Lake",)


def test_a_broken_sidecar_does_not_stop_a_run(photos, run, info):
    (photos / "red.jpg.xmp").write_text("<x:xmpmeta")
    (photos / "green.jpg.json").write_text("{")
    report, _ = run()
    assert (report.added, report.failed) == (5, 0) and info("red.jpg").keywords == ()
    assert run()[0].facts == 0


def test_a_scan_has_the_date_of_its_sidecar_and_not_that_of_the_scanner(photos, run, info):
    scan = photos / "scan.jpg"
    exif = Image.Exif()
    exif[0x0132] = "2020:05:06 07:08:09"
    Image.new("RGB", (32, 24), "blue").save(scan, exif=exif)
    run()
    assert (info("scan.jpg").taken_at, info("scan.jpg").taken_from) == (datetime(2020, 5, 6, 7, 8, 9), "changed")
    dated = XMP.replace(
        "xmp:Rating", 'xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:DateTimeOriginal="1961-08-13" xmp:Rating'
    )
    (photos / "scan.jpg.xmp").write_text(dated.format(keyword="Berlin", rating=3))
    run()
    assert (info("scan.jpg").taken_at, info("scan.jpg").taken_from) == (datetime(1961, 8, 13), "sidecar")


def test_a_photo_with_a_position_has_a_place_whose_names_are_words(photos, run, info, find):
    gps = {
        "geoData": {"latitude": 48.137, "longitude": 11.575, "altitude": 0},
        "photoTakenTime": {"timestamp": "1577836800"},
    }
    (photos / "red.jpg.json").write_text(json.dumps(gps))
    run()
    assert info("red.jpg").place.startswith("DE/02/2867714") and find(Contains("germany")) == ["red.jpg"]
