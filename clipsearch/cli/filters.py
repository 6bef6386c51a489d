"""The options that say which photos count."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from clipsearch._internal.commands import option_of
from clipsearch.cli.command import WHICH_PHOTOS, PathText, grouped, option
from clipsearch.cli.complete import (
    complete_album,
    complete_folder,
    complete_orientation,
    complete_value,
    values_of_index,
)
from clipsearch.cli.options import POSITIVE
from clipsearch.conditions import Condition
from clipsearch.errors import QueryError

_which = partial(option, heading=WHICH_PHOTOS)
_any = partial(_which, multiple=True)
_of_camera, _keyword, _person = (
    partial(_any, shell_complete=complete_value(field)) for field in ("camera", "keyword", "person")
)
_format = partial(_any, shell_complete=complete_value("format", ("raw", "video")))
_orientation = partial(_any, shell_complete=complete_orientation)
_pixels = partial(_which, type=POSITIVE, metavar="PIXELS")
_OPTIONS = {
    "folders": _which(
        "--in folders",
        "FOLDER",
        "Only below this folder; repeatable.",
        multiple=True,
        type=PathText(),
        shell_complete=complete_folder,
    ),
    "names": _which("--name names", "GLOB", "Only files of this name; repeatable.", multiple=True),
    "taken": _any("--taken", "DATE[..DATE]", "Only taken then: 2024-07, 2019.. or 2019..2024."),
    "after": _which("--after", "DATE", "Only taken on this date or later, or before it."),
    "before": _which("--before", "DATE"),
    "camera": _of_camera("--camera", "TEXT", "Only by a camera with this in its name."),
    "places": _which("--place places", "NAME", "Only in this city, region or country; repeatable.", multiple=True),
    "near": _any("--near", "DEGREES", "Only near LAT,LON[,KM], within S,W,N,E of a map."),
    "within": _any("--within", "DEGREES"),
    "keywords": _keyword("--keyword keywords", "NAME", "Only with this keyword, this person; repeatable."),
    "people": _person("--person people", "NAME"),
    "rating": _any("--rating", "STARS", "Only with so many stars: 5, 4.., 2..4."),
    "text": _any("--text", "WORDS", 'Only if its texts have these words or "phrases".'),
    "min_width": _pixels("--min-width", help="Only at least this wide."),
    "min_height": _pixels("--min-height", help="Only at least this high."),
    "orientation": _orientation("--orientation", "KIND", "Only landscape, portrait or square."),
    "format": _format("--format", "NAME", "Only this file format: jpeg, heic, raw, video, ..."),
    "album": _any("--album", "NAME", "Only in this album, such as Favourites.", shell_complete=complete_album),
    "where": _any("--where", "EXPR", "Only if this is true, such as 'size > 5MB'."),
}


def _conditions(**wanted: Any) -> tuple[Condition, ...]:
    """The conditions. QueryError for a wrong value names its option."""
    given = {name: value for name, value in wanted.items() if value not in (None, ())}
    if not given:
        return ()
    from clipsearch.query.filters import chosen, require_order

    conditions: list[Condition] = []
    for name, value in given.items():
        try:
            conditions += chosen(**{name: value})
        except QueryError as error:
            reason = _unknown_place(value) if name == "places" else ""
            raise QueryError(f"{option_of(name)}: {reason or error}") from None
    if "after" in given and "before" in given:
        require_order(given["after"], given["before"])
    return tuple(conditions)


def _unknown_place(names: Sequence[str]) -> str:
    """What is wrong with the first unknown name, and similar names: those of places that photos here have come first."""
    from clipsearch.query.filters import taken_at

    context = click.get_current_context()
    is_elsewhere = any(context.params.get(name) for name in ("server", "store"))
    codes = () if is_elsewhere else values_of_index(context, "place")
    for name in names:
        try:
            taken_at(name, codes)
        except QueryError as error:
            return str(error)
    return ""


filter_options = grouped("filters", _OPTIONS, _conditions)
"""The options; a command gets them as one argument, `filters`: conditions that must all hold."""
