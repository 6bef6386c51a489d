"""Find the hits of queries that look for something."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from clipsearch.conditions import All, Among, Condition, all_of
from clipsearch.encoders.base import ModelSpec
from clipsearch.encoders.prompts import default_prompts
from clipsearch.encoders.registry import copy_cosines
from clipsearch.errors import QueryError
from clipsearch.query.embed import EmbeddedQuery, QueryEmbedder
from clipsearch.query.hits import Explanation, Hits, in_order
from clipsearch.query.json_form import FARTHEST_CHOSEN
from clipsearch.query.language import EMPTY
from clipsearch.query.negation import denies
from clipsearch.query.notes import filter_notes, kept_notes, limit_notes, query_notes, spelling_notes
from clipsearch.query.null_scores import NullScores
from clipsearch.query.readable import is_readable, reads_nothing
from clipsearch.query.relevance import REACH, RELEVANT, RIVALS, length, match
from clipsearch.query.shots import gathered
from clipsearch.query.vector_store import SelectionT, VectorStore
from clipsearch.store.vectors import exact_scores
from clipsearch.terms import Query
from clipsearch.types import Embeddings, Hit, ImageRecord, Scores

if TYPE_CHECKING:  # not for other queries
    from clipsearch.query.hybrid import FoundByWords

CANDIDATES = 1000
"""Hits with a `min_match`, or without near-copies, are chosen from at least this many of the best by score."""

_FILES_OF_A_SHOT = 4
"""With `one_per_shot`, so many times as many photos are ranked as hits are wanted; and again, while bursts are longer."""

MOST_OWN_PHOTOS = 100
"""Photos with the content of the query's pictures that an answer lists."""

_LAST = 20  # photos with the lowest scores of a ranking: if one of them matches, those after the ranking may, too
_BLOCK = 256  # rows compared at once with each other and with the kept rows; it bounds memory

logger = logging.getLogger(__name__)

_Filters: TypeAlias = "tuple[Condition, ...]"
_Ranking: TypeAlias = "list[tuple[float, ImageRecord]]"
_Best: TypeAlias = (
    "tuple[Scores, Scores]"  # a text's highest cosines over the whole index, and over what meets the filters
)


@dataclass(frozen=True, slots=True)
class _Likely:
    """How many photos of a ranking match well enough, and whether more of them may come after the ranking."""

    count: int
    is_least: bool
    are_all_kept: bool = False  # no photo is unlikely only because of the texts that are subtracted


@dataclass(frozen=True, slots=True)
class _EmbeddedSearch:
    """A query with its vectors, and how many hits it wants."""

    query: Query
    embedded: EmbeddedQuery
    top_k: int
    files_of_a_shot: int = 1
    by_words: FoundByWords | None = None  # of a hybrid query
    least_depth: int = 1

    @property
    def end(self) -> int:
        """The rank of the last wanted hit."""
        return self.query.offset + self.top_k

    @property
    def is_one_per_shot(self) -> bool:
        """Whether the files of one shot are one hit."""
        return self.query.one_per_shot and not self.query.all_moments

    @property
    def left_out(self) -> tuple[int, ...]:
        """The ids of photos that are no hits: the query's own, and those marked wrong."""
        own = () if self.query.keep_own else self.embedded.own
        return (*own, *self.query.wrong)

    @property
    def is_chosen(self) -> bool:
        """Whether hits are left out because of their content, not only because of their rank."""
        return self.query.diverse or self.query.min_match is not None

    @property
    def is_limited(self) -> bool:
        """Whether a limit may have left nothing on the first page."""
        return not self.query.offset and (self.query.min_match, self.query.min_score) != (None, None)

    @property
    def depth(self) -> int:
        """How many of the best photos the hits are chosen from."""
        if self.is_chosen:
            return max(self.least_depth, CANDIDATES, 4 * self.end)
        least = self.least_depth
        if self.query.sort == "likely" and not self.is_single:
            least = max(least, CANDIDATES)  # of a single text, those with higher scores are likelier
        return max(least, self.end * self.files_of_a_shot)

    @property
    def counts_likely(self) -> bool:
        """Whether the likely photos are counted in a ranking of any depth, not only of CANDIDATES.

        A hybrid query tells their number. A photo with a higher score is likelier, so that few photos often show it.
        """
        return self.query.hybrid and self.is_single

    def is_counted_in_part(self, likely: _Likely | None) -> bool:
        """Whether likely photos may come after a ranking that is not as deep as it can be."""
        return self.counts_likely and likely is not None and likely.is_least and self.depth < CANDIDATES

    def is_short(self, hits: Sequence[Hit], ranking: _Ranking) -> bool:
        """Whether hits are missing only because the files of a few shots fill the ranking."""
        least = self.query.min_score
        return (
            self.is_one_per_shot
            and not self.is_chosen
            and len(hits) < self.top_k
            and len(ranking) == self.depth
            and (least is None or ranking[-1][0] >= least)
        )

    @property
    def is_single(self) -> bool:
        """Whether the query is a single wanted term and no marks. Then the ranking's scores are the term's scores."""
        query = self.query
        return len(query.terms) == 1 and query.terms[0].weight > 0 and not (query.right or query.wrong)


