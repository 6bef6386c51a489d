"""The text in photos is read once, without embedding, and in a way that can be interrupted."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from clipsearch._internal.cancel import CancelToken
from clipsearch.conditions import Contains
from clipsearch.errors import ClipsearchError
from clipsearch.images import pool, text_reader
from clipsearch.images.files import ReadLimits
from clipsearch.images.pool import Decoded, DecoderPool, FileMoment
from clipsearch.indexing import texts
from clipsearch.indexing.texts import count_texts, read_texts
from clipsearch.store.catalog import READ_TEXT
from clipsearch.store.collection import Collection
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Failure, ImageInfo, TextSpec
from tests.cli.running import run_here
from tests.conftest import save_pages, save_photo
from tests.images.test_text_reader import drawn
from tests.lazy import require_library


class TextPool:
    """Stands for a DecoderPool that reads text: `says` has the text or the Failure's cause for a file name and page."""

    def __init__(self, says):
        self.says, self.asked, self.before_each = says, [], lambda: None

    def __call__(self, spec, *rest, **options):
        return self if isinstance(spec, TextSpec) else DecoderPool(spec, *rest, **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def read(self, files, cancel):
        for file in files:
            self.before_each()
            cancel.check()
            page = int(file.at) if isinstance(file, FileMoment) else None
            self.asked.append((file.name, page) if page else file.name)
            text = self.says.get(self.asked[-1], "")
            if isinstance(text, dict):
                yield Failure(file, "it failed", text["cause"])
            else:
                yield Decoded(file, ImageInfo(1, 1, "PNG", "", text=text), np.empty((0, 0, 0, 3), np.uint8))


@pytest.fixture
def reader(monkeypatch):
    """What each photo says, and which were read: a TextPool. No extra is needed."""
    stand_in = TextPool({"red.jpg": "Train ticket"})
    monkeypatch.setattr(pool, "DecoderPool", stand_in)
    monkeypatch.setattr(text_reader, "require_text_reader", lambda: None)
    return stand_in


@pytest.fixture
def read(indexed_photos, reader):
    """A function that reads the texts of an index, and returns the report and the photos that were asked for."""

    def run(**options):
        reader.asked.clear()
        with CollectionWriter(indexed_photos / ".clipsearch") as collection:
            report = read_texts(collection, ReadLimits(), **options)
        return report, list(reader.asked)

    return run


@pytest.fixture
def known(indexed_photos):
    """A function that returns the texts that the index knows, by file name."""

    def texts_by_name():
        with Collection(indexed_photos / ".clipsearch") as collection:
            return {record.file.name: record.info.text for record in collection.all_records()}

    return texts_by_name


def test_each_photo_is_read_once_and_its_text_is_found(read, known, indexed_photos):
    report, asked = read()
    assert (report.read, report.with_text, report.failed) == (5, 1, 0)
    assert len(asked) == 5
    assert sorted(known().values()) == ["", "", "", "", "Train ticket"]
    with Collection(indexed_photos / ".clipsearch") as collection:
        assert len(collection.select(Contains("train"))) == 1
        assert count_texts(collection) == texts.TextCounts(5, 1)
    assert read()[1] == []


def test_progress_counts_photos(read):
    seen = []
    read(progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 5) for done in range(6)]


def test_pages_are_read_one_by_one_and_kept_as_one_text(engine, read, reader, known, indexed_photos):
    save_pages(indexed_photos / "fax.tif", "red", "blue")
    engine.index()
    reader.says |= {("fax.tif", 1): "first page", ("fax.tif", 2): "second page"}
    assert {("fax.tif", 1), ("fax.tif", 2)} <= set(read()[1])
    assert known()["fax.tif"] == "first page second page"


def test_films_are_not_read(read, known, indexed_photos):
    with CollectionWriter(indexed_photos / ".clipsearch") as collection:
        record = next(collection.all_records())
        place = collection.place(record.file.path)
        film = replace(record.file, path=os.path.join(os.path.dirname(record.file.path), "film.mp4"))
        collection.move(record.image_id, replace(place, name="film.mp4"), film)
        collection.commit()
    report, asked = read()
    assert report.read == 4 and "film.mp4" not in asked
    assert known()["film.mp4"] is None


def test_a_broken_file_counts_as_one_without_text(read, reader, known):
    reader.says["red.jpg"] = {"cause": "content"}
    report, _ = read()
    assert (report.read, report.with_text, report.failed, report.reason) == (5, 0, 1, "it failed")
    assert known()["red.jpg"] == "" and read()[1] == []


def test_a_photo_whose_file_is_away_is_tried_again(read, reader, known):
    reader.says["red.jpg"] = {"cause": "access"}
    for _ in range(texts.MOST_ATTEMPTS + 1):
        report, asked = read()
        assert report.failed == 1 and "red.jpg" in asked
    assert known()["red.jpg"] is None
    reader.says["red.jpg"] = "Train ticket"
    assert read()[1] == ["red.jpg"] and known()["red.jpg"] == "Train ticket"


@pytest.mark.parametrize("cause", ["crash", "time", "memory"])
def test_a_photo_that_makes_the_reader_fail_is_tried_by_a_few_runs(read, reader, known, cause):
    reader.says["red.jpg"] = {"cause": cause}
    for _ in range(texts.MOST_ATTEMPTS):
        assert known()["red.jpg"] is None
        assert "red.jpg" in read()[1]
    assert known()["red.jpg"] == "" and read()[1] == []


