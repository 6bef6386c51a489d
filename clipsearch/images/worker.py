"""A process that decodes photos, one at a time, for images.pool.

Only here do untrusted bytes reach decoders written in C, so a hang, a crash or a memory bomb costs one file and not the run.
The process exchanges length-prefixed messages on its standard streams. A request is PATH and a path, or BYTES and a file's
bytes. The answer is a JSON header and raw pixels. Before it decodes a large picture, the process sends {"wants": bytes} and
waits for any message. Headers {"at": ...} report progress: READY once it has started, READING after each block of the file, and
DECODING when the whole file is in memory.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import IO, Any

from clipsearch.errors import ImageError
from clipsearch.images.files import ReadLimits, read_bytes
from clipsearch.images.memory import TOO_MUCH, limit_memory
from clipsearch.images.preprocess import fit_into, minimum_size, resize_and_crop
from clipsearch.images.reader import decode_image
from clipsearch.types import Box, ImageFile, PixelSpec

LARGE = 64 * 1024**2
"""Bytes of a decoded picture from which the process asks for memory. A whole 12-megapixel photo takes 48 MB."""

LENGTH = struct.Struct("<I")
PATH, BYTES = b"p", b"b"
READY, READING, DECODING = "ready", "reading", "decoding"


def main(arguments: str) -> None:
    """Serve until standard input ends.

    `arguments` is JSON: {"pixels": fields of a PixelSpec, "limits": fields of ReadLimits}, or "box" in place of "pixels".
    """
    options: dict[str, Any] = json.loads(arguments)
    spec: Box | PixelSpec
    if "box" in options:
        spec = Box(**options["box"])
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

    report(READY)
    while (request := read_message(requests)) is not None:
        photo = request[1:] if request[:1] == BYTES else os.fsdecode(request[1:])
        header, pixels = _read(photo, spec, limits, ask_for_memory, report)
        write_messages(responses, json.dumps(header).encode(), pixels)


def _read(
    photo: str | bytes,
    spec: PixelSpec | Box,
    limits: ReadLimits,
    ask_for_memory: Callable[[int], None],
    report: Callable[[str], None],
) -> tuple[dict[str, Any], bytes]:
    try:
        if isinstance(photo, bytes):
            data, file = photo, ImageFile("", len(photo), 0)
        else:
            data, file = read_bytes(photo, limits.max_bytes, lambda: report(READING))
        report(DECODING)
        sized, info = decode_image(
            data,
            minimum_size(spec),
            limits,
            ask_for_memory,
            lambda picture: fit_into(picture, spec) if isinstance(spec, Box) else resize_and_crop(picture, spec),
        )
        pixels = sized.tobytes()
    except ImageError as error:
        return {"reason": str(error), "cause": error.cause}, b""
    except MemoryError:
        return {"reason": TOO_MUCH, "cause": "memory"}, b""
    taken_at = info.taken_at.isoformat() if info.taken_at else None
    header = {"info": {**asdict(info), "taken_at": taken_at}, "size": file.size, "mtime_ns": file.mtime_ns}
    return {**header, "shape": [sized.height, sized.width]}, pixels


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
