"""The one small row of a store that says what is current: its photos are those that it says there are, and no others."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from typing import Any

from clipsearch.errors import CollectionDamaged, CollectionError
from clipsearch.schema import Fingerprint
from clipsearch.stores.expressions import both

FORMAT = 1
LONGEST = 60_000
"""Characters of a note; Milvus takes 65,535 bytes."""


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

    def to_note(self) -> str:
        """As text. CollectionError where it would be too long for a store."""
        values = {"clipsearch": FORMAT, **asdict(self)}
        values["rules"] = {str(number): rules for number, rules in self.rules.items()}
        values["roots"] = {str(number): os.fsencode(path).hex() for number, path in self.roots.items()}
        text = json.dumps(values)
        if len(text) > LONGEST and (self.cameras or self.formats):
            return replace(self, cameras=None, formats=None).to_note()
        if len(text) > LONGEST:
            raise CollectionError(
                "the index has more folders of its own than fit into a store's note; index them below one"
            )
        return text


def read_note(text: object) -> Manifest:
    """A manifest from its text. CollectionDamaged where it makes no sense, CollectionError where it is of a newer format."""
    try:
        values: dict[str, Any] = json.loads(str(text))
        if (said := values.pop("clipsearch")) != FORMAT:
            raise CollectionError(
                f"the store has format {said!r}, and this clipsearch reads {FORMAT}; upgrade clipsearch"
            )
        fingerprint = Fingerprint(**values.pop("fingerprint"))
        roots = {int(number): os.fsdecode(bytes.fromhex(path)) for number, path in values.pop("roots").items()}
        rules = {int(number): dict(one) for number, one in values.pop("rules").items()}
        several = {name: values.pop(name) for name in ("cameras", "formats", "dead")}
        tuples: dict[str, Any] = {name: None if some is None else tuple(some) for name, some in several.items()}
        manifest = Manifest(fingerprint=fingerprint, roots=roots, rules=rules, **tuples, **values)
        return _sensible(manifest)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CollectionDamaged(
            "what the store says of itself makes no sense; push again into another collection"
        ) from error


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
    if not all(os.path.isabs(path) and "\0" not in path for path in manifest.roots.values()):  # noqa: PTH117
        raise ValueError
    return manifest
