"""The reading half of a collection: what is in an index folder, and exact search over it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.paths import identity
from clipsearch.errors import CollectionDamaged, ModelMismatch
from clipsearch.store.catalog import Catalog
from clipsearch.store.name_matches import NameFinder
from clipsearch.store.places import Places
from clipsearch.store.ranking import FEW, View, nearest, nearest_to_each
from clipsearch.store.segments import Segment, exact_scores
from clipsearch.store.untrusted import absolute_root
from clipsearch.store.validation import WHAT_TO_DO
from clipsearch.store.vectors import vector_check
from clipsearch.types import Condition, Embeddings, Failure, Fingerprint, Ids, ImageRecord, Order, Scores

if TYPE_CHECKING:
    from clipsearch.store.approximate.description import Card
    from clipsearch.store.approximate.index import Approximate, Beside

_TOGETHER = 4  # queries from which reading the vectors once for all is quicker than a compact copy for each
_ATTEMPTS = 5  # states a reader tries to open while a writer keeps merging them away
_T = TypeVar("_T")


class CollectionReader(Places):
    """An index folder, open for reading. Each of its answers comes from one committed state."""

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        self.folder = folder
        self._alone = create  # a writer's lock keeps repairs away
        self._former: list[Catalog] = []  # replaced; somebody may still be in the middle of their rows
        self._digest = ""  # of the model, once it is known
        self._open(create)

    def close(self) -> None:
        """Let go of the files."""
        self._view = View(-1, [], np.empty(0, np.int64))
        for catalog in (*self._former, self._catalog):
            catalog.close()

    @property
    def catalog(self) -> Catalog:
        """The catalog; between two transactions, where a repair has put another file in its place, that one."""
        if not self._alone and not self._catalog.in_transaction and self._is_replaced():
            former = self._catalog
            self._open()
            self._former.append(former)
        return self._catalog

    def _open(self, create: bool = False) -> None:
        path = self.folder / "catalog.sqlite"
        before = identity(path)
        self._catalog = Catalog(path, create=create)
        self._identity = before or identity(path)
        self._names = NameFinder(self._catalog)
        self._beside: Beside | None = None
        self._view = View(-1, [], np.empty(0, np.int64))
        self._outdated = True

    def _is_replaced(self) -> bool:
        now = identity(self._catalog.path)
        return now is not None and now != self._identity

    @property
    def name(self) -> str:
        """The index folder."""
        return str(self.folder)

    @property
    def version(self) -> int:
        """A number that changes with every commit to the index."""
        return self.catalog.version

    @property
    def fingerprint(self) -> Fingerprint | None:
        """The model whose embeddings it holds; None before the first. ModelMismatch where it is another than it was."""
        found = self.catalog.fingerprint()
        if found and not self._alone and self._digest not in ("", found.digest):
            raise ModelMismatch(
                f"an index of the model {found.model!r} has taken the place of {self.folder}; open it again"
            )
        self._digest = found.digest if found else self._digest
        return found

    def roots(self) -> dict[int, str]:
        """root_id → the absolute path it has today, wherever the index folder has been moved to."""
        return {root_id: absolute_root(self.folder, path) for root_id, (path, _) in self.catalog.roots().items()}

    def holds(self, root_id: int, path: str) -> bool:
        """See Places."""
        return self.catalog.holds(root_id, path)

    def folders_of(self, root_id: int) -> set[str]:
        """See Places."""
        return self.catalog.folders(root_id)

    def names_in(self, root_id: int, folder: str) -> set[str]:
        """See Places."""
        images, failures = self.catalog.known_in(root_id, folder)
        return {*images, *failures}

    def __len__(self) -> int:
        return self.catalog.count()

    def records(self, ids: Sequence[int]) -> dict[int, ImageRecord]:
        """image_id → record, for those that exist."""
        return self.catalog.records(ids, self.roots())

    def failures(self) -> list[Failure]:
        """Every file that could not be read, by path."""
        return self.catalog.failures(self.roots())

    def published_segments(self) -> list[Segment]:
        """The segments of the last commit, open."""
        return self._consistently(lambda view: view.segments)

    def vector(self, image_id: int) -> NDArray[np.float32]:
        """An image's unit vector (dim,), published. KeyError where there is none."""
        vector: NDArray[np.float32] = self.vectors([image_id])[0]
        return vector

    def vectors(self, ids: Sequence[int]) -> Embeddings:
        """The published unit vectors (n, dim) of some images, in their order. KeyError where there is none."""
        wanted = np.array(ids, np.int64)

        def read(view: View) -> Embeddings:
            return self._proven(view.segments, wanted)

        return self._consistently(read)

    def search(
        self, queries: Embeddings, top_k: int, allowed: Ids | None = None, without: Sequence[int] = (), *, exact: bool = False
    ) -> list[list[tuple[float, ImageRecord]]]:  # fmt: skip
        """For each of the queries (n, dim) its nearest images: (cosine, record), best first, at most `top_k`.

        The ranking is that of float64 inner products over the stored vectors, ties in the order of their paths: over all of
        them, or where `approximation` says so and not `exact`, over the approximate index's candidates. `allowed` (m,),
        ascending, limits the search to those ids, and `without` leaves some out. All answers come from one committed state.
        """

        def answer(view: View) -> list[list[tuple[float, ImageRecord]]]:
            index = self._approximate(top_k, allowed, exact)
            found = (
                index.nearest(view, queries, top_k, without)
                if index
                else _nearest(view, queries, top_k, allowed, without)
            )
            return [
                self._ranked(view.segments, query[None], *one, top_k) for query, one in zip(queries, found, strict=True)
            ]

        return self._consistently(answer)

    def best_scores(self, queries: Embeddings, count: int, *, exact: bool = False) -> list[Scores]:
        """For each of the queries (n, dim) its `count` highest cosines over all images, best first; found as `search` does."""

        def best(view: View) -> list[Scores]:
            index = self._approximate(count, None, exact)
            found = index.nearest(view, queries, count) if index else _nearest(view, queries, count)
            return [scores[:count] for scores, _ in found]

        return self._consistently(best)

    def approximation(self, top_k: int, allowed: Ids | None = None, *, exact: bool = False) -> Card | None:
        """What is known of the approximate index that `search` would use; None where it would be exact."""
        index = self._consistently(lambda view: self._approximate(top_k, allowed, exact))
        return index.card if index else None

    def state(self) -> View:
        """The last commit's segments and tombstones, open for as long as somebody has them."""
        return self._consistently(lambda view: view)

    def ids(self, condition: Condition | None = None) -> Ids:
        """The images that meet a condition, or all, int64 (n,), ascending."""
        with self.catalog.reading():
            among = self._names.among(condition) if condition else None
            return self.catalog.ids(condition, self.places, among)

    def select(self, condition: Condition) -> Ids:
        """The images that meet a condition, int64 (n,), ascending."""
        return self.ids(condition)

    def same_content(self, content_hash: str) -> list[int]:
        """The images whose file has this sha256 (hexadecimal), oldest first."""
        return self.catalog.ids_by_hash(content_hash)

    def browse(
        self, condition: Condition | None, order: Order, offset: int, count: int
    ) -> tuple[list[ImageRecord], int]:
        """`count` of the images that meet a condition, or of all, after the first `offset`; and how many there are in all."""

        def read(view: View) -> tuple[list[ImageRecord], int]:
            ids = self.catalog.page(condition, self.places, order, offset, count)
            records = self.records(ids)
            return [records[image_id] for image_id in ids], self.catalog.count(condition, self.places)

        return self._consistently(read)

    def scan(
        self, condition: Condition | None = None, block: int = 4096
    ) -> Iterator[tuple[list[ImageRecord], Embeddings]]:
        """Every image that meets a condition, or all, `block` at a time: records and vectors (n, dim), by image id.

        All blocks are of one committed state.
        """
        for view in self._states():
            ids = self.ids(condition)
            for start in range(0, len(ids), block):
                some = ids[start : start + block]
                records = self.records(some.tolist())
                try:
                    vectors = self._proven(view.segments, some)
                except KeyError as error:
                    raise CollectionDamaged(
                        f"the index at {self.folder} is damaged: image {error} has no vector; {WHAT_TO_DO}"
                    ) from error
                yield [records[image_id] for image_id in some.tolist()], vectors

    def scan_bytes(self, considered: int) -> int:
        """How many bytes of vectors a search reads at first, where that many images are allowed."""
        infos, fingerprint = self.catalog.segments(), self.fingerprint
        dim, total = fingerprint.dim if fingerprint else 0, sum(info.rows for info in infos)
        if considered < total * FEW:
            return 4 * dim * considered
        return sum(info.rows * dim * (1 if info.compact else 4) for info in infos)

    def _ranked(
        self, segments: list[Segment], query: Embeddings, scores: Scores, ids: Ids, top_k: int
    ) -> list[tuple[float, ImageRecord]]:
        """Candidates with their records, in order; among those that tie, paths decide which stay."""
        if not len(ids):
            return []
        records = self.records(ids.tolist())
        if len(records) < len(ids):
            raise CollectionDamaged(f"the index at {self.folder} is damaged: it has vectors of no photo; {WHAT_TO_DO}")
        pairs = [(score, records[image_id]) for score, image_id in zip(scores.tolist(), ids.tolist(), strict=True)]
        pairs.sort(key=lambda pair: (-pair[0], pair[1].file.path))
        del pairs[top_k:]
        found = np.array([record.image_id for _, record in pairs], np.int64)
        try:
            proven = exact_scores(self._proven(segments, found), query)
        except KeyError:  # ids that are out of order are not found again
            proven = np.full(len(pairs), np.nan)
        if not np.allclose(proven, [score for score, _ in pairs], rtol=0, atol=1e-9):  # a row with another image's id
            raise CollectionDamaged(f"the index at {self.folder} is damaged: its ids are mixed up; {WHAT_TO_DO}")
        return [(min(max(score, -1.0), 1.0), record) for score, record in pairs]

    def _proven(self, segments: list[Segment], ids: Ids) -> Embeddings:
        """The vectors (n, dim) of ids (n,). CollectionDamaged where one is not what was stored for its image.

        KeyError where there is no such image.
        """
        vectors = gathered(segments, ids)
        checks = self.catalog.vector_checks(ids.tolist())
        for image_id, vector in zip(ids.tolist(), vectors, strict=True):
            if checks[image_id] not in (None, vector_check(vector)):
                raise CollectionDamaged(f"the vector of image {image_id} is damaged; {WHAT_TO_DO}")
        return vectors

    # -- inside

    def _approximate(self, top_k: int, allowed: Ids | None, exact: bool) -> Approximate | None:
        """The approximate index, where there is one that is fit for a search.

        It is not for few of the images, which are sooner looked at one by one: its candidates might all be others.
        """
        fingerprint = None if exact or allowed is not None else self.fingerprint
        if fingerprint is None or not (self._beside or (self.folder / "approximate").is_dir()):
            return None
        from clipsearch.store.approximate.index import DEEPEST, Beside

        self._beside = self._beside or Beside(self.folder)
        return self._beside.current(self.catalog, fingerprint) if top_k <= DEEPEST else None

    @property
    def _segments(self) -> Path:
        return self.folder / "segments"

    def at_one_state(self, read: Callable[[], _T]) -> _T:
        """Call something that asks several things, such that all answers come from one committed state."""
        return self._consistently(lambda view: read())

    def _consistently(self, read: Callable[[View], _T]) -> _T:
        """Call `read` on one committed state."""
        with closing(self._states()) as states:
            return read(next(states))

    def _states(self) -> Generator[View, None, None]:
        """One committed state, which lasts until the next step: where a merge has just removed its files, the one after it."""
        for _ in range(_ATTEMPTS):
            with self.catalog.reading():
                try:
                    view = self._open_view()
                except FileNotFoundError as error:
                    missing = error.filename
                    continue
                yield view
                return
        raise CollectionDamaged(f"the index at {self.folder} is damaged: {missing} is missing; {WHAT_TO_DO}")

    def _open_view(self) -> View:
        """The published segments; only those that a commit has changed are opened again."""
        version = self.catalog.version
        if (self._outdated or self._view.version != version) and not self.catalog.is_changing:
            self.catalog.require_sound()  # in the middle of a change, what it says is not committed yet
        fingerprint = self.fingerprint
        if fingerprint and (self._outdated or self._view.version != version):
            known = {segment.info: segment for segment in self._view.segments}
            segments = [
                known.get(info) or Segment(self._segments, info, fingerprint.dim) for info in self.catalog.segments()
            ]
            self._view = View(version, segments, np.array(self.catalog.tombstones(), np.int64))
            self._outdated = False
        return self._view


def _nearest(
    view: View, queries: Embeddings, top_k: int, allowed: Ids | None = None, without: Sequence[int] = ()
) -> list[tuple[Scores, Ids]]:
    keeps = [view.keep(segment, allowed, without) for segment in view.segments]
    if len(queries) >= _TOGETHER:
        return nearest_to_each(view.segments, keeps, queries, top_k)
    return [nearest(view.segments, keeps, query[None], top_k) for query in queries]


def gathered(segments: list[Segment], ids: Ids) -> Embeddings:
    """The vectors (n, dim) of ids (n,) from wherever they are. KeyError where one is nowhere."""
    vectors = np.empty((len(ids), segments[0].vectors.shape[1] if segments else 0), np.float32)
    found = np.zeros(len(ids), bool)
    for segment in segments:
        rows = segment.rows_of(ids)
        here = rows >= 0
        vectors[here] = segment.vectors[rows[here]]
        found |= here
    if not found.all():
        raise KeyError(int(ids[~found][0]))
    return vectors
