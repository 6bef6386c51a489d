"""What may enter an index from a file: embeddings of the index's model, unit vectors, and photos that are on disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.windows import opened_as
from clipsearch.encoders.base import normalise
from clipsearch.errors import ClipsearchError, ModelMismatch, QueryError
from clipsearch.images.file_types import has_image_signature, is_image_name
from clipsearch.indexing.walk import WalkRules, why_passed_over
from clipsearch.store.collection import Collection
from clipsearch.store.rows import MOST_MOMENTS, Place, checked_moments
from clipsearch.transfer.fields import EmbeddingReader, Row
from clipsearch.types import Embeddings, Fingerprint, ImageFile, Moment

TOLERANCE = 1e-3
"""How far a unit vector's norm may be from 1. Rounding to float16 changes each value by 5e-4 of it at most."""

_UNCHANGED = 1e-6  # the tolerance of encoders.base.normalise: within it, a vector keeps its bytes


def agreed_model(
    source: EmbeddingReader, index: Fingerprint | None, named: Fingerprint | None, *, trust: bool
) -> Fingerprint:
    """The fingerprint under which a file's embeddings may enter an index.

    `index` is the index's own, None for a new index; `named` is that of the model that the user names, if any. ModelMismatch if
    the file is from another model. QueryError if no model is known, or if only the user names it and does not confirm it
    (`trust`).
    """
    path, stated = source.path, source.stated
    if index and named and named.digest != index.digest:
        raise ModelMismatch(f"the index was made with the model {index.model!r}, not with {named.model!r}")
    if index is None and named is None:
        hint = f" ({path.name} says {stated.model!r})" if stated else ""
        raise QueryError(
            f"the index is new: name the model that the embeddings were made with, as in `model=NAME`{hint}"
        )
    if stated is None and (named is None or not trust):
        raise QueryError(
            f"{path} does not say which model its embeddings are from, and searches in vectors of another model find nonsense. "
            "Name it with `model`, and confirm with `trust_model=True` that they were made with it and its preprocessing"
        )
    model = index or named
    assert model
    if stated and not stated.is_comparable(model):
        raise ModelMismatch(
            f"{path} holds embeddings of {stated.model!r} ({stated.digest[:12]}), and the model here is {model.model!r} "
            f"({model.digest[:12]}): they cannot be compared"
        )
    if source.dim != model.dim:
        raise ModelMismatch(f"{path} holds vectors of {source.dim:,} values, and {model.model!r} makes {model.dim:,}")
    if stated and stated.precision and model.precision and stated.precision != model.precision:
        raise ModelMismatch(
            f"{path} holds embeddings in {stated.precision}, and the index those in {model.precision}; import them into "
            "another index: `index=OTHER_DIR`"
        )
    return replace(model, precision=model.precision or (stated.precision if stated else None))


