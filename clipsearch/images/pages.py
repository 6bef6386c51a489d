"""Which pictures of a file are indexed, and when or where they are in it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageStat

from clipsearch.images.tiff_tags import TiffTags, Value
from clipsearch.types import ImageInfo, Moment

MOST_PAGES = 100
"""Pictures that are indexed of one file of pages. The others are left out."""

MOST_PAGE_PIXELS = 600_000_000
"""Decoded pixels of one file, after which no further page is decoded: some 70 colour scans of A4 with 300 dpi."""

SHARE_OF_SECONDS = 0.5
"""Share of the seconds that a file may take, after which no further picture of it is decoded."""

_MOST_DIRECTORIES = 4 * MOST_PAGES  # of a TIFF: each page may have its thumbnail and its mask
_SUBFILE, _OLD_SUBFILE, _WIDTH, _JPEG_START = 0x00FE, 0x00FF, 0x0100, 0x0201
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType: TIFF 6.0, section 8
_OLD_REDUCED = 2  # a value of SubfileType
_THUMBNAIL_EDGE = 320  # pixels; longer pictures are no thumbnails
_THUMBNAIL_SHARE = 0.01  # of the pixels of the file's largest picture
_SAME_SHAPE = 0.02  # of an aspect ratio; the sizes of reduced pictures are rounded
_SMALL = (64, 64)  # size at which pictures are compared
_NEARLY_EQUAL = 2.0  # mean absolute difference of the small pictures, in steps of 1/255


@dataclass(frozen=True, slots=True)
class Source:
    """One picture of a file that may have several, before it is decoded."""

    moment: Moment
    decode: Callable[[], tuple[Image.Image, ImageInfo]]


class TiffPages:
    """The pages of a TIFF: its full pictures, without thumbnails, masks and pictures of reduced resolution."""

    def __init__(self, data: bytes) -> None:
        self._tags = TiffTags(data)
        self._directories = self._full_pictures()
        self._stream: _TiffStream | None = None

    def __len__(self) -> int:
        return len(self._directories)

    def tags(self, number: int) -> TiffTags:
        """The tags of a page, counted from 0."""
        return TiffTags(self._tags.data, first=self._directories[number])

    def stream(self, number: int) -> io.BytesIO:
        """The file, with a page (counted from 0) as its first. Other pages' streams are not valid after that."""
        offset = self._directories[number]
        if offset == self._tags.first():
            return io.BytesIO(self._tags.data)
        self._stream = self._stream or _TiffStream(self._tags.data)
        self._stream.seek(0)
        self._stream.write(self._tags.with_first(offset))
        self._stream.seek(0)
        return self._stream

    def _full_pictures(self) -> list[int]:
        """The offsets of the pages' directories, at least of the first directory."""
        tags = self._tags
        pages: list[int] = []
        seen: set[int] = set()
        widest = 0
        offset = tags.first()
        while offset not in seen and len(seen) < _MOST_DIRECTORIES and len(pages) < MOST_PAGES:
            seen.add(offset)
            entries, following = tags.directory(offset)
            if _is_full_picture(tags, entries, widest):
                pages.append(offset)
                widest = max(widest, tags.number(entries, _WIDTH))
            offset = following
        return pages or [tags.first()]


class _TiffStream(io.BytesIO):
    """A copy of a TIFF file, whose header may be changed."""

    def getvalue(self) -> bytes:
        """The file, not copied again. Pillow gives it to libtiff, which reads any buffer."""
        return self.getbuffer()  # type: ignore[return-value]


def _is_full_picture(tags: TiffTags, entries: dict[int, Value], widest: int) -> bool:
    """Whether a directory's picture is a page. `widest` is the width of the widest page before it."""
    width = tags.number(entries, _WIDTH)
    is_exif_thumbnail = _JPEG_START in entries and width < widest / 2
    return (
        width > 0
        and not tags.number(entries, _SUBFILE) & (_REDUCED | _MASK)
        and tags.number(entries, _OLD_SUBFILE) != _OLD_REDUCED
        and not is_exif_thumbnail
    )


class Pictures:
    """The decoded pictures of one file, without those that show what a picture before them shows."""

    def __init__(self) -> None:
        self.taken: list[Image.Image] = []
        self.moments: list[Moment] = []
        self._infos: list[ImageInfo] = []
        self._small: list[Image.Image] = []

    @property
    def info(self) -> ImageInfo:
        """The facts about the first picture."""
        return self._infos[0]

    def add(self, picture: Image.Image, info: ImageInfo, moment: Moment) -> None:
        """Add a picture, unless it is a thumbnail or a copy of another one in a lower resolution."""
        small = picture.resize(_SMALL, Image.Resampling.BOX)
        for other, other_small in zip(self._infos, self._small, strict=True):
            if _is_thumbnail(info, other) or (_is_resized(info, other) and _are_alike(small, other_small)):
                return
        self.taken.append(picture)
        self.moments.append(moment)
        self._infos.append(info)
        self._small.append(small)


def _is_thumbnail(info: ImageInfo, other: ImageInfo) -> bool:
    """Whether a picture is too small beside another one of the same file to be a page."""
    pixels, other_pixels = info.width * info.height, other.width * other.height
    return max(info.width, info.height) <= _THUMBNAIL_EDGE and pixels <= _THUMBNAIL_SHARE * other_pixels


def _is_resized(info: ImageInfo, other: ImageInfo) -> bool:
    """Whether two pictures have the same shape, and different sizes."""
    ratio = info.width * other.height / (info.height * other.width)
    return info.width != other.width and abs(ratio - 1) <= _SAME_SHAPE


def _are_alike(small: Image.Image, other: Image.Image) -> bool:
    """Whether two pictures of the size _SMALL look the same."""
    means = ImageStat.Stat(ImageChops.difference(small, other)).mean
    return sum(means) / len(means) <= _NEARLY_EQUAL
