"""The options that say which photos count."""

from __future__ import annotations

from functools import partial
from typing import Any

from clipsearch.cli.command import WHICH_PHOTOS, grouped, option
from clipsearch.cli.complete import complete_album, complete_folder, complete_orientation, complete_value
from clipsearch.cli.options import POSITIVE
from clipsearch.types import Condition

_which = partial(option, heading=WHICH_PHOTOS)
_of_camera, _keyword, _person = (
    partial(_which, shell_complete=complete_value(field)) for field in ("camera", "keyword", "person")
)
_format = partial(_which, shell_complete=complete_value("format", ("raw", "video")))
_orientation = partial(_which, shell_complete=complete_orientation)
_pixels = partial(_which, type=POSITIVE, metavar="PIXELS")
_OPTIONS = {
    "folders": _which(
        "--in folders", "FOLDER", "Only below this folder; repeatable.", multiple=True, shell_complete=complete_folder
    ),
    "names": _which("--name names", "GLOB", "Only files of this name; repeatable.", multiple=True),
    "taken": _which("--taken", "DATE[..DATE]", "Only taken then: 2024, 2024-07, 2024-06..2024-08."),
    "after": _which("--after", "DATE", "Only taken on this date or later, or before it."),
    "before": _which("--before", "DATE"),
    "camera": _of_camera("--camera", "TEXT", "Only by a camera whose name contains this."),
    "places": _which("--place places", "NAME", "Only in this city, region or country; repeatable.", multiple=True),
    "near": _which("--near", "PLACE", "Only near LAT,LON[,KM], within S,W,N,E of a map."),
    "within": _which("--within", "PLACE"),
    "keywords": _keyword(
        "--keyword keywords", "NAME", "Only with this keyword, this person; repeatable.", multiple=True
    ),
    "people": _person("--person people", "NAME", multiple=True),
    "rating": _which("--rating", "STARS", "Only with so many stars: 5, 4.. or 2..4."),
    "text": _which("--text", "WORDS", 'Only if its texts have these words or "phrases".'),
    "min_width": _pixels("--min-width", help="Only at least this wide."),
    "min_height": _pixels("--min-height", help="Only at least this high."),
    "orientation": _orientation("--orientation", "KIND", "Only landscape, portrait or square."),
    "format": _format("--format", "NAME", "Only this file format: jpeg, heic, raw, video, ..."),
    "album": _which("--album", "NAME", "Only in this album, such as Favourites.", shell_complete=complete_album),
    "where": _which("--where", "EXPR", "Only if this is true, such as 'size > 5MB'."),
}


def _conditions(**wanted: Any) -> tuple[Condition, ...]:
    if all(value in (None, ()) for value in wanted.values()):
        return ()
    from clipsearch.query.filters import chosen

    return chosen(**wanted)


filter_options = grouped("filters", _OPTIONS, _conditions)
"""The options; a command gets them as one argument, `filters`: conditions that must all hold."""
