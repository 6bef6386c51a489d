"""truth.json: the facts and the text of every file of a made library."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from photo_library.plan import Photo
from photo_library.texts import TextPicture

TRUTH_FILE = "truth.json"
_Row = TypeVar("_Row", Photo, TextPicture)


@dataclass(frozen=True)
class Truth:
    """What a library holds. `fonts` has the file name of each text picture's font by its path."""

    seed: int
    photos: tuple[Photo, ...]
    texts: tuple[TextPicture, ...]
    fonts: dict[str, str]

    def as_json(self) -> str:
        """As the text of truth.json."""
        photos, texts = [asdict(photo) for photo in self.photos], [asdict(text) for text in self.texts]
        for photo in photos:
            photo["taken_at"] = photo["taken_at"] and photo["taken_at"].isoformat()
        rows = {"seed": self.seed, "photos": photos, "texts": texts, "fonts": self.fonts}
        return json.dumps(rows, indent=1, ensure_ascii=False)


def read_truth(library: Path) -> Truth:
    """The truth of a library that was made."""
    data = json.loads((library / TRUTH_FILE).read_text("utf-8"))
    for photo in data["photos"]:
        photo["taken_at"] = photo["taken_at"] and datetime.fromisoformat(photo["taken_at"])
    return Truth(
        data["seed"],
        tuple(_row(Photo, photo) for photo in data["photos"]),
        tuple(_row(TextPicture, text) for text in data["texts"]),
        data["fonts"],
    )


def _row(kind: type[_Row], values: dict[str, Any]) -> _Row:
    names = {field.name for field in fields(kind)}
    known: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items() if key in names
    }
    return kind(**known)
