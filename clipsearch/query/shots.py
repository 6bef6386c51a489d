"""Find the files of one shot: RAW and JPEG, a Live Photo's picture and film, an edited copy, a burst.

Only files in the same folder belong together. Their names show it (`IMG_0001.CR2` and `IMG_0001.JPG`, `IMG_0001-edited.jpg`,
`IMG_E0001.HEIC`, `00001IMG_00001_BURST20190101120000123_COVER.jpg`), or the same camera took them within BURST_SECONDS.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TypeAlias

from clipsearch.images.file_types import is_image_name
from clipsearch.types import ImageRecord

BURST_SECONDS = 1
"""Photos that one camera has taken so soon after each other are of one burst."""

SAME_NAME_SECONDS = 24 * 3600
"""Files of one name are of two shots if more than this is between them: counters of cameras start again."""

REACH = 200
"""So many files before and after a page of a list are looked at, too: they may be of the page's shots."""

ListFiles: TypeAlias = Callable[[int, int], tuple[list[ImageRecord], int]]
"""(offset, count) → `count` files of a list after the first `offset`, and how many it has."""

Shot: TypeAlias = tuple[ImageRecord, ...]
"""The files of one shot, in the order of their list. The first stands for the others."""

_EDITED = re.compile(
    r"[-_ ]\(?(?:edited|bearbeitet|modifié|editado|editada|modificato|bewerkt)\)?(?=\(\d+\)$|$)", re.IGNORECASE
)
_APPLE_EDIT = re.compile(r"^IMG_E(?=\d{4}$)", re.IGNORECASE)
_PIXEL = re.compile(r"^(PXL_\d{8}_\d{6,9})[.~].*$", re.IGNORECASE)  # PXL_20240101_120000123.RAW-01.COVER
_BURST_ID = re.compile(r"^.*(_BURST\d{8,})(?:_COVER)?$", re.IGNORECASE)
_BURST_NUMBER = re.compile(r"_BURST\d{1,4}(?:_COVER)?$", re.IGNORECASE)
_SAMSUNG_BURST = re.compile(r"^(\d{8}_\d{6})_\d{3}$")


@lru_cache(maxsize=16_384)  # while a user types, each answer has many photos of the one before
def shot_name(name: str) -> str:
    """The common part of the names of one shot's files: lower case, without suffixes and marks of edits and bursts."""
    stem = os.path.splitext(name)[0]
    while is_image_name(stem):  # IMG_0001.CR2.jpg
        stem = os.path.splitext(stem)[0]
    for pattern, common in (
        (_EDITED, ""),
        (_APPLE_EDIT, "IMG_"),
        (_PIXEL, r"\1"),
        (_BURST_ID, r"\1"),
        (_BURST_NUMBER, ""),
        (_SAMSUNG_BURST, r"\1"),
    ):
        stem = pattern.sub(common, stem)
    return stem.lower()


def gathered(records: Sequence[ImageRecord]) -> list[list[int]]:
    """The positions of each shot's files among some records. Shots, and the files of each, are in the records' order."""
    return gathered_files([
        (*os.path.split(record.file.path), record.info.camera, record.info.taken_at) for record in records
    ])  # fmt: skip


def gathered_files(files: Sequence[tuple[str, str, str | None, datetime | None]]) -> list[list[int]]:
    """The positions of each shot's files among some files: (folder, name, camera, time)."""
    shots: list[list[int]] = []
    shot_of: dict[int, list[int]] = {}
    by_name: dict[tuple[str, str], list[int]] = {}
    by_time: dict[tuple[str, str, int], list[int]] = {}
    seconds = [_seconds(taken) for *_, taken in files]
    for position, (folder, name, camera, _) in enumerate(files):
        second = seconds[position]
        named = by_name.setdefault((folder, shot_name(name)), [])
        relatives = [other for other in named if _can_share_a_name(second, seconds[other])]
        if second is not None and camera:
            for moment in range(second - BURST_SECONDS, second + BURST_SECONDS + 1):
                relatives += by_time.get((folder, camera, moment), ())
            by_time.setdefault((folder, camera, second), []).append(position)
        named.append(position)
        if relatives:
            shot = shot_of[relatives[0]]
        else:
            shot = []
            shots.append(shot)
        shot.append(position)
        shot_of[position] = shot
    return shots


def shots_of_page(list_files: ListFiles, offset: int, count: int) -> tuple[list[Shot], int]:
    """The shots on one page of a list of files, and how many files it has. Pages are counted in files, so each is on one page.

    A shot is on the page of its first file, with its files on other pages. So a page may have fewer shots than files, or none.
    REACH files before and after the page are looked at, which bounds the time.
    """
    before = min(offset, REACH)
    records, total = list_files(offset - before, before + count + REACH)
    shots = [shot for shot in gathered(records) if before <= shot[0] < before + count]
    return [tuple(records[position] for position in shot) for shot in shots], total


def first_shots(list_files: ListFiles, count: int) -> tuple[list[Shot], int]:
    """The first `count` shots of a list of files, and how many files it has."""
    files = count
    while True:
        shots, total = shots_of_page(list_files, 0, files)
        if len(shots) >= count or files >= total:
            return shots[:count], total
        files *= 2


def _can_share_a_name(second: int | None, other: int | None) -> bool:
    return second is None or other is None or abs(second - other) <= SAME_NAME_SECONDS


def _seconds(taken: datetime | None) -> int | None:
    """The camera's clock in seconds, without its zone, since not every file of a shot has one; None if it is not known."""
    return None if taken is None else int((taken.replace(tzinfo=None) - datetime.min).total_seconds())
