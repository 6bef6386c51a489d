"""The options that say which photos count."""

from __future__ import annotations

from functools import partial
from typing import Any

from clipsearch.cli.command import WHICH_PHOTOS, grouped, option
from clipsearch.cli.options import POSITIVE, complete_folder
from clipsearch.types import Condition

_which = partial(option, heading=WHICH_PHOTOS)
_pixels = partial(_which, type=POSITIVE, metavar="PIXELS")
_OPTIONS = {
    "folders": _which(
        "--in",
        "folders",
        multiple=True,
        metavar="FOLDER",
        shell_complete=complete_folder,
        help="Only below this folder; repeatable.",
    ),
    "names": _which("--name", "names", multiple=True, metavar="GLOB", help="Only files of this name; repeatable."),
    "taken": _which("--taken", metavar="DATE[..DATE]", help="Only taken then: 2024, 2024-07, 2024-06..2024-08."),
    "after": _which("--after", metavar="DATE", help="Only taken on this date or later."),
    "before": _which("--before", metavar="DATE", help="Only taken before this date."),
    "camera": _which("--camera", metavar="TEXT", help="Only by a camera whose name contains this."),
    "near": _which("--near", metavar="LAT,LON[,KM]", help="Only taken within KM (or 1 km) of this point."),
    "min_width": _pixels("--min-width", help="Only at least this wide."),
    "min_height": _pixels("--min-height", help="Only at least this high."),
    "orientation": _which("--orientation", metavar="KIND", help="Only landscape, portrait or square."),
    "format": _which("--format", metavar="NAME", help="Only this file format: jpeg, png, heic, ..."),
    "where": _which("--where", metavar="EXPR", help="Only if this is true, such as 'size > 5MB'."),
}


def _conditions(**wanted: Any) -> tuple[Condition, ...]:
    if all(value in (None, ()) for value in wanted.values()):
        return ()
    from clipsearch.query.filters import chosen

    return chosen(**wanted)


filter_options = grouped("filters", _OPTIONS, _conditions)
"""The options; a command gets them as one argument, `filters`: conditions that must all hold."""
