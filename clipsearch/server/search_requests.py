"""What a client searches for, as parameters or as JSON, and the Query that it becomes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from clipsearch.encoders.prompts import ENSEMBLE
from clipsearch.engine import SearchEngine
from clipsearch.errors import QueryError
from clipsearch.query.language import parse_terms, split_words
from clipsearch.query.relevance import RELEVANT
from clipsearch.render.grouping import GroupBy
from clipsearch.server.errors import RequestError
from clipsearch.server.parameters import (
    PICTURE,
    CountParameters,
    FilterError,
    HitParameters,
    SearchParameters,
    SimilarParameters,
)
from clipsearch.server.search_body import SearchBody, TermObject
from clipsearch.server.uploads import KEPT_FOR, Upload, Uploads
from clipsearch.terms import Query, Term


@dataclass(frozen=True, slots=True)
class PictureTerm:
    """A picture as the server knows it: an indexed photo's id, an upload's token, or what was sent with the search itself."""

    source: int | str | Upload
    weight: float

    def __str__(self) -> str:
        return {int: f"{self.source}", str: f"upload:{self.source}"}.get(type(self.source), "a picture")


RequestTerm: TypeAlias = "Term | PictureTerm"


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A search and how it is answered. Its pictures are looked up later, in the thread that has the index."""

    query: Query  # without its terms
    terms: tuple[RequestTerm, ...]
    top_k: int
    text: str
    explain: bool = False
    exact: bool = False  # every digit of scores
    group_by: GroupBy | None = None
    placeholders: bool = False
    favourites: bool = False

    def resolved(self, engine: SearchEngine, uploads: Uploads) -> Query:
        """The Query. RequestError if there is no such photo or upload."""
        terms, own = list[Term](), list(self.query.own)
        for term in self.terms:
            resolved, same = _picture(engine, term, uploads) if isinstance(term, PictureTerm) else (term, ())
            terms.append(resolved)
            own += same
        return replace(self.query, terms=tuple(terms), own=tuple(own))


def search_from_parameters(search: SearchParameters, query_string: bytes) -> SearchRequest:
    """The parameters of GET /api/search. QueryError if they ask for nothing."""
    if search.q is None and not (search.like or search.unlike):
        raise QueryError("say what to look for, with q or like; /api/images has all photos")
    terms, words = _terms(search)
    prompts = (*search.prompt, *(ENSEMBLE if search.ensemble else ()))
    min_match = RELEVANT if search.relevant and search.min_match is None else search.min_match
    more = {"prompts": prompts, "min_match": min_match, "smart": search.smart, "hybrid": search.hybrid}
    return _request(search, query_string, terms, " ".join(words), **more)


def counted_search(counted: CountParameters, query_string: bytes) -> SearchRequest | None:
    """The search whose hits are counted; None if all photos count that meet the filters. QueryError as a search."""
    terms, words = _terms(counted)
    if not terms:
        return None
    query = Query(
        (),
        counted.conditions(query_string),
        right=tuple(counted.right),
        wrong=tuple(counted.wrong),
        hybrid=counted.hybrid,
        smart=counted.smart,
        keep_own=counted.keep_own,
        min_match=counted.min_match,
    )
    return SearchRequest(query, tuple(terms), counted.nearest, " ".join(words))


def _terms(search: SearchParameters | CountParameters) -> tuple[list[RequestTerm], list[str]]:
    """The terms of a search by texts and pictures, and how it is written."""
    terms: list[RequestTerm] = []
    if search.q is not None:
        try:
            terms += parse_terms(split_words(search.q))
        except QueryError as error:
            raise FilterError("q", str(error)) from error
    words = [search.q] if search.q is not None else []
    for sign, word, pictures in ((1, "+", search.like), (-1, "-", search.unlike)):
        for picture in pictures:
            terms.append(_picture_term(picture, sign))
            words += [word, picture]
    return terms, words


