"""What is said of a file that a decoder refuses."""

import errno
import struct

import pytest
from PIL import UnidentifiedImageError

from clipsearch.images.decoding_errors import reason_of
from clipsearch.images.memory import TOO_MUCH


@pytest.mark.parametrize(
    "error",
    [
        ValueError("invalid literal for int() with base 10: b'0\\xaa0000000'"),
        ValueError(b"Token too long in file header: 111"),  # Pillow gives this message as bytes
        struct.error("unpack_from requires a buffer of at least 4 bytes"),
        KeyError(257),
        IndexError("index out of range"),
        AttributeError("'NoneType' object has no attribute 'read'"),
        TypeError(),
        OSError("buffer overrun when reading image file"),
        OSError("decoder error -2"),
        OSError("broken data stream when reading image file"),
        SyntaxError("broken PNG file (chunk b'\\x0e\\xe1MD')"),
    ],
    ids=repr,
)
def test_the_words_of_python_and_of_its_libraries_are_not_shown(error):
    assert reason_of(error) == "cannot be decoded: its data is damaged"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("image file is truncated (12 bytes not processed)"), "cannot be decoded: the file is cut short"),
        (ValueError("not enough image data"), "cannot be decoded: the file is cut short"),
        (OSError(errno.EIO, "Input/output error"), "cannot be decoded: Input/output error"),
        (ValueError("Memory allocation error: Security limit exceeded"), TOO_MUCH),
        (
            OSError("Unsupported BMP compression (4)"),
            "cannot be decoded: clipsearch does not read this kind of file (Unsupported BMP compression (4))",
        ),
    ],
)
def test_what_helps_to_understand_it_is_said(error, reason):
    assert reason_of(error) == reason


def test_what_is_no_picture_says_so():
    assert reason_of(UnidentifiedImageError("cannot identify image file")).startswith("not a picture")


def test_of_a_film_only_the_words_of_ffmpeg_are_shown():
    video_stream = pytest.importorskip("clipsearch.images.video_stream")
    assert video_stream.reason_of(ValueError("invalid literal for int()")) == "it is damaged"
