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
from clipsearch._internal.expression_tokens import with_album_renamed
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
        """Have the searches in an album follow its new name, also those that name it in their `where`."""
        if not self._file.exists():
            return

        def renamed(parameter: str, value: object) -> object:
            if isinstance(value, list):
                return [renamed(parameter, item) for item in value]
            if parameter == "where" and isinstance(value, str):
                return with_album_renamed(value, name, new_name)
            return new_name if parameter == "album" and value == name else value

        with self._locked():
            searches = self.all()
            followed = {
                title: {parameter: renamed(parameter, value) for parameter, value in parameters.items()}
                for title, parameters in searches.items()
            }
            if followed != searches:
                self._write(followed)

    def _locked(self) -> AbstractContextManager[None]:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return locked_briefly(self._file)

    def _write(self, searches: dict[str, dict[str, Any]]) -> None:
        with replacing([self._file], force=True) as (unfinished,):
            unfinished.write_text(json.dumps({"searches": searches}))
