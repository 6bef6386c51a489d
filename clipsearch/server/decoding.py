"""Decoding processes that stay, for pictures that are asked for one by one. Untrusted bytes meet decoders there, not here."""

from __future__ import annotations

import threading

from clipsearch._internal.cpu import cores
from clipsearch.errors import ImageError
from clipsearch.images.pool import Decoded, DecoderPool
from clipsearch.types import Box, Failure, ImageFile, PixelSpec

MOST_PROCESSES = 4
"""For each size. They are started when they are needed, and then wait for more."""


class Decoders:
    """A DecoderPool for each size that was asked for. For many threads; no process outlives `close`."""

    def __init__(self) -> None:
        self._pools: dict[PixelSpec | Box, DecoderPool] = {}
        self._lock = threading.Lock()
        self._closed = False

    def decode(self, path: str, spec: PixelSpec | Box) -> Decoded:
        """A file at this size. ImageError says why it cannot be read."""
        with self._lock:
            if self._closed:
                raise ImageError("the server is stopping")
            pool = self._pools.get(spec) or DecoderPool(spec, workers=min(cores(), MOST_PROCESSES))
            self._pools[spec] = pool
        (outcome,) = pool.read([ImageFile(path, 0, 0)])
        if isinstance(outcome, Failure):
            raise ImageError(outcome.reason, outcome.cause)
        return outcome

    def close(self) -> None:
        """Stop every process."""
        with self._lock:
            self._closed = True
        for pool in self._pools.values():
            pool.close()
