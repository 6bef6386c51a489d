"""Decode one file's bytes: which way of reading them fits, each picture in them, and the facts about it."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from PIL import Image, ImageChops, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from clipsearch.errors import ImageError, one_line
from clipsearch.images import colour, exif, jpeg_xl, photoshop
from clipsearch.images.animation import first_frame, frame_seconds, gif_size
from clipsearch.images.decoding_errors import NO_PICTURE, cause_of
from clipsearch.images.embedded import Packets, find_packets, png_exif, tiff_packets, with_facts
from clipsearch.images.files import ReadLimits, require_few_pixels
from clipsearch.images.float_values import describe, read_float_tiff
from clipsearch.images.jpeg import END, embedded_frames, end_of, exif_block, has_all_first_passes, read_frame
from clipsearch.images.libraw import develop, has_libraw
from clipsearch.images.orientation import SIDEWAYS, turn_of, turned
from clipsearch.images.pages import Source, TiffPages, heif_pages
from clipsearch.images.raw import ORIENTATION, Preview, RawPhoto, read_raw
from clipsearch.images.rgb import with_profile
from clipsearch.images.tiff_tags import TiffTags, is_tiff
from clipsearch.types import ImageInfo, Moment

DRAFT_FACTOR = 2
"""JPEGs are decoded at no less than this many times the size that the model wants.

Measured on ten 12-megapixel JPEGs against decoding them whole, for 224 px. The mean absolute difference of the pixels, in steps
of 1/255, is 0.20 to 0.43 with a factor of 2 (35 ms) and 0.09 to 0.24 with 4 (65 ms).
"""

REDUCE_FACTOR = 4
"""Other pictures are shrunk by a whole factor once they are decoded, to no less than this many times the size wanted.

