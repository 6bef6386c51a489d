"""A process that decodes photos, one at a time, for images.pool.

Only here do untrusted bytes reach decoders written in C, so a hang, a crash or a memory bomb costs one file and not the run.
The process exchanges length-prefixed messages on its standard streams. A request is PATH or BYTES, AT, and a path or a file's
bytes. The answer is a JSON header and the raw pixels of one or more pictures. FACTS and FACTS_OF_BYTES ask for no
pixels. Before it decodes a large picture, the process
sends {"wants": bytes} and waits for any message. Headers {"at": ...} report progress: READY once it has started, READING after
each block of the file, and DECODING when the whole file is in memory.
"""

from __future__ import annotations

import json
import math
import os
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import IO, TYPE_CHECKING, Any

from PIL import Image

from clipsearch.errors import ImageError, one_line
from clipsearch.images.file_types import (
    SIGNATURE_BYTES,
    VIDEO_HEAD_BYTES,
    has_image_signature,
    is_video_name,
    looks_like_image,
    looks_like_video,
)
from clipsearch.images.files import ReadLimits, read_bytes, read_start
from clipsearch.images.jpeg import has_all_headers
from clipsearch.images.memory import TOO_MUCH, limit_memory
from clipsearch.images.placeholders import placeholder
from clipsearch.images.preprocess import fit_for_reading, fit_into, minimum_size, resize_and_crop
from clipsearch.images.reader import decode_image, decode_pictures, read_facts
from clipsearch.types import Box, ImageFile, ImageInfo, PixelSpec, TextSpec

if TYPE_CHECKING:  # with numpy and OpenCV, which other processes do without
    from clipsearch.images.text_reader import TextReader

LARGE = 64 * 1024**2
"""Bytes of a decoded picture from which the process asks for memory. A whole 12-megapixel photo takes 48 MB."""

_PLACEHOLDER = "clipsearch placeholder"  # the key in a picture's `info`, which moves with it

LENGTH = struct.Struct("<I")
AT = struct.Struct("<d")
"""The page or second of the wanted picture; NaN for the first, or for all."""

_JPEG_START = 256 * 1024
"""Bytes of a file that are read first for its facts. In a JPEG with a preview, its facts end before that."""

PATH, BYTES, FACTS, FACTS_OF_BYTES = b"p", b"b", b"f", b"g"
READY, READING, DECODING = "ready", "reading", "decoding"


def main(arguments: str) -> None:
    """Serve until standard input ends.

    `arguments` is JSON: {"pixels": fields of a PixelSpec, "limits": fields of ReadLimits, "all_pictures": bool}, or "box" or
    "text" in place of "pixels".
    """
    options: dict[str, Any] = json.loads(arguments)
    spec: Box | PixelSpec | TextSpec
    if "box" in options:
        spec = Box(**options["box"])
    elif "text" in options:
        spec = TextSpec(**options["text"])
    else:  # JSON gives lists for tuples
        pixels = options["pixels"].items()
        fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in pixels}
        spec = PixelSpec(**fields)
    limits = ReadLimits(**options["limits"])
    limit_memory(limits.memory)
    responses = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not mix with the messages
    requests = sys.stdin.buffer

    def report(phase: str) -> None:
        write_messages(responses, json.dumps({"at": phase}).encode())

    def ask_for_memory(size: int) -> None:
        if size >= LARGE:
            write_messages(responses, json.dumps({"wants": size}).encode())
            if read_message(requests) is None:
                sys.exit()

    if isinstance(spec, TextSpec):
        with suppress(ImageError, MemoryError):  # each photo will say why
            _load_text_reader()
    decoding = _Decoding(spec, limits, options["all_pictures"], ask_for_memory, report)
    report(READY)
    while (request := read_message(requests)) is not None:
        (at,) = AT.unpack(request[1 : 1 + AT.size])
        content = request[1 + AT.size :]
        kind = request[:1]
        photo = content if kind in (BYTES, FACTS_OF_BYTES) else os.fsdecode(content)
        wanted = None if math.isnan(at) else at
        header, pixels = decoding.facts(photo) if kind in (FACTS, FACTS_OF_BYTES) else decoding.read(photo, wanted)
        write_messages(responses, json.dumps(header).encode(), pixels)


