"""A new index in which nothing is kept leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from clipsearch.errors import CollectionBusy
from clipsearch.indexing import roots
from clipsearch.indexing.rule_changes import RuleChanges, next_rules
from clipsearch.indexing.walk import WalkRules, list_images
from clipsearch.store.catalog_file import CATALOG, JOURNALS
from clipsearch.store.collection import Collection
from clipsearch.store.lock import WriterLock


class NewIndex:
    """An index that is being made. It can be taken back while nothing is in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_new_folder = not folder.exists()

    def take_back(self) -> bool:
        """Remove the index, but no other file, and its folder if it was made for it; returns whether that was done.

        False if another process is writing to the index, or has put something into it.
        """
        lock = self._folder / "writer.lock"
        try:
            held = WriterLock(lock)
        except CollectionBusy:
            return False
        try:
            with Collection(self._folder) as collection:
                if len(collection) or collection.failures():
                    return False
            for name in (*JOURNALS, CATALOG):
                (self._folder / name).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                (self._folder / "segments").rmdir()
            with contextlib.suppress(OSError):  # Windows removes no file that is open
                lock.unlink()
        finally:
            held.release()
        if sys.platform == "win32":
            with contextlib.suppress(OSError):  # another writer has it
                lock.unlink(missing_ok=True)
        if self._is_new_folder:
            with contextlib.suppress(OSError):  # somebody has put a file there
                self._folder.rmdir()
        return True

    def may_get_photos(self, folders: Sequence[str | os.PathLike[str]], rules: WalkRules | RuleChanges | None) -> bool:
        """Whether any file in the folders, or in the one that the index lies in, is taken for a photo. Ends at the first."""
        walk_rules = next_rules(rules, None, is_named=True)
        walks = (list_images(roots.absolute(folder), walk_rules) for folder in folders or (self._folder.parent,))
        return any(listing.states for walk in walks for listing in walk)