Measured on ten noisy 12-megapixel pictures, for 224, 256 and 384 px, like DRAFT_FACTOR: the mean absolute difference is at most
0.41 with a factor of 4, 0.46 with 3 and 3.6 with 2. Resizing 24 megapixels takes 25 ms, and without this 130 ms.
"""

# EPS would run Ghostscript. The others have no decoder in Pillow, or are not pictures.
_REFUSED_FORMATS = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF", "XVTHUMB"}
_REDUCIBLE = ("L", "LA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")  # modes that are shrunk before their conversion to RGB
_WIDTH, _HEIGHT = 0x0100, 0x0101  # of a TIFF
_MP_ENTRIES = 0xB002  # CIPA DC-007, the list of pictures in a file
_MISSING = 128  # libjpeg's value for pixels without data
_MOST_MISSING = 0.1  # of a JPEG's rows; if fewer are missing, other programs show it, too
_JPEG_XL_BYTES = 8  # bytes a pixel: the plug-in's copy and Pillow's


@dataclass(frozen=True, slots=True)
class FileDecoder:
    """Decodes one file's bytes. The fields are the parameters of `decode_image`."""

    data: bytes
    min_size: tuple[int, int] | None
    limits: ReadLimits
    before_loading: Callable[[int], None] | None
    resize: Callable[[Image.Image], Image.Image] | None

    def sources(self, frames: bool = True) -> list[Source]:
        """The pictures of the file that may be indexed, at least one. Their pixels are not decoded yet.

        A source gives the upright picture, with its colour profile in `info` if it has one, and the facts about it. Without
        `frames`, an animation is a plain picture: for PNG, the one that programs without animation show.
        """
        Image.init()
        if photo := read_raw(self.data):
            return _only(lambda: self._raw(photo))
        if self.data.startswith(photoshop.SIGNATURE):
            return _only(self._photoshop)
        if is_tiff(self.data):
            pages = TiffPages(self.data)
            return [Source(Moment("page", n + 1), partial(self._tiff_page, pages, n)) for n in range(len(pages))]
        if jpeg_xl.is_jpeg_xl(self.data):
            self._prepare_jpeg_xl()
        if self.data.startswith(b"GIF8"):
            require_few_pixels(*gif_size(self.data), self.limits)
        try:
            image = _open(io.BytesIO(self.data))
        except UnidentifiedImageError:
            return _only(self._what_pillow_does_not_open)
        if frames and (seconds := frame_seconds(image, self.data)):
            return self._frames(image, seconds)
        if image.format == "HEIF" and len(numbers := heif_pages(image)) > 1:
            return [
                Source(Moment("page", page), partial(self._heif_page, image, number))
                for page, number in enumerate(numbers, 1)
            ]
        return _only(lambda: self._opened_by_pillow(image))

    def finish(self, picture: Image.Image) -> Image.Image:
        """A source's picture, resized and in sRGB."""
        if self.resize:
            picture = self.resize(picture)
        return colour.to_srgb(picture, picture.info.get("icc_profile"))

    def facts(self, info: ImageInfo, moments: Sequence[Moment] = ()) -> ImageInfo:
        """A source's facts, with those about the whole file."""
        return replace(info, content_hash=hashlib.sha256(self.data).hexdigest(), moments=tuple(moments))

    def facts_alone(self) -> ImageInfo:
        """The facts about the first picture, from the file's headers."""
        Image.init()
        data = self.data
        if photo := read_raw(data):
            return self._described(photo.size, photo.format, photo.main, photo.exif, photo.gps, photo.packets)
        if data.startswith(photoshop.SIGNATURE):
            file = photoshop.read_header(data)
            return self._info((file.width, file.height), file.format, *TiffTags(file.exif).facts(), file.packets)
        if jpeg_xl.is_jpeg_xl(data):
            size = jpeg_xl.read_size(data) or (0, 0)
            return self._described(size, "JXL", *TiffTags(jpeg_xl.exif_tags(data)).facts(), find_packets(data))
        pages = TiffPages(data) if is_tiff(data) else None
        try:
            image = _open(pages.stream(0) if pages else io.BytesIO(data))
        except UnidentifiedImageError:
            return self._facts_of_what_pillow_does_not_open(pages.tags(0) if pages else None)
        if image.format == "PNG" and "Raw profile type exif" not in image.info:
            image.info["exif"] = png_exif(data)  # without this, Pillow decodes the pixels to look behind them
        info = self._described(image.size, _format_of(image), *_tags(image), find_packets(data, image.info))
        # Pillow has swapped the edges of a TIFF already.
        return replace(info, width=image.width, height=image.height) if pages else info

    def _facts_of_what_pillow_does_not_open(self, tags: TiffTags | None) -> ImageInfo:
        frame = read_frame(self.data)
        if frame and frame.is_of_another_kind:
            size = frame.width, frame.height
            facts = TiffTags(self.data, max(exif_block(self.data), 0)).facts()
            return self._described(size, "JPEG", *facts, find_packets(self.data))
        if tags:
            main, exif_tags, gps = tags.facts()
            size = (tags.number(entries := tags.directory(tags.first())[0], _WIDTH), tags.number(entries, _HEIGHT))
            if all(size):
                return self._described(size, "TIFF", main, exif_tags, gps, tiff_packets(tags))
        raise ImageError(NO_PICTURE)

    def _described(
        self,
        size: tuple[int, int],
        image_format: str,
        main: dict[int, Any],
        exif_tags: dict[int, Any],
        gps: dict[int, Any],
        packets: Packets,
    ) -> ImageInfo:
        """The facts about a picture whose size is given as stored, before it is turned upright."""
        is_sideways = main.get(ORIENTATION) in SIDEWAYS
        return self._info(size[::-1] if is_sideways else size, image_format, main, exif_tags, gps, packets)

    def _tiff_page(self, pages: TiffPages, number: int) -> tuple[Image.Image, ImageInfo]:
        try:
            image = _open(pages.stream(number))
        except UnidentifiedImageError:
            return self._what_pillow_does_not_open(pages.tags(number))
        return self._opened_by_pillow(image)

    def _heif_page(self, primary: Image.Image, number: int) -> tuple[Image.Image, ImageInfo]:
        """One of the pictures of a HEIF file. Each is opened anew, because an opened file keeps all that was decoded."""
        image = primary
        if number != primary.tell():
            image = _open(io.BytesIO(self.data))
            image.seek(number)
        return self._opened_by_pillow(image)

    def _frames(self, image: Image.Image, seconds: list[float]) -> list[Source]:
        """The frames of an animation that was opened by Pillow."""
        starts = itertools.accumulate(seconds, initial=0.0)
        return [
            Source(Moment("second", round(start, 3)), partial(self._frame, image, number), duration)
            for number, (start, duration) in enumerate(zip(starts, seconds, strict=False), first_frame(image))
        ]

    def _frame(self, image: Image.Image, number: int) -> tuple[Image.Image, ImageInfo]:
        """A frame as a viewer shows it, on top of the frames before it. Pillow composes it from the last one decoded."""
        image.seek(number)
        picture, info = self._opened_by_pillow(image)
        return picture.copy() if picture is image else picture, info

    def _opened_by_pillow(self, image: Image.Image) -> tuple[Image.Image, ImageInfo]:
        image_format = _format_of(image)
        upright_size = None
        wanted = self.min_size
        if isinstance(image, JpegImageFile):
            turned = _tags(image)[0].get(ORIENTATION) in SIDEWAYS
            upright_size = image.size[::-1] if turned else image.size
            wanted = wanted[::-1] if wanted and turned else wanted
        loaded, is_cut = self._load(image, self.data, wanted)
        if image_format == "JXL" and "exif" not in image.info and (tags := jpeg_xl.compressed_exif(self.data)):
            image.info["exif"] = tags  # the plug-in passes over compressed ones
        # After loading, because PNG may have tags after the pixels, and loading turns TIFF upright.
        main, exif_tags, gps = _tags(image)
        orientation = main.get(ORIENTATION)
        turn = turn_of(image, orientation)
        if upright_size is None:
            turned = turn is not None and orientation in SIDEWAYS
            upright_size = loaded.size[::-1] if turned else loaded.size
            wanted = wanted[::-1] if wanted and turned else wanted
        picture = self._to_rgb(loaded, wanted)
        if turn is not None:
            picture = picture.transpose(turn)
        packets = find_packets(self.data, image.info)
        info = self._info(upright_size, image_format, main, exif_tags, gps, packets)
        return picture, replace(info, incomplete=is_cut)

    def _load(self, image: Image.Image, data: bytes, wanted: tuple[int, int] | None) -> tuple[Image.Image, bool]:
        """Load an opened picture, and tell whether its end is missing. A JPEG is shrunk, but not below `wanted`."""
        whole = image.size
        if isinstance(image, JpegImageFile) and wanted:
            image.draft("RGB", (wanted[0] * DRAFT_FACTOR, wanted[1] * DRAFT_FACTOR))
        least = 1 if image.mode in ("1", "L") else 4  # bytes a pixel
        require_few_pixels(*whole, self.limits, image.width * image.height, least)
        if self.before_loading:
            self.before_loading(4 * image.width * image.height)  # Pillow keeps RGB in four bytes a pixel
        try:
            image.load()
        except OSError as error:
            is_cut = isinstance(image, JpegImageFile) and error.errno is None and "truncated" in str(error)
            if not is_cut or not has_all_first_passes(data):
                raise
        else:
            return image, False
        mended = Image.open(io.BytesIO(data + END), formats=["JPEG"])
        if wanted:
            mended.draft("RGB", (wanted[0] * DRAFT_FACTOR, wanted[1] * DRAFT_FACTOR))
        mended.load()
        missing = _missing_rows(mended)
        if missing > _MOST_MISSING * mended.height:
            raise ImageError(f"cannot be decoded: {missing / mended.height:.0%} of the picture is missing at its end")
        return mended, True

    def _to_rgb(self, image: Image.Image, wanted: tuple[int, int] | None) -> Image.Image:
        """8-bit RGB, shrunk to at least REDUCE_FACTOR times `wanted`; CMYK with a profile, to at least DRAFT_FACTOR times."""
        if image.mode == "CMYK" and colour.needs_conversion(image.info.get("icc_profile"), image.mode):
            image = _shrunk(image, wanted, DRAFT_FACTOR)
        elif image.mode in _REDUCIBLE and "transparency" not in image.info:
            image = _shrunk(image, wanted, REDUCE_FACTOR)
        return _shrunk(with_profile(image), wanted, REDUCE_FACTOR)

    def _info(
        self,
        size: tuple[int, int],
        image_format: str,
        main: dict[int, Any],
        exif_tags: dict[int, Any],
        gps: dict[int, Any],
        packets: Packets,
    ) -> ImageInfo:
        info = ImageInfo(*size, image_format, content_hash="")  # that of the file: see `facts`
        return with_facts(info, main, exif_tags, gps, packets)

    # -- raw files

    def _raw(self, photo: RawPhoto) -> tuple[Image.Image, ImageInfo]:
        """A camera's raw file: a preview that is large enough, else LibRaw's picture, else a smaller usable preview."""
        sideways = photo.orientation in SIDEWAYS
        wanted = self.min_size[::-1] if self.min_size and sideways else self.min_size
        enough = (wanted[0] * DRAFT_FACTOR, wanted[1] * DRAFT_FACTOR) if wanted else None
        previews = photo.previews_of(enough)
        if not previews:
            photo.add_all_jpegs(self.data)
            previews = photo.previews_of(enough)
        picture, problem = self._first_preview(photo, previews, wanted)
        if picture is None and has_libraw():
            try:
                developed, size = develop(self.data, self.limits, self.before_loading)
                picture = _shrunk(developed, self.min_size, REDUCE_FACTOR)
            except MemoryError:
                raise
            except Exception as error:  # LibRaw raises errors of any type for broken bytes
                problem = error
            else:
                if not (photo.width and photo.height):
                    photo.width, photo.height = size[::-1] if sideways else size
        if picture is None:
            usable = [
                preview for preview in photo.by_size() if _reaches(preview.size, wanted) and preview not in previews
            ]
            picture, _ = self._first_preview(photo, usable, wanted)
        if picture is None:
            if problem and cause_of(problem) != "content":
                raise problem
            raise ImageError(_why_not_raw(photo, problem)) from problem
        size = (photo.width, photo.height) if photo.width and photo.height else picture.size
        if photo.width and photo.height and sideways:
            size = size[::-1]
        return picture, self._info(size, photo.format, photo.main, photo.exif, photo.gps, photo.packets)

    def _first_preview(
        self, photo: RawPhoto, previews: list[Preview], wanted: tuple[int, int] | None
    ) -> tuple[Image.Image | None, Exception | None]:
        """The first of some previews that can be decoded, upright; None and the last error if all are broken."""
        problem: Exception | None = None
        for preview in previews:
            content = self.data[preview.start : preview.start + preview.length]
            try:
                if preview.is_jpeg:
                    picture = self._embedded_jpeg(content, wanted)
                else:
                    require_few_pixels(*preview.size, self.limits)
                    if self.before_loading:
                        self.before_loading(4 * preview.width * preview.height)
                    picture = Image.frombytes("RGB", preview.size, content)
            except MemoryError:
                raise
            except Exception as error:  # decoders raise errors of any type for broken bytes
                problem = error
                continue
            is_upright = photo.orientation in SIDEWAYS and photo.width > photo.height and preview.width < preview.height
            return picture if is_upright else turned(picture, photo.orientation), None
        return None, problem

    def _embedded_jpeg(self, content: bytes, wanted: tuple[int, int] | None) -> Image.Image:
        """A JPEG inside a file of another format, as stored."""
        image = Image.open(io.BytesIO(content), formats=["JPEG"])
        return self._to_rgb(self._load(image, content, wanted)[0], wanted)

    # -- other files that Pillow does not read, or reads wrongly

    def _photoshop(self) -> tuple[Image.Image, ImageInfo]:
        file = photoshop.read_header(self.data)
        size = file.width, file.height
        main, exif_tags, gps = TiffTags(file.exif).facts()
        try:
            if not file.is_merged:
                raise ImageError(
                    f"{file.describes} without a merged picture; save it in Photoshop with 'Maximize compatibility'"
                )
            if file.version == 1 and file.bits <= 8:
                image, _ = self._load(Image.open(io.BytesIO(self.data), formats=["PSD"]), self.data, None)
            else:
                needs = photoshop.bytes_per_pixel(file)
                require_few_pixels(*size, self.limits, bytes_per_pixel=needs)
                if self.before_loading:
                    self.before_loading(needs * file.width * file.height)
                image = photoshop.merged_picture(file, self.data)
            picture = self._to_rgb(image, self.min_size)
        except ImageError as error:
            frame = read_frame(file.thumbnail) if error.cause == "content" else None
            if not frame or not _reaches((frame.width, frame.height), self.min_size):
                raise
            picture = self._embedded_jpeg(file.thumbnail, self.min_size)
        return picture, self._info(size, file.format, main, exif_tags, gps, file.packets)

    def _prepare_jpeg_xl(self) -> None:
        """Make Pillow read JPEG XL, if this picture is not too large: the plug-in decodes pictures on opening."""
        size = jpeg_xl.read_size(self.data)
        if size is None:
            raise ImageError("cannot be decoded: a JPEG XL picture without a header")
        require_few_pixels(*size, self.limits, bytes_per_pixel=_JPEG_XL_BYTES)
        try:
            from pillow_jxl import JpegXLImagePlugin
        except ImportError as error:
            raise ImageError(jpeg_xl.MISSING_DECODER) from error
        JpegXLImagePlugin.DECODE_THREADS = 0  # each core already has a decoding process
        if self.before_loading:
            self.before_loading(_JPEG_XL_BYTES * size[0] * size[1])

    def _what_pillow_does_not_open(self, tags: TiffTags | None = None) -> tuple[Image.Image, ImageInfo]:
        """A JPEG of 12 bits, by its preview, or a TIFF of floating-point values, whose `tags` are given.

        Raises ImageError, which names the kind of file, if it is something else.
        """
        data = self.data
        frame = read_frame(data)
        if frame and frame.is_of_another_kind:
            for start, small in embedded_frames(data, 2):
                if _reaches((small.width, small.height), self.min_size):
                    picture = self._embedded_jpeg(data[start : end_of(data, start)], self.min_size)
                    main, exif_tags, gps = TiffTags(data, max(exif_block(data), 0)).facts()
                    size = frame.width, frame.height
                    info = self._described(size, "JPEG", main, exif_tags, gps, find_packets(data))
                    return turned(picture, main.get(ORIENTATION)), info
            kind = "lossless " if frame.is_lossless else ""
            raise ImageError(
                f"a {kind}JPEG with {frame.bits} bits a colour, which clipsearch does not read; save it with 8 bits"
            )
        if tags:
            entries, _ = tags.directory(tags.first())
            float_picture = read_float_tiff(tags, self.limits, self.before_loading)
            if float_picture:
                main, exif_tags, gps = tags.facts()
                picture = turned(with_profile(float_picture), main.get(ORIENTATION))
                return picture, self._info(picture.size, "TIFF", main, exif_tags, gps, tiff_packets(tags))
            if entries:
                raise ImageError(f"{describe(tags, entries)}, which clipsearch does not read; save it as 8 or 16 bits")
        raise ImageError(NO_PICTURE)


