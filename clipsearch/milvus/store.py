"""A Milvus store that answers queries: the same photos, ids and scores as the index that was pushed to it."""

from __future__ import annotations

import functools
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.commands import command
from clipsearch.conditions import Condition
from clipsearch.errors import CollectionBusy, CollectionDamaged, CollectionNotFound, ModelMismatch, QueryError
from clipsearch.milvus.address import StoreAddress, parse_address
from clipsearch.milvus.exact_search import Selection, nearest, ranked, records_of
from clipsearch.milvus.filters import FilterTranslator, asks_for_places, both, columns_of
from clipsearch.milvus.manifest import Manifest
from clipsearch.milvus.rows import CATALOG_NAMES, FIELDS, VECTOR, catalog_value, checked_vector, picture_id
from clipsearch.milvus.table import Table
from clipsearch.store.filters import require_shallow
from clipsearch.store.image_table import Listed
from clipsearch.store.memory_catalog import MemoryCatalog
from clipsearch.store.path_lookup import PathLookup
from clipsearch.store.whole_paths import with_whole_paths
from clipsearch.types import Embeddings, Fingerprint, ImageRecord, Order, Scores

logger = logging.getLogger(__name__)

MAX_FILTERED = 1_000_000
"""Photos that clipsearch compares one by one if the store cannot express a condition; it refuses to do so for more."""

TRUSTED_SECONDS = 2.0
"""How long a version counts as current once it was read. Writers keep outdated rows for longer (push.GRACE_SECONDS)."""

_ATTEMPTS = 5  # versions to try while another process keeps publishing
_SAMPLED = 1024  # pictures
_CACHED = 64  # selections of one version
_T = TypeVar("_T")
_P = ParamSpec("_P")


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """A store, as its published version describes it."""

    store: str
    server: str  # and its version
    model: Fingerprint
    images: int
    failures: int  # files that the index could not read
    photo_bytes: int
    version: int
    pushed_at: str  # ISO 8601
    outdated: int  # rows to be deleted: a push was interrupted, or is running
    unpublished: int  # rows that are not visible yet
    roots: tuple[str, ...]  # on the machine that pushed


def store_status(address: str) -> StoreStatus:
    """The status of the store at an address. CollectionNotFound if nothing was pushed there."""
    with MilvusStore(parse_address(address)) as store:
        return store.status()


def _at_one_state(method: Callable[Concatenate[MilvusStore, _P], _T]) -> Callable[Concatenate[MilvusStore, _P], _T]:
    """Make a method answer from one published version."""

    @functools.wraps(method)
    def consistent(store: MilvusStore, /, *arguments: _P.args, **options: _P.kwargs) -> _T:
        return store.at_one_state(lambda: method(store, *arguments, **options))

    return consistent


