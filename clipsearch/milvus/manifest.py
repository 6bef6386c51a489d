"""The one row of a store that says what is current: its photos are those that it says there are, and no others.

Where it withdraws more photos than fit into one note, other notes have them. Those are there before it is, and go after it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from clipsearch.errors import CollectionDamaged, CollectionError
from clipsearch.milvus.filters import both
from clipsearch.types import Fingerprint

FORMAT, FORMAT_IN_PARTS = 1, 2

PARTS = -(2**39)
"""Notes below this number are parts of manifests; those above it, and below 0, are manifests."""

_LONGEST = 60_000  # characters of a note; Milvus takes 65,535 bytes, and the numbers in it grow
_PART = 4000  # images of up to ten digits


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a store holds.

    A photo's row is current if it was born by `version` and its image is not among `dead`, of which only those born by
    `dead_until` count: rows that await their deletion.
    """

    sequence: int  # the last one counts; it grows with every publication
    version: int
    count: int
    digest: str  # of all photos' checksums
    fingerprint: Fingerprint
    roots: dict[int, str]
    rules: dict[int, dict[str, Any]]  # by which each root was walked
    last_id: int  # of all images there ever were
    lineage: str  # the same in all copies of an index, which have the same image ids
    copy: str  # the one that may write here
    cameras: tuple[str, ...] | None  # all there are, unless they are too many
    formats: tuple[str, ...] | None
    photo_bytes: int
    failures: int
    pushed_at: str  # ISO 8601
    after: int = 0  # a timestamp of the store: whoever has seen it sees all these photos
    dead: tuple[int, ...] = ()
    dead_until: int = 0

    @property
    def current(self) -> str:
        """The expression that holds of the current photos' rows."""
        born = f"row > 0 and born <= {self.version}"
        if not self.dead:
            return born
        return both(born, f"not (born <= {self.dead_until} and image_id in {list(self.dead)})")

    @property
    def state(self) -> int:
        """A number that no other publication has. Versions begin again where a collection was dropped."""
        said = ascii((self.version, self.copy, self.digest)).encode()
        return int.from_bytes(hashlib.sha256(said).digest()[:6], "big")

    def fitting(self) -> Manifest:
        """Itself, without cameras and formats if it does not fit into a note otherwise. CollectionError where it never does."""
        if len(self._text()) <= _LONGEST:
            return self
        less = replace(self, cameras=None, formats=None)
        if len(less._text()) > _LONGEST:
            raise CollectionError(
                "the index has more folders of its own than fit into a store's note; index them below one"
            )
        return less

    def to_notes(self) -> dict[int, str]:
        """As notes by their numbers: its own is the last, and those before it are its parts."""
        text = self._text(self.dead)
        if len(text) <= _LONGEST:
            return {-self.sequence: text}
        first = PARTS - 1 - secrets.randbelow(2**38)
        blocks = (self.dead[start : start + _PART] for start in range(0, len(self.dead), _PART))
        parts = {
            first - position: json.dumps({"clipsearch": FORMAT_IN_PARTS, "dead": block})
            for position, block in enumerate(blocks)
        }
        return {**parts, -self.sequence: self._text(parts=(first, len(parts)))}

    def _text(self, dead: tuple[int, ...] = (), parts: tuple[int, int] | None = None) -> str:
        values = {"clipsearch": FORMAT, **asdict(replace(self, dead=())), "dead": dead}
        if parts:
            values |= {"clipsearch": FORMAT_IN_PARTS, "parts": parts}
        values["rules"] = {str(number): rules for number, rules in self.rules.items()}
        values["roots"] = {str(number): os.fsencode(path).hex() for number, path in self.roots.items()}
        return json.dumps(values)


def newest(notes: Mapping[int, str]) -> Manifest | None:
    """The last of a store's manifests, by its notes' numbers and texts; None where there is none.

    CollectionDamaged where it makes no sense or lacks a part, CollectionError where it is of a newer format.
    """
    number = min((number for number in notes if number > PARTS), default=None)
    if number is None:
        return None
    try:
        values = _values(notes[number])
        fingerprint = Fingerprint(**values.pop("fingerprint"))
        roots = {int(number): os.fsdecode(bytes.fromhex(path)) for number, path in values.pop("roots").items()}
        rules = {int(number): dict(one) for number, one in values.pop("rules").items()}
        first, count = values.pop("parts", (0, 0))
        for part in range(first, first - count, -1):
            values["dead"] += _values(notes[part])["dead"]
        several = {name: values.pop(name) for name in ("cameras", "formats", "dead")}
        tuples: dict[str, Any] = {name: None if some is None else tuple(some) for name, some in several.items()}
        manifest = Manifest(fingerprint=fingerprint, roots=roots, rules=rules, **tuples, **values)
        return _sensible(manifest)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CollectionDamaged(
            "what the store says of itself makes no sense; push again into another collection"
        ) from error


def _values(text: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(text)
    said = values.pop("clipsearch")
    if said not in (FORMAT, FORMAT_IN_PARTS):
        raise CollectionError(
            f"the store has format {said!r}, and this clipsearch reads {FORMAT_IN_PARTS}; upgrade clipsearch"
        )
    return values


def _sensible(manifest: Manifest) -> Manifest:
    """The manifest itself, where every value is of its kind: expressions are made of the numbers."""
    numbers = (
        manifest.sequence, manifest.version, manifest.count, manifest.photo_bytes, manifest.failures, manifest.after,
        manifest.dead_until, manifest.last_id, manifest.fingerprint.dim, *manifest.dead,
    )  # fmt: skip
    fingerprint = manifest.fingerprint
    texts = (
        manifest.digest, manifest.lineage, manifest.copy, manifest.pushed_at, fingerprint.model, fingerprint.revision,
        fingerprint.digest, fingerprint.precision or "", *(manifest.cameras or ()), *(manifest.formats or ()),
    )  # fmt: skip
    if not all(type(number) is int and number >= 0 for number in numbers) or not all(
        type(text) is str for text in texts
    ):
        raise ValueError
    if not all(os.path.isabs(path) and "\0" not in path for path in manifest.roots.values()):
        raise ValueError
    return manifest
