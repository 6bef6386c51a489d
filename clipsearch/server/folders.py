"""Which folders clients may index: those of the index, those below the ones that the server was started with."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from clipsearch._internal.commands import INDEX_FOLDER, PHOTOS, command
from clipsearch._internal.paths import is_remote
from clipsearch.indexing import roots
from clipsearch.server.errors import RequestError
from clipsearch.store.catalog_file import has_catalog

_MOST_NAMES = 200  # folders that are suggested


class Folders:
    """The folders of one server's machine that its clients may name."""

    def __init__(
        self,
        index_folder: Path,
        offered: Path | None = None,
        allowed: Sequence[Path] = (),
        unindexed: Path | None = None,
    ) -> None:
        self._index_folder = index_folder
        self._offered = offered
        self._allowed = tuple(allowed)
        self.unindexed = unindexed

    @property
    def offered(self) -> Path | None:
        """The photo folder that a new index can be made of; None if there is an index."""
        if self._offered is None or has_catalog(self._index_folder) or not self._offered.is_dir():
            return None
        return self._offered

    def bases(self, indexed: Iterable[str]) -> list[str]:
        """The folders below which clients may add others: the indexed ones, the index's own, and those that were allowed."""
        own = [self._index_folder.parent] if self._index_folder.name == INDEX_FOLDER else []
        found = [
            *indexed,
            *map(str, own),
            *map(str, [self._offered] if self._offered else []),
            *map(str, self._allowed),
        ]
        return list(dict.fromkeys(base for base in found if not is_remote(base)))

    def permitted(self, folder: str, indexed: Sequence[str], *, anywhere: bool) -> str:
        """The folder that is indexed when a client names this one. RequestError if the client may not.

        What counts is where the name leads to: neither `..` nor a link gets out of the bases. With `anywhere`, the client has
        shown the token itself, and any folder will do.
        """
        path = roots.absolute(folder)
        if path in indexed:
            return path
        if is_remote(path) or "\0" in path:
            raise self._refused(folder, indexed)
        try:
            real = os.path.realpath(path, strict=True)
        except OSError:
            real = os.path.realpath(path)  # only those who may add it learn whether it exists
        if not anywhere and not any(_is_below(real, os.path.realpath(base)) for base in self.bases(indexed)):
            raise self._refused(folder, indexed)
        if not os.path.isdir(real):
            raise RequestError(404, "no-such-folder", f"there is no folder {path} on the server's machine")
        return path if _same(real, path) else real

    def suggestions(self, indexed: Sequence[str]) -> list[str]:
        """Folders right below the bases that are not indexed yet."""
        found: list[str] = []
        for base in self.bases(indexed):
            if any(_is_below(base, root) for root in indexed):
                continue
            try:
                with os.scandir(base) as entries:
                    found += [e.path for e in entries if not e.name.startswith(".") and e.is_dir(follow_symlinks=False)]
            except OSError:
                continue
        return sorted(path for path in set(found) if not any(_is_below(path, root) for root in indexed))[:_MOST_NAMES]

    def _refused(self, folder: str, indexed: Sequence[str]) -> RequestError:
        bases = ", ".join(self.bases(indexed)) or "none"
        how = command("index", PHOTOS, index=self._index_folder)
        return RequestError(
            403,
            "not-allowed",
            f"{folder} is not below a folder that this server may add ({bases}). To add it, start the server with "
            f"--allow-below, send its token with the request, or run: {how}",
        )


def _is_below(path: str, base: str) -> bool:
    return Path(path).is_relative_to(base)


def _same(real: str, path: str) -> bool:
    return os.path.normcase(real) == os.path.normcase(path)
