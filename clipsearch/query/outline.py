"""The outline of a whole list of photos: what a page needs to lay out all of its rows, in a few bytes for each photo."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from clipsearch.query.shots import gathered_files
from clipsearch.render.text import day
from clipsearch.types import ImageRecord, ListedFile

MOST_OUTLINED = 100_000
"""Photos of one outline. A longer list goes on page by page."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A list of photos, in order. `ids`, `shapes` (width / height) and `days` have a value for each.

    `days` are ISO dates by the cameras' clocks, or None. `others` are the ids of a shot's other files, by the photo's position.
    """

    ids: list[int]
    shapes: list[float]
    days: list[str | None]
    others: dict[int, list[int]]
    considered: int  # files in the whole list

    def runs_of_days(self) -> list[tuple[str | None, int]]:
        """(day, how many photos follow with it), in order."""
        return [(day, len(list(same))) for day, same in groupby(self.days)]


def listed_file(record: ImageRecord) -> ListedFile:
    """A photo as an outline takes it."""
    folder, name = os.path.split(record.file.path)
    info = record.info
    return ListedFile(record.image_id, folder, name, info.width, info.height, info.taken_at, info.camera)


def outline(files: Sequence[ListedFile], considered: int, *, one_per_shot: bool = False) -> Outline:
    """The outline of a list of files. With `one_per_shot`, the first file of each shot stands for it."""
    shots = [[position] for position in range(len(files))]
    if one_per_shot:
        shots = gathered_files([(file.folder, file.name, file.camera, file.taken_at) for file in files])
    first = [files[shot[0]] for shot in shots]
    return Outline(
        ids=[file.image_id for file in first],
        shapes=[file.width / file.height for file in first],
        days=[day(file.taken_at) or None for file in first],
        others={
            position: [files[other].image_id for other in shot[1:]]
            for position, shot in enumerate(shots)
            if len(shot) > 1
        },
        considered=considered,
    )


def mean_colour(placeholder: bytes | None) -> str:
    """A placeholder's mean colour as three hexadecimal digits: red, green, blue. Grey if the photo has no placeholder."""
    if not placeholder:
        return "888"
    blue, green, red = (3 * sum(placeholder[channel::3]) // len(placeholder) for channel in range(3))
    return f"{red >> 4:x}{green >> 4:x}{blue >> 4:x}"