def unit_blocks(source: EmbeddingReader, *, any_length: bool = False) -> Iterator[tuple[list[Row], Embeddings]]:
    """All rows in blocks, with unit vectors, float32 (n, dim). ClipsearchError, naming the row, for any other vector.

    A vector whose norm is within 1e-6 of 1 stays as it is. If its norm is within TOLERANCE, or with `any_length` for any norm,
    it is divided by its norm in float64.
    """
    for rows, vectors in source.blocks():
        wide = np.asarray(vectors, np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            norms = np.linalg.norm(wide, axis=1)
            bad = ~np.isfinite(norms) | (norms < np.finfo(np.float32).tiny)
            if not any_length:
                bad |= np.abs(norms - 1) > TOLERANCE
        if bad.any():
            at = int(np.argmax(bad))
            problem = _problem(wide[at], norms[at])
            raise ClipsearchError(
                f"{source.path}: row {rows[at].number:,} ({rows[at].path}) has an embedding {problem}"
            )
        keep = np.abs(norms - 1) <= _UNCHANGED
        unit = np.empty(wide.shape, np.float32)
        unit[keep], unit[~keep] = wide[keep], normalise(wide[~keep])
        yield rows, unit


@dataclass(frozen=True, slots=True)
class FileRows:
    """The rows of one file, which follow one another, and their unit vectors (n, dim); several if they have moments."""

    rows: tuple[Row, ...]
    vectors: Embeddings

    def moments(self) -> tuple[Moment, ...]:
        """The moments of the pictures; none for a photo. ValueError, with the reason, if the rows do not fit together."""
        first = self.rows[0]
        places = [row.moment.at for row in self.rows if row.moment]
        if not places:
            return ()
        if len(places) > MOST_MOMENTS:
            raise ValueError(f"this file has more than {MOST_MOMENTS:,} rows")
        try:
            moments = checked_moments(first.moment and first.moment.unit, places)
        except ValueError:
            moments = ()
        if moments != tuple(row.moment for row in self.rows):
            raise ValueError("the moments of this file's rows are not in order")
        if any(replace(row, number=first.number, moment=first.moment) != first for row in self.rows):
            raise ValueError("the rows of this file contradict one another")
        return moments


def by_file(blocks: Iterable[tuple[list[Row], Embeddings]]) -> Iterator[list[FileRows]]:
    """The rows of each block by their files. If a film's rows may go on in the next block, they come with that block."""
    open_rows: list[tuple[Row, NDArray[np.float32]]] = []

    def closed() -> FileRows:
        rows, vectors = zip(*open_rows, strict=True)
        open_rows.clear()
        return FileRows(rows, np.stack(vectors))

    for rows, embeddings in blocks:
        files: list[FileRows] = []
        for row, vector in zip(rows, embeddings, strict=True):
            before = open_rows[-1][0] if open_rows else None
            goes_on = before and before.moment and row.moment and before.path == row.path
            if open_rows and (not goes_on or len(open_rows) > MOST_MOMENTS):
                files.append(closed())
            open_rows.append((row, vector))
        if open_rows and not open_rows[-1][0].moment:
            files.append(closed())
        yield files
    if open_rows:
        yield [closed()]


def _problem(vector: NDArray[np.float64], norm: float) -> str:
    if not np.isfinite(vector).all():
        return "with a value that is not finite"
    if not np.isfinite(norm) or norm < np.finfo(np.float32).tiny:
        return f"without a direction: its norm is {norm:g}"
    return f"of norm {norm:.6g}, not 1; to scale all of them to 1: `any_length=True`"


class PhotoFinder:
    """Finds photos below an index's roots, and below `folder` (absolute) if given, where relative paths start.

    It refuses what `clipsearch index` would pass over, because the next run would take such a photo for deleted.
    """

    def __init__(self, collection: Collection, folder: str | None) -> None:
        roots = collection.roots()
        rules = collection.root_rules()
        if not roots:
            raise QueryError("the index has no folders yet; say where the photos are: `folder=FOLDER`")
        self._roots = {root_id: (path, WalkRules.from_json(rules[root_id])) for root_id, path in roots.items()}
        self._collection = collection
        self._start = folder if folder is not None else next(iter(roots.values())) if len(roots) == 1 else None
        self._within = Path(folder) if folder is not None else None
        self._folder_reasons: dict[tuple[int, str], str] = {}

    def find(self, path: str) -> tuple[Place, ImageFile] | str:
        """A photo's place, and its size and time; or the reason why the photo cannot be taken."""
        if not os.path.isabs(path):
            if self._start is None:
                return "the path is relative; say to which folder with `folder=FOLDER`"
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
            if not stat.S_ISREG(state.st_mode):
                return "not a regular file"
            named = is_image_name(place.name)
            skipped = rules.skips_file(place.name) or not (has_image_signature(path) if named is None else named)
        except FileNotFoundError:
            return "there is no such file"
        except (OSError, ValueError) as error:
            return str(getattr(error, "strerror", None) or error)
        if skipped:
            return "`clipsearch index` passes over files of this name"
        folder = place.root_id, place.folder
        if folder not in self._folder_reasons:
            self._folder_reasons[folder] = why_passed_over(root, place.folder, rules)
        return self._folder_reasons[folder] or (place, ImageFile(path, state.st_size, state.st_mtime_ns))
