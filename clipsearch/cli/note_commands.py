"""What `query` and `similar` print of a note on a query: its message, and the typed command with the words that were meant."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from clipsearch._internal.commands import command
from clipsearch.cli.typed_line import TypedLine, is_picture
from clipsearch.query.hits import QueryNote
from clipsearch.query.language import parse_terms, split_words, terms_text
from clipsearch.types import Query, Term, literal_glob

_WORD = re.compile(r"\w+")


def note_text(about: QueryNote, query: Query, typed: str) -> str:
    """A note on a query that was searched, with the command that may have been meant; `typed` is the query as typed."""
    advice = _advice(about.code, about.value, query, typed) if about.value else ""
    return about.message + advice


def _advice(code: str, value: str, query: Query, typed: str) -> str:
    if code == "unread":
        return f"; to change the model of the index to it: `{command('index', '--model', value)}`"
    line = TypedLine.current(typed)
    smart = () if line.has("smart") else ("--smart",)
    if code == "file-name":
        others = [term for term in line.terms if literal_glob(str(term.content)) != value.strip("*")]
        return f". By name: `{line.with_terms(others, '--name', value, without=('names',))}`"
    if code == "places":
        return f". For one of them: `{line.with_terms(line.terms, '--place', value, without=('places',))}`"
    if code in ("minus", "plus"):
        what = "leave it out" if code == "minus" else "make it a part of its own"
        terms = _apart(line.terms, value, code)
        return f". To {what}: `{line.with_terms(terms)}`" if terms else ""
    if code == "negation":
        return f". To subtract it: `{line.with_terms(_meant(value, line))}`{', or add --smart' if smart else ''}"
    if code == "misspelt":
        return f" `{line.with_terms(_corrected(line.terms, query, value) or _meant(value, line))}`"
    if code == "facts":
        terms = _meant(value, line) if len(query.terms) == 1 else line.terms
        return f". To find them: `{line.with_terms(terms, *smart)}`"
    if code == "keyword":  # words that --smart understood stay
        words = r"\s+".join(map(re.escape, value.split()))
        rest = _edited(line.terms, lambda text: re.sub(rf"(?<!\w){words}(?!\w)", " ", text))
        return f". To find them: `{line.with_terms(rest, '--keyword', literal_glob(value))}`"
    return ""


def _meant(text: str, line: TypedLine) -> tuple[Term, ...]:
    """The terms of a text, and the pictures that were typed."""
    return (*parse_terms(split_words(text)), *filter(is_picture, line.terms))


def _edited(terms: tuple[Term, ...], edit: Callable[[str], str]) -> tuple[Term, ...]:
    """Terms with edited texts, without those of which nothing is left."""
    texts = [" ".join(edit(term.content).split()) if isinstance(term.content, str) else term.content for term in terms]
    return tuple(replace(term, content=text) for term, text in zip(terms, texts, strict=True) if text)


def _apart(terms: tuple[Term, ...], meant: str, code: str) -> tuple[Term, ...]:
    """Terms with a word that had a sign as a part of its own; none if no text that is looked for has it."""
    sign = "-" if code == "minus" else "+"
    word = meant.rpartition(f" {sign} ")[2]
    signed = re.compile(rf"(?<!\S)[+\u2212\u2013\u2014-]\s*{re.escape(word)}(?!\w)")
    for place, term in enumerate(terms):
        if isinstance(term.content, str) and term.weight > 0 and signed.search(term.content):
            rest = _edited((term,), lambda text: signed.sub(" ", text, count=1))
            return (*terms[:place], *rest, Term(word, -1 if sign == "-" else 1), *terms[place + 1 :])
    return ()


def _corrected(terms: tuple[Term, ...], query: Query, meant: str) -> tuple[Term, ...]:
    """Terms with the words that were meant; none if other terms were searched, those of an earlier line."""
    changes = dict(zip(_WORD.findall(terms_text(query.terms)), _WORD.findall(meant), strict=False))
    corrected = _edited(terms, lambda text: _WORD.sub(lambda word: changes.get(word[0], word[0]), text))
    return corrected if corrected != terms else ()