def search(store: VectorStore[SelectionT], embedder: QueryEmbedder, queries: Sequence[Query], top_k: int) -> list[Hits]:
    """For each query, the `top_k` photos nearest to it among those that meet its filters, best first.

    Scores are exact cosines. The ranking is exact, too, unless the index is approximate and the query does not set `exact`.
    With a `min_match` or `diverse`, hits are chosen from the best CANDIDATES, or four times as many as wanted. All answers come
    from one committed state; their seconds are for all queries together. Raises QueryError if a query is empty or has no
    direction. A `hybrid` query has the best of both rankings first, not of scores alone: see `hybrid`.
    """
    for query in queries:
        require_sensible(query, top_k)
    seconds: dict[str, float] = {}
    with timed("encode", seconds):
        embedded = embedder.embed(queries, store)
    searches = [
        _EmbeddedSearch(query, vectors, top_k, _FILES_OF_A_SHOT if query.one_per_shot and not query.all_moments else 1)
        for query, vectors in zip(queries, embedded, strict=True)
    ]
    answers = store.at_one_state(lambda: _answers(store, embedder, searches, seconds))
    logger.debug("%d queries, seconds by stage: %s", len(queries), seconds)
    return answers


def require_sensible(query: Query, top_k: int) -> None:
    """Raise QueryError for a number of hits below 1, and for parts of a query that do not go together."""
    if top_k < 1:
        raise QueryError(f"top_k is {top_k}; ask for at least one result")
    if query.offset < 0:
        raise QueryError(f"the offset is {query.offset}; it cannot be negative")
    if query.offset > FARTHEST_CHOSEN and (query.diverse or query.min_match is not None):
        raise QueryError(
            f"the offset is {query.offset}; if near-copies or bad matches are left out, it is {FARTHEST_CHOSEN:,} at most"
        )
    if query.offset > FARTHEST_CHOSEN and query.one_per_shot and not query.terms:
        raise QueryError(
            f"the offset is {query.offset}; in a list with one file of each shot, it is {FARTHEST_CHOSEN:,} at most"
        )
    if (query.right or query.wrong) and not query.terms:
        raise QueryError("marked photos change a search; say what to look for, too")
    if query.min_match is not None and not query.terms:
        if not query.filters:
            raise QueryError(EMPTY)
        raise QueryError("there is nothing to compare photos with; add a text, or leave `relevant` and `min_match` out")
    if query.min_match is not None and not _is_text(query):
        raise QueryError("only texts have a match; leave `relevant` and `min_match` out when you search with a picture")
    if query.min_match is not None and not _has_match(query):
        raise QueryError(
            "photos have a match with what you look for, and this query only says what to leave out; add a text, "
            "or leave `relevant` and `min_match` out"
        )


