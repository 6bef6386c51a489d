"""An index: vectors and metadata as one thing, of one committed state, and searched exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clipsearch.conditions import Condition
from clipsearch.errors import CollectionDamaged
from clipsearch.store.catalog_file import NEXT, PREVIOUS, has_catalog
from clipsearch.store.index_reader import IndexReader
from clipsearch.store.ranking import FEW
from clipsearch.store.snapshot import Snapshot
from clipsearch.store.validation import WHAT_TO_DO
from clipsearch.store.vectors import exact_scores, vector_check
from clipsearch.types import Embeddings, Ids, ImageRecord, Scores

if TYPE_CHECKING:
    from clipsearch.store.approximate.index import ApproximateIndex, ApproximateStatus
    from clipsearch.store.approximate.info import ApproximateInfo


class Collection(IndexReader):
    """An index folder, open for reading. Use as a context manager. `store.writer.CollectionWriter` adds writing.

    Any number of readers may be open before, during and after a commit; each answer comes from one committed state. A reader
    follows if a repair replaces the catalog.
    """

    # -- vectors

    def vectors(self, ids: Sequence[int]) -> Embeddings:
        """The unit vectors (n, dim) of images, in their order.

        KeyError if one has none. CollectionDamaged if one is not the vector that was stored for its image.
        """
        wanted = np.array(ids, np.int64)
        return self._index.at_one_state(lambda snapshot: self._checked(snapshot, wanted))

    def file_vectors(self, file_id: int) -> Embeddings:
        """The unit vectors (n, dim) of all pictures of a file, in their order. Raises as `vectors`."""
        return self.vectors(self._catalog.images.all_ids([file_id]))

    def sample_vectors(self, count: int) -> Embeddings:
        """The committed unit vectors (n, dim) of about `count` pictures, evenly spaced, or of all. They are not checked."""

        def read(snapshot: Snapshot) -> Embeddings:
            step = max(1, -(-sum(len(segment.ids) for segment in snapshot.segments) // count))
            parts = [np.empty((0, snapshot.dim), np.float32)]
            for segment in snapshot.segments:
                keep = snapshot.keep(segment)
                rows = np.arange(len(segment.ids)) if keep is None else np.flatnonzero(keep)
                parts.append(segment.vectors[rows[::step]])
            return np.concatenate(parts)

        return self._index.at_one_state(read)

    def published_vectors(self, ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """image_id → the vector (dim,) that was committed for it, for the images that have one."""
        wanted = np.array(ids, np.int64)
        vectors, known = self.snapshot().lookup(wanted)
        return dict(zip(wanted[known].tolist(), vectors[known], strict=True))

    def scan(
        self, condition: Condition | None = None, block: int = 4096, *, all_pictures: bool = False
    ) -> Iterator[tuple[list[ImageRecord], Embeddings]]:
        """Every file that meets a condition, or all, `block` at a time: records and vectors (n, dim), by image id.

        Of a file with several pictures, the first one, or all of them with `all_pictures`. All blocks are of one committed
        state.
        """
        for snapshot in self._index.states():
            ids = self.ids(condition)
            if all_pictures:
                ids = snapshot.file_ids.expanded(ids)
            for start in range(0, len(ids), block):
                part = ids[start : start + block]
                records = self.records(part.tolist())
                try:
                    vectors = self._checked(snapshot, part)
                except KeyError as error:
                    raise self._damaged(f"image {error} has no vector") from error
                yield [records[image_id] for image_id in part.tolist()], vectors

    def scan_bytes(self, considered: int) -> int:
        """How many bytes of vectors a search reads at first, if that many files of usual numbers of pictures are allowed."""
        infos, fingerprint = self.segment_infos(), self.fingerprint
        dim, total = fingerprint.dim if fingerprint else 0, sum(info.rows for info in infos)
        if considered < total * FEW:  # counting takes long in a large index
            pictures = considered * self.count_pictures() // max(1, len(self))
            if pictures < total * FEW:
                return 4 * dim * pictures
        return sum(info.rows * dim * (1 if info.compact else 4) for info in infos)

    def snapshot(self) -> Snapshot:
        """The last commit's segments and tombstones, open for as long as the snapshot is kept."""
        return self._index.at_one_state(lambda snapshot: snapshot)

    # -- search

    def search(
        self,
        queries: Embeddings,
        top_k: int,
        allowed: Ids | None = None,
        without: Sequence[int] = (),
        *,
        exact: bool = False,
        all_moments: bool = False,
    ) -> list[list[tuple[float, ImageRecord]]]:
        """For each of the queries (n, dim) its nearest files: (cosine, record), best first, at most `top_k`.

        The ranking is that of float64 inner products over all stored vectors, ties in the order of their paths. A file with
        several pictures counts once, by the best of them, unless `all_moments`. If `approximation` returns an index and not
        `exact`, only that index's candidates are ranked. `allowed` (m,), ascending, limits the search to those files, and
        `without` leaves some out. All answers come from one committed state.
        """

        def answer(snapshot: Snapshot) -> list[list[tuple[float, ImageRecord]]]:
            nearest = self._nearest(snapshot, queries, top_k, allowed, without, exact=exact, all_moments=all_moments)
            return [
                self._ranked(snapshot, query[None], scores, ids, top_k)
                for query, (scores, ids) in zip(queries, nearest, strict=True)
            ]

        return self._index.at_one_state(answer)

    def search_with_best(
        self,
        queries: Embeddings,
        top_k: int,
        count: int,
        allowed: Ids | None = None,
        without: Sequence[int] = (),
        *,
        exact: bool = False,
    ) -> list[tuple[list[tuple[float, ImageRecord]], Scores]]:
        """`search`, and the `count` highest cosines among the same files, by one scan."""

        def answer(snapshot: Snapshot) -> list[tuple[list[tuple[float, ImageRecord]], Scores]]:
            depth = max(top_k, count)
            nearest = self._nearest(snapshot, queries, depth, allowed, without, exact=exact, wanted=top_k)
            answers = []
            for query, (scores, ids) in zip(queries, nearest, strict=True):
                # The best `top_k`, and all that tie with the last of them: paths decide which of these stay.
                first = int(np.count_nonzero(scores >= scores[top_k - 1])) if len(scores) > top_k else len(scores)
                answers.append(
                    (self._ranked(snapshot, query[None], scores[:first], ids[:first], top_k), scores[:count])
                )
            return answers

        return self._index.at_one_state(answer)

    def text_search(
        self,
        query: Embeddings,
        text: str,
        condition: Condition | None = None,
        limit: int = 1000,
        without: Sequence[int] = (),
        least_words: int = 1,
    ) -> list[tuple[float, ImageRecord]]:
        """The files of `full_text_ranking`, in its order: (exact cosine with the query (1, dim), record).

        A file with several pictures is there once, by the nearest of them. `without` leaves some out.
        """

        def read() -> list[tuple[float, ImageRecord]]:
            ids = self.full_text_ranking(text, condition, limit, least_words)
            if not ids:
                return []
            places = {record.file.path: ids.index(image_id) for image_id, record in self.records(ids).items()}
            (found,) = self.search(query, len(ids), np.unique(np.array(ids, np.int64)), without, exact=True)
            return sorted(found, key=lambda pair: places[pair[1].file.path])

        return self.at_one_state(read)

    def best_scores(
        self, queries: Embeddings, count: int, allowed: Ids | None = None, *, exact: bool = False
    ) -> list[Scores]:
        """For each of the queries (n, dim) its `count` highest cosines over all files, or the allowed ones, best first.

        They are found as `search` finds its hits.
        """
        nearest = self._index.at_one_state(
            lambda snapshot: self._nearest(snapshot, queries, count, allowed, exact=exact, wanted=1)
        )
        return [scores[:count] for scores, _ in nearest]

    def approximation(self, top_k: int, allowed: Ids | None = None, *, exact: bool = False) -> ApproximateInfo | None:
        """The description of the approximate index that `search` would use; None if it would be exact."""
        index = self._index.at_one_state(lambda snapshot: self._approximate(top_k, allowed, exact))
        return index.info if index else None

    def approximate_status(self) -> ApproximateStatus | None:
        """The state of the approximate index, or None."""
        from clipsearch.store.approximate.index import read_status

        def read(snapshot: Snapshot) -> ApproximateStatus | None:
            fingerprint = self.fingerprint
            return read_status(self.folder, snapshot, self._catalog, fingerprint) if fingerprint else None

        return self._index.at_one_state(read)

    # -- another model

    def successor(self) -> Collection | None:
        """The index that is being built to take this one's place, open for reading, or None."""
        return self._inside(NEXT)

    @property
    def successor_model(self) -> str | None:
        """The model that the index is being changed to, or None."""
        successor = self.successor()
        if successor is None:
            return None
        with successor:
            return successor.fingerprint.model if successor.fingerprint else None

    def previous(self) -> Collection | None:
        """The index that was kept when this one took its place, open for reading, or None."""
        return self._inside(PREVIOUS)

    def _inside(self, name: str) -> Collection | None:
        folder = self.folder / name
        return Collection(folder, home=self.folder) if has_catalog(folder) else None

    # -- inside

    def _approximate(self, top_k: int, allowed: Ids | None, exact: bool) -> ApproximateIndex | None:
        """The approximate index that a search uses. Not among few images: all of its candidates could be others."""
        fingerprint = None if exact or allowed is not None else self.fingerprint
        return self._index.approximate(fingerprint, top_k) if fingerprint else None

    def _nearest(
        self,
        snapshot: Snapshot,
        queries: Embeddings,
        top_k: int,
        allowed: Ids | None = None,
        without: Sequence[int] = (),
        *,
        exact: bool,
        all_moments: bool = False,
        wanted: int | None = None,
    ) -> list[tuple[Scores, Ids]]:
        """For each of the queries (n, dim) the best `top_k`, and all that tie with the last: cosines, best first, and ids.

        If only the first `wanted` become hits, an approximate index may be searched deeper than its own limit.
        """
        file_ids, restricted = snapshot.file_ids, allowed
        if len(file_ids):
            allowed = None if allowed is None else file_ids.expanded(allowed)
            without = file_ids.expanded(file_ids.files_of(np.array(without, np.int64))).tolist()

        def nearest(queries: Embeddings, depth: int) -> list[tuple[Scores, Ids]]:
            if index := self._approximate(depth if wanted is None else wanted, restricted, exact):
                return index.nearest(snapshot, queries, depth, without)
            return snapshot.nearest(queries, depth, allowed, without)

        return nearest(queries, top_k) if all_moments else file_ids.nearest_files(nearest, queries, top_k)

    def _ranked(
        self, snapshot: Snapshot, query: Embeddings, scores: Scores, ids: Ids, top_k: int
    ) -> list[tuple[float, ImageRecord]]:
        """Candidates with their records, in order. Paths decide which of those that tie stay."""
        if not len(ids):
            return []
        records = self.records(ids.tolist())
        if len(records) < len(ids):
            raise self._damaged("it has vectors of no photo")
        pairs = [(score, records[image_id]) for score, image_id in zip(scores.tolist(), ids.tolist(), strict=True)]
        pairs.sort(key=lambda pair: (-pair[0], pair[1].file.path, pair[1].image_id))
        del pairs[top_k:]
        best = np.array([record.image_id for _, record in pairs], np.int64)
        try:
            proven = exact_scores(self._checked(snapshot, best), query)
        except KeyError:  # ids that are out of order are not found again
            proven = np.full(len(pairs), np.nan)
        if not np.allclose(proven, [score for score, _ in pairs], rtol=0, atol=1e-9):  # a row with another image's id
            raise self._damaged("its ids are mixed up")
        return [(min(max(score, -1.0), 1.0), record) for score, record in pairs]

    def _checked(self, snapshot: Snapshot, ids: Ids) -> Embeddings:
        """The vectors (n, dim) of ids (n,). KeyError if there is no such image; CollectionDamaged as `vectors`."""
        vectors = snapshot.vectors(ids)
        checks = self._catalog.images.vector_checks(ids.tolist())
        for image_id, vector in zip(ids.tolist(), vectors, strict=True):
            if checks[image_id] not in (None, vector_check(vector)):
                raise CollectionDamaged(f"the vector of image {image_id} is damaged; {WHAT_TO_DO}")
        return vectors
