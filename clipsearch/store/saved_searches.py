"""Searches that the user has saved under names, in one file for each index."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Container
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import platformdirs

from clipsearch._internal.atomic_files import replacing
from clipsearch._internal.expression_tokens import with_album_renamed
from clipsearch._internal.untrusted_files import read_json, why
from clipsearch.store.lock import locked_briefly

MOST = 1000
LONGEST_NAME = 200
_BROKEN = (ValueError, KeyError, TypeError, AttributeError)  # what reading a damaged file raises
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
            return self._read()
        except (FileNotFoundError, *_BROKEN):
            return {}

    def damage(self) -> tuple[str, str, str] | None:
        """The file's path, what is wrong with it, and what to do; None if it can be read, or if there is none."""
        try:
            self._read()
        except FileNotFoundError:
            return None
        except _BROKEN as error:
            kept = f"the next saved search begins a new file, and keeps this one as {self._aside.name}"
            what = f"it cannot be read as saved searches ({why(error)})"
            return str(self._file), what, f"restore it from a backup, or mend it by hand; {kept}"
        except OSError as error:
            return str(self._file), f"it cannot be read ({why(error)})", "let this user read it"
        return None

    def put(self, name: str, parameters: dict[str, Any]) -> bool:
        """Save or replace a search, under its `kept_name`; False if there are MOST already."""
        with self._locked():
            searches = self.all()
            name = kept_name(name, searches)
            if name not in searches and len(searches) >= MOST:
                return False
            self._write({**searches, name: parameters})
            return True

    def remove(self, name: str) -> bool:
        """Remove a search; False if no search has this name."""
        with self._locked():
            searches = self.all()
            if searches.pop(kept_name(name, searches), None) is None:
                return False
            self._write(searches)
            return True

    def rename_album(self, name: str, new_name: str) -> None:
        """Have the searches in an album follow its new name: their album, their `where` and their names."""
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
            followed: dict[str, dict[str, Any]] = {}
            for title, parameters in searches.items():
                after = {parameter: renamed(parameter, value) for parameter, value in parameters.items()}
                new_title = _with_parts_renamed(title, parameters, after)
                is_free = new_title not in searches and new_title not in followed and len(new_title) <= LONGEST_NAME
                followed[new_title if is_free else title] = after
            if followed != searches:
                self._write(followed)

    @property
    def _aside(self) -> Path:
        """Where a damaged file is kept once another one takes its place: beside those that were damaged before."""
        first = self._file.with_name(f"{self._file.name}.damaged")
        names = itertools.chain([first], (first.with_name(f"{first.name}-{number}") for number in itertools.count(2)))
        return next(path for path in names if not os.path.lexists(path))

    def _read(self) -> dict[str, dict[str, Any]]:
        searches = read_json(self._file, _MOST_BYTES)["searches"]
        return {str(name): dict(parameters) for name, parameters in sorted(searches.items())}

    def _locked(self) -> AbstractContextManager[None]:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return locked_briefly(self._file)

    def _write(self, searches: dict[str, dict[str, Any]]) -> None:
        if self._file.is_file() and self.damage():
            os.replace(self._file, self._aside)
        with replacing([self._file], force=True) as (unfinished,):
            unfinished.write_text(json.dumps({"searches": searches}))


def kept_name(name: str, searches: Container[str]) -> str:
    """A name as the file has it: without spaces at its ends, unless a search from before has exactly this name."""
    return name if name in searches else name.strip()


def _with_parts_renamed(title: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    """A search's name after an album was renamed. The page proposes names such as "a dog, album Winter"."""
    parts = f", {title}, "
    for word, parameter in (("album ", "album"), ("", "where")):
        parts = parts.replace(f", {word}{before.get(parameter)}, ", f", {word}{after.get(parameter)}, ")
    return parts[2:-2]