def _answers(
    store: VectorStore[SelectionT],
    embedder: QueryEmbedder,
    searches: Sequence[_EmbeddedSearch],
    seconds: dict[str, float],
) -> list[Hits]:
    """The hits of all searches, from one state of the store."""
    encoder, spec = embedder.encoder, embedder.encoder.spec
    with timed("filter", seconds):
        images = len(store)
        conditions = {search.query.filters: all_of(search.query.filters) for search in searches}
        selections = {
            filters: store.select(condition) if condition else None for filters, condition in conditions.items()
        }
    with timed("search", seconds):
        searches = [_with_words(store, search) for search in searches]
        rankings = _rankings(store, searches, selections)
    with timed("choose", seconds):
        answers = []
        for search, (ranking, best) in zip(searches, rankings, strict=True):
            selection = selections[search.query.filters]
            approximation = store.approximation(search.depth, selection, exact=search.query.exact)
            hits, likely = _hits(store, embedder, search, ranking, best)
            while search.is_short(hits, ranking) or search.is_counted_in_part(likely):
                if search.is_counted_in_part(likely):
                    search = replace(search, least_depth=CANDIDATES)
                else:
                    search = replace(search, files_of_a_shot=search.files_of_a_shot * _FILES_OF_A_SHOT)
                ((ranking, best),) = _rankings(store, [search], selections)
                hits, likely = _hits(store, embedder, search, ranking, best)
            considered = images if selection is None else len(selection)
            considered -= _number_left_out(store, search.left_out, conditions[search.query.filters])
            unlimited: list[Hit] = []
            if not hits and search.is_limited:
                without = replace(search.query, min_match=None, min_score=None, diverse=False)
                everything = replace(search, top_k=len(ranking) or 1, query=without)
                unlimited, _ = _hits(store, embedder, everything, ranking, best)
            explanation = Explanation(
                model=spec.fingerprint.model,
                index=store.name,
                images=images,
                considered=considered,
                bytes_scanned=approximation.scan_bytes if approximation else store.scan_bytes(considered),
                seconds=seconds,
                approximate=approximation.summary if approximation else None,
                notes=(
                    *query_notes(search.query, store, encoder),
                    *filter_notes(search.query, store, hits, considered),
                    *limit_notes(search.query, unlimited),
                    *(kept_notes(search.query) if likely and likely.count and likely.are_all_kept else ()),
                    *(
                        spelling_notes(search.query, hits or unlimited, encoder, partial(store.values_of, "place"))
                        if not likely or not likely.count
                        else ()
                    ),
                ),
                own_photos=_own_photos(store, search.embedded.own),
                words=_words(search.query, spec),
                text_words=_text_words(search.query),
                text_model=spec.text_model,
                likely=likely.count if likely else None,
                more_likely=likely.is_least if likely else False,
            )
            answers.append(Hits(in_order(hits, search.query.sort), search.query, explanation))
    return answers


def _number_left_out(store: VectorStore[SelectionT], ids: Sequence[int], condition: Condition | None) -> int:
    """How many of the photos that are no hits would pass the filters. 0 if the store does not know."""
    if not ids:
        return 0
    if condition is None:
        return len(store.records(ids))
    if len(store.names) > 1:  # their conditions have the ids of each index
        return 0
    try:
        return len(store.select(All((condition, Among(tuple(dict.fromkeys(ids)))))))
    except QueryError:  # a vector database does not select by ids
        return 0


def _with_words(store: VectorStore[SelectionT], search: _EmbeddedSearch) -> _EmbeddedSearch:
    """A search with what the words of a hybrid query have found. If that is nothing, its ranking is that by meaning."""
    if not search.query.hybrid:
        return search
    from clipsearch.query.hybrid import DEPTH, found_by_words  # not for other queries

    found = found_by_words(store, search.query, search.embedded.vector, search.left_out)
    return replace(search, by_words=found, least_depth=DEPTH if found.ranking else 1)


def _text_words(query: Query) -> str:
    """What a `hybrid` query looks for in photos' texts."""
    if not query.hybrid:
        return ""
    from clipsearch.query.hybrid import searched_words  # not for other queries

    return searched_words(query)


def _words(query: Query, spec: ModelSpec) -> tuple[str, ...]:
    """The query's single words, in the templates that they were put into."""
    texts = [] if query.prompts else [term.content for term in query.terms if isinstance(term.content, str)]
    return tuple(prompt.replace("{}", text.strip()) for text in texts for prompt in default_prompts(spec, text))


def _own_photos(store: VectorStore[SelectionT], ids: Sequence[int]) -> tuple[ImageRecord, ...]:
    """The photos with these ids that are in the store, MOST_OWN_PHOTOS at most."""
    first = list(dict.fromkeys(ids))[:MOST_OWN_PHOTOS]
    records = store.records(first) if first else {}
    return tuple(records[image_id] for image_id in first if image_id in records)


