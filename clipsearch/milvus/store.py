"""A store as what answers queries: the same photos, ids and scores as the index that was pushed there."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from clipsearch._internal.commands import command
from clipsearch.errors import CollectionBusy, CollectionDamaged, CollectionNotFound, ModelMismatch, QueryError
from clipsearch.milvus.address import StoreAddress
from clipsearch.milvus.filters import Expressions, among, both
from clipsearch.milvus.manifest import Manifest
from clipsearch.milvus.rows import (
    CATALOG_NAMES,
    COLUMNS_OF,
    FIELDS,
    VECTOR,
    catalog_value,
    checked_vector,
    record,
)
from clipsearch.milvus.scan import fields_of, windows
from clipsearch.milvus.search import NAMED, Selection, nearest, ranked
from clipsearch.milvus.table import Table
from clipsearch.store.filters import require_shallow
from clipsearch.store.memory_catalog import Sieve
from clipsearch.store.places import Places
from clipsearch.types import Condition, Embeddings, Fingerprint, ImageRecord, Order, Scores

MOST_SIFTED = 1_000_000
"""Photos that are looked at one by one for what the store cannot say; of more, it is refused."""

TRUSTED = 2.0
"""Seconds for which what was published is taken for what is: a writer leaves outdated rows for longer (pushing.GRACE)."""

_ATTEMPTS = 5  # versions that are tried while somebody keeps publishing
_REMEMBERED = 64  # selections of one version
_T = TypeVar("_T")


class StoreReader(Places):
    """A store, open for reading. Each of its answers comes from one published version. Use as a context manager.

    Threads may share it; they are answered one after the other.
    """

    def __init__(self, address: StoreAddress) -> None:
        self.address = address
        self.table = Table(address)
        self._manifest: Manifest | None = None  # the last that was seen
        self._asked = -math.inf  # when that was, by time.monotonic()
        self._inside = False  # at_one_state()
        self._one_at_a_time = threading.RLock()
        self._selections: dict[Condition, Selection] = {}

    def close(self) -> None:
        """Let go of the connection."""
        self.table.close()

    def __enter__(self) -> StoreReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        """Its address, without secrets."""
        return self.address.shown

    @property
    def manifest(self) -> Manifest:
        """What it holds, or held up to a second ago. CollectionNotFound where nothing was pushed there."""
        fresh = self._inside or time.monotonic() - self._asked < TRUSTED / 2
        return self._manifest if self._manifest and fresh else self.latest()

    def latest(self) -> Manifest:
        """What it holds at this moment. CollectionNotFound where nothing was pushed there."""
        return self._seen(self._latest())

    @property
    def version(self) -> int:
        """A number that changes with everything that is published."""
        return self.manifest.state

    @property
    def fingerprint(self) -> Fingerprint | None:
        """The model whose embeddings it holds."""
        return self.manifest.fingerprint

    def require(self, fingerprint: Fingerprint) -> None:
        """Raise ModelMismatch unless embeddings of this model belong here."""
        mine = self.manifest.fingerprint
        if (mine.digest, mine.dim) != (fingerprint.digest, fingerprint.dim):
            raise ModelMismatch(
                f"the store {self.name} holds embeddings of the model {mine.model!r}, which mean something else than those of "
                f"{fingerprint.model!r}; leave --model out"
            )

    def roots(self) -> dict[int, str]:
        """root_id → its absolute path on the machine that pushed it."""
        return self._current.roots

    def __len__(self) -> int:
        return self.manifest.count

    def select(self, condition: Condition) -> Selection:
        """The photos that meet a condition. QueryError where too many would have to be looked at one by one."""
        return self.at_one_state(lambda: self._select(condition))

    def search(
        self,
        queries: Embeddings,
        top_k: int,
        allowed: Selection | None = None,
        without: Sequence[int] = (),
        *,
        exact: bool = False,
    ) -> list[list[tuple[float, ImageRecord]]]:
        """For each of the queries (n, dim) its nearest photos: (cosine, record), best first, at most `top_k`.

        Exact, with a FLAT index: candidates come by the store's float32 scores until no other row can belong, by a proven
        rounding bound, and are ranked by float64 products with their vectors, ties in the order of their paths. Rows and
        vectors are checked: CollectionDamaged where one is not what was pushed.
        """

        def answer() -> list[list[tuple[float, ImageRecord]]]:
            manifest = self._current
            found = nearest(self.table, manifest, queries, top_k, allowed, without)
            return [ranked(*one, top_k, manifest.roots) for one in found]

        return self.at_one_state(answer)

    def approximation(self, top_k: int, allowed: Selection | None = None, *, exact: bool = False) -> None:
        """None: every search is exact."""

    def best_scores(self, queries: Embeddings, count: int, *, exact: bool = False) -> list[Scores]:
        """For each of the queries (n, dim) its `count` highest cosines over all photos, best first."""

        def answer() -> list[Scores]:
            found = nearest(self.table, self._current, queries, count)
            return [np.sort(scores)[::-1][:count] for scores, _ in found]

        return self.at_one_state(answer)

    def vectors(self, ids: Sequence[int]) -> Embeddings:
        """The unit vectors (n, dim) of some photos, in their order. KeyError where there is none."""

        def answer() -> Embeddings:
            dim = self._current.fingerprint.dim
            found = {row["image_id"]: checked_vector(row, dim) for row in self._rows(ids, (*FIELDS, VECTOR))}
            return np.array([found[image_id] for image_id in ids], np.float32).reshape(-1, dim)

        return self.at_one_state(answer)

    def records(self, ids: Sequence[int]) -> dict[int, ImageRecord]:
        """image_id → record, for those that exist."""

        def answer() -> dict[int, ImageRecord]:
            return {row["image_id"]: record(row, self.roots()) for row in self._rows(ids, FIELDS)}

        return self.at_one_state(answer)

    def same_content(self, content_hash: str) -> list[int]:
        """The photos whose file has this sha256 (hexadecimal), oldest first."""
        wanted = f'content == "{bytes.fromhex(content_hash).hex()}"'

        def answer() -> list[int]:
            rows = self.table.query(both(self._current.current, wanted), ("image_id",), after=self._current.after)
            return sorted(row["image_id"] for row in rows)

        return self.at_one_state(answer)

    def browse(
        self, condition: Condition | None, order: Order, offset: int, count: int
    ) -> tuple[list[ImageRecord], int]:
        """`count` of the photos that meet a condition, or of all, after the first `offset`; and how many there are in all.

        The store cannot sort: the order is made here, of all that meet the condition. QueryError where these are too many.
        """

        def answer() -> tuple[list[ImageRecord], int]:
            chosen = self._select(condition) if condition else Selection(self._current.current, self._current.count)
            with self._sifted(chosen.text, ("root", "folder", "name", "taken")) as sieve:
                among_these = None if chosen.ids is None else set(chosen.ids.tolist())
                ids = sieve.page(None, self.places, order, 0, -1)
                ids = [image_id for image_id in ids if among_these is None or image_id in among_these]
            records = self.records(ids[offset : offset + count])
            return [records[image_id] for image_id in ids[offset : offset + count]], len(ids)

        return self.at_one_state(answer)

    def scan_bytes(self, considered: int) -> int:
        """How many bytes of vectors the store reads, where that many photos are allowed."""
        return 4 * self._current.fingerprint.dim * considered

    def at_one_state(self, read: Callable[[], _T]) -> _T:
        """Call something that asks several things, such that all answers come from one published version.

        The rows of a version are there until the next one is published, and for GRACE seconds after that. So what was read is
        good if it took less than TRUSTED seconds since the store was asked for its version, or if that still is the last.
        """
        with self._one_at_a_time:
            return read() if self._inside else self._at_one_state(read)

    def _at_one_state(self, read: Callable[[], _T]) -> _T:
        manifest = self.manifest
        self._inside = True
        try:
            for _ in range(_ATTEMPTS):
                error: CollectionDamaged | KeyError | None = None
                try:
                    answer = read()
                except (CollectionDamaged, KeyError) as problem:  # of rows that were deleted meanwhile, maybe
                    error = problem
                if error is None and time.monotonic() - self._asked < TRUSTED:
                    return answer
                latest = self.latest()
                if latest.state == manifest.state:
                    if error:
                        raise error
                    return answer
                manifest = latest
        finally:
            self._inside = False
        raise CollectionBusy(f"somebody keeps publishing to {self.name}; try again")

    def walk(self, fields: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        """The current rows, some at a time, by image id. To be read inside at_one_state()."""
        manifest = self._current
        yield from windows(self.table, manifest.current, fields, after=manifest.after)

    # -- inside

    @property
    def _current(self) -> Manifest:
        return self._manifest or self.manifest

    def _latest(self) -> Manifest:
        asked = time.monotonic()
        found = self.table.manifest()
        if found is None:
            how = command("push", "--store", self.name, index="DIR")
            raise CollectionNotFound(f"nothing was pushed to {self.name} yet; to push an index to it: {how}")
        self._asked = asked
        return found

    def _seen(self, manifest: Manifest) -> Manifest:
        if self._manifest is None or manifest.state != self._manifest.state:
            self._selections.clear()
        self._manifest = manifest
        return manifest

    def _select(self, condition: Condition) -> Selection:
        require_shallow(condition)
        known = self._selections.pop(condition, None)
        found = self._selected(condition) if known is None else known
        self._selections[condition] = found
        for old in list(self._selections)[:-_REMEMBERED]:
            del self._selections[old]
        return found

    def _selected(self, condition: Condition) -> Selection:
        manifest = self._current
        expressions = Expressions(self.places, manifest.cameras, manifest.formats, infix=self.table.infix)
        expression = expressions.of(condition)
        text = both(manifest.current, expression.text)
        if expression.exact:
            return Selection(text, self.table.count(text, after=manifest.after))
        columns = dict.fromkeys(("root", *(column for field in fields_of(condition) for column in COLUMNS_OF[field])))
        with self._sifted(text, tuple(columns)) as sieve:
            ids = sieve.ids(condition, self.places)
        return Selection(text, len(ids), ids)

    def _sifted(self, text: str, columns: Sequence[str]) -> Sieve:
        """The rows that an expression holds of, in memory."""
        manifest = self._current
        count = self.table.count(text, after=manifest.after)
        if count > MOST_SIFTED:
            raise QueryError(
                f"{count:,} photos of the store would have to be looked at one by one for this; narrow it down by a folder, a "
                "date or a camera"
            )
        names = ["image_id", *(CATALOG_NAMES.get(column, column) for column in columns)]
        sieve = Sieve()
        try:
            for rows in windows(self.table, text, ("image_id", *columns), after=manifest.after):
                values = [(row["image_id"], *(catalog_value(name, row[name]) for name in columns)) for row in rows]
                sieve.add(names, values)
        except (KeyError, TypeError, ValueError) as error:
            sieve.close()
            raise CollectionDamaged(f"the store {self.name} has rows that clipsearch never writes") from error
        except BaseException:
            sieve.close()
            raise
        return sieve

    def _rows(self, ids: Sequence[int], fields: Sequence[str]) -> Iterator[dict[str, Any]]:
        manifest = self._current
        wanted = sorted(set(ids))
        for start in range(0, len(wanted), NAMED):
            some = wanted[start : start + NAMED]
            yield from self.table.query(both(manifest.current, among("image_id", some)), fields, after=manifest.after)
