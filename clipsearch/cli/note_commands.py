"""What `query` and `similar` print of a note on a query: its message, and the typed command with the words that were meant."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from clipsearch._internal.commands import command
from clipsearch.cli.typed_line import TypedLine, TypedPart
from clipsearch.query.hits import QueryNote
from clipsearch.query.language import terms_text
from clipsearch.types import Query, literal_glob


def note_text(about: QueryNote, query: Query, typed: str) -> str:
    """A note on a query that was searched, with the command that may have been meant; `typed` is the query as typed."""
    if about.value and about.code == "unread":
        change = command("index", "--model", about.value)
        return f"{about.message}; to change the model of the index to it: `{change}`"
    make = _MAKERS.get(about.code) if about.value else None
    if make is None:
        return about.message
    advice = make(about.value, query, TypedLine.current(typed))
    return about.message + advice if advice else about.message


def _file_name(glob: str, query: Query, line: TypedLine) -> str:
    names = {part: literal_glob(part.text) for part in line.parts}
    others = [part for part, name in names.items() if glob not in (name, f"{name}*", f"*{name}*")]
    return f". By name: `{line.with_parts(others, '--name', glob, without=('names',))}`"


def _minus(meant: str, query: Query, line: TypedLine) -> str:
    return _signed(meant, line, "-", "leave it out")


def _plus(meant: str, query: Query, line: TypedLine) -> str:
    return _signed(meant, line, "+", "make it a part of its own")


def _signed(meant: str, line: TypedLine, sign: str, what: str) -> str:
    """The command in which a word with a sign is a part of its own."""
    word = meant.rpartition(f" {sign} ")[2]
    signed = re.compile(rf"(?<!\S)[+\u2212\u2013\u2014-]\s*{re.escape(word)}(?!\w)")
    place = next((at for at, part in enumerate(line.parts) if signed.search(part.text)), None)
    if place is None or line.parts[place].sign == "-":
        return ""
    part = line.parts[place]
    rest = " ".join(signed.sub(" ", part.text, count=1).split())
    parts = [replace(part, words=(rest,)), TypedPart(sign, (word,))]
    return f". To {what}: `{line.with_parts([*line.parts[:place], *parts, *line.parts[place + 1 :]])}`"


def _negation(meant: str, query: Query, line: TypedLine) -> str:
    smart = "" if line.has("smart") else ", or add --smart"
    return f". To subtract it: `{line.with_words(_with_pictures(meant, line))}`{smart}"


def _with_pictures(text: str, line: TypedLine) -> list[str]:
    """The words of a query whose texts are replaced, and whose pictures stay."""
    pictures = [part for part in line.parts if part.is_picture]
    return [text, *(word for part in pictures for word in (part.sign or "+", part.text))]


def _misspelt(meant: str, query: Query, line: TypedLine) -> str:
    typed, right = terms_text(query.terms).split(), meant.split()
    changes = {old: new for old, new in zip(typed, right, strict=False) if old != new}
    wrong = re.compile("|".join(rf"(?<!\w){re.escape(old)}(?!\w)" for old in changes))
    corrected = tuple(
        part if part.is_picture else replace(part, words=(wrong.sub(lambda old: changes[old[0]], part.text),))
        for part in line.parts
    )
    if len(typed) != len(right) or [part.text for part in corrected] == [part.text for part in line.parts]:
        return f" `{line.with_words(_with_pictures(meant, line))}`"  # typed in an earlier line
    return f" `{line.with_parts(corrected)}`"


def _places(place: str, query: Query, line: TypedLine) -> str:
    return f". For one of them: `{line.with_words(line.words, '--place', place, without=('places',))}`"


def _facts(meant: str, query: Query, line: TypedLine) -> str:
    words = _with_pictures(meant, line) if len(query.terms) == 1 else line.words
    smart = () if line.has("smart") else ("--smart",)
    return f". To find them: `{line.with_words(words, *smart)}`"


def _keyword(keyword: str, query: Query, line: TypedLine) -> str:
    """Words that --smart understood stay, without the keyword."""
    words = r"\s+".join(map(re.escape, keyword.split()))
    found = re.compile(rf"(?<!\w){words}(?!\w)")
    rests = [" ".join(found.sub(" ", part.text).split()) for part in line.parts]
    parts = [replace(part, words=(rest,)) for part, rest in zip(line.parts, rests, strict=True) if rest.strip('"')]
    return f". To find them: `{line.with_parts(parts, '--keyword', literal_glob(keyword))}`"


_MAKERS: dict[str, Callable[[str, Query, TypedLine], str]] = {
    "file-name": _file_name,
    "minus": _minus,
    "plus": _plus,
    "negation": _negation,
    "misspelt": _misspelt,
    "places": _places,
    "facts": _facts,
    "keyword": _keyword,
}
"""How the command of a note is made of the value of the note, the query that was searched, and what was typed."""