def _rankings(
    store: VectorStore[SelectionT],
    searches: Sequence[_EmbeddedSearch],
    selections: Mapping[_Filters, SelectionT | None],
) -> list[tuple[_Ranking, list[_Best]]]:
    """For each search the best photos, as many as its depth, and what its texts score at best, if it has no pictures.

    Searches that differ only in their vectors share a scan. Without filters, one text needs no other scan than its ranking.
    """
    groups: dict[Any, list[int]] = {}
    for position, search in enumerate(searches):
        query = search.query
        with_best = search.is_single and _is_text(query) and not query.all_moments
        key = (search.depth, query.filters, search.left_out, query.exact, query.all_moments, with_best)
        groups.setdefault(key, []).append(position)
    rankings: list[tuple[_Ranking, list[_Best]]] = [([], []) for _ in searches]
    for (depth, filters, left_out, exact, all_moments, with_best), positions in groups.items():
        vectors = np.concatenate([searches[position].embedded.vector for position in positions])
        selection = selections[filters]
        is_exact = store.approximation(depth, selection, exact=exact) is None
        if with_best:
            count = REACH if selection is None else RIVALS
            both = store.search_with_best(vectors, depth, count, selection, left_out, exact=exact)
            whole = [best for _, best in both]
            if selection is not None and any(ranking for ranking, _ in both):
                whole = store.best_scores(vectors, REACH, exact=is_exact)
            for position, (ranking, rivals), highest in zip(positions, both, whole, strict=True):
                rankings[position] = ranking, [(highest, rivals)]
            continue
        nearest = store.search(vectors, depth, selection, left_out, exact=exact, all_moments=all_moments)
        for position, ranking in zip(positions, nearest, strict=True):
            query, terms = searches[position].query, searches[position].embedded.terms
            if ranking and _has_match(query):
                inside = whole = store.best_scores(terms, REACH, exact=is_exact)
                if selection is not None and any(length(str(term.content)) > 0 for term in query.terms):
                    inside = store.best_scores(terms, RIVALS, selection, exact=is_exact)
                rankings[position] = ranking, list(zip(whole, inside, strict=True))
            else:
                rankings[position] = ranking, []
    return rankings


def _hits(
    store: VectorStore[SelectionT],
    embedder: QueryEmbedder,
    search: _EmbeddedSearch,
    ranking: _Ranking,
    best: list[_Best],
) -> tuple[list[Hit], _Likely | None]:
    """From a ranking to the hits that are wanted: good enough, one for each shot, without near-copies, after the offset.

    `best` has what each of the query's texts scores at best, or is empty. If the ranking is deep enough, its likely photos are
    counted, too.
    """
    query = search.query
    encoder = embedder.encoder
    # "without people" finds people, and what a model cannot read finds anything: nothing is likely.
    if denies(query, encoder.spec) or reads_nothing(query, encoder):
        best = []
    is_whole = len(ranking) < search.depth
    fusion = None
    if search.by_words is not None:
        from clipsearch.query.hybrid import fused  # not for other queries

        fusion = fused(query, ranking, search.by_words)
        ranking = fusion.ranking
    complete_ids = fusion.complete_ids if fusion else frozenset()
    if query.min_score is not None:
        ranking = [pair for pair in ranking if pair[0] >= query.min_score]
    needs_all = search.is_chosen or search.is_one_per_shot or query.sort == "likely"
    is_cheap = needs_all or search.is_single  # otherwise vectors would be read only for the count
    is_counted = (
        bool(best)
        and not query.diverse
        and is_cheap
        and (is_whole or search.depth >= CANDIDATES or search.counts_likely)
    )
    if not needs_all and not is_counted:
        ranking = ranking[: search.end]
    if not ranking:
        return [], _Likely(0, False) if is_counted else None
    if query.diverse or (best and not search.is_single):
        vectors = store.vectors([record.image_id for _, record in ranking])
    matches: list[float | None] = [None] * len(ranking)
    of_wanted: Sequence[float] = []
    records = [record for _, record in ranking]
    if best:
        own_scores = np.array([score for score, _ in ranking])
        scores = (
            [own_scores] if search.is_single else [exact_scores(vectors, term[None]) for term in search.embedded.terms]
        )
        counted = [is_readable(term, encoder) for term in query.terms]
        of_wanted, of_others = _matches(embedder.null_scores(store), len(store), query, counted, scores, best)
        matches = [wanted * (1 - others) for wanted, others in zip(of_wanted, of_others, strict=True)]
        # All the words of "beach" in a photo's texts say nothing of the dogs in it that "beach - dogs" does not want.
        complete_ids -= {
            record.image_id for record, others in zip(records, of_others, strict=True) if others > RELEVANT
        }
    rows = _matching(matches, records, complete_ids, query.min_match)
    likely = None
    if is_counted:
        least = RELEVANT if query.min_match is None else query.min_match
        matching = _matching(matches, records, complete_ids, least)
        count = len(gathered([records[row] for row in matching])) if search.is_one_per_shot else len(matching)
        lowest = np.argsort(own_scores)[:_LAST]
        is_least = not is_whole and any((matches[row] or 0.0) >= least for row in lowest.tolist())
        are_all_kept = not search.is_single and all(
            (match or 0.0) >= least for match, wanted in zip(matches, of_wanted, strict=True) if wanted >= least
        )
        likely = _Likely(count, is_least, are_all_kept)
    if query.sort == "likely" and best:
        # Only among the best CANDIDATES, so that the order is the same on each page.
        first = set(_matching(matches[:CANDIDATES], records, complete_ids, RELEVANT))
        rows.sort(key=lambda row: row not in first)
    others: dict[int, tuple[ImageRecord, ...]] = {}
    if search.is_one_per_shot:
        shots = [[rows[position] for position in shot] for shot in gathered([ranking[row][1] for row in rows])]
        rows = [shot[0] for shot in shots]
        others = {shot[0]: tuple(ranking[row][1] for row in shot[1:]) for shot in shots}
    if query.diverse:
        rows = _without_near_copies(vectors, rows, copy_cosines(encoder.spec.fingerprint.model).near_copy, search.end)
    page = list(enumerate(rows[: search.end], 1))[query.offset :]
    hits = [
        Hit(
            rank,
            *ranking[row],
            matches[row],
            others.get(row, ()),
            fusion.found_by(ranking[row][1]) if fusion else (),
        )
        for rank, row in page
    ]
    return hits, likely