@dataclass(frozen=True, slots=True)
class _Decoding:
    """Decodes files as `main` was told to, and reports to the other side meanwhile."""

    spec: PixelSpec | Box | TextSpec
    limits: ReadLimits
    all_pictures: bool
    ask_for_memory: Callable[[int], None]
    report: Callable[[str], None]

    def read(self, photo: str | bytes, at: float | None) -> tuple[dict[str, Any], bytes]:
        """The answer for a path or a file's bytes: of its picture `at` a page or second, else of the first, or of all."""

        def decode() -> tuple[dict[str, Any], bytes]:
            pictures, info, file = self._pictures(photo, at)
            if isinstance(self.spec, TextSpec):
                info = replace(info, text=self._text_in(pictures[0]))
                pictures = []
            pixels = b"".join(picture.tobytes() for picture in pictures)
            height, width = (pictures[0].height, pictures[0].width) if pictures else (0, 0)
            header = {**_header(info, file), "shape": [len(pictures), height, width]}
            small = [picture.info[_PLACEHOLDER] for picture in pictures if _PLACEHOLDER in picture.info]
            if len(small) == len(pictures):
                header["placeholders"] = [pixels.hex() for pixels in small]
            return header, pixels

        return _answer(decode)

    def facts(self, photo: str | bytes) -> tuple[dict[str, Any], bytes]:
        """The answer for the facts of a photo or a film, without pixels."""
        return _answer(lambda: (_header(*self._facts(photo)), b""))

    def _facts(self, photo: str | bytes) -> tuple[ImageInfo, ImageFile]:
        if isinstance(photo, str) and is_video_name(photo) and not _begins_like_picture(photo):
            return self._film_facts(photo)
        if isinstance(photo, bytes):
            data, file = photo, ImageFile("", len(photo), 0)
        else:
            data, file = read_start(photo, _JPEG_START)
            if file.size > len(data) and not has_all_headers(data):
                data, file = read_bytes(photo, self.limits.max_bytes, lambda: self.report(READING))
        if looks_like_video(data[:VIDEO_HEAD_BYTES]) and not looks_like_image(data[:SIGNATURE_BYTES]):
            return self._film_facts(photo)
        self.report(DECODING)
        return read_facts(data), file

    def _film_facts(self, film: str | bytes) -> tuple[ImageInfo, ImageFile]:
        from clipsearch.images import video

        self.report(DECODING)
        return video.read_facts(film, self.limits, lambda: self.report(DECODING))

    def _text_in(self, picture: Image.Image) -> str:
        """The text in a picture. Each line restarts the clock, so that a full page may take longer than a photo."""
        reader = _load_text_reader()
        try:
            return reader.read(picture, lambda: self.report(DECODING))
        except MemoryError:
            raise
        except Exception as error:  # of OpenVINO, OpenCV or RapidOCR
            raise ImageError(f"its text cannot be read: {one_line(error)}", "crash") from error

    def _pictures(self, photo: str | bytes, at: float | None) -> tuple[list[Image.Image], ImageInfo, ImageFile]:
        if isinstance(photo, str) and is_video_name(photo) and not _begins_like_picture(photo):
            return self._frames(photo, at)
        if isinstance(photo, bytes):
            data, file = photo, ImageFile("", len(photo), 0)
        else:
            data, file = read_bytes(photo, self.limits.max_bytes, lambda: self.report(READING))
        if looks_like_video(data[:VIDEO_HEAD_BYTES]) and not looks_like_image(data[:SIGNATURE_BYTES]):
            return self._frames(photo, at)
        self.report(DECODING)
        least = minimum_size(self.spec)
        if self.all_pictures and at is None:
            return *decode_pictures(data, least, self.limits, self.ask_for_memory, self._sized), file
        picture, info = decode_image(data, least, self.limits, self.ask_for_memory, self._sized, at)
        return [picture], info, file

    def _frames(self, film: str | bytes, at: float | None) -> tuple[list[Image.Image], ImageInfo, ImageFile]:
        from clipsearch.images.video import read_film, read_frame

        def report() -> None:
            self.report(DECODING)

        least = minimum_size(self.spec)
        report()
        if self.all_pictures and at is None:
            return read_film(film, least, self.limits, report, self._sized)
        picture, info, file = read_frame(film, at, least, self.limits, report)
        return [self._sized(picture)], info, file

    def _sized(self, picture: Image.Image) -> Image.Image:
        if isinstance(self.spec, Box):
            return fit_into(picture, self.spec)
        if isinstance(self.spec, TextSpec):
            return fit_for_reading(picture, self.spec)
        small = placeholder(picture)  # of the whole picture, which the model may get only a part of
        sized = resize_and_crop(picture, self.spec)
        sized.info[_PLACEHOLDER] = small
        return sized


def _header(info: ImageInfo, file: ImageFile) -> dict[str, Any]:
    taken_at = info.taken_at.isoformat() if info.taken_at else None
    return {"info": {**asdict(info), "taken_at": taken_at}, "size": file.size, "mtime_ns": file.mtime_ns}


def _answer(read: Callable[[], tuple[dict[str, Any], bytes]]) -> tuple[dict[str, Any], bytes]:
    """What a function returns, or the reason why it failed."""
    try:
        return read()
    except ImageError as error:
        return {"reason": str(error), "cause": error.cause}, b""
    except MemoryError:
        return {"reason": TOO_MUCH, "cause": "memory"}, b""


@cache
def _load_text_reader() -> TextReader:
    """The reader, with its models loaded. ImageError if they cannot be: no photo is to blame."""
    from clipsearch.images.text_reader import TextReader

    try:
        reader = TextReader()
        reader.load()
    except MemoryError:
        raise
    except Exception as error:
        raise ImageError(f"RapidOCR cannot be loaded: {one_line(error)}", "access") from error
    return reader


def _begins_like_picture(path: str) -> bool:
    """Whether a file begins like a picture, whatever its name says. False if it cannot be read."""
    try:
        return has_image_signature(path)
    except OSError:
        return False


def read_message(stream: IO[bytes]) -> bytes | None:
    """The next message; None if the other side has gone."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    body = stream.read(length)
    return body if len(body) == length else None


def write_messages(stream: IO[bytes], *messages: bytes) -> None:
    """Send messages, each preceded by its length."""
    for message in messages:
        stream.write(LENGTH.pack(len(message)) + message)
    stream.flush()
