"""A query: what it looks for, its conditions and its order."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, fields
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from clipsearch._internal.arguments import (
    as_whole,
    is_several,
    make_flags,
    make_plain,
    require_number,
    require_one_of,
    require_text,
    require_tuple,
    short,
)
from clipsearch._internal.paths import is_possible
from clipsearch.conditions import Condition
from clipsearch.errors import QueryError
from clipsearch.types import LARGEST_ID, Hit, ImageRecord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image
    from typing_extensions import Unpack  # type checkers know it by themselves

    from clipsearch.query.keywords import SearchKeywords

Content: TypeAlias = "str | os.PathLike[str] | Image | NDArray[np.floating[Any]] | NDArray[np.uint8]"
"""What a query looks for: a text (str), a picture, or an embedding (float32, (dim,)).

A picture is a Path, a PIL image, or an array uint8 of shape (height, width), (height, width, 3) or (height, width, 4).
A PIL image is turned by its EXIF orientation, as the photo of a file is.
"""

PICTURE_ARRAY = "uint8 of shape (height, width), (height, width, 3) or (height, width, 4)"
"""The arrays that are pictures, for messages; `is_picture` tells them."""


def empty_picture(width: int, height: int) -> str:
    """The message about a picture without pixels."""
    return f"the picture is empty ({width} x {height})"


EMPTY_TEXT = "the text is empty; describe the photo you are looking for"


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """One part of a query. A negative weight steers away from it.

    `content` is text (str), a picture (an os.PathLike or a PIL image), or an embedding (float32, (dim,)). `literal` is for text
    that was typed in double quotes: a `smart` query looks for no facts in it. Terms are equal if their contents are: arrays
    by their type, shape and bytes, and a PIL image only to itself.
    """

    content: Content
    weight: float = 1.0
    literal: bool = False

    def __post_init__(self) -> None:
        """QueryError if the content is something else, or a text without words."""
        make_flags(self, "literal")
        content: object = self.content
        # Asked of the class, since a PIL image decodes itself when it is asked, and a closed one raises ValueError.
        if not (isinstance(content, (str, os.PathLike)) or any(hasattr(type(content), name) for name in _ARRAYS)):
            raise QueryError(
                f"a query is a text (str), a picture (a Path, a PIL image or an array {PICTURE_ARRAY}) or an embedding "
                f"(an array float32 of shape (dim,)), not {short(content)}{_instead_of(content)}"
            )
        if isinstance(content, str) and not content.strip():
            raise QueryError(EMPTY_TEXT)
        if isinstance(content, os.PathLike) and "\0" in os.fsdecode(content):
            raise QueryError(f"the path {short(os.fspath(content))} has a null character, so no file has it")
        if isinstance(content, os.PathLike) and not is_possible(os.fspath(content)):
            raise QueryError(f"the path {short(os.fspath(content))} has characters that no file's name has here")
        require_number("weight", self.weight)
        if self.weight == 0 or not math.isfinite(self.weight):
            raise QueryError(
                f"the weight {self.weight:g} makes no sense; give a number above 0, or below 0 to avoid it"
            )
        make_plain(self, "weight")

    def __eq__(self, other: object) -> bool:
        """Whether the other term looks for the same: comparing arrays by `==` would give an array."""
        if not isinstance(other, Term):
            return NotImplemented
        shared = (self.weight, self.literal) == (other.weight, other.literal)
        return shared and _is_same(self.content, other.content)

    def __hash__(self) -> int:
        """A number that is the same for equal terms. It leaves out the values of an array, which may change."""
        content: Any = self.content
        if _is_array(content):
            content = (str(content.dtype), content.shape)
        elif not isinstance(content, (str, os.PathLike)):
            content = id(content)  # a PIL image has no hash
        return hash((content, self.weight, self.literal))

    def __repr__(self) -> str:
        """With the size of a picture or an embedding in place of its values."""
        content: Any = self.content
        is_short = isinstance(content, (str, os.PathLike))
        shown = repr(content) if is_short else f"<{type(content).__name__} {getattr(content, 'shape', content.size)}>"
        return f"Term({shown}{_unusual(self, skip=1)})"


def _instead_of(content: object) -> str:
    """What to give in place of a content that no term has; "" if that is not known."""
    if isinstance(content, bytes):
        return "; PIL.Image.open(io.BytesIO(data)) makes a picture of bytes"
    if isinstance(content, (Hit, ImageRecord)):
        return "; the picture of a hit is Path(hit.path), and Client.similar takes the hit itself"
    return "; search_many takes several queries" if is_several(content) else ""


def is_picture(content: Any) -> bool:
    """Whether an array is the pixels of a picture: uint8, (height, width[, 3 or 4])."""
    shape: tuple[int, ...] = getattr(content, "shape", ())
    return str(getattr(content, "dtype", "")) == "uint8" and (
        (len(shape) == 2 and shape[0] != 1) or (len(shape) == 3 and shape[2] in (3, 4))
    )


def _is_array(content: Any) -> bool:
    """Whether a content is a numpy array, without importing numpy."""
    return type(content).__module__ == "numpy" and hasattr(content, "dtype")


def _is_same(content: Any, other: Any) -> bool:
    """Whether two contents of terms are the same. Those of other kinds, such as PIL images, are only the same as themselves."""
    if isinstance(content, (str, os.PathLike)):
        return bool(content == other) if isinstance(other, (str, os.PathLike)) else False
    if _is_array(content) and _is_array(other):
        is_alike = (content.dtype, content.shape) == (other.dtype, other.shape)
        return is_alike and bool(content.tobytes() == other.tobytes())
    return content is other


_ARRAYS = ("__array__", "__array_interface__")  # of numpy arrays, PIL images and what converts to an array


def _unusual(value: Any, skip: int) -> str:
    """The fields of a dataclass after the first `skip` whose values are not the usual ones, for its repr."""
    named = [(field.name, getattr(value, field.name), field.default) for field in fields(value)[skip:]]
    return "".join(f", {name}={field!r}" for name, field, usual in named if field != usual)


Sort: TypeAlias = Literal["score", "likely", "date", "oldest", "name"]
"""The order of hits: best first, the likely matches before all others, or as for `Order`."""


@dataclass(frozen=True, slots=True)
class Query:
    """What the user asked for, except the number of hits.

    `filters` must all hold. `prompts` are templates with one "{}" each. Every text is put into all of them, and the mean of
    the unit vectors is used. A hit has at least `min_score` (a cosine) and `min_match` (a probability). The first `offset` hits
    are skipped. `diverse` leaves out near-copies of better hits. `one_per_shot` leaves out files of a better hit's shot, such
    as RAW beside JPEG, and names them in its `others`. A file with several pictures is one hit, at its best moment, unless
    `all_moments`: then each moment is a hit, and `one_per_shot` has no effect. `sort` orders the hits; it does not choose them.
    Pictures of the query and their copies are not hits, unless `keep_own`. If the query has only a picture's embedding, `own`
    has the ids of its images. `right` and `wrong` are the ids of earlier hits that were marked so: the search moves towards the
    right photos and away from the wrong ones, which are not hits. `exact` bypasses an approximate index. Without terms, it
    lists every photo that meets its filters. `smart` turns facts in its wanted texts, such as "last summer", into filters
    before it searches. `hybrid` also looks for the words of its wanted texts in the photos' texts, and fuses both rankings; a
    photo whose texts have all of the words is then a hit whatever its match.
    """

    terms: tuple[Term, ...]
    filters: tuple[Condition, ...] = ()
    prompts: tuple[str, ...] = ()
    min_score: float | None = None
    min_match: float | None = None
    offset: int = 0
    diverse: bool = False
    one_per_shot: bool = False
    all_moments: bool = False
    sort: Sort = "score"
    keep_own: bool = False
    own: tuple[int, ...] = ()
    right: tuple[int, ...] = ()
    wrong: tuple[int, ...] = ()
    exact: bool = False
    smart: bool = False
    hybrid: bool = False

    @classmethod
    def parse(cls, text: str, /, **keywords: Unpack[SearchKeywords]) -> Query:
        """Make a query of a text, "a dog + snow - people", and keywords: filters, limits, order, as `SearchEngine.search` has.

        QueryError if the text asks for nothing, or for a value that makes no sense; TypeError for an unknown keyword.
        """
        from clipsearch.query.keywords import make_query

        require_text("a query", text)
        return make_query(text, keywords)

    def __post_init__(self) -> None:
        """QueryError for a field that cannot be what it is. Lists, arrays and the like become tuples."""
        for name, kind, make in (
            ("terms", Term, "Terms; Query.parse(text) makes a query of a text"),
            ("filters", get_args(Condition), "Conditions; parse_where(text) makes one of an expression"),
            ("prompts", str, "texts; a template has one {} in it"),
            ("own", Integral, "ids"),
            ("right", Integral, "ids"),
            ("wrong", Integral, "ids"),
        ):
            require_tuple(self, name, kind, make)
        if beyond := next(
            (photo for photo in (*self.own, *self.right, *self.wrong) if not 0 <= photo <= LARGEST_ID), None
        ):
            raise QueryError(f"no photo has the id {beyond}; ids are from 1 to {LARGEST_ID}")
        if both := set(self.right).intersection(self.wrong):
            raise QueryError(f"the photo {min(both)} is both right and wrong; it can only be one of them")
        make_flags(self, "diverse", "one_per_shot", "all_moments", "keep_own", "exact", "smart", "hybrid")
        for name, least in (("min_match", 0), ("min_score", -1)):
            if getattr(self, name) is not None:
                require_number(name, getattr(self, name), least, 1)
                make_plain(self, name)
        object.__setattr__(self, "offset", as_whole("offset", self.offset))
        try:
            hash(self.filters)  # as a search does
        except RecursionError:
            raise QueryError("the query has too many conditions within conditions") from None
        require_one_of("sort", self.sort, get_args(Sort))

    def __repr__(self) -> str:
        """With the fields alone that are not as usual."""
        return f"Query({self.terms!r}{_unusual(self, skip=1)})"
