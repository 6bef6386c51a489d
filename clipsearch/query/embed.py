"""From queries to vectors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from clipsearch.encoders.base import Encoder, normalise
from clipsearch.encoders.prompts import default_prompts, embed_with_prompts
from clipsearch.errors import ImageError, QueryError
from clipsearch.query.language import EMPTY
from clipsearch.query.null_scores import NullScores, null_scores
from clipsearch.query.vector_store import SelectionT, VectorStore
from clipsearch.terms import PICTURE_ARRAY, Query, Term, is_picture
from clipsearch.types import Embeddings, Failure, ImageFile

RIGHT = 0.5
"""What the mean of the photos that were marked right counts beside the query, whose vector has length 1."""

WRONG = 0.15
"""What the mean of the photos that were marked wrong counts against it. benchmarks/feedback.py chose both."""

_MOST_KEPT = 4096  # texts; with 768 dimensions, 13 MB
_ONE_BY_ONE = 4  # texts; more are encoded together, in a third of the time, but a score may differ in its eighth digit

_Text: TypeAlias = tuple[tuple[str, ...], str]  # its prompts, and the text itself


@dataclass(frozen=True, slots=True)
class EmbeddedQuery:
    """A query as vectors."""

    vector: Embeddings  # (1, dim): the weighted sum of the terms' unit vectors, normalised again, and moved by marks
    terms: Embeddings  # (terms, dim)
    own: tuple[int, ...]  # ids of the query's own pictures and their copies


class QueryEmbedder:
    """Turns queries into vectors with one encoder. It keeps the vectors of the latest texts."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self._null: tuple[tuple[str, int], NullScores] | None = None  # with the store's name and version
        self._texts: dict[_Text, Embeddings] = {}  # (1, dim) each, the last used at the end

    def embed(self, queries: Sequence[Query], store: VectorStore[SelectionT]) -> list[EmbeddedQuery]:
        """Turn queries into vectors. Their texts are encoded together; pictures that are in the store are not encoded again.

        QueryError if a query has no terms, or if its terms cancel each other out; ImageError if a picture cannot be read.
        """
        texts = dict.fromkeys(
            (self._prompts(query, term.content), term.content)
            for query in queries
            for term in query.terms
            if isinstance(term.content, str)
        )
        self._encode(list(texts))
        embedded = [self._embed(query, store) for query in queries]
        for text in list(self._texts)[:-_MOST_KEPT]:
            del self._texts[text]
        return embedded

    def null_scores(self, store: VectorStore[SelectionT]) -> NullScores:
        """What everyday texts score in the store. It is read or measured once for each version of it."""
        state = store.name, store.version
        if self._null is None or self._null[0] != state:
            self._null = state, null_scores(store, self.encoder)
        return self._null[1]

    def _encode(self, texts: Sequence[_Text]) -> None:
        """Encode the texts that are not known, and move all of these to the end of what is kept.

        The few texts of one query are encoded one by one, so that its scores do not depend on what was asked before.
        """
        missing: dict[tuple[str, ...], list[str]] = {}
        for prompts, text in texts:
            known = self._texts.pop((prompts, text), None)
            if known is None:
                missing.setdefault(prompts, []).append(text)
            else:
                self._texts[prompts, text] = known
        at_once = 1 if sum(map(len, missing.values())) <= _ONE_BY_ONE else len(texts)
        for prompts, new_texts in missing.items():
            for start in range(0, len(new_texts), at_once):
                some = new_texts[start : start + at_once]
                for text, vector in zip(some, embed_with_prompts(self.encoder, some, prompts), strict=True):
                    self._texts[prompts, text] = vector[None]

    def _embed(self, query: Query, store: VectorStore[SelectionT]) -> EmbeddedQuery:
        if not query.terms:
            raise QueryError(EMPTY)
        vectors: list[Embeddings] = []
        own = list(query.own)
        for term in query.terms:
            copies, stored = _indexed(term, store)
            own += copies
            vectors.append(self._embed_term(term, query) if stored is None else stored)
        terms = np.concatenate(vectors)
        weights = np.array([[term.weight for term in query.terms]], np.float64)
        with np.errstate(invalid="ignore"):  # of infinite weights
            total = weights / (np.abs(weights).max() or 1) @ terms.astype(np.float64)
        if not np.linalg.norm(total) > 1e-6:
            raise QueryError(
                "the parts of this query cancel each other out, so it points nowhere; change a part or a weight"
            )
        return EmbeddedQuery(_marked(normalise(total), query, store), terms, tuple(own))

    def _prompts(self, query: Query, text: str) -> tuple[str, ...]:
        return query.prompts or default_prompts(self.encoder.spec, text)

    def _embed_term(self, term: Term, query: Query) -> Embeddings:
        content = term.content
        if isinstance(content, str):
            return self._texts[self._prompts(query, content), content]
        if isinstance(content, os.PathLike):
            return self._embed_file(os.fspath(content))
        from PIL.Image import Image  # not for a text query

        if isinstance(content, Image) or is_picture(content):
            try:
                return self.encoder.encode_images([content])
            except ImageError as error:  # it is the only picture that it could be
                raise ImageError(str(error).removeprefix("images[0]: "), error.cause) from error
        values, dim = np.asarray(content), self.encoder.spec.dim
        if values.dtype.kind not in "fiu" or (values.ndim > 1 and values.shape != (1, values.size)):
            raise QueryError(
                f"the array is {values.dtype} of shape {values.shape}; an embedding is float32 of shape ({dim},), and a "
                f"picture {PICTURE_ARRAY}"
            )
        vector = values.astype(np.float32).reshape(1, -1)
        if vector.shape[1] != dim:
            raise QueryError(f"the embedding has {vector.shape[1]} values and this index's model makes {dim}")
        unit = normalise(vector)
        if not np.isfinite(unit).all():
            raise QueryError("the embedding is zero or not finite, so it points nowhere")
        return unit

    def _embed_file(self, path: str) -> Embeddings:
        """A picture from outside is decoded in a process that can be stopped, like the pictures of an index."""
        from clipsearch.images.pool import DecoderPool  # Pillow and processes: not for a text query
        from clipsearch.images.preprocess import normalise as normalise_pixels

        pixels = self.encoder.spec.pixels
        with DecoderPool(pixels, workers=1) as pool:
            (outcome,) = pool.read([ImageFile(path, 0, 0)])
        if isinstance(outcome, Failure):
            raise ImageError(f"{path}: {outcome.reason}", outcome.cause)
        return self.encoder.encode_pixels(normalise_pixels([outcome.picture], pixels))


