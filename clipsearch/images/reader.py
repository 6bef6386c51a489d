"""Decode one file into an upright RGB picture and the file's facts about it."""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
from collections.abc import Callable, Iterator

from PIL import Image

from clipsearch.errors import ImageError
from clipsearch.images.decoding_errors import cause_of, reason_of
from clipsearch.images.file_decoder import FileDecoder
from clipsearch.images.files import ReadLimits, read_bytes
from clipsearch.images.memory import TOO_MUCH
from clipsearch.images.pages import source_at, take_pictures
from clipsearch.types import ImageFile, ImageInfo

_DECODING = threading.Lock()  # Pillow's pixel cap and Python's warning filters are global
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


def read_image(
    path: str | os.PathLike[str],
    min_size: tuple[int, int] | None = None,
    limits: ReadLimits | None = None,
) -> tuple[Image.Image, ImageInfo, ImageFile]:
    """Decode a file: the picture, the file's facts about it, and the file's size and time as read.

    The picture is 8-bit RGB and upright: EXIF orientation is applied, transparency is put on white, palettes, CMYK, grey and
    16-bit values are converted, and of an animation the first frame counts. With `min_size` (width, height; upright), the
    picture may be smaller than the file's, but not below DRAFT_FACTOR times `min_size`. Raises ImageError with the reason,
    whatever the decoder raised.
    """
    limits = limits or ReadLimits()
    data, file = read_bytes(path, limits.max_bytes)
    return *decode_image(data, min_size, limits), file


def decode_image(
    data: bytes,
    min_size: tuple[int, int] | None,
    limits: ReadLimits,
    before_loading: Callable[[int], None] | None = None,
    resize: Callable[[Image.Image], Image.Image] | None = None,
    at: float | None = None,
) -> tuple[Image.Image, ImageInfo]:
    """Decode a file's bytes to an upright RGB picture and the file's facts about it. For the parameters, see `read_image`.

    `before_loading` gets the number of bytes that the decoded picture will take. `resize` is applied to the upright picture
    before its colours are converted to sRGB. The conversion then takes a twentieth of the time. `at` is the page or the second
    of one of the file's pictures, as in its Moment; without it, the first picture is decoded.
    """
    with _decoding(data):
        decoder = FileDecoder(data, min_size, limits, before_loading, resize)
        source = decoder.sources(frames=False)[0] if at is None else source_at(decoder.sources(), at)
        picture, info = source.decode()
        return decoder.finish(picture), decoder.facts(info)


def decode_pictures(
    data: bytes,
    min_size: tuple[int, int] | None,
    limits: ReadLimits,
    before_loading: Callable[[int], None] | None = None,
    resize: Callable[[Image.Image], Image.Image] | None = None,
) -> tuple[list[Image.Image], ImageInfo]:
    """Decode all pictures of a file that are indexed, and the facts about the first. For the parameters, see `decode_image`.

    The facts have a moment for each picture; none if the file has only one picture. Pictures that cannot be decoded are left
    out, unless all fail. `images.pages` says which pictures count, and how many at most.
    """
    with _decoding(data):
        decoder = FileDecoder(data, min_size, limits, _for_the_largest(before_loading), resize)
        sources = decoder.sources()
        if len(sources) > 1:
            pictures = take_pictures(sources, decoder.finish, limits)
            is_plain = pictures.moments == [sources[0].moment]
            if pictures.moments and not (is_plain and sources[0].moment.unit == "second"):
                return pictures.images, decoder.facts(pictures.info, () if is_plain else pictures.moments)
            sources = decoder.sources(frames=False)  # nothing could be decoded, or the animation does not move
        picture, info = sources[0].decode()
        return [decoder.finish(picture)], decoder.facts(info)


def read_facts(data: bytes) -> ImageInfo:
    """The facts about a file's first picture. No pixel is decoded. Raises ImageError, as `decode_image`.

    The content hash is left empty, there are no moments, and whether the end of the picture is missing is not looked at. Of a
    JPEG, all bytes before its first scan are enough.
    """
    with _decoding(data):
        return FileDecoder(data, None, ReadLimits(), None, None).facts_alone()


@contextlib.contextmanager
def _decoding(data: bytes) -> Iterator[None]:
    """Prepare Pillow for some bytes, and make ImageErrors of all errors inside the block."""
    if not data:
        raise ImageError("empty file")
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        import pillow_heif

        pillow_heif.register_heif_opener()
    with _DECODING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Our own limit counts the pixels after `draft`.
        pillows_cap, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        except ImageError:
            raise
        except MemoryError as error:
            raise ImageError(TOO_MUCH, "memory") from error
        except Exception as error:  # decoders raise errors of any type for broken bytes
            raise ImageError(reason_of(error), cause_of(error)) from error
        finally:
            Image.MAX_IMAGE_PIXELS = pillows_cap


def _for_the_largest(before_loading: Callable[[int], None] | None) -> Callable[[int], None] | None:
    """The same function, called only for more bytes than before: pictures of one file are decoded one after another."""
    if before_loading is None:
        return None
    largest = 0

    def ask(size: int) -> None:
        nonlocal largest
        if size > largest:
            largest = size
            before_loading(size)

    return ask
