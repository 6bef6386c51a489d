"""The names of the catalog's files, whether there is a catalog, and whether another one has taken its place."""

from __future__ import annotations

from pathlib import Path

from clipsearch._internal.paths import identity

CATALOG = "catalog.sqlite"
REPAIRED = f"{CATALOG}.repaired"
"""A repaired catalog that still has to take the old one's place. If a repair was cut short, the next writer does that."""

DAMAGED = f"{CATALOG}.damaged"
JOURNALS = tuple(f"{CATALOG}{suffix}" for suffix in ("-wal", "-shm", "-journal"))
"""SQLite's own files beside the catalog."""


def has_catalog(folder: Path) -> bool:
    """Whether a folder holds an index."""
    return (folder / CATALOG).is_file()


def catalog_identity(folder: Path) -> tuple[int, int] | None:
    """The catalog's file as the system numbers it; None if there is none. A replaced catalog has another number."""
    return identity(folder / CATALOG)


def is_replaced(folder: Path, known: tuple[int, int] | None) -> bool:
    """Whether the catalog is another file than the `known` one. A catalog that is gone is not replaced."""
    current = catalog_identity(folder)
    return current is not None and current != known
