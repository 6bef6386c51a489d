"""A Query in the values that JSON has: what `POST /api/search` takes.

An object with Query's fields and `top_k`. A term is {"text" | "embedding" | "image" | "upload" | "id": ..., "weight": 1.0}; a
condition is {"field", "operator", "value"}, {"known": field}, {"below": folder}, {"contains": words},
{"near": {"latitude", "longitude", "km"}}, {"within": {"south", "west", "north", "east"}}, {"located": [code, ...]},
{"among": [id, ...]},
{"all": [condition, ...]}, {"any": [condition, ...]} or {"not": condition}.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

from clipsearch._internal.arguments import short
from clipsearch.conditions import (
    All,
    Among,
    Below,
    Condition,
    Contains,
    InAlbum,
    Known,
    Located,
    Near,
    Not,
    Test,
    Within,
)
from clipsearch.errors import QueryError
from clipsearch.terms import Query, Term, is_picture

MOST_HITS = 1000
FARTHEST = 100_000  # the largest offset of a search, whose hits are all ranked
FARTHEST_CHOSEN = 10_000
"""The same if hits are left out because of their content. It reads the vectors of four times as many."""
MOST_TERMS = 100
MOST_MARKS = 100  # right ones, and as many wrong ones
MOST_CONDITIONS = 1000  # in one list
MOST_PROMPTS = 100
LONGEST_TEXT = 2000  # characters
"""What a server does for one request, at most."""

_MOST = {
    "terms": MOST_TERMS,
    "filters": MOST_CONDITIONS,
    "prompts": MOST_PROMPTS,
    "right": MOST_MARKS,
    "wrong": MOST_MARKS,
}


def _require_limits(query: Query, top_k: int) -> None:
    """Raise QueryError, in the words of the caller, for more than a server does for one request."""
    if top_k < 1:
        raise QueryError(f"top_k is {top_k}; ask for at least one result")
    if query.offset > FARTHEST:
        raise QueryError(f"this would skip the first {query.offset:,} photos; a server skips at most {FARTHEST:,}")
    for name, most in _MOST.items():
        if (count := len(getattr(query, name))) > most:
            raise QueryError(f"there are {count:,} {name}; a server takes at most {most:,}")
    for term in query.terms:
        if isinstance(term.content, str) and len(term.content) > LONGEST_TEXT:
            start = short(term.content)
            raise QueryError(f"the text {start} is too long; a server takes at most {LONGEST_TEXT:,} characters")


def request_body(query: Query, top_k: int, upload: Callable[[Term], str]) -> dict[str, Any]:
    """The body of `POST /api/search` for a query that wants `top_k` hits, MOST_HITS at most.

    Fields with their usual values are left out, so that older servers can answer, too.
    `upload` sends the picture of a term to the server and returns its token. QueryError for more than a server does at once.
    """
    _require_limits(query, top_k)
    return {
        **{field.name: value for field in fields(query) if (value := getattr(query, field.name)) != field.default},
        "terms": [_term_to_json(term, upload) for term in query.terms],
        "filters": [condition_to_json(condition) for condition in query.filters],
        "top_k": top_k,
    }


def condition_to_json(condition: Condition) -> dict[str, Any]:
    """A condition with all that it consists of. QueryError if it is nested too deeply."""
    try:
        return _condition_to_json(condition)
    except RecursionError:
        raise QueryError("the query has too many conditions within conditions") from None


def _condition_to_json(condition: Condition) -> dict[str, Any]:
    if isinstance(condition, Test):
        return asdict(condition)
    if isinstance(condition, Known):
        return {"known": condition.field}
    if isinstance(condition, Below):
        return {"below": condition.folder}
    if isinstance(condition, Contains):
        return {"contains": condition.text}
    if isinstance(condition, Located):
        return {"located": list(condition.codes)}
    if isinstance(condition, Near):
        return {"near": asdict(condition)}
    if isinstance(condition, Within):
        return {"within": asdict(condition)}
    if isinstance(condition, Among):
        return {"among": list(condition.ids)}
    if isinstance(condition, InAlbum):
        return {"album": condition.name}
    if isinstance(condition, Not):
        return {"not": _condition_to_json(condition.condition)}
    key = "all" if isinstance(condition, All) else "any"
    return {key: [_condition_to_json(part) for part in condition.conditions]}


def _term_to_json(term: Term, upload: Callable[[Term], str]) -> dict[str, Any]:
    if isinstance(term.content, str):
        literal = {"literal": True} if term.literal else {}
        return {"text": term.content, "weight": term.weight, **literal}
    import numpy as np  # not for a text query

    if isinstance(term.content, np.ndarray) and not is_picture(term.content):
        return {"embedding": term.content.astype(np.float32).ravel().tolist(), "weight": term.weight}
    return {"upload": upload(term), "weight": term.weight}