def _marked(vector: Embeddings, query: Query, store: VectorStore[SelectionT]) -> Embeddings:
    """A query's unit vector (1, dim), moved towards the photos marked right and away from those marked wrong.

    Rocchio's formula, over stored vectors: normalise(query + RIGHT * mean(right) - WRONG * mean(wrong)). Rocchio, Relevance
    feedback in information retrieval, in Salton (ed.), The SMART Retrieval System, 1971. Marks of photos that are gone do not
    count. QueryError if nothing is left of the query.
    """
    if not (query.right or query.wrong):
        return vector
    moved = vector.astype(np.float64)
    for ids, weight in ((query.right, RIGHT), (query.wrong, -WRONG)):

        def vectors(ids: Sequence[int] = ids) -> Embeddings:
            return store.vectors(sorted(store.records(ids)))

        marked = store.at_one_state(vectors)
        if len(marked):
            moved += weight * marked.astype(np.float64).mean(axis=0)
    if not np.linalg.norm(moved) > 1e-6:
        raise QueryError("the marked photos cancel the query out, so it points nowhere; take a mark back")
    return normalise(moved)


def _indexed(term: Term, store: VectorStore[SelectionT]) -> tuple[list[int], Embeddings | None]:
    """The ids of the photos that have the content of a picture's file, and their vector (1, dim)."""
    if not isinstance(term.content, os.PathLike):
        return [], None
    from clipsearch.images.files import ReadLimits, content_hash  # not for a text query

    try:
        digest, _ = content_hash(os.fspath(term.content), ReadLimits().max_bytes)
    except ImageError:
        return [], None  # reading the picture says why

    def copies_and_vector() -> tuple[list[int], Embeddings | None]:
        ids = store.same_content(digest)
        return ids, store.vectors(ids[:1]) if ids else None

    return store.at_one_state(copies_and_vector)
