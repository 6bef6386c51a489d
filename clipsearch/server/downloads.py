"""What a client has asked for as one file: photos as a zip archive, as a page to browse, or as a contact sheet."""

from __future__ import annotations

import secrets
import tempfile
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from clipsearch._internal.file_names import safe_name
from clipsearch.render.contact_sheet import save_contact_sheet
from clipsearch.render.gallery import MOST as MOST_IN_GALLERY
from clipsearch.render.gallery import photos_gallery, save_gallery
from clipsearch.types import Hit, ImageRecord

DownloadKind: TypeAlias = Literal["zip", "gallery", "sheet"]

MOST_PHOTOS = 10_000
"""Photos in one archive."""

MOST_PICTURES = MOST_IN_GALLERY
"""Photos in one gallery or on one contact sheet."""

KEPT = 16
"""Downloads that are remembered. Nothing but the list of their photos is kept of them."""

SECONDS = 3600.0
SUFFIXES: dict[DownloadKind, str] = {"zip": ".zip", "gallery": ".html", "sheet": ".pdf"}
TYPES: dict[DownloadKind, str] = {"zip": "application/zip", "gallery": "text/html", "sheet": "application/pdf"}


@dataclass(frozen=True, slots=True)
class Download:
    """A file to be made of photos, in this order."""

    kind: DownloadKind
    title: str
    records: tuple[ImageRecord, ...]

    @property
    def name(self) -> str:
        """The name to save it under."""
        return safe_name(f"{self.title[:100].replace('/', '-')}{SUFFIXES[self.kind]}")

    @property
    def size(self) -> int:
        """Bytes of the photos' own files."""
        return sum(record.file.size for record in self.records)


class Downloads:
    """The last KEPT downloads, none for longer than SECONDS. For any thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[float, Download]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, download: Download) -> str:
        """Keep a download and return its token, which cannot be guessed."""
        token = secrets.token_urlsafe(16)
        with self._lock:
            self._kept[token] = time.monotonic(), download
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return token

    def get(self, token: str) -> Download | None:
        """The download of a token; None if it is unknown or too old."""
        with self._lock:
            added, download = self._kept.get(token, (0.0, None))
        return download if time.monotonic() - added <= SECONDS else None


def files_of(records: list[ImageRecord]) -> tuple[ImageRecord, ...]:
    """One record of each file: several may be pictures of one film."""
    return tuple({record.file.path: record for record in records}.values())


def made_file(download: Download) -> bytes:
    """The bytes of a gallery or a contact sheet. Photos that cannot be read are tiles that say so."""
    with tempfile.TemporaryDirectory(prefix="clipsearch-") as folder:
        path = Path(folder) / f"made{SUFFIXES[download.kind]}"
        if download.kind == "gallery":
            save_gallery(photos_gallery(download.records, download.title), path)
        else:
            hits = [Hit(rank, float("nan"), record) for rank, record in enumerate(download.records, 1)]
            save_contact_sheet(hits, path, download.title)
        return path.read_bytes()
