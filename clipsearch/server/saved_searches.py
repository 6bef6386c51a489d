"""Searches that the user has saved under names, in one file for each index."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import platformdirs

from clipsearch._internal.atomic_files import replacing
from clipsearch._internal.untrusted_files import read_json
from clipsearch.store.lock import locked_briefly

MOST = 1000
_MOST_BYTES = 100_000_000


class SavedSearches:
    """The saved searches of one index. For one thread.

    Every method reads the file, so that several servers of an index agree.
    """

    def __init__(self, index_folder: Path, folder: Path | None = None) -> None:
        folder = folder or Path(platformdirs.user_data_dir("clipsearch", appauthor=False)) / "saved-searches"
        self._file = folder / f"{hashlib.sha256(os.fsencode(index_folder)).hexdigest()[:32]}.json"

    def all(self) -> dict[str, dict[str, Any]]:
        """The parameters of each search by its name, sorted. A file that is missing or damaged counts as empty."""
        try:
            searches = read_json(self._file, _MOST_BYTES)["searches"]
            return {str(name): dict(parameters) for name, parameters in sorted(searches.items())}
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def put(self, name: str, parameters: dict[str, Any]) -> bool:
        """Save or replace a search; False if there are MOST already."""
        with self._locked():
            searches = self.all()
            if name not in searches and len(searches) >= MOST:
                return False
            self._write({**searches, name: parameters})
            return True

    def remove(self, name: str) -> bool:
        """Remove a search; False if no search has this name."""
        with self._locked():
            searches = self.all()
            if searches.pop(name, None) is None:
                return False
            self._write(searches)
            return True

    def rename_album(self, name: str, new_name: str) -> None:
        """Have the searches in an album follow its new name."""
        with self._locked():
            searches = self.all()
            inside = [parameters for parameters in searches.values() if parameters.get("album") == name]
            for parameters in inside:
                parameters["album"] = new_name
            if inside:
                self._write(searches)

    def _locked(self) -> AbstractContextManager[None]:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return locked_briefly(self._file)

    def _write(self, searches: dict[str, dict[str, Any]]) -> None:
        with replacing([self._file], force=True) as (unfinished,):
            unfinished.write_text(json.dumps({"searches": searches}))
