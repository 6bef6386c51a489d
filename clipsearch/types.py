"""The types that all modules share."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from clipsearch._internal.arguments import (
    require_flag,
    require_number,
    require_one_of,
    require_text,
    require_whole,
    short,
)
from clipsearch._internal.paths import is_remote
from clipsearch.errors import Cause, QueryError

if TYPE_CHECKING:  # what decodes photos or only compares folders needs no numpy
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image
    from typing_extensions import Unpack  # type checkers know it by themselves

    from clipsearch.query.keywords import SearchKeywords

Embeddings: TypeAlias = "NDArray[np.float32]"
"""float32 array (n, dim) whose rows have Euclidean norm 1, so that an inner product is a cosine."""

Ids: TypeAlias = "NDArray[np.int64]"
"""int64 array of image ids. Ids start at 1 and are never reused; -1 means no image."""

Scores: TypeAlias = "NDArray[np.float64]"
"""float64 array of cosines in [-1, 1]; higher is better."""

Content: TypeAlias = "str | os.PathLike[str] | Image | NDArray[np.floating[Any]] | NDArray[np.uint8]"
"""What a query looks for: a text (str), a picture, or an embedding (float32, (dim,)).

A picture is a Path, a PIL image, or an array uint8 of shape (height, width), (height, width, 3) or (height, width, 4).
"""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with how many items are done, and how many there are in all."""

StageProgress: TypeAlias = Callable[[str, int, int], None]
"""Called with the name of a stage, how many of its steps are done, and how many it has."""

LONGEST_CAPTION = 2_000
"""Characters of a caption that an index keeps. The longest in common data sets are alt texts of a few hundred."""

LONGEST_TEXT = 20_000
"""Characters that an index keeps of the text in a picture. A densely printed page has 5,000."""


@dataclass(frozen=True, slots=True)
class PixelSpec:
    """How a model wants its pictures, in the terms of a Hugging Face `preprocessor_config.json`.

    At most one of `shortest_edge`, `resize_to` and `longest_edge` is set; none if the model takes pictures as they are.
    """

    shortest_edge: int | None
    resize_to: tuple[int, int] | None  # (height, width); the aspect ratio is not kept
    crop_to: tuple[int, int] | None  # (height, width), around the centre
    resample: int  # a PIL.Image.Resampling value; 3 is bicubic
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    rescale_factor: float = 1 / 255
    # These came later. They are left out of texts that identify a model, unless they are set.
    longest_edge: int | None = field(default=None, repr=False)  # the picture fits into `crop_to`, and is padded
    fill: int = field(default=0, repr=False)  # the grey value of that padding
    crops_as_torchvision: bool = field(default=False, repr=False)  # halves of a pixel are rounded to even numbers

    @property
    def output_size(self) -> tuple[int, int]:
        """(height, width) of every picture after preprocessing, in pixels."""
        if self.crop_to:
            return self.crop_to
        if self.resize_to:
            return self.resize_to
        raise ValueError("this preprocessing gives pictures of different sizes, which cannot share a batch")


@dataclass(frozen=True, slots=True)
class Box:
    """The largest size of a thumbnail, in pixels. Pictures keep their aspect ratio; small ones are not enlarged."""

    width: int
    height: int
    fast: bool = False  # made in less than half of the time, and a trifle less sharp


@dataclass(frozen=True, slots=True)
class TextSpec:
    """At which size the text in pictures is read. A picture is shrunk until one of its sides is as small as it may be."""

    longer: int = 2000  # pixels of the longer side
    shorter: int = 1080  # pixels of the shorter side: a tall screenshot keeps its width
    most: int = 12_000_000  # pixels in all, whatever the sides are


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Which model made a set of embeddings. Only embeddings with equal digests can be compared."""

    model: str  # what load_encoder() takes: "mini", a hub id, or a folder
    revision: str  # the hub's commit, or ""
    digest: str  # sha256 over the weights' identity and the preprocessing, hexadecimal
    dim: int
    precision: str | None = None  # of the pictures' embeddings: "fp32", "bf16", "int8"; None before it is settled

    def is_comparable(self, other: Fingerprint) -> bool:
        """Whether embeddings of the other model can be compared with those of this one."""
        return (self.digest, self.dim) == (other.digest, other.dim)

    def is_same(self, other: Fingerprint) -> bool:
        """Whether the other model is this one, in the same precision. Names and revisions do not count."""
        return self.is_comparable(other) and self.precision == other.precision


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file as a directory walk sees it. `path` is absolute; bytes that are not UTF-8 are kept as lone surrogates."""

    path: str
    size: int  # bytes
    mtime_ns: int

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(os.sep)[2]


