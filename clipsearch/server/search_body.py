"""A search as JSON, the body of `POST /api/search`: strictly a Query's fields, since anyone may have written it."""

from __future__ import annotations

import base64
import binascii
import math
from json import JSONDecodeError
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from clipsearch import conditions, terms
from clipsearch._internal.paths import is_remote
from clipsearch._internal.untrusted_files import parse_json
from clipsearch.errors import QueryError
from clipsearch.query.filters import containing, in_album, place_test, rectangle
from clipsearch.query.json_form import (
    FARTHEST,
    LONGEST_TEXT,
    MOST_CONDITIONS,
    MOST_HITS,
    MOST_MARKS,
    MOST_PROMPTS,
    MOST_TERMS,
)
from clipsearch.render.wrong_values import after_character, in_plain_words
from clipsearch.server.unknown_fields import unknown_field
from clipsearch.store.albums import LONGEST_NAME

MOST_CHOSEN = 100_000  # photos in a condition that names them
MOST_VALUES = 8192  # of an embedding
LONGEST_VALUE = 4096  # characters; Linux's PATH_MAX

_VALUE_SCHEMA = {"type": "string", "maxLength": LONGEST_VALUE}


def _is_text(value: Any) -> str:
    """A text that may hold lone surrogates, which pydantic's own `str` refuses: not every file name is UTF-8."""
    if not isinstance(value, str) or len(value) > LONGEST_VALUE:
        raise PydanticCustomError("text", f"give a text of at most {LONGEST_VALUE} characters")
    return value


def _is_value(value: Any) -> str | float:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return value
    return _is_text(value)


