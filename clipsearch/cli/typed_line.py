"""The command line that the user typed, with other words: for messages that propose it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import click

from clipsearch._internal.commands import command
from clipsearch.cli.command import ARGUMENTS, OptionalValue
from clipsearch.query.language import shell_words, split_words

_ABOUT_TEXTS = frozenset(
    ("diverse", "ensemble", "hybrid", "min_match", "min_score", "prompts", "relevant", "right", "smart", "wrong")
)
"""Options that a list of photos, without anything to look for, refuses or has no use for."""
_PARTS = {"likes": "+", "unlikes": "-"}


@dataclass(frozen=True, slots=True)
class TypedPart:
    """A part of a query as typed: its sign, "" if the first has none, and its arguments."""

    sign: str
    words: tuple[str, ...]

    @property
    def text(self) -> str:
        """Its words, with their weight."""
        return " ".join(self.words)

    @property
    def is_picture(self) -> bool:
        """Whether it is a file or a web address, perhaps with a weight."""
        name = self.text
        names = (name, name.partition(":")[2])
        return any(os.path.isfile(name) or name.lower().startswith(("http://", "https://")) for name in names)


class TypedLine:
    """The arguments of the command that runs: its options with their values, and the parts of its query.

    `line` is the query if it was read from standard input.
    """

    def __init__(self, name: str, parameters: Sequence[click.Parameter], arguments: Sequence[str], line: str) -> None:
        self._name = name
        self._typed = list(_split(parameters, arguments))
        words = [word for option, given in self._typed if option is None for word in given]
        if words == ["-"]:
            words = [line] if os.path.isfile(line) else split_words(line)
        for option, given in self._typed:
            if option is not None and option.name in _PARTS:
                value = given[-1].partition("=")[2] if len(given) == 1 else given[-1]
                words += [_PARTS[option.name], value]
        self.words = tuple(words)
        self.parts = tuple(_parts(shell_words(words, os.path.isfile)))

    @classmethod
    def current(cls, line: str = "") -> TypedLine:
        """The line of the command that is running."""
        context = click.get_current_context()
        name = str(context.command.name)
        return cls(name, context.command.params, context.meta.get(ARGUMENTS, ()), line)

    def has(self, parameter: str) -> bool:
        """Whether an option was typed, by the name of its parameter."""
        return any(option is not None and option.name == parameter for option, _ in self._typed)

    def without(self, text: str) -> list[TypedPart]:
        """Its parts other than those that are a text, perhaps with a weight."""
        return [part for part in self.parts if text not in (part.text, part.text.partition(":")[2])]

    def with_parts(self, parts: Sequence[TypedPart], *more: str, without: Collection[str] = ()) -> str:
        """The command with other parts, and with more options; the parameters `without` lose what was typed."""
        words = [word for part in parts for word in (part.sign or "+", part.text)]
        return self.with_words(words[words[:1] == ["+"] :], *more, without=without)

    def with_words(
        self, words: Sequence[str], *more: str, without: Collection[str] = (), name: str | None = None
    ) -> str:
        """The command with other words, which stand where the first of the typed ones stood; perhaps with another `name`."""
        left_out = {*without, *_PARTS, *(() if words else _ABOUT_TEXTS)}
        needs_end = any(word.startswith("-") and word != "-" and not word.startswith("- ") for word in words)
        pending = [] if needs_end else [*words]
        line: list[str] = []
        at = next((place for place, (option, _) in enumerate(self._typed) if option is None), None)
        if at is None:
            line, pending = [*pending], []
        for place, (option, given) in enumerate(self._typed):
            if place == at:
                line += pending
            elif option is not None and option.name not in left_out:
                line += given
        return command(name or self._name, *line, *more, *(["--", *words] if needs_end else []))


def _split(
    parameters: Sequence[click.Parameter], arguments: Sequence[str]
) -> Iterator[tuple[click.Option | None, list[str]]]:
    """Each option with its value as typed, and each other argument alone, with None."""
    options = {name: option for option in parameters if isinstance(option, click.Option) for name in option.opts}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            yield from ((None, [other]) for other in rest)
            return
        if word == "-" or not word.startswith("-"):
            yield None, [word]
        elif word.startswith("--"):
            option = options.get(word.partition("=")[0])
            takes = option is not None and "=" not in word and _takes_value(option, rest)
            if option is not None:
                yield option, [word, rest.pop(0)] if takes else [word]
        else:
            yield from _letters(options, word, rest)


def _letters(
    options: dict[str, click.Option], word: str, rest: list[str]
) -> Iterator[tuple[click.Option | None, list[str]]]:
    """The options of one letter in a word such as `-0k5`."""
    for place, letter in enumerate(word[1:], 2):
        option = options.get(f"-{letter}")
        if option is None:
            return
        if not _takes_value(option, ["value"]):
            yield option, [f"-{letter}"]
            continue
        value = [word[place:]] if word[place:] else rest[:1]
        del rest[: 0 if word[place:] else 1]
        yield option, [f"-{letter}{value[0]}"] if word[place:] else [f"-{letter}", *value]
        return


def _takes_value(option: click.Option, rest: Sequence[str]) -> bool:
    """Whether the next argument is the value of an option."""
    if isinstance(option, OptionalValue):
        return bool(rest) and option.takes(rest[0])
    return bool(rest) and not (option.is_flag or option.count)


def _parts(words: Sequence[str]) -> Iterator[TypedPart]:
    sign, given = "", list[str]()
    for word in [*words, "+"]:
        if word not in ("+", "-"):
            given.append(word)
            continue
        if given:
            yield TypedPart(sign, tuple(given))
        sign, given = word, []