@dataclass(frozen=True, slots=True)
class Moment:
    """Which picture of a file with several: a page, counted from 1, or a time in seconds from the start of a film."""

    unit: Literal["page", "second"]
    at: float

    def __str__(self) -> str:
        """For people: "page 3", "at 0:42", "at 1:02:03"."""
        if self.unit == "page":
            return f"page {self.at:.0f}"
        minutes, seconds = divmod(int(self.at), 60)
        hours, minutes = divmod(minutes, 60)
        return f"at {hours}:{minutes:02}:{seconds:02}" if hours else f"at {minutes}:{seconds:02}"


DateSource: TypeAlias = Literal["exif", "xmp", "iptc", "container", "sidecar", "takeout", "changed", "name", "file"]
"""Where a photo's date was read.

exif, xmp, iptc  in the photo itself
container        in a film
sidecar          in an XMP file beside the photo
takeout          in a JSON file of Google Takeout beside the photo
changed          in the photo itself, as the time of its last change (EXIF's DateTime); there is no better one
name             in the photo's file name
file             the file's own time, only with `--date-from-files`
"""


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What decoding a photo tells, and what is written beside it. Width and height are those of the upright picture, in pixels.

    A file with several pictures, such as a film, has a moment for each of those that are indexed, in order and of one unit.
    """

    width: int
    height: int
    format: str  # Pillow's name: "JPEG", "PNG", "HEIF", ...
    content_hash: str  # sha256 of the file's bytes, hexadecimal
    taken_at: datetime | None = None  # by the camera's clock; has a zone only if the camera wrote one
    camera: str | None = None
    gps: tuple[float, float] | None = None  # (latitude, longitude), degrees, WGS 84
    caption: str | None = None  # from a data set, cleaned by `clean_caption`; decoding gives none
    incomplete: bool = False  # the end of the picture is missing; an index keeps that as a Failure
    moments: tuple[Moment, ...] = ()  # empty for a file with one picture
    taken_from: DateSource | None = None  # where `taken_at` was read; None without a date, or before an index kept it
    title: str | None = None  # this and the texts below are cleaned by `clean_caption`
    description: str | None = None
    keywords: tuple[str, ...] = ()  # without repetitions, also in upper and lower case
    people: tuple[str, ...] = ()  # names of those in the picture
    rating: int | None = None  # stars, 0 to 5; -1 for a rejected photo
    label: str | None = None  # a colour or other mark, such as "Red"
    place: str | None = None  # of `gps`, as a code of the gazetteer: "FR/11/2988507" is a country, a region and a city
    text: str | None = None  # read in the picture itself; "" if it was looked for and there is none


def clean_caption(text: object) -> str | None:
    """What an index keeps of a caption: one line without control characters, at most LONGEST_CAPTION characters long.

    Runs of white space become one space. Unprintable characters, also lone surrogates, are left out. None if nothing is left,
    or `text` is not a str.
    """
    return _one_clean_line(text, LONGEST_CAPTION) or None if isinstance(text, str) else None


def clean_text(text: str) -> str:
    """What an index keeps of the text in a picture: the same as of a caption, up to LONGEST_TEXT characters, perhaps ""."""
    return _one_clean_line(text, LONGEST_TEXT)


def _one_clean_line(text: str, longest: int) -> str:
    words = text[: 8 * longest].split()
    line = "".join(sign for sign in " ".join(words) if sign.isprintable() or sign in _JOINERS)
    return " ".join(line[:longest].split())


_JOINERS = "\u200c\u200d"  # unprintable by themselves, but Persian and emoji need them


@dataclass(frozen=True, slots=True)
class ListedFile:
    """What the layout of a list needs to know of a file."""

    image_id: int
    folder: str  # of its root, and below it; for comparing only
    name: str
    width: int
    height: int
    taken_at: datetime | None
    camera: str | None


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An indexed picture. A file with several pictures has an id for each; the first id stands for the file, too."""

    image_id: int
    file: ImageFile
    info: ImageInfo
    moment: Moment | None = None  # which of the file's pictures it is; None for a file with one picture


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be indexed, and why."""

    file: ImageFile
    reason: str
    cause: Cause = "content"
    attempts: int = 1  # runs that have tried to read the file as it is now
    kept: bool = False  # the photo that was indexed here before is still in the index, and answers queries
    since: datetime | None = None  # when the file as it is now first failed, UTC; None if that is not known


SkipReason: TypeAlias = Literal[
    "hidden", "excluded", "default", "own", "link", "system", "cloud", "no decoder", "no picture"
]
"""Why a walk does not take a file or folder.

