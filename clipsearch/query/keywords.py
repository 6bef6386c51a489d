"""A search in Python: the options of `clipsearch query` as keywords of the same names.

engine.search("a dog", where="width > 3000", taken=2024, min_match=0.5)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, cast

from clipsearch._internal.arguments import as_flag, listed, short
from clipsearch._internal.warn import warn
from clipsearch.conditions import Condition
from clipsearch.errors import QueryError
from clipsearch.query.language import parse_query
from clipsearch.query.photo_ids import Photo, photo_id
from clipsearch.terms import Content, Query, Sort

if TYPE_CHECKING:
    from numpy.typing import NDArray

Day: TypeAlias = "str | int | date"
"""A time as exactly as it is known: "2024-07", the year 2024, a date or a datetime of the camera's clock."""


class SearchKeywords(TypedDict, total=False):
    """What a search takes beside its query: the options of `clipsearch query`, with `_` for `-`, and `in_` for `--in`.

    A keyword that is None counts as left out. A Content is a text, a picture (a Path, a PIL image or an array) or an
    embedding (an array). A Photo is an id, a hit or a record. A Day is a text such as "2024-07", the year 2024, a date or a
    datetime. Numbers are numbers: `min_match=0.5`, not "50%".
    """

    like: Content | Sequence[Content] | None  # more of this text or picture
    unlike: Content | Sequence[Content] | None  # less of this text or picture
    right: Sequence[Photo] | None  # earlier hits that were right: more like them
    wrong: Sequence[Photo] | None  # earlier hits that were wrong: fewer like them, and not these
    prompt: str | Sequence[str] | None  # templates with one {} that texts are put into
    ensemble: bool  # average over several templates
    smart: bool  # read dates, places and people in the text
    hybrid: bool  # also look for the words in titles, keywords and texts; photos with all of them pass min_match
    in_: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None  # below this folder, or any of several
    name: str | Sequence[str] | None  # a glob of file names, or any of several
    taken: (
        Day | tuple[Day | None, Day | None] | list[Day] | None
    )  # then, or "2024-06..2024-08" or "2024..", or any of a list
    after: Day | None  # then or later
    before: Day | None  # before it begins
    camera: str | Sequence[str] | None  # a part of the camera's name, or of any of several; in double quotes, its name
    place: str | Sequence[str] | None  # a city, region or country, or any of several
    near: (
        str | tuple[float, float] | tuple[float, float, float] | NDArray[Any] | None
    )  # latitude, longitude in degrees; km (or 1)
    within: (
        str | tuple[float, float, float, float] | NDArray[Any] | None
    )  # south, west, north and east of a rectangle of a map
    keyword: str | Sequence[str] | None  # a keyword, or all of several
    person: str | Sequence[str] | None  # a person, or all of several
    rating: (
        int | str | tuple[int | None, int | None] | list[int] | None
    )  # stars: 5, "4..", or from the first to the second
    text: str | Sequence[str] | None  # words and "phrases" in the photo's texts
    min_width: int | None  # pixels
    min_height: int | None  # pixels
    album: (
        str | Sequence[str] | None
    )  # the name of an album, or any of several; "Favourites" is the album of the hearts
    orientation: Literal["landscape", "portrait", "square"] | None
    format: str | Sequence[str] | None  # "jpeg", "heic", "raw", "video", ..., or any of several
    where: str | Condition | Sequence[str | Condition] | None  # an expression, such as "size > 5MB", or a Condition
    relevant: bool  # the same as min_match=0.5
    min_match: float | None  # at least this probability, from 0 to 1
    min_score: float | None  # at least this cosine, from -1 to 1
    diverse: bool  # leave out near-copies of better photos
    one_per_shot: bool  # one file of RAW and JPEG, or of a burst
    all_moments: bool  # every moment of a film, every page of a file
    keep_own: bool  # keep the files with the bytes of the query's own file; a picture in memory has none
    offset: int  # skip so many hits
    sort: Sort  # "score", "likely" (matches first), "date" (newest first), "oldest" or "name"
    exact: bool  # search every photo, also if the index is approximate


