"""Files beside a photo that say something about it: XMP sidecars, and the JSON files of Google Takeout.

Takeout makes the name of a JSON file from the photo's: "photo.jpg.json", or since 2024
"photo.jpg.supplemental-metadata.json". It cuts these names, and writes a number that makes a name unique elsewhere:
"photo(1).jpg" has "photo.jpg(1).json". An edited copy, "photo-edited.jpg", and the film of a motion photo share the JSON file
of the photo.
"""

from __future__ import annotations

import logging
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from clipsearch._internal.untrusted_files import read_plain, why
from clipsearch._internal.windows import opened_as
from clipsearch.images import takeout, xmp_facts
from clipsearch.images.facts import Facts
from clipsearch.images.file_types import is_video_name

logger = logging.getLogger(__name__)

XMP, JSON = ".xmp", ".json"

_SUPPLEMENT = ".supplemental-metadata"
_LONGEST_TITLE = 51  # characters of a name that Takeout has cut, before ".json"
_SHORTEST_CUT = 44  # bytes of one
_NUMBER = re.compile(r"(.*)\((\d{1,5})\)")
_EDITED = re.compile(
    r"(.+)-(?:edited|edi(?:te?)?|bearbeitet|modifi[ée]|modificat[oa]|editad[oa]|bewerkt|edytowane|redigeret|redigert|redigerad"
    r"|muokattu|ha editado|upraveno|düzenlendi|изменено|編集済み|已修改|已編輯|수정됨|effects|smile|mix)",
    re.IGNORECASE | re.DOTALL,
)
_STILLS = (".heic", ".heif", ".jpg", ".jpeg", ".dng")  # of motion photos, as phones write them


