"""What the facts of a photo are read from: the photo, the files beside it, and its name.

An index keeps a key for each photo that names all of this. If the key would be another today, the facts are read again, and
the photo is not embedded again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from datetime import datetime
from zlib import crc32

from clipsearch import gazetteer
from clipsearch._internal.paths import as_utf8, is_elsewhere
from clipsearch.images.companions import companions, read_companions
from clipsearch.images.facts import Facts, complete
from clipsearch.images.file_name_dates import facts_in_name
from clipsearch.indexing.walk import Listing
from clipsearch.types import ImageFile, ImageInfo

READERS = 2
"""The version of what reads facts. With another one, the facts of all photos are read again."""


@dataclass(frozen=True, slots=True)
class FactSources:
    """The files beside a photo that say something about it, by name, and the key of all that its facts are read from."""

    beside: tuple[str, ...]
    key: str


def usual_key(date_from_files: bool) -> str:
    """The key of a photo that has no files beside it."""
    return f"{READERS} file" if date_from_files else str(READERS)


def sources_in(listing: Listing, usual: str) -> dict[str, FactSources]:
    """The sources of the photos in a folder that have files beside them."""
    found = companions(listing.states, listing.other_files)
    states: dict[str, tuple[str, int, int] | None] = {}
    for name in {name for names in found.values() for name in names}:
        try:
            state = os.stat(os.path.join(listing.path, name))
            states[name] = as_utf8(name), state.st_size, state.st_mtime_ns
        except OSError:  # gone meanwhile, or not to be looked at: the next run sees
            states[name] = None
    return {
        photo: FactSources(names, f"{usual} {crc32(ascii([states[name] for name in names]).encode()):08x}")
        for photo, names in found.items()
    }


def with_sources(info: ImageInfo, file: ImageFile, sources: FactSources, *, date_from_files: bool = False) -> ImageInfo:
    """What a photo itself says, with what the files beside it and its name say."""
    further = [facts_in_name(file.name)]
    if sources.beside and not is_elsewhere(file.path):
        further = [*read_companions(os.path.dirname(file.path), sources.beside), *further]
    if date_from_files:
        further.append(Facts("file", taken_at=_file_time(file)))
    known = complete(info, *further)
    return replace(known, place=gazetteer.place_of(known.gps))


def with_facts_of(info: ImageInfo, read: ImageInfo) -> ImageInfo:
    """An indexed photo's `info` with the facts that were `read` again. What decoding alone tells stays."""
    return replace(info, **{name: getattr(read, name) for name in _FACTS})


def without_name(info: ImageInfo) -> ImageInfo:
    """What a photo itself says, from what it and its name say."""
    return replace(info, taken_at=None, taken_from=None) if info.taken_from in ("name", "file") else info


def without_facts(info: ImageInfo) -> ImageInfo:
    """What decoding alone tells of a photo."""
    return ImageInfo(**{name: getattr(info, name) for name in _DECODED})


def _file_time(file: ImageFile) -> datetime | None:
    """The time of a file by the clock here, in whole seconds."""
    try:
        return datetime.fromtimestamp(file.mtime_ns // 1_000_000_000)
    except (OverflowError, OSError, ValueError):
        return None


_DECODED = {"width", "height", "format", "content_hash", "caption", "incomplete", "moments", "text"}
_FACTS = tuple(field.name for field in fields(ImageInfo) if field.name not in _DECODED)