def make_query(content: Content | Query | None, keywords: SearchKeywords) -> Query:
    """Make a Query of a text, a picture (a Path or PIL image) or an embedding (float32, (dim,)), and keywords.

    Keywords are added to a Query that is given. QueryError for a value that makes no sense; TypeError for an unknown keyword. A
    text that is the name of a file issues a ClipsearchWarning.
    """
    wanted: dict[str, Any] = {name: value for name, value in keywords.items() if value is not None}
    if unknown := wanted.keys() - SearchKeywords.__annotations__.keys():
        from difflib import get_close_matches  # a right search does not need it

        known = [*SearchKeywords.__annotations__, "top_k"]
        meant = [get_close_matches(name.replace("_", ""), known, 1, 0.7) for name in sorted(unknown)]
        advice = f"did you mean {', '.join(map(''.join, meant))}?" if all(meant) else f"it has {', '.join(known)}"
        if "top_k" in unknown:  # a Query has none: it is the second argument of a search
            raise TypeError("a query has no keyword top_k; give it to `search` or `search_many`")
        raise TypeError(f"a search has no keyword {', '.join(sorted(unknown))}; {advice}")
    query = Query(()) if content is None else _parsed(content)
    if not wanted:
        return query
    terms = query.terms
    for name, sign in (("like", 1), ("unlike", -1)):
        for part in _contents(wanted.pop(name, ())):
            more = _named(name, part).terms
            terms += tuple(replace(term, weight=sign * term.weight) for term in more)
    prompts = query.prompts + _texts("prompt", wanted.pop("prompt", ()))
    if _flag("ensemble", wanted):
        from clipsearch.encoders.prompts import ENSEMBLE  # few queries need it

        prompts += ENSEMBLE
    if _flag("relevant", wanted) and "min_match" not in wanted:
        from clipsearch.query.relevance import RELEVANT

        wanted["min_match"] = RELEVANT
    marks = {name: getattr(query, name) + _marked(name, wanted.pop(name, ())) for name in ("right", "wrong")}
    conditions = query.filters
    if wanted.keys() - Query.__dataclass_fields__.keys():
        from clipsearch.query.keyword_filters import take_conditions  # not for a plain query

        conditions += take_conditions(wanted)
    return replace(query, terms=terms, filters=conditions, prompts=prompts, **marks, **wanted)


def make_queries(contents: Iterable[Content | Query], keywords: SearchKeywords) -> list[Query]:
    """Make a Query of each of several texts, pictures and so on, with the same keywords. Errors are those of `make_query`."""
    if isinstance(contents, (str, bytes, os.PathLike, Query)) or not isinstance(contents, Iterable):
        raise QueryError("queries must be a list of queries, not a single one")
    once = {name: list(value) if isinstance(value, Iterator) else value for name, value in keywords.items()}
    keywords = cast("SearchKeywords", once)  # each query reads them, and a generator is read once
    return [
        make_query(None if content is None else _named(f"queries[{place}]", content), keywords)
        for place, content in enumerate(contents)
    ]


def with_mark_ids(keywords: SearchKeywords, ids_of: Callable[[Sequence[Photo], str], Sequence[int]]) -> SearchKeywords:
    """Keywords whose marks are ids. `ids_of` finds those of photos, whose name in a message it gets, too."""
    marks = {name: photos for name in ("right", "wrong") if (photos := keywords.get(name)) is not None}
    ids = {name: ids_of(listed(photos), f"a photo in {name}") for name, photos in marks.items()}
    return cast("SearchKeywords", {**keywords, **ids})


def _named(name: str, content: Any) -> Query:
    """A query of one of several contents. QueryErrors name it."""
    try:
        return _parsed(content)
    except QueryError as error:
        raise QueryError(f"{name}: {error}") from None


def _parsed(content: Any) -> Query:
    if isinstance(content, str) and os.path.isfile(content):
        warn(
            f"{content!r} is searched as text, but there is a file of this name; to search by the picture in it, "
            f"pass pathlib.Path({content!r})"
        )
    return parse_query(content)


def _contents(value: Any) -> list[Any]:
    """One content of a query, or several, as a list. An array is one, a picture or an embedding."""
    return [value] if hasattr(type(value), "__array__") else listed(value)


def _texts(name: str, value: Any) -> tuple[str, ...]:
    texts = tuple(listed(value))
    for text in texts:
        if not isinstance(text, str):
            raise QueryError(f"{name} must be a text (str) or a list of texts, not {short(text)}")
    return texts


def _flag(name: str, wanted: dict[str, Any]) -> bool:
    return as_flag(name, wanted.pop(name, False))


def _marked(name: str, photos: Any) -> tuple[int, ...]:
    return tuple(photo_id(photo, f"a photo in {name}") for photo in listed(photos))
