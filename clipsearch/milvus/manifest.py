"""The note that says which rows of a store are current: its photos are exactly those that the last manifest describes.

If a manifest withdraws more photos than fit into one note, the rest is in further notes. They are inserted before the manifest
and deleted after it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from clipsearch.errors import CollectionDamaged, CollectionError
from clipsearch.milvus.filters import FIRST_PICTURE, both
from clipsearch.types import Fingerprint

FORMAT, FORMAT_IN_PARTS, FORMAT_WITH_PICTURES = 1, 2, 3
"""Versions of clipsearch that cannot read files with several pictures refuse the last one."""

PARTS_BELOW = -(2**39)
"""Notes below this number are parts of manifests. From here to 0 are manifests."""

_MAX_NOTE = 60_000  # characters; Milvus takes 65,535 bytes, and the numbers in a note grow
_PART_IMAGES = 4000  # of up to ten digits


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a store contains.

    A row is current if its version is at most `version`, unless its file is among `dead` and its version is at most
    `dead_until`: such rows are about to be deleted. A file has a row for each of its pictures.
    """

    sequence: int  # grows with every publication; the last manifest counts
    version: int
    count: int  # of files
    digest: str  # of all files' checksums
    fingerprint: Fingerprint
    roots: dict[int, str]
    rules: dict[int, dict[str, Any]]  # by which each root was walked
    last_id: int  # of all images that ever existed
    lineage: str  # the same in all copies of an index, which have the same image ids
    copy: str  # the one that may write here
    cameras: tuple[str, ...] | None  # None if they are too many
    formats: tuple[str, ...] | None
    photo_bytes: int
    failures: int
    pushed_at: str  # ISO 8601
    after: int = 0  # a timestamp of the store; reads at or after it see all these photos
    dead: tuple[int, ...] = ()
    dead_until: int = 0
    later: int = 0  # rows of pictures after a file's first

    @property
    def current(self) -> str:
        """The expression that holds for the current rows."""
        born = f"row > 0 and born <= {self.version}"
        if not self.dead:
            return born
        return both(born, f"not (born <= {self.dead_until} and image_id in {list(self.dead)})")

    @property
    def files(self) -> str:
        """The expression that holds for one current row of each file."""
        return self.of_files(self.current)

    def of_files(self, expression: str) -> str:
        """The expression that holds for one of a file's rows, if another one holds for all of them."""
        return both(expression, FIRST_PICTURE) if self.later else expression

    @property
    def state(self) -> int:
        """A number that no other publication has. Versions are not enough: they start again if a collection was dropped."""
        publication = ascii((self.version, self.copy, self.digest)).encode()
        return int.from_bytes(hashlib.sha256(publication).digest()[:6], "big")

    def fitting(self) -> Manifest:
        """The manifest, without cameras and formats if it would not fit into a note. CollectionError if it never fits."""
        if len(self._text()) <= _MAX_NOTE:
            return self
        shorter = replace(self, cameras=None, formats=None)
        if len(shorter._text()) > _MAX_NOTE:
            raise CollectionError("the index has more folders of its own than fit into a note; index one above them")
        return shorter

    def to_notes(self) -> dict[int, str]:
        """Notes by their numbers: the parts first, the manifest's own note last."""
        text = self._text(self.dead)
        if len(text) <= _MAX_NOTE:
            return {-self.sequence: text}
        first = PARTS_BELOW - 1 - secrets.randbelow(2**38)
        blocks = (self.dead[start : start + _PART_IMAGES] for start in range(0, len(self.dead), _PART_IMAGES))
        parts = {
            first - position: json.dumps({"clipsearch": FORMAT_IN_PARTS, "dead": block})
            for position, block in enumerate(blocks)
        }
        return {**parts, -self.sequence: self._text(parts=(first, len(parts)))}

    def _text(self, dead: tuple[int, ...] = (), parts: tuple[int, int] | None = None) -> str:
        values = {"clipsearch": FORMAT, **asdict(replace(self, dead=())), "dead": dead}
        if not self.later:
            del values["later"]
        if parts:
            values |= {"clipsearch": FORMAT_IN_PARTS, "parts": parts}
        if self.later:
            values["clipsearch"] = FORMAT_WITH_PICTURES
        values["rules"] = {str(number): rules for number, rules in self.rules.items()}
        values["roots"] = {str(number): os.fsencode(path).hex() for number, path in self.roots.items()}
        return json.dumps(values)


def newest(notes: Mapping[int, str]) -> Manifest | None:
    """The last manifest among notes, given by number and text; None without one.

    CollectionDamaged if it makes no sense or lacks a part, CollectionError if it has a newer format.
    """
    number = min((number for number in notes if number > PARTS_BELOW), default=None)
    if number is None:
        return None
    try:
        values = _values(notes[number])
        fingerprint = Fingerprint(**values.pop("fingerprint"))
        roots = {int(number): os.fsdecode(bytes.fromhex(path)) for number, path in values.pop("roots").items()}
        rules = {int(number): dict(root_rules) for number, root_rules in values.pop("rules").items()}
        first, count = values.pop("parts", (0, 0))
        for part in range(first, first - count, -1):
            values["dead"] += _values(notes[part])["dead"]
        for name in ("cameras", "formats", "dead"):
            values[name] = None if values[name] is None else tuple(values[name])
        return _checked(Manifest(fingerprint=fingerprint, roots=roots, rules=rules, **values))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CollectionDamaged(
            "the store's description of itself makes no sense; push again into another collection"
        ) from error


def _values(text: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(text)
    note_format = values.pop("clipsearch")
    if note_format not in (FORMAT, FORMAT_IN_PARTS, FORMAT_WITH_PICTURES):
        raise CollectionError(
            f"the store has format {note_format!r}, and this clipsearch reads {FORMAT_WITH_PICTURES}; upgrade clipsearch"
        )
    return values


def _checked(manifest: Manifest) -> Manifest:
    """The manifest. ValueError unless every value is of its type, because expressions are made of its numbers."""
    values = [
        (field.type, getattr(part, field.name)) for part in (manifest, manifest.fingerprint) for field in fields(part)
    ]
    numbers = [*(value for kind, value in values if kind == "int"), *manifest.dead]
    texts = [*(value for kind, value in values if kind == "str"), *(manifest.cameras or ()), *(manifest.formats or ())]
    texts.append(manifest.fingerprint.precision or "")
    if (
        not all(type(number) is int and number >= 0 for number in numbers)
        or not all(type(text) is str for text in texts)
        or not all(os.path.isabs(path) and "\0" not in path for path in manifest.roots.values())
    ):
        raise ValueError
    return manifest
