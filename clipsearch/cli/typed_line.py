"""The command line that the user typed, with other words: for messages that propose it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from clipsearch._internal.commands import command
from clipsearch.cli.command import ARGUMENTS, OptionalValue
from clipsearch.query.language import parse_terms, part_text, shell_words, split_words
from clipsearch.terms import Term

_ABOUT_TEXTS = frozenset(
    ("diverse", "ensemble", "hybrid", "min_match", "min_score", "prompts", "relevant", "right", "smart", "wrong")
)
"""Options that a list of photos, without anything to look for, refuses or has no use for."""
_SIGNS = {"likes": "+", "unlikes": "-"}  # of options that are parts of the query


class TypedLine:
    """What was typed after the command that runs: its options in their order, and its words as terms.

    `line` is the query if it was read from standard input.
    """

    def __init__(self, context: click.Context, line: str = "") -> None:
        self._name = str(context.command.name)
        parser = context.command.make_parser(context)
        self._values, _, order = parser.parse_args(list(context.meta[ARGUMENTS]))
        self._options = [option for option in dict.fromkeys(order) if isinstance(option, click.Option)]
        words: list[str] = []
        for parameter in context.command.params:
            if isinstance(parameter, click.Argument):
                words += context.params[str(parameter.name)]
        if words == ["-"]:
            words = [line] if os.path.isfile(line) else split_words(line)
        for name, sign in _SIGNS.items():
            words += [word for part in self._values.get(name, ()) for word in (sign, part)]
        self.terms = parse_terms(shell_words(words, os.path.isfile), as_picture) if words else ()

    @classmethod
    def current(cls, line: str = "") -> TypedLine:
        """The line of the command that is running."""
        return cls(click.get_current_context(), line)

    def has(self, parameter: str) -> bool:
        """Whether an option was typed, by the name of its parameter."""
        return parameter in self._values

    def without(self, text: str) -> list[Term]:
        """Its terms other than a text."""
        return [term for term in self.terms if term.content != text]

    def with_terms(
        self, terms: Sequence[Term], *more: str, without: Collection[str] = (), name: str | None = None
    ) -> str:
        """The command with other terms, and with `more` options; perhaps with another `name`.

        The parameters `without` lose what was typed.
        """
        words = list(_words(terms))
        left_out = {*without, *_SIGNS, *(() if words else _ABOUT_TEXTS)}
        options = [option for option in self._options if option.name not in left_out]
        typed = [word for option in options for word in _typed(option, self._values[str(option.name)])]
        if any(word.startswith("-") and word != "-" for word in words):
            return command(name or self._name, *typed, *more, "--", *words)
        return command(name or self._name, *words, *typed, *more)


def as_picture(text: str) -> str | Path:
    """The file that a text names, or the text."""
    return Path(text) if os.path.isfile(text) else text


def is_picture(term: Term) -> bool:
    """Whether a term is a file or a web address."""
    return not isinstance(term.content, str) or term.content.lower().startswith(("http://", "https://"))


def _typed(option: click.Option, value: Any) -> Iterable[str]:
    """An option with what the parser found for it, as arguments."""
    name = option.opts[0]
    if option.is_flag or option.count:
        return [name] * (value if option.count else 1)
    if isinstance(option, OptionalValue) and value == option.bare:
        return [name]
    return [word for given in (value if option.multiple else [value]) for word in (name, given)]


def _words(terms: Sequence[Term]) -> Iterator[str]:
    """Terms as arguments: each with its sign, but for a plus at the start."""
    for place, term in enumerate(terms):
        if place or term.weight < 0:
            yield "-" if term.weight < 0 else "+"
        yield part_text(term, str(term.content))
