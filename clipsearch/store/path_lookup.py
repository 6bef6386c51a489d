"""From absolute paths to an index's roots and the folders below them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize

from clipsearch._internal.paths import is_remote
from clipsearch.store.filters import composed
from clipsearch.store.rows import Place

if TYPE_CHECKING:
    from clipsearch.store.catalog import Catalog


class PathLookup:
    """From absolute paths to roots and the folders below them. `roots` maps root_id to the absolute path it has today."""

    def __init__(self, roots: Mapping[int, str], known: Catalog | None = None) -> None:
        self._roots = roots
        self._known = known

    def place(self, path: str) -> Place | None:
        """Where a path is in the catalog's terms; None if no root holds it."""
        for root_id, root in self._roots.items():
            if (relative := _relative(path, root)) is not None:
                folder, _, name = relative.rpartition("/")
                return Place(root_id, folder, name)
        return None

    def folders(self, folder: str) -> list[tuple[int, str]]:
        """Where an absolute folder's photos are: (root_id, folder below that root), for each root at, above or below it."""
        folder = self.spelled(folder)
        inside = [(root_id, "") for root_id, root in self._roots.items() if _relative(root, folder) is not None]
        place = self.place(folder)
        if place and not inside:
            inside = [(place.root_id, path) for path in self._spellings(place, folder)]
        return inside

    def _spellings(self, place: Place, folder: str) -> list[str]:
        """A folder below its root; if it is not known how that is written there, also with its accents written otherwise."""
        spellings = [place.path]
        if self._known is None and not place.path.isascii() and not is_remote(folder):
            head = folder[: len(folder) - len(place.path)]
            for form in ("NFC", "NFD"):
                other = normalize(form, place.path)
                if other not in spellings and not _are_two(folder, head + other):
                    spellings.append(other)
        return spellings

    def spelled(self, path: str) -> str:
        """A path that a user named, spelled as the index has it.

        The same folder may be written with composed or decomposed accents and, on some file systems, in other capitals.
        """
        if is_remote(path) or any(_relative(root, path) is not None for root in self._roots.values()):
            return path
        for root_id, root in self._roots.items():
            if (relative := _relative(path, root)) is not None:
                return self._spelled_below(root_id, root, relative, path) if relative else path
        for root_id, root in self._roots.items():
            parts, above = Path(path).parts, Path(root).parts
            shared = min(len(parts), len(above))
            if [_key(part) for part in parts[:shared]] == [_key(part) for part in above[:shared]]:
                begins = os.path.join(*above[:shared])
                if is_same(os.path.join(*parts[:shared]), begins):
                    rest = "/".join(parts[shared:])
                    return self._spelled_below(root_id, root, rest, path) if rest else begins
        return path

    def _spelled_below(self, root_id: int, root: str, relative: str, path: str) -> str:
        written = os.path.join(root, *relative.split("/"))
        if self._known is None or self._known.holds(root_id, relative):
            return written
        if relative.isascii() and not os.path.lexists(path):  # only a file system could take it for another
            return written
        count = relative.count("/") + 1
        folders = self._known.folders(root_id)
        names = {"/".join(folder.split("/")[:count]) for folder in folders}
        above = _key(relative.rpartition("/")[0])
        for folder in [folder for folder in folders if _key(folder) == above]:
            names |= {f"{folder}/{name}" if folder else name for name in self._known.names_in(root_id, folder)}
        for name in sorted(name for name in names if _key(name) == _key(relative)):
            known = os.path.join(root, *name.split("/"))
            if is_same(path, known):
                return known
        return written


def is_same(path: str, known: str) -> bool:
    """Whether two paths that differ in accents or capitals lead to one file. The file system decides, if it can."""
    try:
        return os.path.samefile(path, known)
    except (OSError, ValueError):  # one of them is not there
        if os.path.lexists(path):
            return False
    no_capitals = sys.platform in ("win32", "darwin") and not os.path.lexists(known)
    return composed(path) == composed(known) or no_capitals


def _are_two(path: str, other: str) -> bool:
    """Whether two paths that differ in accents are two folders of this machine."""
    try:
        return not os.path.samefile(path, other)
    except (OSError, ValueError):  # at least one of them is not there
        return False


def _key(text: str) -> str:
    return composed(text.lower())


def _relative(path: str, root: str) -> str | None:
    """`path` relative to `root`, with "/" between its parts; None if it is not below it."""
    if path == root:
        return ""
    prefix = root if root.endswith(os.sep) else root + os.sep
    return path[len(prefix) :].replace(os.sep, "/") if path.startswith(prefix) else None
