"""The flags that say which photos count, whatever is asked of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from clipsearch.types import Condition

_FLAGS = (
    click.option("--in", "folders", multiple=True, metavar="FOLDER", help="Only below this folder; repeated: any of them."),
    click.option("--name", "names", multiple=True, metavar="GLOB", help="Only files of this name; repeated: any of them."),
    click.option("--taken", metavar="DATE[..DATE]", help="Only taken then: 2024, 2024-07, 2024-07-15 or 2024-06..2024-08."),
    click.option("--after", metavar="DATE", help="Only taken on this date or later."),
    click.option("--before", metavar="DATE", help="Only taken before this date begins."),
    click.option("--camera", metavar="TEXT", help="Only by a camera whose name contains this."),
    click.option("--near", metavar="LAT,LON[,KM]", help="Only taken near this point, within 1 km or KM."),
    click.option("--min-width", type=click.IntRange(1), metavar="PIXELS", help="Only at least so wide."),
    click.option("--min-height", type=click.IntRange(1), metavar="PIXELS", help="Only at least so high."),
    click.option("--orientation", metavar="KIND", help="Only landscape, portrait or square."),
    click.option("--format", metavar="NAME", help="Only this file format: jpeg, png, heic, ..."),
    click.option("--where", metavar="EXPR", help="Only where this holds, as in 'size > 5MB and not camera ~ \"*canon*\"'."),
)  # fmt: skip
_NAMES = (
    "folders", "names", "taken", "after", "before", "camera", "near", "min_width", "min_height", "orientation", "format",
    "where",
)  # fmt: skip


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags; the command gets them as one argument, `filters`: conditions that must all hold."""

    @functools.wraps(command)
    def with_filters(**values: Any) -> Any:
        said = {name: values.pop(name) for name in _NAMES}
        filters: tuple[Condition, ...] = ()
        if any(value not in (None, ()) for value in said.values()):
            from clipsearch.query.filters import chosen

            filters = chosen(**said)
        return command(filters=filters, **values)

    for flag in reversed(_FLAGS):
        with_filters = flag(with_filters)
    return with_filters