def companions(photos: Iterable[str], others: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The files beside each photo that say something about it, the most important first. Only names are compared.

    All names are of one folder. Photos without such files are left out. Takes time in proportion to the number of names.
    """
    photos = list(photos)
    xmp, json = _Names(), _TakeoutNames()
    for name in others:
        suffix = name[-5:].lower()
        if suffix.endswith(XMP):
            xmp.add(name[: -len(XMP)], name)
        elif suffix == JSON:
            json.add(name)
    if not xmp and not json:
        return {}
    stems = {name: name.rpartition(".")[0] or name for name in photos}
    of_stills: dict[str, str] = {}
    for name in photos:
        if json and _suffix(name) in _STILLS:
            of_stills.setdefault(_still_key(stems[name]), name)
    cut = json.owners_of_cut_names(photos)
    found = {}
    for name in photos:
        files = [*xmp.find(name), *xmp.find(stems[name])]
        if json:
            json_name = json.find(name, cut)
            if json_name is None and is_video_name(name) and (still := of_stills.get(_still_key(stems[name]))):
                json_name = json.find(still, cut)
            files += [json_name] if json_name else []
        if files:
            found[name] = tuple(dict.fromkeys(files))
    return found


def read_companions(folder: str, names: Sequence[str]) -> list[Facts]:
    """The facts in the files that `companions` names for a photo, in the same order. What cannot be read is logged."""
    found = []
    for name in names:
        path = os.path.join(folder, name)
        try:
            facts = _read(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            logger.warning("%s is not used: %s", path, why(error))
            continue
        except ValueError as error:
            advice = "save it anew with the program that wrote it, or move it away"
            logger.warning("%s is not used: %s; %s", path, why(error), advice)
            continue
        if facts:
            found.append(facts)
    return found


def rated_by_sidecars(photos: Iterable[str]) -> set[str]:
    """Those of the photos, by their paths, to which a sidecar that is there now gives a rating other than 0."""
    names: dict[str, list[str]] = defaultdict(list)
    for photo in photos:
        folder, name = os.path.split(photo)
        names[folder].append(name)
    rated = set()
    for folder, in_folder in names.items():
        try:
            others = [name for name in os.listdir(opened_as(folder)) if name.lower().endswith(XMP)]
        except OSError as error:
            logger.warning("the sidecars in %s are not read: %s", folder, why(error))
            continue
        for name, sidecars in companions(in_folder, others).items():
            if any(facts.rating for facts in read_companions(folder, sidecars)):
                rated.add(os.path.join(folder, name))
    return rated


def _read(path: str) -> Facts | None:
    if path[-len(XMP) :].lower() == XMP:
        return xmp_facts.read_xmp(read_plain(Path(opened_as(path)), xmp_facts.MAX_BYTES, follow_links=False), "sidecar")
    return takeout.read_takeout(read_plain(Path(opened_as(path)), takeout.MAX_BYTES, follow_links=False))


class _Names:
    """Names by a key that ignores case, also case in other scripts, and how accents are encoded."""

    def __init__(self) -> None:
        self._names: dict[str, list[tuple[str, str]]] = defaultdict(list)  # folded key → (key, name)

    def __bool__(self) -> bool:
        return bool(self._names)

    def add(self, key: str, name: str) -> None:
        self._names[_fold(key)].append((key, name))

    def find(self, key: str) -> list[str]:
        """The names with exactly this key, else those with the same key in another case."""
        same = self._names.get(_fold(key), [])
        return [name for other, name in same if other == key] or [name for _, name in same]


class _TakeoutNames:
    """The JSON files of a folder, by the names of the photos that they may belong to."""

    def __init__(self) -> None:
        self._whole: dict[tuple[str, str], str] = {}  # (a photo's name, its number) → a JSON file's name
        self._cut: dict[tuple[str, str], str] = {}  # the same for the beginning of a photo's name
        self._cut_lengths: set[int] = set()  # of these beginnings

    def __bool__(self) -> bool:
        return bool(self._whole)

    def add(self, name: str) -> None:
        base = name[: -len(JSON)]
        forms = {("", base)}
        if match := _NUMBER.fullmatch(base):
            forms.add((match[2], match[1]))
        for number, title in forms:
            key = (_fold(title), number)
            self._whole.setdefault(key, name)
            if len(title) <= _LONGEST_TITLE and len(os.fsencode(title)) >= _SHORTEST_CUT:
                self._cut.setdefault(key, name)
                self._cut_lengths.add(len(key[0]))
            dot = title.rfind(".")
            if dot > 0 and _SUPPLEMENT.startswith(title[dot:].lower()):
                self._whole.setdefault((_fold(title[:dot]), number), name)

    def owners_of_cut_names(self, photos: Sequence[str]) -> dict[str, str]:
        """Of each JSON file with a cut name, the stem of the only photo that begins so. Of two, it may be of either."""
        owners: dict[str, set[str]] = defaultdict(set)
        if self._cut:
            for name in photos:
                title, number = _title(name)
                if self._find_whole(name) is None and (found := self._find_cut(title, number)):
                    owners[found].add(_fold(title.rpartition(".")[0]))
        return {found: next(iter(titles)) for found, titles in owners.items() if len(titles) == 1}

    def find(self, photo: str, cut: dict[str, str]) -> str | None:
        """A photo's JSON file. `cut` is from `owners_of_cut_names`."""
        if found := self._find_whole(photo):
            return found
        title, number = _title(photo)
        found = self._find_cut(title, number)
        return found if found and cut.get(found) == _fold(title.rpartition(".")[0]) else None

    def _find_whole(self, photo: str) -> str | None:
        title, number = _title(photo)
        stem, stem_of_photo = title.rpartition(".")[0], photo.rpartition(".")[0]
        for key, with_number in ((photo, ""), (title, number), (stem_of_photo, ""), (stem, number)):
            if found := self._whole.get((_fold(key), with_number)):
                return found
        return None

    def _find_cut(self, title: str, number: str) -> str | None:
        folded = _fold(title)
        for length in sorted(self._cut_lengths, reverse=True):
            if length < len(folded) and (found := self._cut.get((folded[:length], number))):
                return found
        return None


def _title(photo: str) -> tuple[str, str]:
    """A photo's name without the number that makes it unique and without "-edited", and that number."""
    stem, dot, suffix = unicodedata.normalize("NFC", photo).rpartition(".")
    number = ""
    if match := _NUMBER.fullmatch(stem):
        stem, number = match[1], match[2]
    if match := _EDITED.fullmatch(stem):
        stem = match[1]
        if not number and (match := _NUMBER.fullmatch(stem)):
            stem, number = match[1], match[2]
    return f"{stem}{dot}{suffix}", number


def _still_key(stem: str) -> str:
    """What the still and the film of a motion photo have in common."""
    return _fold(stem.removesuffix(".MP").removesuffix(".mp"))


def _suffix(name: str) -> str:
    return name[name.rfind(".") :].lower() if "." in name else ""


def _fold(text: str) -> str:
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).casefold()
