"""From a request's parameters to a Query. What needs the index is looked up later, in the thread that has it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from clipsearch.encoders.prompts import ENSEMBLE
from clipsearch.errors import QueryError
from clipsearch.query.language import parse_terms, split_words
from clipsearch.query.relevance import RELEVANT
from clipsearch.server.errors import RequestError
from clipsearch.server.parameters import Search, Similar, weight_and_picture
from clipsearch.server.uploads import Uploads
from clipsearch.server.workers import SearchTask
from clipsearch.types import Query, Term

if TYPE_CHECKING:
    from clipsearch.engine import SearchEngine
    from clipsearch.types import Condition

_UPLOAD = "upload:"


def search_wish(asked: Search, query_string: bytes, uploads: Uploads) -> tuple[SearchTask, str]:
    """A search, and what was asked for as a text. QueryError where it makes no sense."""
    if asked.q is None and not (asked.like or asked.unlike):
        raise QueryError("say what to look for, with q or like; /api/images has all photos")
    terms = parse_terms(split_words(asked.q)) if asked.q is not None else ()
    pictures = [
        (sign * weight, name)
        for sign, some in ((1, asked.like), (-1, asked.unlike))
        for weight, name in map(weight_and_picture, some)
    ]
    words = [asked.q] if asked.q is not None else []
    for sign, some in (("+", asked.like), ("-", asked.unlike)):
        words += [part for one in some for part in (sign, one)]
    least = RELEVANT if asked.relevant and asked.min_match is None else asked.min_match
    prompts = (*asked.prompt, *(ENSEMBLE if asked.ensemble else ()))
    query = Query(
        terms, asked.conditions(query_string), prompts, asked.min_score, least, asked.offset, asked.diverse,
        asked.sort, asked.keep_own, exact=not asked.approximate,
    )  # fmt: skip
    return SearchTask(_with_pictures(query, pictures, uploads), asked.top_k), " ".join(words)


def similar_wish(asked: Similar, query_string: bytes, uploads: Uploads) -> tuple[SearchTask, str]:
    """A search by one picture, and its name."""
    if (asked.id is None) == (asked.upload is None):
        raise QueryError("say which picture: either id or upload")
    name = str(asked.id) if asked.upload is None else f"{_UPLOAD}{asked.upload}"
    query = Query(
        (),
        asked.conditions(query_string),
        (),
        asked.min_score,
        None,
        asked.offset,
        asked.diverse,
        asked.sort,
        asked.keep_own,
        exact=not asked.approximate,
    )
    return SearchTask(_with_pictures(query, [(1.0, name)], uploads), asked.top_k), name


def text_wish(text: str, filters: tuple[Condition, ...], top_k: int) -> SearchTask:
    """A search by a text alone."""
    query = Query(parse_terms(split_words(text)), filters)
    return SearchTask(lambda engine: query, top_k)


def _with_pictures(
    query: Query, pictures: list[tuple[float, str]], uploads: Uploads
) -> Callable[[SearchEngine], Query]:
    def make(engine: SearchEngine) -> Query:
        terms, own = list(query.terms), list[int]()
        for weight, name in pictures:
            term, same = _picture(engine, weight, name, uploads)
            terms.append(term)
            own += same
        return replace(query, terms=tuple(terms), own=tuple(own))

    return make


def _picture(engine: SearchEngine, weight: float, name: str, uploads: Uploads) -> tuple[Term, Sequence[int]]:
    """A picture's embedding as a term, and the photos that have its content."""
    if name.startswith(_UPLOAD):
        upload = uploads.get(name.removeprefix(_UPLOAD))
        if upload is None or upload.model != engine.encoder.spec.fingerprint.digest:
            raise RequestError(404, "no-such-upload", f"there is no {name}; uploads are kept for an hour at most")
        same = engine.same_content(upload.content_hash)
        vector = upload.vector
        if same:  # then it is what is indexed, to the last bit
            with contextlib.suppress(KeyError):  # it has just been removed
                vector = engine.vector(same[0])
        return Term(vector, weight), same
    try:
        return engine.like(engine.records([int(name)])[int(name)], weight)
    except (KeyError, QueryError):  # it was never there, or has just been removed
        raise RequestError(404, "no-such-photo", f"there is no photo {name} in the index") from None