def _from_base64(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise PydanticCustomError("base64", "give the bytes of a file in base64") from None


FileText = Annotated[Any, AfterValidator(_is_text), WithJsonSchema(_VALUE_SCHEMA)]
Value = Annotated[Any, AfterValidator(_is_value), WithJsonSchema({"anyOf": [{"type": "number"}, _VALUE_SCHEMA]})]
Picture = Annotated[Any, AfterValidator(_from_base64), WithJsonSchema({"type": "string", "contentEncoding": "base64"})]
PLACE_CODE = r"^[A-Z]{2}(/[A-Za-z0-9]{1,16}){0,3}$"
PlaceCode = Annotated[str, Field(pattern=PLACE_CODE)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
UPLOAD = r"^[A-Za-z0-9_-]{1,64}$"
Token = Annotated[str, Field(pattern=UPLOAD)]
FORMS = {PLACE_CODE: "the code of a place, such as FR/11", UPLOAD: "the token of an upload"}
"""What texts of a pattern are, for people."""


class Strict(BaseModel):
    """An object of JSON that has no other keys, and no text in place of a number."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Circle(Strict):
    """A point on Earth in degrees, and a distance from it in kilometres."""

    latitude: float = Field(ge=-90, le=90, allow_inf_nan=False, examples=[48.14])
    longitude: float = Field(ge=-180, le=180, allow_inf_nan=False, examples=[11.58])
    km: float = Field(gt=0, allow_inf_nan=False, examples=[50])


class Rectangle(Strict):
    """A rectangle of a map, in degrees. It crosses the date line if `west` is above `east`."""

    south: float = Field(ge=-90, le=90, allow_inf_nan=False, examples=[47.2])
    west: float = Field(ge=-180, le=180, allow_inf_nan=False, examples=[10.9])
    north: float = Field(ge=-90, le=90, allow_inf_nan=False, examples=[48.4])
    east: float = Field(ge=-180, le=180, allow_inf_nan=False, examples=[13.1])


class ConditionObject(Strict):
    """A filter: `field`, `operator` and `value`; or one of the other fields."""

    field: conditions.Field | None = None
    operator: conditions.Operator | None = Field(None, description="`~` compares with a glob.")
    value: Value | None = Field(
        None,
        description="A number for width, height, megapixels, size, rating and degrees; a text for the others. `place` is "
        "compared with a name such as `Paris` or `Paris, Texas`, by `=` or `!=`.",
    )
    known: conditions.Field | None = Field(None, description="The photo has this field at all.")
    below: FileText | None = Field(None, description="In this folder, an absolute path, or below it.")
    contains: Annotated[str, Field(min_length=1, max_length=2000)] | None = Field(
        None, description='Its texts have all of these words and "phrases"; `word*` stands for any ending.'
    )
    near: Circle | None = Field(None, description="Taken there.")
    within: Rectangle | None = Field(None, description="Taken in this part of a map.")
    located: Annotated[list[PlaceCode], Field(max_length=MOST_CONDITIONS)] | None = Field(
        None, description="Taken in any of these places: `FR/11/2988507` is a city, `FR/11` a region, `FR` a country."
    )
    among: Annotated[list[Id], Field(max_length=MOST_CHOSEN)] | None = Field(
        None, description="One of these photos, by their ids.", examples=[[12, 17]]
    )
    album: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)] | None = Field(
        None, description="In this album; `Favourites` is that of the hearts."
    )
    all: Conditions | None = Field(None, description="All of these hold.")
    any: Conditions | None = Field(None, description="At least one of these holds.")
    not_: ConditionObject | None = Field(None, alias="not", description="This does not hold.")
    _condition: conditions.Condition = PrivateAttr()

    @property
    def condition(self) -> conditions.Condition:
        """The condition that this is."""
        return self._condition

    @model_validator(mode="after")
    def _make_condition(self) -> ConditionObject:
        try:
            self._condition = self._converted()
        except QueryError as error:
            raise PydanticCustomError("condition", "{reason}", {"reason": str(error)}) from None
        return self

    def _converted(self) -> conditions.Condition:
        given = {name: value for name, value in self if value is not None}
        match given:
            case {"field": "place", "operator": operator, "value": str(name)} if len(given) == 3:
                return place_test(operator, name)
            case {"field": field, "operator": operator, "value": value} if len(given) == 3:
                return conditions.Test(field, operator, value)
            case {"known": field} if len(given) == 1:
                return conditions.Known(field)
            case {"below": folder} if len(given) == 1:
                require_absolute(folder)
                return conditions.Below(folder)
            case {"contains": words} if len(given) == 1:
                return containing(words)
            case {"near": near} if len(given) == 1:
                return conditions.Near(near.latitude, near.longitude, near.km)
            case {"located": codes} if len(given) == 1:
                return conditions.Located(tuple(codes))
            case {"within": box} if len(given) == 1:
                return rectangle(box.south, box.west, box.north, box.east)
            case {"among": ids} if len(given) == 1:
                return conditions.Among(tuple(ids))
            case {"album": str(name)} if len(given) == 1:
                return in_album(name)
            case {"all": parts} if len(given) == 1:
                return conditions.All(tuple(part.condition for part in parts))
            case {"any": parts} if len(given) == 1:
                return conditions.Either(tuple(part.condition for part in parts))
            case {"not_": part} if len(given) == 1:
                return conditions.Not(part.condition)
        raise QueryError(
            "a filter has either field, operator and value, or one of known, below, contains, near, within, located, "
            "among, album, all, any and not"
        )


Conditions: TypeAlias = Annotated[list[ConditionObject], Field(max_length=MOST_CONDITIONS)]
ConditionObject.model_rebuild()
_CONDITIONS: TypeAdapter[list[ConditionObject]] = TypeAdapter(Conditions)


class TermObject(Strict):
    """A part of the query: one of `text`, `embedding`, `image`, `upload` and `id`, with its weight."""

    text: Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT, examples=["a dog on a beach"])] | None = None
    embedding: Annotated[list[Finite], Field(min_length=1, max_length=MOST_VALUES)] | None = Field(
        None, description="A vector of the index's model."
    )
    image: Picture | None = Field(None, description="The bytes of a picture's file, in base64.")
    upload: Token | None = Field(None, description="The token of a picture sent to `/api/uploads`.")
    id: Id | None = Field(None, description="An indexed photo.", examples=[17])
    weight: Finite = Field(1.0, description="Below 0 it steers away.")
    literal: bool = Field(False, description="A `smart` search looks for no facts in this text.")

    @model_validator(mode="after")
    def _has_one_content(self) -> TermObject:
        if sum(value is not None for name, value in self if name not in ("weight", "literal")) != 1:
            raise PydanticCustomError("term", "a term has one of text, embedding, image, upload and id")
        return self


class HitChoice(BaseModel):
    """Which hits, and in which order: what parameters and JSON have in common."""

    min_score: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)] | None = Field(
        None, description="Only with at least this cosine."
    )
    offset: int = Field(0, ge=0, le=FARTHEST, description="Skip this many of the best hits.")
    diverse: bool = Field(False, description="Leave out near-copies of better hits.")
    one_per_shot: bool = Field(
        False,
        description="Leave out files of a better hit's shot (RAW and JPEG, a burst), and name them in its `others`.",
    )
    all_moments: bool = Field(
        False, description="Each picture of a film or of a file with pages is a hit. Then `one_per_shot` has no effect."
    )
    sort: terms.Sort = Field(
        "score",
        description="The order of the hits; `date` is newest first, `likely` has the likely matches before all others.",
    )
    keep_own: bool = Field(False, description="Also the query's own pictures, and copies of them.")
    right: list[Id] = Field(
        [],
        max_length=MOST_MARKS,
        description="Photos that were marked right: the search moves towards them. Ids that are gone do not count.",
        examples=[[17]],
    )
    wrong: list[Id] = Field(
        [],
        max_length=MOST_MARKS,
        description="Photos that were marked wrong: the search moves away from them, and they are not hits.",
        examples=[[23]],
    )

    def query(self, filters: tuple[conditions.Condition, ...], **more: Any) -> terms.Query:
        """The Query with these filters, without its terms."""
        shared = {name: getattr(self, name) for name in HitChoice.model_fields}
        marks = {name: tuple(shared[name]) for name in ("right", "wrong")}
        return terms.Query((), filters, **{**shared, **marks, **more})


class SearchBody(Strict, HitChoice):
    """A search: the fields of `clipsearch.Query`, and how many hits."""

    terms: list[TermObject] = Field(
        max_length=MOST_TERMS, description="Empty to list the photos that meet the filters."
    )
    filters: Conditions = Field([], description="They all hold.")
    prompts: list[Annotated[str, Field(max_length=300)]] = Field(
        [],
        max_length=MOST_PROMPTS,
        description="Put texts into these, and search by the mean.",
        examples=[["a photo of a {}"]],
    )
    min_match: Probability | None = Field(None, description="Only with at least this probability of being right.")
    own: list[Id] = Field(
        [], max_length=MOST_HITS, description="The photos that an embedding belongs to. They are left out of the hits."
    )
    exact: bool = Field(False, description="Look at all photos, even if there is an approximate index.")
    hybrid: bool = Field(
        False,
        description="Also look for the words in photos' texts, and fuse both rankings. Photos with all words pass `min_match`.",
    )
    smart: bool = Field(False, description="Turn facts in texts, such as `last summer` and `in Italy`, into filters.")
    top_k: int = Field(10, ge=1, le=MOST_HITS, description="How many hits at most.")

    @model_validator(mode="after")
    def _asks_for_something(self) -> SearchBody:
        if not self.terms and not self.filters:
            raise PydanticCustomError("terms", "terms: give at least one, or filters")
        return self


def read_filters(text: str) -> tuple[conditions.Condition, ...]:
    """Conditions from the text of a JSON list. QueryError says what is wrong with it, and where."""
    try:
        return tuple(item.condition for item in _CONDITIONS.validate_python(parse_json(text)))
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "extra_forbidden":
            where = ".".join(map(str, ("filters", *first["loc"][:-1])))
            raise QueryError(f"{where} {unknown_field(ConditionObject, first['loc'])}") from None
        raise QueryError(f"{'.'.join(map(str, ('filters', *first['loc'])))}: {in_plain_words(first, FORMS)}") from None
    except JSONDecodeError as error:
        raise QueryError(f"filters: this is not JSON{after_character(error.pos)}") from None
    except ValueError as error:
        raise QueryError(f"filters: this is not JSON ({error})") from None


def require_absolute(folder: str) -> None:
    """Raise QueryError unless a folder is an absolute path or a URL: a server has no current folder."""
    if not Path(folder).is_absolute() and not is_remote(folder):
        raise QueryError(f"{folder!r} is not an absolute path; name a folder by its whole path")