class MilvusStore:
    """A store, open for reading. Each of its answers comes from one published version. Use as a context manager.

    Threads may share it; it answers them one after the other.
    """

    def __init__(self, address: StoreAddress) -> None:
        self.address = address
        self.table = Table(address)
        self._manifest: Manifest | None = None  # the last one that was read
        self._read_at = -math.inf  # when, by time.monotonic()
        self._inside = False  # at_one_state()
        self._lock = threading.RLock()
        self._selections: dict[Condition, Selection] = {}

    def close(self) -> None:
        """Close the connection."""
        self.table.close()

    def __enter__(self) -> MilvusStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        """Its address, without secrets."""
        return self.address.shown

    @property
    def names(self) -> tuple[str]:
        """Its address alone."""
        return (self.name,)

    @property
    def manifest(self) -> Manifest:
        """What the store contains, or contained up to a second ago. CollectionNotFound if nothing was pushed to it."""
        fresh = self._inside or time.monotonic() - self._read_at < TRUSTED_SECONDS / 2
        return self._manifest if self._manifest and fresh else self.latest()

    def latest(self) -> Manifest:
        """What the store contains at this moment. CollectionNotFound if nothing was pushed to it."""
        now = time.monotonic()
        manifest = self.table.manifest()
        if manifest is None:
            push = command("push", "--store", self.name, index="DIR")
            raise CollectionNotFound(f"nothing was pushed to {self.name} yet; to push an index to it: {push}")
        if self._manifest is None or manifest.state != self._manifest.state:
            self._selections.clear()
        self._manifest, self._read_at = manifest, now
        return manifest

    @property
    def version(self) -> int:
        """A number that changes with everything that is published."""
        return self.manifest.state

    @property
    def fingerprint(self) -> Fingerprint | None:
        """The model whose embeddings it contains."""
        return self.manifest.fingerprint

    @property
    def text_model(self) -> None:
        """None: a store does not remember another model for texts."""

    def require(self, fingerprint: Fingerprint) -> None:
        """Raise ModelMismatch unless the store has embeddings of this model."""
        own = self.manifest.fingerprint
        if not own.is_comparable(fingerprint):
            raise ModelMismatch(
                f"the store {self.name} holds embeddings of the model {own.model!r}, which cannot be compared with those of "
                f"{fingerprint.model!r}; leave `model` out"
            )

    def places(self, folder: str) -> list[tuple[int, str]]:
        """An absolute folder in the store's terms: (root_id, folder below that root), for each root at, above or below it."""
        return PathLookup(self.manifest.roots).folders(folder)

    def __len__(self) -> int:
        return self.manifest.count

    @_at_one_state
    def status(self) -> StoreStatus:
        """What the store contains, and the rows that a push left or has not published yet."""
        manifest = self.manifest
        born = self.table.count(f"row > 0 and born <= {manifest.version}")
        return StoreStatus(
            store=self.name,
            server=self.table.server,
            model=manifest.fingerprint,
            images=manifest.count,
            failures=manifest.failures,
            photo_bytes=manifest.photo_bytes,
            version=manifest.version,
            pushed_at=manifest.pushed_at,
            outdated=born - manifest.count - manifest.later,
            unpublished=self.table.count("row > 0") - born,
            roots=tuple(manifest.roots.values()),
        )

    @_at_one_state
    def select(self, condition: Condition) -> Selection:
        """The photos that meet a condition. QueryError if too many would have to be compared one by one."""
        require_shallow(condition)
        selection = self._selections.pop(condition, None)
        if selection is None:
            selection = self._selected(condition)
        self._selections[condition] = selection  # at the end, since the first ones are dropped first
        while len(self._selections) > _CACHED:
            del self._selections[next(iter(self._selections))]
        return selection

    @_at_one_state
    def search(
        self,
        queries: Embeddings,
        top_k: int,
        allowed: Selection | None = None,
        without: Sequence[int] = (),
        *,
        exact: bool = False,
        all_moments: bool = False,
    ) -> list[list[tuple[float, ImageRecord]]]:
        """For each of the queries (n, dim) its nearest files: (cosine, record), best first, at most `top_k`.

        The search is always exact. A file with several pictures counts once, by the best of them, unless `all_moments`. The
        ids in `without` may be those of any picture. CollectionDamaged if a row or vector is not what was pushed.
        """
        table, manifest = self.table, self.manifest
        left_out = self._files_of(without)
        answers = nearest(table, manifest, queries, top_k, allowed, left_out, all_moments=all_moments)
        return [ranked(table, manifest, scores, rows, top_k) for scores, rows in answers]

    @_at_one_state
    def search_with_best(
        self,
        queries: Embeddings,
        top_k: int,
        count: int,
        allowed: Selection | None = None,
        without: Sequence[int] = (),
        *,
        exact: bool = False,
    ) -> list[tuple[list[tuple[float, ImageRecord]], Scores]]:
        """`search`, and the `count` highest cosines among the same files, by one request."""
        table, manifest = self.table, self.manifest
        answers = []
        for scores, rows in nearest(table, manifest, queries, max(top_k, count), allowed, self._files_of(without)):
            best = np.sort(scores)[::-1]
            first = np.flatnonzero(scores >= best[min(top_k, len(best)) - 1]) if len(best) else np.empty(0, np.int64)
            answers.append((ranked(table, manifest, scores[first], [rows[row] for row in first], top_k), best[:count]))
        return answers

    def text_search(
        self,
        query: Embeddings,
        text: str,
        condition: Condition | None,
        limit: int,
        without: Sequence[int] = (),
        least_words: int = 1,
    ) -> list[tuple[float, ImageRecord]]:
        """QueryError: a vector database has no table of words."""
        raise QueryError(
            "a vector database does not look for words in photos' texts; leave `hybrid` out, or search an index"
        )

    def approximation(self, top_k: int, allowed: Selection | None = None, *, exact: bool = False) -> None:
        """None, because every search is exact."""

    @_at_one_state
    def best_scores(
        self, queries: Embeddings, count: int, allowed: Selection | None = None, *, exact: bool = False
    ) -> list[Scores]:
        """For each of the queries (n, dim) its `count` highest cosines over all files, or the allowed ones, best first."""
        answers = nearest(self.table, self.manifest, queries, count, allowed)
        return [np.sort(scores)[::-1][:count] for scores, _ in answers]

    @property
    def null_scores(self) -> None:
        """None: a store's readers measure them."""

    @_at_one_state
    def sample_vectors(self, count: int) -> Embeddings:
        """The unit vectors (n, dim) of the first `count` pictures, _SAMPLED at most: each of them comes over the network."""
        dim, most = self.manifest.fingerprint.dim, min(count, _SAMPLED)
        vectors: list[NDArray[np.float32]] = []
        for rows in self.scan((*FIELDS, VECTOR)):
            vectors += [checked_vector(row, dim) for row in rows[: most - len(vectors)]]
            if len(vectors) >= most:
                break
        return np.array(vectors, np.float32).reshape(-1, dim)

    @_at_one_state
    def vectors(self, ids: Sequence[int]) -> Embeddings:
        """The unit vectors (n, dim) of some pictures, in their order. KeyError if one is not in the store."""
        dim = self.manifest.fingerprint.dim
        vectors = {picture_id(row["row"]): checked_vector(row, dim) for row in self._rows(ids, (*FIELDS, VECTOR))}
        return np.array([vectors[image_id] for image_id in ids], np.float32).reshape(-1, dim)

    @_at_one_state
    def records(self, ids: Sequence[int]) -> dict[int, ImageRecord]:
        """image_id → record, for the pictures that exist."""
        rows = list(self._rows(ids, FIELDS))
        return {record.image_id: record for record in records_of(self.table, self.manifest, rows)}

    @_at_one_state
    def same_content(self, content_hash: str) -> list[int]:
        """The photos whose file has this sha256 (hexadecimal), oldest first."""
        manifest = self.manifest
        expression = both(manifest.files, f'content == "{bytes.fromhex(content_hash).hex()}"')
        return sorted(row["image_id"] for row in self.table.query(expression, ("image_id",), after=manifest.after))

    def values_of(self, field: Listed) -> list[str]:
        """Nothing: to list values, Milvus would have to send every row."""
        return []

    @_at_one_state
    def browse(
        self, condition: Condition | None, order: Order, offset: int, count: int
    ) -> tuple[list[ImageRecord], int]:
        """`count` of the photos that meet a condition, or of all, after the first `offset`; and how many there are in all.

        Milvus cannot sort, so all photos that meet the condition are sorted here. QueryError if they are too many.
        """
        selection = self.select(condition) if condition else Selection(self.manifest.current, len(self))
        with self._in_memory(selection.expression, ("root", "folder", "name", "taken")) as catalog:
            ids = catalog.page(None, self.places, order, 0, -1)
        if selection.ids is not None:
            allowed = set(selection.ids.tolist())
            ids = [image_id for image_id in ids if image_id in allowed]
        page = ids[offset : offset + count]
        records = self.records(page)
        return [replace(records[image_id], moment=None) for image_id in page], len(ids)

    def scan_bytes(self, considered: int) -> int:
        """How many bytes of vectors the store reads if that many files of usual numbers of pictures are allowed."""
        manifest = self.manifest
        return 4 * manifest.fingerprint.dim * (considered * (manifest.count + manifest.later) // max(1, manifest.count))

    def scan(self, fields: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        """The current rows in blocks, by image id. Read them inside at_one_state()."""
        yield from self.table.scan(self.manifest.current, fields, after=self.manifest.after)

    def at_one_state(self, read: Callable[[], _T]) -> _T:
        """Call a function that asks the store several times, such that all answers come from one published version.

        Rows of a version exist until GRACE_SECONDS after the next version was published. So an answer is good if it took less
        than TRUSTED_SECONDS since the store named its version, or if that version is still the last.
        """
        with self._lock:
            if self._inside:
                return read()
            manifest = self.manifest
            self._inside = True
            try:
                for _ in range(_ATTEMPTS):
                    error: CollectionDamaged | KeyError | None = None
                    try:
                        answer = read()
                    except (CollectionDamaged, KeyError) as problem:  # perhaps because rows were deleted meanwhile
                        error = problem
                    if error is None and time.monotonic() - self._read_at < TRUSTED_SECONDS:
                        return answer
                    latest = self.latest()
                    if latest.state == manifest.state:
                        if error:
                            raise error
                        return answer
                    logger.debug("version %d of %s was published meanwhile; asking again", latest.version, self.name)
                    manifest = latest
            finally:
                self._inside = False
        raise CollectionBusy(f"another process keeps publishing to {self.name}; try again")

    def _selected(self, condition: Condition) -> Selection:
        manifest = self.manifest
        condition = with_whole_paths(condition, manifest.roots.values)
        translator = FilterTranslator(self.places, manifest.cameras, manifest.formats, infix=self.table.has_infix_like)
        expression = translator.translate(condition)
        text = both(manifest.current, expression.text)
        if expression.exact:
            return Selection(text, self.table.count(manifest.of_files(text), after=manifest.after))
        columns = sorted({"root", *columns_of(condition)})
        with self._in_memory(text, columns, with_places=asks_for_places(condition)) as catalog:
            ids = catalog.ids(condition, self.places)
        logger.debug("%d photos meet the condition that the store cannot express", len(ids))
        return Selection(text, len(ids), ids)

    @contextmanager
    def _in_memory(
        self, expression: str, columns: Sequence[str], *, with_places: bool = False
    ) -> Iterator[MemoryCatalog]:
        """The files that an expression holds for, as a catalog in memory."""
        manifest = self.manifest
        expression = manifest.of_files(expression)
        count = self.table.count(expression, after=manifest.after)
        if count > MAX_FILTERED:
            raise QueryError(
                f"this would compare {count:,} photos of the store one by one; narrow it down by a folder, a date or a camera"
            )
        names = ["image_id", *(CATALOG_NAMES.get(column, column) for column in columns)]
        with MemoryCatalog() as catalog:
            for rows in self.table.scan(expression, ("image_id", *columns), after=manifest.after):
                try:
                    values = [(row["image_id"], *(catalog_value(name, row[name]) for name in columns)) for row in rows]
                    catalog.insert(names, values)
                    if with_places:
                        catalog.add_places()
                except (KeyError, TypeError, ValueError) as error:
                    raise CollectionDamaged(f"the store {self.name} has rows that clipsearch never writes") from error
            yield catalog

    def _files_of(self, ids: Sequence[int]) -> Sequence[int]:
        """The ids of the files of some pictures."""
        if not (self.manifest.later and ids):
            return ids
        return [row["image_id"] for row in self._rows(ids, ("row", "image_id"))]

    def _rows(self, ids: Sequence[int], fields: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The rows of pictures by their ids."""
        manifest, ids = self.manifest, sorted(set(ids))
        if manifest.later:
            return self.table.fetch_pictures(ids, fields, within=manifest.current, after=manifest.after)
        return self.table.fetch("image_id", ids, fields, within=manifest.current, after=manifest.after)