hidden      its name begins with a dot, and `--hidden` is not given
excluded    `--exclude` names it
default     DEFAULT_EXCLUDES names it
own         clipsearch made it: a contact sheet or a picture of charts
link        it is a link to a folder, and `--follow-links` is not given
system      it is a file system of the machine itself, such as /proc
cloud       its content is not on this machine; to read it would download it
no decoder  it is a photo or a video of a kind that no installed decoder reads
no picture  it is a file of another kind
"""


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file or folder that a walk does not take. The path of a folder ends with a separator."""

    path: str
    reason: SkipReason
    why: str  # for people, with what to do about it


@dataclass(frozen=True, slots=True)
class IndexPreview:
    """What `SearchEngine.index` would do. Paths are absolute; what is skipped is in the order of the walk."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    again: tuple[str, ...]  # failed before, and would be tried again
    gone: tuple[str, ...]  # indexed photos that are not there now; they leave, unless they have moved
    left_out: tuple[SkippedFile, ...]  # indexed photos that leave, because they would be skipped now
    skipped: tuple[SkippedFile, ...]
    unreadable: tuple[Failure, ...]  # folders that cannot be listed
    unchanged: int
    known_failures: int  # not tried again: they have not changed
    refusal: str | None = None  # what `index` would say instead of doing this


Field: TypeAlias = Literal[
    "name", "folder", "path", "format", "camera", "width", "height", "megapixels", "size", "taken", "orientation",
    "latitude", "longitude", "caption", "keyword", "person", "rating", "label", "title", "description", "text", "source",
    "place",
]  # fmt: skip
Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">=", "~"]
NUMBERS: tuple[Field, ...] = ("width", "height", "megapixels", "size", "latitude", "longitude", "rating")
"""The fields whose values are numbers."""

_LIMITS: dict[Field, tuple[float, float]] = {"rating": (-1, 5), "latitude": (-90, 90), "longitude": (-180, 180)}
_CHOICES: dict[Field, tuple[str, ...]] = {
    "orientation": ("landscape", "portrait", "square"),
    "source": get_args(DateSource),
}
_NEVER_EMPTY: tuple[Field, ...] = ("name", "format", "camera", "keyword", "person", "label", "place")

_TIME = re.compile(
    r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])(T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?)?)?)?", re.ASCII
)  # of a camera's clock, or a beginning of it; the catalog compares texts
_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:[/\\]")  # here or on a server that runs another system
_WILD = re.compile(r"\[[!^]?\]?[^]]*\]|[*?\[]")  # in a glob; "[^]a]" is one class


@dataclass(frozen=True, slots=True)
class Test:
    """A comparison of one field with one value. A photo that lacks the field fails every test of it.

    `value` is a number for width and height (pixels), megapixels, size (bytes), latitude and longitude (degrees) and rating
    (stars), and text for the others. For "taken" it is a time of the camera's clock, "2024-07-01T12:30:00" or a beginning of
    that; "text" is what was read in the picture, and "source" a DateSource. A photo with several keywords or people passes if
    one of them does; "!=" needs that none is the value. Case is ignored in texts. "~" is a glob: `*` any characters, `?` one,
    `[abc]` one of these.
    """

    __test__ = False  # not one of pytest's

    field: Field
    operator: Operator
    value: str | float

    def __post_init__(self) -> None:
        """QueryError if field, operator and value do not go together, as in `camera < 5`."""
        field, operator = self.field, self.operator
        require_one_of("field", field, get_args(Field))
        require_one_of("operator", operator, get_args(Operator))
        is_number = field in NUMBERS
        if is_number == isinstance(self.value, str):
            raise QueryError(f"{field} is compared with a {'number' if is_number else 'text'}, not {self.value!r}")
        if is_number and operator == "~":
            raise QueryError(f"{field} is a number, so ~ does not go with it; use = or <")
        if not is_number and field != "taken" and operator in ("<", "<=", ">", ">="):
            raise QueryError(f"{field} is a text, so {operator} does not go with it; use =, != or ~")
        if is_number:
            require_number(field, self.value, *_LIMITS.get(field, (-math.inf, math.inf)))
            _make_plain(self, "value")
        elif field == "taken" and operator != "~" and not _TIME.fullmatch(str(self.value)):
            raise QueryError(
                f"{self.value!r} is not a time; give 2024-07-15T12:30:00 or a beginning of that, as 2024-07. Or use parse_where"
            )
        elif field in _CHOICES and operator != "~":
            if str(self.value).lower() not in _CHOICES[field]:
                article = "an" if field == "orientation" else "a"
                choices = ", ".join(_CHOICES[field])
                raise QueryError(f"{self.value!r} is not {article} {field}; give one of {choices}")
        elif field in _NEVER_EMPTY and not str(self.value).strip():
            raise QueryError(f"the {field} is empty; `{field} is known` asks whether there is one")


@dataclass(frozen=True, slots=True)
class Known:
    """Whether a photo has the field at all: a date, a camera, a place, a caption."""

    field: Field

    def __post_init__(self) -> None:
        """QueryError for a field that does not exist."""
        require_one_of("field", self.field, get_args(Field))


@dataclass(frozen=True, slots=True)
class Below:
    """In a folder (an absolute path) or anywhere below it."""

    folder: str

    def __post_init__(self) -> None:
        """QueryError for what is neither an absolute path nor a URL."""
        require_text("folder", self.folder)
        if not (_ABSOLUTE.match(self.folder) or is_remote(self.folder)):
            raise QueryError(f"folder must be an absolute path, not {short(self.folder)}; os.path.abspath makes it one")


@dataclass(frozen=True, slots=True)
class Contains:
    """Its texts have all of these words and "phrases", each perhaps with a * at its end for any ending.

    The texts are title, description, caption, keywords, people, names of its place, and what was read in the picture. Case and
    accents are ignored.
    """

    text: str

    def __post_init__(self) -> None:
        """QueryError for what is not a text."""
        require_text("text", self.text)


@dataclass(frozen=True, slots=True)
class Near:
    """Taken at most `km` kilometres from a point (degrees, WGS 84), along a great circle."""

    latitude: float
    longitude: float
    km: float

    def __post_init__(self) -> None:
        """QueryError for a point that is not on the earth."""
        require_number("latitude", self.latitude, -90, 90)
        require_number("longitude", self.longitude, -180, 180)
        require_number("km", self.km, 0)
        _make_plain(self, "latitude", "longitude", "km")


@dataclass(frozen=True, slots=True)
class Within:
    """Taken within a rectangle of a map (degrees, WGS 84), edges included.

    If `west` is above `east`, it crosses the date line.
    """

    south: float
    west: float
    north: float
    east: float

    def __post_init__(self) -> None:
        """QueryError for a rectangle that is not on the earth."""
        require_number("south", self.south, -90, 90)
        require_number("north", self.north, self.south, 90)
        for name, edge in (("west", self.west), ("east", self.east)):
            require_number(name, edge, -180, 180)
        _make_plain(self, "south", "west", "north", "east")


@dataclass(frozen=True, slots=True)
class Located:
    """Taken in any of some places, which are named by codes of the gazetteer. "FR/11" has all places within that region."""

    codes: tuple[str, ...]

    def __post_init__(self) -> None:
        """QueryError for what is not a tuple of codes. A list becomes one."""
        _require_all(self, "codes", str, "codes of the gazetteer")


@dataclass(frozen=True, slots=True)
class Among:
    """One of some photos, by their ids in this index."""

    ids: tuple[int, ...]

    def __post_init__(self) -> None:
        """QueryError for what is not a tuple of ids. A list becomes one."""
        _require_all(self, "ids", Integral, "whole numbers")


@dataclass(frozen=True, slots=True)
class InAlbum:
    """In the album of this name beside the index. `Favourites` is the album of the hearts."""

    name: str

    def __post_init__(self) -> None:
        """QueryError for what is not a text."""
        require_text("name", self.name)


@dataclass(frozen=True, slots=True)
class All:
    """All of the conditions hold."""

    conditions: tuple[Condition, ...]

    def __post_init__(self) -> None:
        """QueryError for what is not a tuple of conditions."""
        _require_conditions(self)


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of the conditions holds."""

    conditions: tuple[Condition, ...]

    def __post_init__(self) -> None:
        """QueryError for what is not a tuple of conditions."""
        _require_conditions(self)


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    condition: Condition

    def __post_init__(self) -> None:
        """QueryError for what is not a condition."""
        _require_conditions(self)


