"""A repaired catalog takes the damaged one's place, at once and whenever it is cut short."""

from __future__ import annotations

import shutil
from pathlib import Path

from clipsearch.replacing import sync_folder

REPAIRED = "catalog.sqlite.repaired"
"""A whole new catalog that only has to take the old one's place: the next writer does so where a repair was cut short."""


def finish(folder: Path) -> None:
    """Let a repaired catalog take the old one's place, where there is one. The caller is the one writer."""
    new, old = folder / REPAIRED, folder / "catalog.sqlite"
    if not new.exists():
        return
    if old.exists():
        shutil.copyfile(old, folder / "catalog.sqlite.damaged")
    for suffix in ("-wal", "-shm", "-journal"):  # they belong to the old one, and would be taken for the new one's
        (folder / f"catalog.sqlite{suffix}").unlink(missing_ok=True)
    sync_folder(folder)  # or the power could go with the new one there and these as well
    new.replace(old)
    sync_folder(folder)
