"""Films as a browser gets them."""

from __future__ import annotations

from typing import IO

from clipsearch.images.file_types import VIDEO_HEAD_BYTES, video_container
from clipsearch.images.thumbnails import is_same_state
from clipsearch.server.originals import open_indexed
from clipsearch.types import ImageFile, ImageRecord

FILM_TYPES = {
    "MP4": "video/mp4",
    "M4V": "video/mp4",
    "MOV": "video/quicktime",
    "3GP": "video/3gpp",
    "WEBM": "video/webm",
    "MKV": "video/x-matroska",
    "AVI": "video/x-msvideo",
    "WMV": "video/x-ms-wmv",
    "MPEG": "video/mpeg",
    "MTS": "video/mp2t",
}
"""The media types of films, by the format that the index has for them. Browsers play MP4 and WebM, and some play others."""


def is_film(record: ImageRecord) -> bool:
    """Whether a record is of a film."""
    return record.info.format in FILM_TYPES


def open_film(record: ImageRecord) -> IO[bytes]:
    """A film's file, opened. ImageError if it is gone or has changed since it was indexed, by its size and time."""

    def is_unchanged(file: IO[bytes], found: ImageFile) -> bool:
        return is_same_state(found, record.file) and video_container(file.read(VIDEO_HEAD_BYTES)) is not None

    return open_indexed(record, is_unchanged)
