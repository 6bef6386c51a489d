"""The types that all modules share."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from clipsearch.errors import Cause

if TYPE_CHECKING:  # what decodes photos or only compares folders needs no numpy
    import numpy as np
    from numpy.typing import NDArray


Embeddings: TypeAlias = "NDArray[np.float32]"
"""float32 array (n, dim) whose rows have Euclidean norm 1, so that an inner product is a cosine."""

Ids: TypeAlias = "NDArray[np.int64]"
"""int64 array of image ids. Ids start at 1 and are never reused; -1 means no image."""

Scores: TypeAlias = "NDArray[np.float64]"
"""float64 array of cosines in [-1, 1]; higher is better."""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with how many items are done, and how many there are in all."""

StageProgress: TypeAlias = Callable[[str, int, int], None]
"""Called with the name of a stage, how many of its steps are done, and how many it has."""

LONGEST_CAPTION = 2_000
"""Characters of a caption that an index keeps. The longest in common data sets are alt texts of a few hundred."""

LARGEST_ID = 2**63 - 1
"""No photo has a larger id."""

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
    """A file as a directory walk sees it. `path` is absolute; bytes that are not UTF-8 are kept as lone surrogates.

    `mtime_ns` is the time of its last change, in nanoseconds since 1970. It is 0 if a Client got the photo: servers do not
    send it.
    """

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
    rating: int | None = None  # stars, 1 to 5; -1 for a rejected photo. An index gives None for 0 stars, too
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
    facts: tuple[str, ...] = ()  # unchanged photos whose facts are read again, because of the files beside them


Order: TypeAlias = Literal["date", "oldest", "name"]
"""The order of a list of photos: newest first, oldest first, or by name. Photos without a date come last."""

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
