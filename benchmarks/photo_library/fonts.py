"""Fonts of this machine, by the scripts that they can write. Names of Debian's packages are in the message of `missing`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

_LATIN = (
    "DejaVuSans.ttf", "DejaVuSerif.ttf", "LiberationSans-Regular.ttf", "LiberationSerif-Regular.ttf", "OpenSans-Regular.ttf",
    "Lato-Regular.ttf", "LinLibertine_R.otf", "EBGaramond12-Regular.otf", "ComicNeue-Regular.otf", "OpenSans-Bold.ttf",
    "Arial.ttf", "Georgia.ttf", "arial.ttf", "georgia.ttf",
)  # fmt: skip
_GREEK_AND_CYRILLIC = tuple(name for name in _LATIN if "Comic" not in name and "Lato" not in name)
_MONOSPACED = ("DejaVuSansMono.ttf", "LiberationMono-Regular.ttf", "Courier Prime.otf", "Courier New.ttf", "cour.ttf")

_FILES: dict[str, tuple[tuple[str, int], ...]] = {
    "Latin": tuple((name, 0) for name in _LATIN),
    "Cyrillic": tuple((name, 0) for name in _GREEK_AND_CYRILLIC),
    "Greek": tuple((name, 0) for name in _GREEK_AND_CYRILLIC),
    "monospaced": tuple((name, 0) for name in _MONOSPACED),
    "Chinese": (
        ("NotoSansCJK-Regular.ttc", 2), ("NotoSerifCJK-Regular.ttc", 2), ("wqy-microhei.ttc", 0), ("msyh.ttc", 0),
    ),
    "Japanese": (("NotoSansCJK-Regular.ttc", 0), ("NotoSerifCJK-Regular.ttc", 0), ("ipag.ttf", 0), ("msgothic.ttc", 0)),
    "Korean": (
        ("NotoSansCJK-Regular.ttc", 1), ("NanumGothic.ttf", 0), ("NanumMyeongjo.ttf", 0), ("malgun.ttf", 0),
    ),
}  # fmt: skip
"""File names and the number of the face in the file."""

PACKAGES = (
    "fonts-dejavu fonts-liberation2 fonts-open-sans fonts-lato fonts-linuxlibertine fonts-ebgaramond fonts-comic-neue "
    "fonts-courier-prime fonts-noto-cjk fonts-wqy-microhei fonts-ipafont-gothic fonts-nanum"
)


@dataclass(frozen=True)
class Font:
    """A face of a font file."""

    file: Path
    face: int

    def at(self, size: int) -> ImageFont.FreeTypeFont:
        """The font in a size in pixels."""
        return ImageFont.truetype(str(self.file), size, index=self.face)

    def writes(self, texts: Iterable[str]) -> bool:
        """Whether it has a glyph for every letter."""
        font = self.at(24)
        missing = bytes(font.getmask("\uffff"))
        return all(bytes(font.getmask(letter)) != missing for letter in set("".join(texts)) if not letter.isspace())


@lru_cache(maxsize=1)
def _installed() -> dict[str, Path]:
    folders = [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path("~/.local/share/fonts").expanduser()]
    if sys.platform == "darwin":
        folders = [Path("/System/Library/Fonts"), Path("/Library/Fonts")]
    elif sys.platform == "win32":
        folders = [Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "Fonts"]
    return {path.name: path for folder in folders if folder.is_dir() for path in sorted(folder.rglob("*.?t?"))}


@lru_cache(maxsize=16)
def fonts(script: str) -> tuple[Font, ...]:
    """The fonts of this machine for a script, or "monospaced", in a fixed order."""
    return tuple(Font(_installed()[name], face) for name, face in _FILES[script] if name in _installed())