def _matching(
    matches: Sequence[float | None], records: Sequence[ImageRecord], complete_ids: frozenset[int], least: float | None
) -> list[int]:
    """The positions of the photos with at least such a match, or whose texts have all of the words."""
    if least is None:
        return list(range(len(records)))
    return [
        row for row, match in enumerate(matches) if (match or 0.0) >= least or records[row].image_id in complete_ids
    ]


def _is_text(query: Query) -> bool:
    return all(isinstance(term.content, str) for term in query.terms)


def _has_match(query: Query) -> bool:
    """Whether hits have a match: a query of texts alone does, if one of them is wanted. Nearly any photo lacks some thing."""
    return _is_text(query) and any(term.weight > 0 for term in query.terms)


def _matches(
    null: NullScores, images: int, query: Query, counted: list[bool], scores: list[Scores], best: list[_Best]
) -> tuple[list[float], list[float]]:
    """The probability that each photo shows every wanted text of the query, and that it shows any other one.

    For each term, `counted` says whether the model reads it, `scores` (n,) are its cosines with the photos, and `best` its
    highest cosines.
    """
    wanted, others = np.ones(len(scores[0])), np.ones(len(scores[0]))
    for term, is_counted, own, (highest, rivals) in zip(query.terms, counted, scores, best, strict=True):
        if not is_counted:
            continue
        shown = match(null, images, str(term.content), own, highest, rivals)
        if term.weight > 0:
            wanted *= shown
        else:
            others *= 1 - shown
    return wanted.tolist(), (1 - others).tolist()


def _without_near_copies(vectors: Embeddings, rows: list[int], near: float, most: int) -> list[int]:
    """The first `most` rows, in order. A row is left out if its cosine with a kept row is at least `near`."""
    kept: list[int] = []
    kept_vectors = np.empty((min(most, len(rows)), vectors.shape[1]), np.float32)
    for start in range(0, len(rows), _BLOCK):
        if len(kept) == len(kept_vectors):
            break
        block_rows = rows[start : start + _BLOCK]
        block, count = vectors[block_rows], len(kept)
        is_near = block @ block.T >= near
        is_known = (block @ kept_vectors[:count].T >= near).any(axis=1)
        new: list[int] = []
        for position in np.flatnonzero(~is_known).tolist():
            if not is_near[position, new].any():
                new.append(position)
        new = new[: len(kept_vectors) - count]
        kept_vectors[count : count + len(new)] = block[new]
        kept += [block_rows[position] for position in new]
    return kept


@contextmanager
def timed(stage: str, seconds: dict[str, float]) -> Iterator[None]:
    """Note how long a stage takes."""
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start
