"""Advice for each failure, and the failure's age."""

from datetime import datetime, timedelta, timezone
from typing import get_args

import pytest

from clipsearch.errors import Cause
from clipsearch.images.jpeg_xl import MISSING_DECODER
from clipsearch.render.failure_advice import _ADVICE, _UNREADABLE, advice_for, age_of
from clipsearch.render.tables import failures_table
from clipsearch.types import Failure, ImageFile

NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)


def failure(cause, reason="broken", name="a.jpg", since=None):
    return Failure(ImageFile(f"/photos/{name}", 1, 0), reason, cause, since=since)


@pytest.mark.parametrize(
    ("cause", "reason", "advice"),
    [
        (
            "pixels",
            "20000 x 10001 pixels are more than the 160 million allowed",
            "if you trust it: `clipsearch index` with --max-megapixels 201",
        ),
        ("pixels", "65535 x 66601 pixels need more memory than the fixed limit for one file", "make a smaller copy"),
        ("time", "took longer than 30 seconds", "--max-seconds"),
        ("memory", "needs more memory than the fixed limit for one file", "--exclude"),
        ("crash", "the decoder died", "--retry"),
        ("access", "Permission denied", "allow yourself to read it"),
        ("access", "Input/output error", "check its drive"),
        ("access", "changed while it was read", "the next run tries it again"),
        ("content", "cannot be decoded", "replace it"),
        ("content", "empty file", "restore it from a backup, or delete it"),
        (
            "content",
            "not a picture in a format that clipsearch reads",
            "if it is a picture, convert it to JPEG; if not, leave it out",
        ),
        (
            "content",
            "cannot be decoded: clipsearch does not read this kind of file (Unsupported BMP compression (4))",
            "convert it to JPEG",
        ),
        ("content", "has no video track: it holds only sound", "--exclude"),
        ("content", "cannot be decoded: clipsearch does not read its video codec (binkvideo)", "convert it to MP4"),
        ("content", "cannot be decoded: it is encrypted (DRM)", "--exclude"),
        ("bytes", "larger than 512 MiB", "smaller copy"),
        (
            "content",
            "a TIFF of 3 x 32-bit values, which clipsearch does not read; save it as 8 or 16 bits",
            "it is tried",
        ),
    ],
)
def test_each_cause_has_its_advice(cause, reason, advice):
    assert advice in advice_for(failure(cause, reason))
    assert "replace" not in advice_for(failure(cause, reason)) or "save it" not in reason


def test_there_is_advice_for_every_cause():
    assert all(advice_for(failure(cause)) for cause in get_args(Cause))


def test_an_option_is_named_with_its_command():
    """The page shows the advice, too, where an option alone says nothing."""
    every = [*_ADVICE.values(), *_UNREADABLE.values(), advice_for(failure("pixels", "9000 x 9000 pixels"))]
    with_options = [advice for advice in every if "--" in advice]
    assert len(with_options) == 11 and all("`clipsearch index` with " in advice for advice in with_options)


def test_a_photo_without_its_decoder_is_read_once_that_is_installed():
    assert advice_for(failure("content", MISSING_DECODER, "a.jxl")) == "install that and index again"


@pytest.mark.parametrize(
    ("days", "age"), [(0, "today"), (0.9, "today"), (1, "for 1 day"), (12.5, "for 12 days"), (-1, "today")]
)
def test_the_age_is_in_days(days, age):
    assert age_of(failure("content", since=NOW - timedelta(days=days)), NOW) == age
    assert age_of(failure("content"), NOW) == ""


def test_a_line_says_why_since_when_and_what_to_do():
    since = datetime.now(timezone.utc) - timedelta(days=3, hours=1)
    table = failures_table([failure("access", "Permission denied", since=since)], "/photos")
    advice = "allow yourself to read it; the next run tries it again"
    assert table == f"a.jpg\tPermission denied (access, for 3 days): {advice}\n"


def test_a_narrow_terminal_gets_a_paragraph_for_each_file():
    failures = [failure("access", "Permission denied")]
    assert failures_table(failures, "/photos", 200) == failures_table(failures, "/photos")
    lines = failures_table(failures, "/photos", 40).splitlines()
    assert lines[0] == "a.jpg" and len(lines) > 2
    assert all(line.startswith("  ") and len(line) <= 40 for line in lines[1:])
