"""Fuse the ranking by meaning with the ranking by words, for a `hybrid` query.

Reciprocal rank fusion: a photo's value is the sum of 1 / (60 + rank) over the rankings that it is in. See Cormack, Clarke and
Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods", SIGIR 2009. Words find the photos
whose texts have at least half of the query's words. Both rankings count down to rank DEPTH; the photos after these follow by
meaning alone. So a photo's place does not depend on how many are wanted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from clipsearch.conditions import Contains, all_of
from clipsearch.query.vector_store import SelectionT, VectorStore
from clipsearch.store.full_text import former_words
from clipsearch.terms import Query
from clipsearch.types import Embeddings, FoundBy, ImageRecord

DEPTH = 1000
"""The last rank that counts of each ranking."""

NEAR = 100
"""A photo that words have found is also found by meaning, if it is among so many of the best by meaning."""

_LEAST_SHARE = 0.5
"""Words find a photo whose texts have this share of the query's words. With one word of a long description, such as "dog", most
photos that words find would be of something else (`benchmarks/measure_facts.py`)."""

_SMOOTHING = 60  # of the paper: so much do the first ranks resemble each other

_FUNCTION_WORDS_OF = {
    "English": "a an and are as at by for from in into is it its my of off on or our over some that the their this to under "
    "with",
    "German": "am an auf aus bei das dem den der des die ein eine einem einen einer im in ist mein meine mit nach oder und von "
    "vor zu zum zur",
    "French": "a au aux avec ce ces cette d dans de des du elle en est et il l la le les ma mes mon ou par pour sa ses son "
    "sous sur un une",
    "Spanish": "al con del e el en es las los mi mis o para por se sin sobre su sus un una unas unos y",
}
_FUNCTION_WORDS = frozenset(" ".join(_FUNCTION_WORDS_OF.values()).split())
"""Words without a subject of their own. Nearly every text has some, so they find nothing."""

Ranking: TypeAlias = "list[tuple[float, ImageRecord]]"


@dataclass(frozen=True, slots=True)
class Fusion:
    """Two rankings as one, of pairs (cosine, record)."""

    ranking: Ranking
    near_ids: frozenset[int]  # the pictures among them that are the NEAR best by meaning
    text_ids: frozenset[int]  # those that words have found
    complete_ids: frozenset[int]  # those whose texts have all of the words

    def found_by(self, record: ImageRecord) -> tuple[FoundBy, ...]:
        """What has found a picture: meaning, words, or both."""
        if record.image_id not in self.text_ids:
            return ("meaning",)
        return ("meaning", "text") if record.image_id in self.near_ids else ("text",)


def searched_words(query: Query) -> str:
    """The words of a query's wanted texts that are looked for in photos' texts; "" if it has none."""
    texts = [term.content for term in query.terms if isinstance(term.content, str) and term.weight > 0]
    every = list(dict.fromkeys(word for text in texts for word in former_words(text)))
    return " ".join([word for word in every if word not in _FUNCTION_WORDS] or every)


@dataclass(frozen=True, slots=True)
class FoundByWords:
    """The photos that words have found, as pairs (cosine, record)."""

    ranking: Ranking
    complete: Ranking  # those whose texts have all of the words


def found_by_words(
    store: VectorStore[SelectionT], query: Query, vector: Embeddings, without: Sequence[int]
) -> FoundByWords:
    """The photos whose texts have the query's words, at most DEPTH. `vector` (1, dim) is the query's.

    Cosines are exact. QueryError if the store does not look for words.
    """
    text = searched_words(query)
    least = math.ceil(_LEAST_SHARE * len(text.split()))
    ranking = store.text_search(vector, text, all_of(query.filters), DEPTH, without, least) if text else []
    complete = ranking
    if ranking and least < len(text.split()):
        complete = store.text_search(vector, text, all_of((*query.filters, Contains(text))), DEPTH, without)
    return FoundByWords(ranking, complete)


def fused(query: Query, by_meaning: Ranking, found: FoundByWords) -> Fusion:
    """The ranking by meaning, best first, fused with that by words. It is at least DEPTH deep if words have found photos."""
    by_text, complete = found.ranking, found.complete

    def key(record: ImageRecord) -> object:
        """One hit has one: a file, or a picture of it."""
        return record.image_id if query.all_moments else record.file.path

    values: dict[object, float] = {}
    pairs: dict[object, tuple[float, ImageRecord]] = {}
    for ranking in (by_meaning[:DEPTH], by_text):
        for rank, pair in enumerate(ranking, 1):
            values[key(pair[1])] = values.get(key(pair[1]), 0.0) + 1 / (_SMOOTHING + rank)
            pairs[key(pair[1])] = (
                pair  # the second ranking looks at all pictures of a file, an approximate first one may not
            )
    best = sorted(pairs, key=lambda name: (-values[name], -pairs[name][0], pairs[name][1].file.path))
    ranking = [pairs[name] for name in best] + [pair for pair in by_meaning[DEPTH:] if key(pair[1]) not in pairs]
    return Fusion(
        ranking,
        frozenset(pairs[key(record)][1].image_id for _, record in by_meaning[: min(NEAR, DEPTH)]),
        frozenset(pairs[key(record)][1].image_id for _, record in by_text),
        frozenset(pairs[key(record)][1].image_id for _, record in complete if key(record) in pairs),
    )
