"""Pictures that a client has sent to search by: their vectors are kept for a while, the pictures themselves are not."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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


@asynccontextmanager
async def received(parts: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """A file with the bytes that a client sends, as long as it is needed: a client that stalls holds no memory."""
    descriptor, path = tempfile.mkstemp(prefix="clipsearch-")
    try:
        with open(descriptor, "wb") as stream:
            async for part in parts:
                stream.write(part)
        yield path
    finally:
        os.unlink(path)