Condition: TypeAlias = Test | Known | Below | Contains | Near | Within | Located | Among | InAlbum | All | Either | Not
"""Which photos count: a test of a fact, or a tree of conditions. `parse_where` makes one of a text."""


def require_condition(condition: object) -> None:
    """Raise QueryError unless it is a Condition or None."""
    if condition is not None and not isinstance(condition, get_args(Condition)):
        raise QueryError(
            f"condition must be a Condition, not {short(condition)}; parse_where(text) makes one of a text"
        )


def _require_conditions(tree: All | Either | Not) -> None:
    """Raise QueryError unless a tree has conditions. A list of them becomes a tuple."""
    conditions: Any = (tree.condition,) if isinstance(tree, Not) else tree.conditions
    if isinstance(conditions, list):
        conditions = tuple(conditions)
        object.__setattr__(tree, "conditions", conditions)
    if not isinstance(conditions, tuple):
        raise QueryError(f"conditions must be a tuple, not {short(conditions)}; parse_where(text) makes one of a text")
    for condition in conditions:
        if condition is None:
            raise QueryError("condition must be a Condition, not None")
        require_condition(condition)


def _make_plain(owner: Any, *names: str) -> None:
    """Make Python's own numbers of fields that are others, such as numpy's: SQLite and JSON take no others.

    A whole number that SQLite has no room for becomes a float.
    """
    for name in names:
        value = getattr(owner, name)
        plain = int(value) if isinstance(value, Integral) else float(value)
        object.__setattr__(owner, name, plain if abs(plain) < 2**63 else float(plain))


