"""VectorStore: what answers queries, an index folder or a vector database."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from typing import TYPE_CHECKING, Protocol, TypeVar

from clipsearch.conditions import Condition
from clipsearch.types import Embeddings, Fingerprint, ImageRecord, Order, Scores

if TYPE_CHECKING:
    from clipsearch.store.approximate.info import ApproximateInfo
    from clipsearch.store.image_table import Listed

_T = TypeVar("_T")

SelectionT = TypeVar("SelectionT", bound=Sized)
"""The photos that meet a condition, in the store's own form; its length is their number."""


class VectorStore(Protocol[SelectionT]):
    """Photos with their unit vectors. Each answer comes from one committed state."""

    @property
    def name(self) -> str:
        """The folder or address, as the user knows it, without secrets."""

    @property
    def names(self) -> tuple[str, ...]:
        """The folders or addresses of all that answer together; one, unless it is several indexes."""

    @property
    def fingerprint(self) -> Fingerprint | None:
        """The model whose embeddings it holds; None before the first."""

    @property
    def text_model(self) -> str | None:
        """The other model that its queries' texts are encoded with, if it remembers one."""

    @property
    def version(self) -> int:
        """A number that changes with every commit to it."""

    def __len__(self) -> int: ...

    def require(self, fingerprint: Fingerprint) -> None:
        """Raise ModelMismatch unless embeddings of this model belong here."""

    def select(self, condition: Condition) -> SelectionT:
        """The photos that meet a condition."""

    def search(
        self,
        queries: Embeddings,
        top_k: int,
        allowed: SelectionT | None = None,
        without: Sequence[int] = (),
        *,
        exact: bool = False,
        all_moments: bool = False,
    ) -> list[list[tuple[float, ImageRecord]]]:
        """For each of the queries (n, dim) its nearest photos: (cosine, record), best first, at most `top_k`.

        A file with several pictures counts once, by the best of them, unless `all_moments`.
        The ranking is that of float64 inner products over the stored vectors, ties in the order of their paths: over all of
        them, or over the candidates of an approximate index if there is one and not `exact`.
        """

    def search_with_best(
        self,
        queries: Embeddings,
        top_k: int,
        count: int,
        allowed: SelectionT | None = None,
        without: Sequence[int] = (),
        *,
        exact: bool = False,
    ) -> list[tuple[list[tuple[float, ImageRecord]], Scores]]:
        """`search`, and the `count` highest cosines among the same photos, by one scan."""

    def approximation(
        self, top_k: int, allowed: SelectionT | None = None, *, exact: bool = False
    ) -> ApproximateInfo | None:
        """The description of the approximate index that `search` would use; None if the search would be exact."""

    def best_scores(
        self, queries: Embeddings, count: int, allowed: SelectionT | None = None, *, exact: bool = False
    ) -> list[Scores]:
        """For each of the queries (n, dim) its `count` highest cosines over all photos, or the allowed ones, best first."""

    def text_search(
        self,
        query: Embeddings,
        text: str,
        condition: Condition | None,
        limit: int,
        without: Sequence[int] = (),
        least_words: int = 1,
    ) -> list[tuple[float, ImageRecord]]:
        """The photos whose texts have so many of a text's words: (cosine with the query (1, dim), record), best text first.

        At most `limit`, of those that meet a condition. QueryError if the store does not look for words.
        """

    @property
    def null_scores(self) -> str | None:
        """What query.null_scores stored with it, if anything."""

    def sample_vectors(self, count: int) -> Embeddings:
        """The unit vectors (n, dim) of about `count` pictures from all over the store, or of all; the same ones each time."""

    def vectors(self, ids: Sequence[int]) -> Embeddings:
        """The unit vectors (n, dim) of some pictures, in their order. KeyError if one does not exist."""

    def values_of(self, field: Listed) -> list[str]:
        """The values that photos have of a fact, the most frequent first; folders as paths. None if it does not list them."""

    def records(self, ids: Sequence[int]) -> dict[int, ImageRecord]:
        """image_id → record, for the pictures that exist."""

    def same_content(self, content_hash: str) -> list[int]:
        """The photos whose file has this sha256 (hexadecimal), oldest first."""

    def browse(
        self, condition: Condition | None, order: Order, offset: int, count: int
    ) -> tuple[list[ImageRecord], int]:
        """`count` photos that meet a condition, or of all, after the first `offset`; and the number of all of them."""

    def scan_bytes(self, considered: int) -> int:
        """How many bytes of vectors a search reads first, if that many photos are allowed."""

    def at_one_state(self, read: Callable[[], _T]) -> _T:
        """Call `read`, whose questions are then all answered from one committed state. It may be called more than once."""

    def close(self) -> None:
        """Release files and connections."""
