"""A repaired catalog takes the damaged one's place, at once and whenever it is cut short."""

from __future__ import annotations

import shutil
from pathlib import Path

from clipsearch._internal.atomic_files import put_in_place, sync_folder
from clipsearch._internal.windows import is_in_use
from clipsearch.errors import CollectionBusy

REPAIRED = "catalog.sqlite.repaired"
"""A whole new catalog that only has to take the old one's place: the next writer does so where a repair was cut short."""


def finish(folder: Path) -> None:
    """Let a repaired catalog take the old one's place, where there is one. The caller is the one writer.

    CollectionBusy, with the repaired one kept for the next time, where Windows does not let go of the old one's files.
    """
    new, old = folder / REPAIRED, folder / "catalog.sqlite"
    if not new.exists():
        return
    if old.exists():
        shutil.copyfile(old, folder / "catalog.sqlite.damaged")
    try:
        for suffix in ("-wal", "-shm", "-journal"):  # they belong to the old one, and would be taken for the new one's
            (folder / f"catalog.sqlite{suffix}").unlink(missing_ok=True)
        sync_folder(folder)  # or the power could go with the new one there and these as well
        put_in_place(new, old)
    except PermissionError as error:
        if not is_in_use(error):
            raise
        raise CollectionBusy(
            f"the index at {folder} is repaired, but another program has the damaged catalog open, and Windows does not let it "
            "be replaced meanwhile. End the program that searches it, and run this again"
        ) from error
    sync_folder(folder)
