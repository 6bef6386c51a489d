"""The names of the catalog's files, whether there is a catalog, and whether another one has taken its place."""

from __future__ import annotations

from pathlib import Path

from clipsearch._internal.commands import INDEX_FOLDER, is_in_use
from clipsearch._internal.paths import identity

CATALOG = "catalog.sqlite"
REPAIRED = f"{CATALOG}.repaired"
"""A repaired catalog that still has to take the old one's place. If a repair was cut short, the next writer does that."""

DAMAGED = f"{CATALOG}.damaged"
SUCCESSOR = f"{CATALOG}.next"
"""The catalog of an index that was built beside this one and takes its place. The next writer does what is left of that."""

NEXT = "next"
"""The folder, inside an index, of the index that is being built beside it with another model."""

PREVIOUS = "previous"
"""The folder, inside an index, of the one before it, if `--keep-old` has kept that."""

KEEPING = f"{PREVIOUS}.partial"
JOURNALS = tuple(f"{CATALOG}{suffix}" for suffix in ("-wal", "-shm", "-journal"))
"""SQLite's own files beside the catalog."""


def has_catalog(folder: Path) -> bool:
    """Whether a folder holds an index."""
    return (folder / CATALOG).is_file()


def has_vectors(folder: Path) -> bool:
    """Whether a folder holds vectors of an index, perhaps of one whose catalog is lost."""
    return any((folder / "segments").glob("*.faiss"))


def is_index(folder: Path) -> bool:
    """Whether a folder is an index, or what is left of one: opening it says what is lost."""
    try:
        return has_catalog(folder) or has_vectors(folder)
    except OSError:
        return False


def index_of(folder: Path) -> Path:
    """The index that a folder is, or that is in its `.clipsearch`; if there is none, where a new one would be.

    A new index never lies among other files: a folder that holds any, such as photos, gets it in its `.clipsearch`.
    """
    inner = folder / INDEX_FOLDER
    if is_index(folder):
        return folder
    return inner if is_index(inner) or is_in_use(folder) else folder


def catalog_identity(folder: Path) -> tuple[int, int] | None:
    """The catalog's file as the system numbers it; None without a file. A replaced catalog has another number."""
    return identity(folder / CATALOG)


def is_replaced(folder: Path, known: tuple[int, int] | None) -> bool:
    """Whether the catalog is another file than the `known` one. A catalog that is gone is not replaced."""
    current = catalog_identity(folder)
    return current is not None and current != known
