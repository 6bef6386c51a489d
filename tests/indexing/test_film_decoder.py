"""A walk takes films if the extra `video` is installed, and otherwise passes over them without losing what is indexed."""

import pytest

pytest.importorskip("av", reason="films need the extra `video`")

from clipsearch.images import file_types
from clipsearch.images.file_types import is_image_name, missing_decoder
from tests.conftest import COLOURS, save_photo
from tests.images.films import film, plain
from tests.indexing.test_apply import index, indexed  # noqa: F401


def shot(name):
    """A shot of one colour below a dark band, so that it is not blank."""
    picture = plain(20)
    picture[20:] = COLOURS[name]
    return picture, 2


@pytest.fixture
def with_film(photos):
    (photos / "trip" / "film.MOV").write_bytes(film([shot("red"), shot("blue")], "mov"))
    return photos


def test_a_film_is_indexed_by_the_frames_that_stand_for_it(index, indexed, with_film):
    report, encoder = index()
    assert (report.failed, report.skipped) == (0, {}) and "film.MOV" in indexed()
    assert encoder.encoded == report.added + 1  # two frames of one file
    assert index()[0].unchanged == report.added


def test_without_the_extra_a_film_is_passed_over_and_counted(index, indexed, with_film, without_av):
    report, _ = index()
    assert report.skipped == {".mov": 1} and report.failed == 0 and "film.MOV" not in indexed()
    assert is_image_name("film.MOV") is False and missing_decoder(".mov").extra == "video"


def test_a_film_that_is_indexed_stays_if_the_extra_is_removed(index, indexed, with_film, request):
    added = index()[0].added
    request.getfixturevalue("without_av")
    report, _ = index()
    assert (report.removed, report.unchanged) == (0, added) and "film.MOV" in indexed()
    save_photo(with_film / "new.png")
    assert index()[0].removed == 0 and "film.MOV" in indexed()
    (with_film / "trip" / "film.MOV").unlink()
    assert index()[0].removed == 1 and "film.MOV" not in indexed()


def test_a_file_named_like_a_film_that_is_none_fails_with_a_reason(index, photos):
    (photos / "notes.mp4").write_text("words")
    report, _ = index()
    assert report.failed == 1 and report.skipped == {}


def test_whether_a_suffix_needs_a_decoder_is_looked_up_once(monkeypatch):
    missing_decoder.cache_clear()
    found = []
    monkeypatch.setattr(file_types, "find_spec", lambda name: found.append(name))
    assert missing_decoder(".mov") is missing_decoder(".mov") is not None
    assert found == ["av"] and missing_decoder(".jpg") is None and found == ["av"]
    missing_decoder.cache_clear()