def _require_all(owner: Any, name: str, kind: type | tuple[type, ...], of: str) -> None:
    """Raise QueryError unless a field is a tuple whose values are of one kind. A list becomes a tuple.

    `of` names the kind, perhaps with advice after a semicolon.
    """
    of, _, advice = of.partition("; ")
    advice = advice and f"; {advice}"
    values: Any = getattr(owner, name)
    if isinstance(values, list):
        values = tuple(values)
        object.__setattr__(owner, name, values)
    if not isinstance(values, tuple):
        raise QueryError(f"{name} must be a tuple of {of}, not {short(values)}{advice}")
    if kind is Integral and set(map(type, values)) <= {int}:
        return
    for value in values:
        if not isinstance(value, kind) or isinstance(value, bool):
            raise QueryError(f"{name} must be a tuple of {of}, and {short(value)} is not one of them{advice}")
    if kind is Integral:
        object.__setattr__(owner, name, tuple(map(int, values)))


def all_of(conditions: Sequence[Condition]) -> Condition | None:
    """One condition that needs all of them; None if there are no conditions."""
    return All(tuple(conditions)) if conditions else None


def literals(glob: str) -> list[str]:
    """The texts between a glob's wildcards, in order, some of them empty. Every name that matches has them all."""
    return _WILD.split(glob)


def literal_glob(text: str) -> str:
    """The glob that only a text itself matches."""
    return re.sub(r"([*?\[])", r"[\1]", text)


EMPTY_TEXT = "the text is empty; describe the photo you are looking for"


@dataclass(frozen=True, slots=True)
class Term:
    """One part of a query. A negative weight steers away from it.

    `content` is text (str), a picture (an os.PathLike or a PIL image), or an embedding (float32, (dim,)). `literal` is for text
    that was typed in double quotes: a `smart` query looks for no facts in it.
    """

    content: Content
    weight: float = 1.0
    literal: bool = False

    def __post_init__(self) -> None:
        """QueryError if the content is something else, or a text without words."""
        require_flag("literal", self.literal)
        content: object = self.content
        # Asked of the class, since a PIL image decodes itself when it is asked, and a closed one raises ValueError.
        if not (isinstance(content, (str, os.PathLike)) or any(hasattr(type(content), name) for name in _ARRAYS)):
            memory = "; PIL.Image.open(io.BytesIO(data)) makes a picture of bytes" if isinstance(content, bytes) else ""
            raise QueryError(
                "a query is a text (str), a picture (a Path, a PIL image or a uint8 array) or an embedding (a numpy array), "
                f"not {short(content)}{memory}"
            )
        if isinstance(content, str) and not content.strip():
            raise QueryError(EMPTY_TEXT)
        if isinstance(content, os.PathLike) and "\0" in os.fsdecode(content):
            raise QueryError(f"the path {short(os.fspath(content))} has a null character, so no file has it")
        require_number("weight", self.weight)
        if self.weight == 0 or not math.isfinite(self.weight):
            raise QueryError(
                f"the weight {self.weight:g} makes no sense; give a number above 0, or below 0 to avoid it"
            )
        _make_plain(self, "weight")

    def __repr__(self) -> str:
        """With the size of a picture or an embedding in place of its values."""
        content: Any = self.content
        is_short = isinstance(content, (str, os.PathLike))
        shown = repr(content) if is_short else f"<{type(content).__name__} {getattr(content, 'shape', content.size)}>"
        return f"Term({shown}{_unusual(self, skip=1)})"


