"""Absolute folders in a catalog's terms: roots, and folders below them."""

from __future__ import annotations

import os

from clipsearch.store.rows import Place


class Places:
    """What knows its roots."""

    def roots(self) -> dict[int, str]:
        """root_id → the absolute path it has today."""
        raise NotImplementedError

    def place(self, path: str) -> Place | None:
        """Where a path is in the catalog's terms; None where no root holds it."""
        for root_id, root in self.roots().items():
            if (relative := _relative(path, root)) is not None:
                folder, _, name = relative.rpartition("/")
                return Place(root_id, folder, name)
        return None

    def places(self, folder: str) -> list[tuple[int, str]]:
        """A folder in the catalog's terms: itself below a root, or every root below it."""
        inside = [(root_id, "") for root_id, root in self.roots().items() if _relative(root, folder) is not None]
        place = self.place(folder)
        if place and not inside:
            inside = [(place.root_id, f"{place.folder}/{place.name}" if place.folder else place.name)]
        return inside


def _relative(path: str, root: str) -> str | None:
    """`path` below `root`, with "/" between parts; None where it is not below it."""
    if path == root:
        return ""
    prefix = root if root.endswith(os.sep) else root + os.sep
    return path[len(prefix) :].replace(os.sep, "/") if path.startswith(prefix) else None
