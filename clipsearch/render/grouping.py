"""Hits grouped by folder or by day."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal, TypeAlias

from clipsearch.render.text import day, printable, short_path
from clipsearch.types import Hit

GroupBy: TypeAlias = Literal["folder", "day"]

NO_DAY = "no date"


def group_of(hit: Hit, group_by: GroupBy) -> str | None:
    """The group of a hit: its folder's path, or the day it was taken (2024-07-15), or None if that is not known."""
    if group_by == "folder":
        return os.path.dirname(hit.path)
    return day(hit.record.info.taken_at) or None


def grouped(hits: Iterable[Hit], group_by: GroupBy | None) -> dict[str | None, list[Hit]]:
    """Hits by their group, in the order of the first hits; one group, None, if they are not grouped."""
    if group_by is None:
        return {None: list(hits)}
    groups: dict[str | None, list[Hit]] = {}
    for hit in hits:
        groups.setdefault(group_of(hit, group_by), []).append(hit)
    return groups


def group_title(group: str | None, relative_to: str) -> str:
    """A group's title in a terminal. A folder is named by its path from `relative_to`."""
    if group is None:
        return NO_DAY
    return "." if group == relative_to else printable(short_path(group, relative_to))
