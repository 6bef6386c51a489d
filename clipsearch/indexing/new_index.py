"""A new index in which nothing is kept leaves nothing behind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from clipsearch.indexing import roots
from clipsearch.indexing.walk import WalkRules, list_images


class NewIndex:
    """An index that is being made. It can be taken back, with all that came into its folder meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._before = _entries(folder)

    def take_back(self) -> None:
        """Remove what was not in the folder before, and the folder if it was not there."""
        for name in _entries(self._folder) or ():
            if name not in (self._before or ()):
                path = self._folder / name
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if self._before is None:
            self._folder.rmdir()

    def may_get_photos(self, folders: Sequence[str | os.PathLike[str]], rules: WalkRules | None) -> bool:
        """Whether any file in the folders, or in the one that the index lies in, is taken for a photo. Ends at the first."""
        walks = (list_images(roots.absolute(folder), rules) for folder in folders or (self._folder.parent,))
        return any(listing.states for walk in walks for listing in walk)


def _entries(folder: Path) -> set[str] | None:
    """What is in a folder; None if it does not exist."""
    try:
        return set(os.listdir(folder))
    except FileNotFoundError:
        return None
