"""Pictures that a client has sent to search by: their vectors are kept for a while, the pictures themselves are not."""

from __future__ import annotations

import asyncio
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

from clipsearch.render.text import counted

MOST = 64
SECONDS = 3600.0
DECODED_AT_ONCE = 4

KEPT_FOR = counted(round(SECONDS / 3600), "hour")
"""SECONDS, for people."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture: its size in pixels, its unit vector (dim,), the sha256 of its bytes, and the digest of the vector's model."""

    width: int
    height: int
    vector: NDArray[np.float32]
    content_hash: str
    model: str


class Uploads:
    """The last MOST uploads, none for longer than SECONDS. `add` and `get` belong to one thread."""

    def __init__(self) -> None:
        self.decoding = asyncio.Semaphore(DECODED_AT_ONCE)
        self._kept: OrderedDict[str, tuple[float, Upload]] = OrderedDict()

    def add(self, upload: Upload) -> str:
        """Keep an upload and return its token, which cannot be guessed."""
        token = secrets.token_urlsafe(16)
        self._kept[token] = time.monotonic(), upload
        self._forget_old()
        return token

    def get(self, token: str) -> Upload | None:
        """The upload of a token; None if it is unknown or too old."""
        self._forget_old()
        _, upload = self._kept.get(token, (0.0, None))
        return upload

    def _forget_old(self) -> None:
        """Forget what is too much or too old. The oldest is the first."""
        oldest = time.monotonic() - SECONDS
        while self._kept and (len(self._kept) > MOST or next(iter(self._kept.values()))[0] < oldest):
            self._kept.popitem(last=False)


@asynccontextmanager
async def received(parts: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """A file with the bytes that a client sends, deleted afterwards. On disk, so that a client that stalls holds no memory."""
    descriptor, path = tempfile.mkstemp(prefix="clipsearch-")
    try:
        with open(descriptor, "wb") as stream:
            async for part in parts:
                stream.write(part)
        yield path
    finally:
        os.unlink(path)
