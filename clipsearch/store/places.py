"""Absolute folders in a catalog's terms: roots, and folders below them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from clipsearch._internal.paths import is_remote
from clipsearch.store.filters import composed
from clipsearch.store.rows import Place


class Places:
    """What knows its roots."""

    def roots(self) -> dict[int, str]:
        """root_id → the absolute path it has today."""
        raise NotImplementedError

    def holds(self, root_id: int, path: str) -> bool:
        """Whether anything is known at or below a path of a root, as it is written; where that cannot be told, yes."""
        return True

    def folders_of(self, root_id: int) -> Iterable[str]:
        """Every folder of a root in which something is known, where that can be told."""
        return ()

    def names_in(self, root_id: int, folder: str) -> Iterable[str]:
        """Every file that is known in a folder, where that can be told."""
        return ()

    def place(self, path: str) -> Place | None:
        """Where a path is in the catalog's terms; None where no root holds it."""
        for root_id, root in self.roots().items():
            if (relative := _relative(path, root)) is not None:
                folder, _, name = relative.rpartition("/")
                return Place(root_id, folder, name)
        return None

    def places(self, folder: str) -> list[tuple[int, str]]:
        """A folder in the catalog's terms: itself below a root, or every root below it."""
        folder = self.spelled(folder)
        inside = [(root_id, "") for root_id, root in self.roots().items() if _relative(root, folder) is not None]
        place = self.place(folder)
        if place and not inside:
            inside = [(place.root_id, f"{place.folder}/{place.name}" if place.folder else place.name)]
        return inside

    def spelled(self, path: str) -> str:
        """A path that a user named, with the letters that the index has it by.

        The same folder may be written with its accents as characters of their own, and where the file system does not tell
        them apart, with other capitals.
        """
        if is_remote(path):
            return path
        roots = self.roots()
        for root in roots.values():
            if _relative(root, path) is not None:
                return path
        for root_id, root in roots.items():
            if (relative := _relative(path, root)) is not None:
                if not relative or self.holds(root_id, relative):
                    return path
                return self._spelled_below(root_id, root, relative, path)
        for root_id, root in roots.items():
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
        if self.holds(root_id, relative):
            return written
        if relative.isascii() and not os.path.lexists(path):  # only a file system could take it for another
            return written
        count = relative.count("/") + 1
        every = set(self.folders_of(root_id))
        found = {"/".join(folder.split("/")[:count]) for folder in every}
        above = _key(relative.rpartition("/")[0])
        for folder in [folder for folder in every if _key(folder) == above]:
            found |= {f"{folder}/{name}" if folder else name for name in self.names_in(root_id, folder)}
        for name in sorted(name for name in found if _key(name) == _key(relative)):
            known = os.path.join(root, *name.split("/"))
            if is_same(path, known):
                return known
        return written


def is_same(path: str, known: str) -> bool:
    """Whether two paths that differ in accents or capitals are of one file. The file system says so, where it can."""
    try:
        return os.path.samefile(path, known)
    except (OSError, ValueError):  # one of them is not there
        if os.path.lexists(path):
            return False
    no_capitals = sys.platform in ("win32", "darwin") and not os.path.lexists(known)
    return composed(path) == composed(known) or no_capitals


def _key(text: str) -> str:
    return composed(text.lower())


def _relative(path: str, root: str) -> str | None:
    """`path` below `root`, with "/" between parts; None where it is not below it."""
    if path == root:
        return ""
    prefix = root if root.endswith(os.sep) else root + os.sep
    return path[len(prefix) :].replace(os.sep, "/") if path.startswith(prefix) else None
