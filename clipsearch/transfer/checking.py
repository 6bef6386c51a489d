"""Whether a file's embeddings may enter an index: those of its model, and unit vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.base import normalise
from clipsearch.errors import ClipsearchError, ModelMismatch
from clipsearch.transfer.fields import Row
from clipsearch.transfer.readers import Source
from clipsearch.types import Embeddings, Fingerprint

TOLERANCE = 1e-3
"""How far a unit vector's norm may be from 1: what rounding to float16 does, 5e-4 of each value at most, with room."""

_AS_IT_IS = 1e-6  # our own vectors' tolerance (encoders.base.normalise): within it, a vector keeps its bytes


def agreed_model(source: Source, index: Fingerprint | None, asked: Fingerprint | None, *, trust: bool) -> Fingerprint:
    """The fingerprint under which a file's embeddings may enter an index.

    `index` is the index's own, None for a new one; `asked` that of the model that the user names, None without. ModelMismatch
    where the file is from another model; ClipsearchError where nobody says which, or only the user says and does not confirm
    it (`trust`).
    """
    path, stated = source.path, source.stated
    if index and asked and asked.digest != index.digest:
        raise ModelMismatch(f"the index was made with the model {index.model!r}, not with {asked.model!r}")
    if index is None and asked is None:
        says = f" ({path.name} says {stated.model!r})" if stated else ""
        raise ClipsearchError(
            f"the index is new: name the model that the embeddings were made with, as in --model NAME{says}"
        )
    if stated is None and (asked is None or not trust):
        raise ClipsearchError(
            f"{path} does not say which model its embeddings are from, and vectors of another model would be found by chance. "
            "Name it with --model, and confirm with --trust-model that they were made with it, its preprocessing included"
        )
    model = index or asked
    assert model
    if stated and (stated.digest != model.digest or stated.dim != model.dim):
        raise ModelMismatch(
            f"{path} holds embeddings of {stated.model!r} ({stated.digest[:12]}), and the model here is {model.model!r} "
            f"({model.digest[:12]}): they mean different things"
        )
    if source.dim != model.dim:
        raise ModelMismatch(f"{path} holds vectors of {source.dim:,} values, and {model.model!r} makes {model.dim:,}")
    if stated and stated.precision and model.precision and stated.precision != model.precision:
        raise ModelMismatch(
            f"{path} holds embeddings in {stated.precision}, and the index those in {model.precision}; import them into "
            "another index: --index OTHER_DIR"
        )
    return replace(model, precision=model.precision or (stated.precision if stated else None))


def checked(source: Source, *, any_length: bool = False) -> Iterator[tuple[list[Row], Embeddings]]:
    """All rows with unit vectors, float32 (n, dim). ClipsearchError, naming the row, for one that is none.

    A norm within 1e-6 of 1 leaves a vector as it is; within TOLERANCE, or whatever it is with `any_length`, it is divided by it
    in float64.
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
            raise ClipsearchError(
                f"{source.path}: row {rows[at].number:,} ({rows[at].path}) {_fault(wide[at], norms[at])}"
            )
        keep = np.abs(norms - 1) <= _AS_IT_IS
        unit = np.empty(wide.shape, np.float32)
        unit[keep], unit[~keep] = wide[keep], normalise(wide[~keep])
        yield rows, unit


def count_rows(source: Source, *, any_length: bool = False) -> int:
    """How many rows a file has. It is read to the end, and every one is `checked`."""
    return sum(len(rows) for rows, _ in checked(source, any_length=any_length))


def _fault(vector: NDArray[np.float64], norm: float) -> str:
    if not np.isfinite(vector).all():
        return "has an embedding with a value that is not finite"
    if not np.isfinite(norm) or norm < np.finfo(np.float32).tiny:
        return f"has an embedding without a direction: its norm is {norm:g}"
    return f"has an embedding of norm {norm:.6g}, not 1; to scale all of them to 1: --normalise"
