"""Folders that a walk skips unless `--no-default-excludes` is given: deleted photos, and pictures made from others.

DEFAULT_EXCLUDES is the only list. The documentation shows it, and `clipsearch index --dry-run` names the skipped folders.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache

from clipsearch.types import SkipReason

LEFT_OUT_BECAUSE: dict[SkipReason, str] = {
    "excluded": "of `exclude`",
    "hidden": "hidden files are left out (`hidden=True` takes them)",
    "default": "some folders are left alone (`defaults=False` takes their photos)",
    "own": "pictures that clipsearch made are left out (`defaults=False` takes them)",
    "system": "file systems of the machine itself, such as /proc, are left out",
    "link": "links to folders are not followed (`follow_links=True` follows them)",
}
"""How a sentence goes on after "because" if photos, or one photo, leave an index by the rules of its walk."""

NO_MEDIA = ".nomedia"
"""A file of this name marks a folder whose pictures Android shows in no gallery."""


@dataclass(frozen=True, slots=True)
class DefaultExclude:
    """Folders that a walk skips, as globs of their names; capitals do not matter."""

    names: tuple[str, ...]
    why: str
    inside: tuple[str, ...] = ()  # only in folders of these names; empty for everywhere
    but: tuple[str, ...] = ()  # exceptions, which are walked


_APPLE_LIBRARIES = (
    "*.photoslibrary",
    "*.photolibrary",
    "*.aplibrary",
    "*.migratedphotolibrary",
    "*.migratedaplibrary",
)
_TAKEOUT_FOLDERS = ("Google Photos", "Google Fotos", "Google Foto", "Google Foto's")
_TAKEOUT_TRASH = ("Trash", "Bin", "Papierkorb", "Corbeille", "Papelera", "Cestino", "Lixeira", "Lixo", "Prullenbak")

DEFAULT_EXCLUDES = (
    DefaultExclude(
        ("#recycle", "@Recycle", "$RECYCLE.BIN", ".Trash*", ".dtrash"), "deleted files of a NAS or a system"
    ),
    DefaultExclude(_TAKEOUT_TRASH, "deleted photos in a Google Takeout", inside=_TAKEOUT_FOLDERS),
    DefaultExclude(
        ("#snapshot", "@Recently-Snapshot", "~snapshot", ".snapshot", ".snapshots"), "earlier states of a NAS's folders"
    ),
    DefaultExclude(
        ("@eaDir", ".@__thumb", "Thumbs", ".thumbs", ".thumbnails"), "thumbnails of a NAS, a phone or a program"
    ),
    DefaultExclude(("*.lrdata", "*.lrcat-data"), "previews and smart previews of Lightroom"),
    DefaultExclude(
        ("*",),
        "smaller copies and faces in a library of Apple's Photos, iPhoto or Aperture; its originals are walked",
        inside=_APPLE_LIBRARIES,
        but=("originals", "masters"),
    ),
    DefaultExclude(
        ("node_modules", "System Volume Information", "lost+found", "__MACOSX"), "packages, and folders of a system"
    ),
)
"""Every folder that is left alone. Besides these, folders with a NO_MEDIA file, and what clipsearch itself made."""


@lru_cache(4096)
def default_exclude(name: str, inside: str = "") -> DefaultExclude | None:
    """The first of DEFAULT_EXCLUDES for a folder of this name; `inside` is the name of the folder that holds it."""
    name, inside = name.lower(), inside.lower()
    for number, (names, around, but) in enumerate(_patterns()):
        if names.match(name) and (around is None or around.match(inside)) and not (but and but.match(name)):
            return DEFAULT_EXCLUDES[number]
    return None


@lru_cache(1)
def _patterns() -> list[tuple[re.Pattern[str], re.Pattern[str] | None, re.Pattern[str] | None]]:
    """Each entry's `names`, `inside` and `but` as regular expressions."""
    return [
        (
            _any_of(entry.names),
            _any_of(entry.inside) if entry.inside else None,
            _any_of(entry.but) if entry.but else None,
        )
        for entry in DEFAULT_EXCLUDES
    ]


def _any_of(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(translate(glob.lower()) for glob in globs))


def because(left_out: Mapping[SkipReason, int]) -> str:
    """Why photos leave an index by the rules of its walk: "because of `exclude`"."""
    reasons = [words for reason, words in LEFT_OUT_BECAUSE.items() if left_out.get(reason)]
    return "because " + " or because ".join(reasons)