def similar_from_parameters(similar: SimilarParameters, query_string: bytes) -> SearchRequest:
    """The parameters of GET /api/similar. QueryError unless they name one picture."""
    sources: list[int | str] = [source for source in (similar.id, similar.upload) if source is not None]
    if len(sources) != 1:
        raise QueryError("say which picture: either id or upload")
    term = PictureTerm(sources[0], 1.0)
    return _request(similar, query_string, [term], str(term))


def search_from_body(body: SearchBody, pictures: Iterable[Upload]) -> SearchRequest:
    """The body of POST /api/search, with what its images became, in their order."""
    uploads = iter(pictures)
    terms = tuple(_term(item, uploads) for item in body.terms)
    query = body.query(
        tuple(item.condition for item in body.filters),
        prompts=tuple(body.prompts),
        min_match=body.min_match,
        own=tuple(body.own),
        exact=body.exact,
        smart=body.smart,
        hybrid=body.hybrid,
    )
    return SearchRequest(query, terms, body.top_k, _text(terms), explain=True, exact=True)


def _request(
    choice: HitParameters, query_string: bytes, terms: Sequence[RequestTerm], text: str, **more: Any
) -> SearchRequest:
    query = choice.query(choice.conditions(query_string), exact=not choice.approximate, **more)
    return SearchRequest(
        query,
        tuple(terms),
        choice.top_k,
        text,
        choice.explain,
        choice.exact,
        choice.group_by,
        choice.placeholders,
        choice.favourites,
    )


def _picture_term(text: str, sign: int) -> PictureTerm:
    match = re.match(PICTURE, text)
    assert match is not None
    weight, image_id, token = match.groups()
    if weight and float(weight) == 0:
        raise QueryError(f"the weight {weight} makes no sense; give a number above 0")
    return PictureTerm(int(image_id) if image_id else token, sign * float(weight or 1))


def _term(item: TermObject, uploads: Iterator[Upload]) -> RequestTerm:
    if item.text is not None:
        return Term(item.text, item.weight, item.literal)
    if item.embedding is not None:
        with np.errstate(over="ignore"):  # what is too large for float32 is refused as not finite
            return Term(np.array(item.embedding, np.float32), item.weight)
    if item.image is not None:
        return PictureTerm(next(uploads), item.weight)
    return PictureTerm(item.id or str(item.upload), item.weight)


def _text(terms: Sequence[RequestTerm]) -> str:
    """Terms in the query language, for people to read."""
    words = []
    for term in terms:
        content = str(term) if isinstance(term, PictureTerm) else term.content
        weight = "" if abs(term.weight) == 1 else f"{abs(term.weight):g}:"
        words += ["-" if term.weight < 0 else "+", f"{weight}{content if isinstance(content, str) else 'an embedding'}"]
    return " ".join(words[words[:1] == ["+"] :])


def _picture(engine: SearchEngine, picture: PictureTerm, uploads: Uploads) -> tuple[Term, Sequence[int]]:
    """A picture's embedding as a term, and the photos that have its content."""
    if isinstance(picture.source, int):
        try:
            return engine.like(engine.records([picture.source])[picture.source], picture.weight)
        except (KeyError, QueryError):  # it was never there, or has just been removed
            raise RequestError(404, "no-such-photo", f"there is no photo {picture} in the index") from None
    upload = uploads.get(picture.source) if isinstance(picture.source, str) else picture.source
    if upload is None or upload.model != engine.encoder.spec.fingerprint.digest:
        raise RequestError(404, "no-such-upload", f"there is no {picture}; uploads are kept for {KEPT_FOR} at most")
    same = engine.same_content(upload.content_hash)
    vector = upload.vector
    if same:  # then it is what is indexed, to the last bit
        with contextlib.suppress(KeyError):  # it has just been removed
            vector = engine.vector(same[0])
    return Term(vector, picture.weight), same
