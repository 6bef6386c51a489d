"""An index that was built beside another one takes its place, whatever happens meanwhile.

The new index is whole in the folder NEXT. One rename gives its catalog the name SUCCESSOR: from then on, every writer finishes
what is left before it does anything else. Until the last rename, which replaces the catalog, readers find the old index whole.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from clipsearch._internal.atomic_files import put_in_place, sync_file, sync_folder
from clipsearch.errors import CollectionError
from clipsearch.store.catalog import Catalog
from clipsearch.store.catalog_file import CATALOG, JOURNALS, KEEPING, NEXT, PREVIOUS, SUCCESSOR, has_catalog
from clipsearch.store.database import finish_repair, replace_catalog
from clipsearch.store.validation import require_own_files

SEGMENTS_AHEAD = 1_000_000
"""The new index numbers its segments this far behind the old one's, which may get more meanwhile: one folder will hold both."""


def finish_replacement(folder: Path) -> None:
    """Let a repaired catalog, or a new index, take the old one's place, if that was begun. The caller is the only writer."""
    finish_repair(folder)
    inside, segments = folder / NEXT, folder / "segments"
    if (folder / SUCCESSOR).exists():
        require_own_files(inside)
        for path in _segments_in(inside):
            put_in_place(path, segments / path.name)
        sync_folder(segments)
        replace_catalog(
            folder, folder / SUCCESSOR, f"the new index at {folder} is whole, but another program has the old one open"
        )
    for left in (folder / KEEPING, *(() if has_catalog(inside) else (inside,))):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)


def hand_over(folder: Path) -> None:
    """Put the index in NEXT in the place of the one around it. The caller is the only writer of both, and has closed them.

    Nothing is outside their catalogs' own files (`Catalog.gather`).
    """
    inside = folder / NEXT
    if both := {path.name for path in _segments_in(inside)} & {path.name for path in _segments_in(folder)}:
        raise CollectionError(
            f"the indexes at {folder} and {inside} have files of the same names ({min(both)}); delete {inside}, and run this "
            "again: its photos are embedded again"
        )
    for name in JOURNALS:
        (inside / name).unlink(missing_ok=True)
    sync_folder(inside)
    put_in_place(inside / CATALOG, folder / SUCCESSOR)
    sync_folder(folder)
    finish_replacement(folder)


def keep(folder: Path, catalog: Catalog) -> Path:
    """Copy the index at a folder into PREVIOUS; the copy's folder. Its vectors take no room, if the disk has hard links."""
    kept, partial = folder / PREVIOUS, folder / KEEPING
    for left in (kept, partial):
        if left.is_dir():
            shutil.rmtree(left)
    (partial / "segments").mkdir(parents=True)
    catalog.copy_to(partial / CATALOG)
    for info in catalog.segments():
        for name in (info.name, *([info.compact_name] if info.compact else [])):
            _link(folder / "segments" / name, partial / "segments" / name)
    sync_folder(partial / "segments")
    sync_folder(partial)
    os.replace(partial, kept)
    sync_folder(folder)
    return kept


def _segments_in(folder: Path) -> list[Path]:
    return sorted((folder / "segments").glob("*.faiss"))


def _link(source: Path, target: Path) -> None:
    with suppress(OSError):  # FAT, and some network drives
        os.link(source, target)
        return
    shutil.copyfile(source, target)
    with target.open("rb+") as stream:
        sync_file(stream.fileno())