def _open(stream: io.BytesIO) -> Image.Image:
    """A file, opened by Pillow. Raises UnidentifiedImageError if it is in none of the formats that we read by Pillow."""
    return Image.open(stream, formats=[name for name in Image.ID if name not in _REFUSED_FORMATS])


def _only(decode: Callable[[], tuple[Image.Image, ImageInfo]]) -> list[Source]:
    """The only picture of a file."""
    return [Source(Moment("page", 1), decode)]


def _format_of(image: Image.Image) -> str:
    """Pillow's name. A JPEG with further pictures in it (MPF) counts as a JPEG, unless they are parts of one photo."""
    if image.format == "MPO":
        entries = getattr(image, "mpinfo", {}).get(_MP_ENTRIES, ())
        in_parts = any(str(entry["Attribute"]["MPType"]).startswith("Multi-Frame") for entry in entries)
        return "MPO" if in_parts else "JPEG"
    return image.format or "unknown"


def _shrunk(image: Image.Image, wanted: tuple[int, int] | None, least: int) -> Image.Image:
    """The picture, shrunk by a whole factor, but to no less than `least` times the size wanted."""
    if wanted is None:
        return image
    factor = min(image.width // (least * wanted[0]), image.height // (least * wanted[1]))
    return image.reduce(factor) if factor > 1 else image


def _missing_rows(image: Image.Image) -> int:
    """How many rows at the end of a JPEG are missing from its file. The decoder makes them grey."""
    grey = Image.new(
        image.mode, image.size, (_MISSING,) * len(image.getbands()) if len(image.getbands()) > 1 else _MISSING
    )
    box = ImageChops.difference(image, grey).getbbox()
    return image.height - (box[3] if box else 0)


def _reaches(size: tuple[int, int], wanted: tuple[int, int] | None) -> bool:
    """Whether a picture of this size has at least the pixels of a model's input, or is only for display."""
    return min(size) >= min(wanted or (1, 1))


def _why_not_raw(photo: RawPhoto, problem: Exception | None) -> str:
    largest = next(iter(photo.by_size()), None)
    seen = f"whose largest preview has {largest.width} x {largest.height} pixels" if largest else "without a preview"
    if has_libraw():
        return f"cannot be decoded: {photo.format} {seen}; LibRaw says: {one_line(problem) if problem else 'nothing'}"
    return f"a raw photo ({photo.format}) {seen}; to develop it, `pip install 'clipsearch[raw]'`"


def _tags(image: Image.Image) -> tuple[dict[int, Any], dict[int, Any], dict[int, Any]]:
    """The EXIF tables (main, EXIF, GPS); empty if they cannot be parsed, because a broken tag must not lose the picture."""
    try:
        main = image.getexif()
        return dict(main), dict(main.get_ifd(exif.EXIF_IFD)), dict(main.get_ifd(exif.GPS_IFD))
    except Exception:
        return {}, {}, {}