def is_picture(content: Any) -> bool:
    """Whether an array is the pixels of a picture: uint8, (height, width[, 3 or 4])."""
    shape: tuple[int, ...] = getattr(content, "shape", ())
    return str(getattr(content, "dtype", "")) == "uint8" and (
        (len(shape) == 2 and shape[0] > 1) or (len(shape) == 3 and shape[2] in (3, 4))
    )


_ARRAYS = ("__array__", "__array_interface__")  # of numpy arrays, PIL images and what converts to an array


def _unusual(value: Any, skip: int) -> str:
    """The fields of a dataclass after the first `skip` whose values are not the usual ones, for its repr."""
    named = [(field.name, getattr(value, field.name), field.default) for field in fields(value)[skip:]]
    return "".join(f", {name}={field!r}" for name, field, usual in named if field != usual)


Order: TypeAlias = Literal["date", "oldest", "name"]
"""The order of a list of photos: newest first, oldest first, or by name. Photos without a date come last."""

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
        """QueryError for a field that cannot be what it is. Lists become tuples."""
        for name, kind, make in (
            ("terms", Term, "Terms; Query.parse(text) makes a query of a text"),
            ("filters", get_args(Condition), "Conditions; parse_where(text) makes one of an expression"),
            ("prompts", str, "texts; a template has one {} in it"),
            ("own", Integral, "ids"),
            ("right", Integral, "ids"),
            ("wrong", Integral, "ids"),
        ):
            _require_all(self, name, kind, make)
        for name in ("diverse", "one_per_shot", "all_moments", "keep_own", "exact", "smart", "hybrid"):
            require_flag(name, getattr(self, name))
        for name, least in (("min_match", 0), ("min_score", -1)):
            if getattr(self, name) is not None:
                require_number(name, getattr(self, name), least, 1)
                _make_plain(self, name)
        require_whole("offset", self.offset)
        object.__setattr__(self, "offset", int(self.offset))  # not numpy's, for JSON
        try:
            hash(self.filters)  # as a search does
        except RecursionError:
            raise QueryError("the query has too many conditions within conditions") from None
        require_one_of("sort", self.sort, get_args(Sort))

    def __repr__(self) -> str:
        """With the fields alone that are not as usual."""
        return f"Query({self.terms!r}{_unusual(self, skip=1)})"


FoundBy: TypeAlias = Literal["meaning", "text"]
"""How a hit of a hybrid query was found: by its embedding, or by words in its texts."""


@dataclass(frozen=True, slots=True)
class FoundIn:
    """Where a photo's texts have the words that were looked for.

    `field` is a field of its ImageInfo, and `excerpt` a part of that text. `marks` are (begin, end) of words in the excerpt.
    """

    field: str
    excerpt: str
    marks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """One result. Rank 1 is best; score is the cosine in [-1, 1], never a distance.

    It is NaN if photos are listed by filters alone. `match` is the probability in [0, 1] that the photo shows what was asked
    for; None if it is not known. `others` are files of the same shot that would be hits too, best first; only if the query says
    `one_per_shot`. `found_by` is for hybrid queries, whose order is not that of the scores.
    """

    rank: int
    score: float
    record: ImageRecord
    match: float | None = None
    others: tuple[ImageRecord, ...] = ()
    found_by: tuple[FoundBy, ...] = ()
    found_in: FoundIn | None = None  # only if words were looked for in texts: the field with most of them
    also_found_in: tuple[FoundIn, ...] = ()  # the other fields that have some

    def __repr__(self) -> str:
        """Without the photo's facts."""
        match = "" if self.match is None else f", match={self.match:.2f}"
        score = "" if math.isnan(self.score) else f", score={self.score:.3f}"
        return f"<Hit {self.rank}: {self.path}{score}{match}>"

    @property
    def path(self) -> str:
        """Where the photo is, as an absolute path."""
        return self.record.file.path
