"""Which pictures of a file are indexed, and when or where they are in it."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from clipsearch.errors import ImageError
from clipsearch.images.files import ReadLimits
from clipsearch.images.frame_choice import difference
from clipsearch.images.tiff_tags import TiffTags, Value
from clipsearch.types import ImageInfo, Moment

MOST_PAGES = 100
"""Pictures that are indexed of one file of pages. The others are left out."""

MOST_FRAMES_TAKEN = 8
"""Frames that are indexed of an animation. They are spread evenly over it."""

MOST_PAGE_PIXELS = 900_000_000
"""Decoded pixels of one file, after which no further page is decoded: 103 scans of A4 with 300 dpi."""

_SHARE_OF_SECONDS = 0.5  # of the time that a file may take; after it, no further picture of the file is decoded
_MOST_DIRECTORIES = 4 * MOST_PAGES  # of a TIFF: each page may have its thumbnail and its mask
_SUBFILE, _OLD_SUBFILE, _WIDTH, _JPEG_START = 0x00FE, 0x00FF, 0x0100, 0x0201
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType: TIFF 6.0, section 8
_OLD_REDUCED = 2  # a value of SubfileType
_THUMBNAIL_EDGE = 320  # pixels; longer pictures are no thumbnails
_THUMBNAIL_SHARE = 0.01  # of the pixels of the file's largest picture
_SAME_SHAPE = 0.02  # of an aspect ratio; the sizes of reduced pictures are rounded

# The size at which pictures are compared, and the mean absolute difference of the same ones, in steps of 1/255. Measured on
# photos of data/photos. Pages: 0.2 to 0.5 for a copy of lower resolution, 17 for two pages of text. Frames: 1.0 to 2.7 for
# a GIF's palette, 2.2 to 8.8 for a move of 1% of the width, 2.1 to 5.5 for an object of 20% of the width.
_PAGE_SIZE, _SAME_PAGE = (64, 64), 2.0
_FRAME_SIZE, _SAME_FRAME = (16, 16), 3.0

_ROUNDING = 0.001  # seconds; moments are rounded to it
_ONE_SCENE = ("altr", "ster")  # groups of HEIF: alternatives of one picture, and the two pictures of a stereo pair


@dataclass(frozen=True, slots=True)
class Source:
    """One picture of a file that may have several, before it is decoded."""

    moment: Moment
    decode: Callable[[], tuple[Image.Image, ImageInfo]]
    seconds: float = 0.0  # how long a frame of an animation is shown

    def is_at(self, at: float) -> bool:
        """Whether this is the page with the number `at`, or the frame that is shown at the second `at`."""
        if self.moment.unit == "page":
            return at == self.moment.at
        return self.moment.at - _ROUNDING <= at < self.moment.at + self.seconds


def source_at(sources: list[Source], at: float) -> Source:
    """The picture at a page or a second. Raises ImageError if the file has no such picture."""
    for source in reversed(sources):
        if source.is_at(at):
            return source
    where = f"page {at:g}" if sources[0].moment.unit == "page" else f"picture at {at:g} s"
    raise ImageError(f"this file has no {where}")


def heif_pages(image: Image.Image) -> list[int]:
    """Pillow's numbers of the pictures in an opened HEIF file: first the primary one, which `image` is, then the others.

    Of the versions of one scene, only the first is a page.
    """
    primary: int = image.tell()
    others = (number for number in range(getattr(image, "n_frames", 1)) if number != primary)
    scenes = [group["images"] for group in image.info.get("entity_groups", ()) if group["type"] in _ONE_SCENE]
    pages = [primary]
    for number in others:
        if len(pages) == MOST_PAGES:
            break
        if not any(number in scene and any(page in scene for page in pages) for scene in scenes):
            pages.append(number)
    return pages


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


@dataclass(frozen=True, slots=True)
class _Picture:
    """A decoded picture of a file, and the small one by which it is compared."""

    picture: Image.Image
    small: Image.Image
    info: ImageInfo
    moment: Moment

    @property
    def pixels(self) -> int:
        """Pixels of the picture as it is in the file."""
        return self.info.width * self.info.height

    def repeats(self, other: _Picture) -> bool:
        """Whether this shows nothing new beside another picture: a frame nearly like it, or a page in another resolution."""
        if self.moment.unit == "second":
            return difference(self.small, other.small) <= _SAME_FRAME
        edge = max(self.info.width, self.info.height)
        if edge <= _THUMBNAIL_EDGE and self.pixels <= _THUMBNAIL_SHARE * other.pixels:
            return True
        ratio = self.info.width * other.info.height / (self.info.height * other.info.width)
        is_resized = self.info.width != other.info.width and abs(ratio - 1) <= _SAME_SHAPE
        return is_resized and difference(self.small, other.small) <= _SAME_PAGE


class Pictures:
    """The decoded pictures of one file, without those that repeat another one."""

    def __init__(self) -> None:
        self._taken: list[_Picture] = []

    @property
    def info(self) -> ImageInfo:
        """The facts about the first picture."""
        return self._taken[0].info

    @property
    def moments(self) -> list[Moment]:
        """Where the pictures are in the file, in order."""
        return [taken.moment for taken in self._taken]

    @property
    def images(self) -> list[Image.Image]:
        """The pictures themselves."""
        return [taken.picture for taken in self._taken]

    def add(self, picture: Image.Image, info: ImageInfo, moment: Moment) -> None:
        """Add the next picture. Of a page in several resolutions, the largest is kept."""
        small = picture.resize(_FRAME_SIZE if moment.unit == "second" else _PAGE_SIZE, Image.Resampling.BOX)
        new = _Picture(picture, small, info, moment)
        if not any(new.repeats(other) and new.pixels <= other.pixels for other in self._taken):
            self._taken = [other for other in self._taken if not other.repeats(new)]
            self._taken.append(new)


def take_pictures(sources: list[Source], finish: Callable[[Image.Image], Image.Image], limits: ReadLimits) -> Pictures:
    """Decode the pictures of a file that are indexed. `finish` is applied to each.

    Pictures that cannot be decoded are left out.
    """
    pictures = Pictures()
    started = time.monotonic()
    decoded = 0
    for source in _to_index(sources):
        try:
            picture, info = source.decode()
            decoded += info.width * info.height
            pictures.add(finish(picture), info, source.moment)
        except Exception:  # decoders raise errors of any type for broken bytes
            if source.moment.unit == "second":  # the frames after it are changes of this one
                break
        if decoded > MOST_PAGE_PIXELS or time.monotonic() - started > _SHARE_OF_SECONDS * limits.seconds:
            break
    return pictures


def _to_index(sources: list[Source]) -> list[Source]:
    """The pictures to index: all pages, or frames spread over an animation."""
    if sources[0].moment.unit == "page" or len(sources) <= MOST_FRAMES_TAKEN:
        return sources
    return [sources[number * len(sources) // MOST_FRAMES_TAKEN] for number in range(MOST_FRAMES_TAKEN)]