def test_interrupted_reading_keeps_what_is_finished_and_goes_on(read, reader, known):
    cancel = CancelToken()
    reader.before_each = lambda: cancel.cancel() if len(reader.asked) == 2 else None
    report, _ = read(cancel=cancel)
    assert (report.interrupted, report.read, report.left) == (True, 2, 3)
    assert sum(text is not None for text in known().values()) == 2
    reader.before_each = lambda: None
    assert read()[0].read == 3


def test_what_is_read_is_committed_on_the_way(read, reader, indexed_photos, monkeypatch):
    monkeypatch.setattr(texts, "COMMIT_SECONDS", 0.0)
    committed = []

    def look():
        with Collection(indexed_photos / ".clipsearch") as collection:
            committed.append(count_texts(collection).read)

    reader.before_each = look
    read()
    assert committed == [0, 1, 2, 3, 4]


def test_a_changed_photo_is_read_again_and_a_moved_one_is_not(engine, read, known, indexed_photos):
    read()
    save_photo(indexed_photos / "red.jpg", "green", (40, 40))
    os.rename(indexed_photos / "blue.jpg", indexed_photos / "sea.jpg")
    engine.index()
    assert known()["red.jpg"] is None and known()["sea.jpg"] == ""
    assert read()[1] == ["red.jpg"]


def test_the_index_remembers_to_read_text_and_says_how_many(engine, reader, indexed_photos):
    assert engine.status(scan=False).texts_read is None
    report = engine.index(read_text=True)
    assert (report.read, report.with_text, report.unchanged) == (5, 1, 5)
    save_photo(indexed_photos / "new.jpg", "green", (60, 60))
    assert engine.index().read == 1
    state = engine.status(scan=False)
    assert (state.texts_read, state.with_text) == (6, 1)
    engine.index(read_text=False)
    save_photo(indexed_photos / "newer.jpg", "green", (50, 50))
    assert engine.index().read == 0 and engine.status(scan=False).texts_read is None


def test_without_the_extra_nothing_is_indexed_and_the_error_names_it(engine, indexed_photos, monkeypatch):
    monkeypatch.setattr(text_reader, "find_spec", lambda name: None)
    save_photo(indexed_photos / "new.jpg", "green")
    with pytest.raises(ClipsearchError, match=r"pip install 'clipsearch\[ocr\]'"):
        engine.index(read_text=True)
    with Collection(indexed_photos / ".clipsearch") as collection:
        assert collection.meta(READ_TEXT) is None and len(collection) == 5


def test_damaged_attempts_count_as_none():
    assert texts._parsed('{"1": 2}') == {"1": 2}
    assert texts._parsed("[") == texts._parsed('["x"]') == texts._parsed('{"1": "x"}') == texts._parsed(None) == {}


def test_ocr_and_ray_exclude_each_other(tmp_path):
    status, _, errors = run_here("index", tmp_path, "--ocr", "--ray", "local", cwd=tmp_path)
    assert status == 2 and "--ocr and --ray exclude each other" in errors


# -- with RapidOCR


@pytest.fixture
def rapidocr():
    require_library("rapidocr", "needs the extra `ocr`: pip install -e '.[ocr]'")


def test_the_processes_of_a_pool_read_text(rapidocr, tmp_path):
    paths = [tmp_path / name for name in ("ticket.png", "blank.png", "broken.png")]
    drawn("Train ticket", size=(3000, 400), height=100).save(paths[0])
    save_photo(paths[1], "white", (400, 300))
    paths[2].write_bytes(b"\x89PNG\r\n\x1a\n")
    files = [pool.ImageFile(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    with DecoderPool(TextSpec(), workers=1) as readers:
        ticket, blank, broken = readers.read(files)
    assert (ticket.info.text, ticket.info.width, len(ticket.pixels)) == ("Train ticket", 3000, 0)
    assert blank.info.text == "" and broken.cause == "content"


def test_if_rapidocr_cannot_be_loaded_no_photo_is_to_blame(rapidocr, tmp_path, monkeypatch):
    (tmp_path / "broken" / "cv2").mkdir(parents=True)
    (tmp_path / "broken" / "cv2" / "__init__.py").write_text("raise ImportError('libGL is missing')")
    monkeypatch.syspath_prepend(tmp_path / "broken")  # the processes get sys.path
    photo = tmp_path / "photo.png"
    save_photo(photo)
    with DecoderPool(TextSpec(), workers=1) as readers:
        (failure,) = readers.read([pool.ImageFile(str(photo), photo.stat().st_size, photo.stat().st_mtime_ns)])
    assert (failure.cause, failure.reason) == ("access", "RapidOCR cannot be loaded: libGL is missing")


def test_the_command_reads_finds_and_counts(rapidocr, indexed_photos):
    drawn("Train ticket to Lyon").save(indexed_photos / "ticket.png")
    status, output, errors = run_here("index", indexed_photos, "--ocr", "--json", cwd=indexed_photos)
    assert status == 0, errors
    assert {"read": 6, "with_text": 1, "not_read": 0}.items() <= json.loads(output).items()
    assert b"ticket.png" in run_here("query", "--text", "lyon", cwd=indexed_photos)[1]
    assert b"looked for in 6 of 6 photos; 1 with some" in run_here("status", cwd=indexed_photos)[1]
