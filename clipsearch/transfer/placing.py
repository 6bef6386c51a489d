"""Which photo on disk a row of a file means, by the eyes of the walk that will look for it later."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from clipsearch._internal.windows import opened_as
from clipsearch.errors import ClipsearchError
from clipsearch.indexing.walk import WalkRules, has_image_signature, is_image_name, why_passed_over
from clipsearch.store.collection import Collection
from clipsearch.store.rows import Place
from clipsearch.types import ImageFile


class Places:
    """Finds photos below an index's roots, and below `folder` (absolute) if given, which relative paths begin at.

    What `clipsearch index` would pass over is refused: the next run would take it for deleted.
    """

    def __init__(self, collection: Collection, folder: str | None) -> None:
        roots = collection.roots()
        rules = collection.root_rules()
        if not roots:
            raise ClipsearchError("the index has no folders yet; say where the photos are: --in FOLDER")
        self._roots = {root_id: (path, WalkRules.from_json(rules[root_id])) for root_id, path in roots.items()}
        self._collection = collection
        self._start = folder if folder is not None else next(iter(roots.values())) if len(roots) == 1 else None
        self._within = Path(folder) if folder is not None else None
        self._verdicts: dict[tuple[int, str], str] = {}  # of folders

    def find(self, path: str) -> tuple[Place, ImageFile] | str:
        """A photo's place and its size and time, or why there is none."""
        if not os.path.isabs(path):
            if self._start is None:
                return "the path is relative; say to which folder with --in FOLDER"
            path = os.path.join(self._start, path)
        path = os.path.normpath(path)
        try:
            os.fsencode(path)
        except UnicodeEncodeError:
            return "not a path of this system"
        place = self._collection.place(path)
        if place is None or not place.name:
            return "not below a folder of this index"
        if self._within and not Path(path).is_relative_to(self._within):
            return f"not below {self._within}"
        root, rules = self._roots[place.root_id]
        try:
            state = os.stat(opened_as(path))
        except FileNotFoundError:
            return "there is no such file"
        except (OSError, ValueError) as error:
            return str(getattr(error, "strerror", None) or error)
        if not stat.S_ISREG(state.st_mode):
            return "not a regular file"
        named = is_image_name(place.name)
        try:
            passed_over = rules.skips_file(place.name) or not (has_image_signature(path) if named is None else named)
        except OSError as error:
            return error.strerror or str(error)
        if passed_over:
            return "`clipsearch index` passes over files of this name"
        key = place.root_id, place.folder
        if key not in self._verdicts:
            self._verdicts[key] = why_passed_over(root, place.folder, rules)
        return self._verdicts[key] or (place, ImageFile(path, state.st_size, state.st_mtime_ns))
