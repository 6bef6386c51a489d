"""Pictures that a client has sent to search by: their vectors are kept for a while, the pictures themselves are not."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipsearch.images.pool import Decoded
from clipsearch.schema import PixelSpec
from clipsearch.server.decoding import Decoders

MOST = 64
SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture: its size in pixels, its unit vector (dim,), the sha256 of its bytes, and whose vector it is."""

    width: int
    height: int
    vector: NDArray[np.float32]
    content_hash: str
    model: str  # digest


class Uploads:
    """The last MOST uploads, none for longer than SECONDS. It belongs to one thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[float, Upload]] = OrderedDict()

    def add(self, upload: Upload) -> str:
        """Keep an upload; its token, which nobody can guess."""
        token = secrets.token_urlsafe(16)
        self._kept[token] = time.monotonic(), upload
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return token

    def get(self, token: str) -> Upload | None:
        """The upload of a token; None for one that is unknown, or too old."""
        added, upload = self._kept.get(token, (0.0, None))
        if upload and time.monotonic() - added > SECONDS:
            del self._kept[token]
            return None
        return upload


def decode_upload(data: bytes, decoders: Decoders, spec: PixelSpec) -> Decoded:
    """Uploaded bytes at a model's size, decoded in a process that can be stopped. ImageError where they are no picture."""
    descriptor, path = tempfile.mkstemp(prefix="clipsearch-")
    try:
        with open(descriptor, "wb") as stream:
            stream.write(data)
        return decoders.decode(path, spec)
    finally:
        os.unlink(path)  # noqa: PTH108
