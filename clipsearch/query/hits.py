"""The answer to a query: its hits, best first, with where they came from."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from math import isnan
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, TypeAlias, overload

from clipsearch.errors import ClipsearchError
from clipsearch.terms import Query, Term, is_picture
from clipsearch.types import Hit, ImageRecord

if TYPE_CHECKING:
    import pandas

    from clipsearch.query.sentences.understood import Understood

NoteCode: TypeAlias = Literal[
    "file-name", "minus", "plus", "negation", "unread", "marks", "unknown", "longer", "places", "values", "misspelt",
    "facts", "keyword", "best-match", "best-score", "kept", "unclear", "absent", "near",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class QueryNote:
    """Why an answer may surprise, as a sentence for people.

    `code` and `value` are for programs: "file-name" and a glob for the filter by name, or "" if no photo has such a name;
    "minus", "plus" or "negation" and the query that was probably meant; "unread" and a recommended model that reads many
    languages, or ""; "marks" and "", if marked photos are gone; "unknown" and the field that photos lack, if no photo meets the
    filters; "longer" and a glob, if only longer keywords or names have the words; "places" and a longer name, if photos are
    from several places of one name; "values" and the nearest value that photos do have, or "", if none has the value of a
    filter, or none meets all filters together; "misspelt" and the query that was probably meant, if nothing matches well;
    "facts" and a query that finds the photos if it is `smart`, or "keyword" and the keyword, if nothing matches well and photos
    have what the words name; "best-match" or "best-score" and the limit that shows the best photo, if a limit leaves nothing;
    "kept" and "", if a text that is subtracted makes no likely photo unlikely; "unclear" and "", if a `smart` query has a text
    that could mean several things, and was searched as written; "absent" and "", if it names a place that no photo is from;
    "near" and a filter `near` that finds photos, if no photo is so near to a point.
    """

    code: NoteCode
    message: str
    value: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """How an answer came about, in seconds and bytes."""

    model: str
    index: str
    images: int  # in the index
    considered: int  # of them, those that meet the filters, without the query's own and those marked wrong
    bytes_scanned: int  # of vectors
    seconds: dict[str, float]  # by stage: "encode", "filter", "search", "choose"
    approximate: dict[str, Any] | None = None  # "kind", "k", "recall" for texts, "made"; None for an exact search
    notes: tuple[QueryNote, ...] = ()  # why the answer may surprise
    own_photos: tuple[ImageRecord, ...] = ()  # indexed photos that have the content of a picture of the query
    words: tuple[str, ...] = ()  # single words, as they were searched: "a photo of a dog"
    text_model: str = ""  # the other model that encoded the texts, if there is one
    understood: Understood | None = None  # of a `smart` query
    text_words: str = ""  # what a `hybrid` query looks for in photos' texts
    likely: int | None = None  # photos with the query's `min_match`, or RELEVANT if it has none; None if not counted
    more_likely: bool = False  # whether even the last of the photos that were counted match, so that there may be more


_FEW = 3  # hits that a repr names


def _shown(term: Term) -> str:
    """A term for a repr, as the query language writes it: 2:'snow' counts twice. Its sign is left to the caller."""
    content: Any = term.content
    if isinstance(content, str):
        shown = repr(content)
    elif isinstance(content, os.PathLike):
        shown = f"the picture {os.path.basename(os.fsdecode(content))!r}"
    elif is_picture(content) or not hasattr(content, "shape"):
        width, height = content.shape[1::-1] if hasattr(content, "shape") else content.size
        shown = f"a picture of {width} x {height}"
    else:
        shown = f"an embedding of {content.size} values"
    size = abs(term.weight)
    return shown if size == 1 else f"{size:g}:{shown}"


class Hits(list[Hit]):
    """A list of hits with their query and how they were found."""

    def __init__(self, hits: Iterable[Hit], query: Query, explanation: Explanation) -> None:
        super().__init__(hits)
        self.query = query
        self.explanation = explanation

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> Hit: ...

    @overload
    def __getitem__(self, index: slice, /) -> Hits: ...

    def __getitem__(self, index: SupportsIndex | slice, /) -> Hit | Hits:
        """One hit; or with a slice some of them, as Hits of the same query."""
        found = super().__getitem__(index)
        return Hits(found, self.query, self.explanation) if isinstance(found, list) else found

    def __repr__(self) -> str:
        """The number of hits, the query and the first names."""
        from clipsearch.render.explain import condition_text

        terms = "".join(f" {'-' if term.weight < 0 else '+'} {_shown(term)}" for term in self.query.terms)
        parts = [terms.removeprefix(" + ").strip()] if terms else []
        parts += map(condition_text, self.query.filters)
        asked = f" for {' and '.join(parts)}" if parts else ""
        names = [hit.record.file.name + ("" if isnan(hit.score) else f" {hit.score:.3f}") for hit in self[:_FEW]]
        found = f": {', '.join(names)}" if names else ""
        return f"<Hits: {len(self)}{asked}{found}{', ...' if len(self) > _FEW else ''}>"

    def explain(self) -> dict[str, Any]:
        """The query and how the answer came about, in the values that JSON has."""
        from clipsearch.render.explain import query_to_json
        from clipsearch.render.json_output import photo_to_json

        own_photos = [photo_to_json(record) for record in self.explanation.own_photos]
        understood = self.explanation.understood
        values = asdict(replace(self.explanation, own_photos=(), understood=None))
        values |= {name: list(values[name]) for name in ("notes", "words")}
        values["understood"] = understood and understood.to_json()
        return {**query_to_json(self.query), **values, "own_photos": own_photos}

    def to_pandas(self) -> pandas.DataFrame:
        """One row a hit. ClipsearchError if pandas is not installed.

        The columns are rank, score, match, path, width, height (pixels), format, size (bytes), taken_at (by the camera's clock;
        times with and without a zone would not sort), camera, latitude, longitude (degrees), content_hash, caption, moment
        ("second 42.1" or "page 3"), title, description, keywords and people (joined by "; "), rating, label, text, taken_from
        and place (its names). Unknown values are missing. The types of the columns are the same without hits.
        """
        try:
            import pandas
        except ImportError as error:
            raise ClipsearchError("to_pandas() needs pandas: pip install 'clipsearch[pandas]'") from error
        from clipsearch.render.csv_output import COUNTS, FIELDS, FLOATS, data_frame_columns

        text = pandas.Series([""]).dtype  # what this version of pandas has for texts
        types = {**dict.fromkeys(FIELDS, text), **dict.fromkeys(COUNTS, "int64"), **dict.fromkeys(FLOATS, "float64")}
        types["taken_at"] = "datetime64[us]"
        return pandas.DataFrame(data_frame_columns(self)).astype(types)

    def _repr_html_(self) -> str:
        from clipsearch.render.notebook import hits_html

        return hits_html(self)


def in_order(hits: list[Hit], sort: str) -> list[Hit]:
    """Ranked hits in the order that a query asks for. Those that are equal in it stay in their order."""
    if sort in ("date", "oldest"):
        dated = sorted(filter(_when, hits), key=_when, reverse=sort == "date")
        return [*dated, *(hit for hit in hits if not _when(hit))]
    if sort == "name":
        return sorted(hits, key=lambda hit: (hit.record.file.name, hit.path))
    return hits


def _when(hit: Hit) -> str:
    return hit.record.info.taken_at.isoformat() if hit.record.info.taken_at else ""
