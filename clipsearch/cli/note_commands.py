"""What `query` and `similar` print of a note on a query: its message, and the typed command with the words that were meant."""

from __future__ import annotations

import re
from dataclasses import replace

from clipsearch._internal.commands import command, with_flags
from clipsearch.cli.hints import is_known
from clipsearch.cli.typed_line import TypedLine, is_picture
from clipsearch.conditions import literal_glob, typed_glob
from clipsearch.query.hits import QueryNote
from clipsearch.query.language import parse_terms, split_words
from clipsearch.terms import Term

_CHANGE = re.compile(r"`clipsearch (index [^`\n]*)`")
"""A proposed command that would change another index than the one that was searched, if that is a server's."""


def note_text(about: QueryNote, typed: str) -> str:
    """A note on a query that was searched, with the command that may have been meant; `typed` is the query as typed."""
    advice = _advice(about.code, about.value, typed) if about.value else ""
    if about.code == "unclear":
        advice = ", such as --taken and --place: `clipsearch help filters`"
    message = with_flags(about.message)
    return (message if is_known() else _CHANGE.sub(r"\1 (where the index is kept)", message)) + advice


def _advice(code: str, value: str, typed: str) -> str:
    if code == "unread":
        if not is_known():
            return "; to use it, change the model of the index where it is kept"
        return f"; to change the model of the index to it: `{command('index', '--model', value)}`"
    line = TypedLine.current(typed)
    smart = () if line.has("smart") else ("--smart",)
    if code == "file-name":
        others = [term for term in line.terms if typed_glob(str(term.content)).strip("*") != value.strip("*")]
        return f". By name: `{line.with_terms(others, '--name', value, without=('names',))}`"
    if code == "places":
        return f". For one of them: `{line.with_terms(line.terms, '--place', value, without=('places',))}`"
    if code == "near" and line.has("near"):  # not in --where
        return f". To look that far: `{line.with_terms(line.terms, '--near', value, without=('near',))}`"
    if code in ("minus", "plus"):
        what = "leave it out" if code == "minus" else "make it a part of its own"
        return f". To {what}: `{line.with_terms(_meant(value, line))}`"
    if code == "negation":
        return f". To subtract it: `{line.with_terms(_meant(value, line))}`{', or add --smart' if smart else ''}"
    if code == "misspelt":
        return f" `{line.with_terms(_meant(value, line))}`"
    if code == "facts":
        return f". To find only such photos: `{line.with_terms(_meant(value, line), *smart)}`"
    if code == "keyword":  # words that --smart understood stay
        keyword = re.compile(r"(?<!\w)" + r"\s+".join(map(re.escape, value.split())) + r"(?!\w)")
        texts = [" ".join(keyword.sub(" ", str(term.content)).split()).strip(" ,;") for term in line.terms]
        rest = [replace(term, content=text) for term, text in zip(line.terms, texts, strict=True) if text]
        return f". To find only such photos: `{line.with_terms(rest, '--keyword', literal_glob(value))}`"
    return ""


def _meant(text: str, line: TypedLine) -> tuple[Term, ...]:
    """The terms of a text, and the pictures that were typed."""
    return (*parse_terms(split_words(text)), *filter(is_picture, line.terms))
