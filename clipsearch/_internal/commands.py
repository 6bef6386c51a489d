"""Commands for messages, ready to paste into a shell."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Container
from pathlib import Path

_PLAIN = re.compile(r"[\w ,./:;=@%+-]+" if sys.platform != "win32" else r"[\w ,./:;=@+\\-]+")
_PROPOSED = re.compile(r"`clipsearch ([a-z]+)([^`\n]*)`")
_PARAMETER = re.compile(
    r"`(after|any_length|before|defaults|device|diverse|exact|exclude|folder|follow_links|force|format|hidden|hybrid|images|index|jobs"
    r"|keep_old|min_match|min_score|model|no_exclude|offset|parts|place|precision|prune|relevant|store|take_over|text_model|top_k|trust_model|where)"
    r"""(?:=["']?([^`"']*)["']?)?`"""
)
_OTHER_NAMES = {
    "any_length": "normalise",
    "defaults": "default-excludes",
    "folder": "in",
    "folders": "in",
    "keywords": "keyword",
    "names": "name",
    "people": "person",
    "places": "place",
}
"""Parameters whose option has another name."""
_OF_REQUESTS = frozenset(
    (
        "after",
        "before",
        "diverse",
        "exact",
        "format",
        "hybrid",
        "min_match",
        "min_score",
        "offset",
        "place",
        "relevant",
        "top_k",
        "where",
    )
)
_WITHOUT_INDEX = ("models", "eval", "help")
_PLACES = (" --index", " --server", " --store")  # options that say where to search
INDEX_FOLDER = ".clipsearch"
"""The name of the folder that holds an index, within the photo folder."""
_OF_AN_INDEX = re.compile(r"catalog\.sqlite.*|segments|writer\.lock|albums\.json")
PHOTOS = "PHOTOS"
"""A placeholder for the user's own photo folder."""


def quoted(word: str | os.PathLike[str]) -> str:
    """A word quoted for a shell, with double quotes if that is enough: all shells know them."""
    text = os.fspath(word)
    if not text.isprintable():  # a name with a line break, or bytes that are no text
        shown = (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in os.fsencode(text))
        return "$'" + "".join("\\" + part if part in ("\\", "'") else part for part in shown) + "'"
    if " " in text and _PLAIN.fullmatch(text):
        return f'"{text}"'
    if sys.platform == "win32":
        return text if _PLAIN.fullmatch(text) else '"' + text.replace('"', '""') + '"'
    else:  # noqa: RET505 - what follows a return would count as unreachable on one system
        return shlex.quote(text)


def command(*words: str | os.PathLike[str], index: str | os.PathLike[str] | None = None) -> str:
    """`clipsearch WORDS...`, with --index if an index folder is given."""
    return " ".join(["clipsearch", *map(quoted, words), *(["--index", quoted(index)] if index is not None else [])])


def how_to_make(index: Path) -> str:
    """The command that makes an index there: of the folder that holds it, of a folder with files itself, or of PHOTOS."""
    if index.name == INDEX_FOLDER and index.parent.is_dir():
        return command("index", index.parent)
    if is_in_use(index):  # an index among photos would be in their way
        return command("index", index)
    return command("index", PHOTOS, index=index)


def is_in_use(folder: Path) -> bool:
    """Whether a folder holds files or folders that are not what is left of an index, such as photos."""
    try:
        return folder.name != INDEX_FOLDER and not all(map(_OF_AN_INDEX.fullmatch, os.listdir(folder)))
    except OSError:
        return False


def no_index(index: Path, named: str | None = None) -> str:
    """The message for a folder without an index: why it has none, and how to make one. `named` is what the user called it."""
    photos = index.parent if index.name == INDEX_FOLDER else index
    if photos.is_file():
        return f"{photos} is a file; name the folder of the photos, or that of their index"
    start = f"there is no index at {named or index}"
    how = how_to_make(index)
    legend = f" ({PHOTOS} is your photo folder)" if f" {PHOTOS} " in how else ""
    if photos.is_dir():
        return f"{start}; to make it: {how}{legend}"
    advice = "check its name" if photos != index else f"check its name, or make an index there: {how}{legend}"
    return f"{start}: the folder {photos} does not exist. {advice[0].upper()}{advice[1:]}"


def option_of(parameter: str, value: object = True) -> str:
    """The option of a parameter of Python, such as --in for `folder`; with False, the option that turns it off."""
    return f"--{'no-' if value is False else ''}{_OTHER_NAMES.get(parameter, parameter).replace('_', '-')}"


def with_flags(text: str, keep: Container[str] = ()) -> str:
    """A message with the command line's options in place of Python's parameters between backticks, such as `min_match`.

    Parameters in `keep` keep their name, without backticks, and have their value as JSON writes it.
    """

    def flag(named: re.Match[str]) -> str:
        name, value = named[1], named[2]
        if name in keep:
            return f"{name}={value.lower() if value in ('True', 'False') else value}" if value else name
        option = option_of(name, value != "False")
        return f"{option} {value}" if value and value not in ("True", "False") else option

    return _PARAMETER.sub(flag, text)


def for_requests(text: str) -> str:
    """A message for a client of the server: parameters of a request by their names, all others as options of the command."""
    return with_flags(text, _OF_REQUESTS)


def with_index(text: str, index: Path, *, near: bool = False) -> str:
    """A message with --index added to each command between backticks that can take it and does not have it yet.

    If the index is `near`, commands find it by themselves. Then only commands that name a folder to index get it: they would
    take the index near that folder.
    """

    def complete(proposed: re.Match[str]) -> str:
        if proposed[1] in _WITHOUT_INDEX or any(place in proposed[2] for place in _PLACES):
            return proposed[0]
        if near and not (proposed[1] == "index" and proposed[2].strip() and not proposed[2].startswith(" -")):
            return proposed[0]
        return f"`clipsearch {proposed[1]}{proposed[2]} --index {quoted(index)}`"

    return _PROPOSED.sub(complete, text)
