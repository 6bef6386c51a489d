"""The page's files as they are sent: bundled and compressed once."""

from __future__ import annotations

import gzip
import hashlib
from functools import lru_cache
from pathlib import Path

from clipsearch.server.bundles import FIRST, LATER, STYLES, bundles, entrance

_FOLDER = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".bin": "application/octet-stream",
}
"""The media type of each kind of file, by its suffix. No other can be requested."""


def page_file(name: str) -> bytes | None:
    """A file of the page, or None if there is none of this name."""
    files = {path.name: path for path in _FOLDER.iterdir() if path.suffix in TYPES}
    if name in (FIRST, LATER, STYLES):
        return bundles(_FOLDER)[name].encode()
    return entrance(name, files[name].read_bytes()) if name in files else None


@lru_cache(maxsize=64)
def packed(data: bytes) -> tuple[bytes, str]:
    """A file, compressed, and a digest of it."""
    return gzip.compress(data, 9, mtime=0), hashlib.sha256(data).hexdigest()[:32]


def prepare_page() -> None:
    """Bundle and compress what every page needs, so that the first one does not wait for it."""
    for name in (STYLES, FIRST, LATER):
        packed(bundles(_FOLDER)[name].encode())
