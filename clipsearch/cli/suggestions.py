"""Suggestions for a command line that names no command."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection, Sequence

import click

from clipsearch._internal.commands import command

_SYNONYMS = {
    "query": "search find ask look",
    "similar": "like",
    "index": "add scan update sync build create",
    "index --watch": "watch",
    "forget": "remove delete rm",
    "status": "list ls info show",
    "failures": "errors",
    "duplicates": "dedupe dups copies",
    "serve": "server web ui gui",
    "browse": "tui",
    "label": "tag classify",
    "verify": "check",
    "repair": "fix",
    "models pull": "download",
    "eval": "evaluate",
    "stats": "count",
}
OTHER_WORDS = {word: name for name, words in _SYNONYMS.items() for word in words.split()}
"""Words that a user may type for a command, and the command."""

_MINUS_WORD = re.compile(r"-(?:\d*\.?\d+:)?[^\W\d_][\w'-]+")


def unknown(arguments: Sequence[str], commands: Collection[str]) -> str:
    """The message if the first argument is not a command, and the command that was probably meant, ready to paste."""
    name, rest = arguments[0], list(arguments[1:])
    path = os.path.expanduser(name)
    looks_like_path = os.sep in name or name.startswith(("~", "."))
    if name == "clipsearch" and rest:
        return f"`clipsearch` is written twice. Did you mean: {command(*rest)}"
    meant = closest(name, commands)
    if looks_like_path or not meant:
        if os.path.isdir(path):
            return f"{name} is a folder, not a command. To index its photos: {command('index', name, *rest)}"
        if os.path.isfile(path):
            return f"{name} is a file, not a command. To find photos like it: {command('similar', name, *rest)}"
        is_sentence = " " in name and not name.startswith((os.sep, "~", "."))  # "cats / dogs"
        if looks_like_path and not is_sentence:
            return f"there is no command {name!r}, nor a file or folder of that name"
    if meant:
        return f"there is no command {name!r}. Did you mean: {command(*meant.split(), *rest)}"
    if not any(word.startswith("-") for word in arguments):  # it may be a description without quotes
        return f"there is no command {name!r}. To search for these words: {command('query', ' '.join(arguments))}"
    return f"there is no command {name!r}. To search for it: {command('query', *arguments)}"


def closest(name: str, commands: Collection[str]) -> str:
    """The command that a word probably means; "" if it resembles no command and no other word for one."""
    close = difflib.get_close_matches(name.lower(), [*commands, *OTHER_WORDS], 1, 0.7)
    return OTHER_WORDS.get(close[0], close[0]) if close else ""


def options_first(arguments: Sequence[str], commands: Collection[str]) -> str | None:
    """The command line with its options moved behind the command; None if it names no command."""
    position = next((number for number, word in enumerate(arguments) if word in commands), None)
    if position is None:
        return None
    return command(arguments[position], *arguments[position + 1 :], *arguments[:position])


def minus_word(error: click.UsageError, arguments: Sequence[str]) -> str | None:
    """The message for an unknown option such as `-people`: how a query leaves people out. None for others.

    `arguments` are those of `query`. An option of one letter may have taken the first letter: then the error is about the next.
    """
    name = next((word for word in arguments if _is_minus_word(word, error)), None)
    if name is None:
        return None
    place = arguments.index(name)
    before = (
        arguments[: place - 1] if place and arguments[place - 1] == "-" else arguments[:place]
    )  # one minus is enough
    others = [word for word in (*before, *arguments[place + 1 :]) if word != name]
    corrected = command("query", *others, "-", name[1:])
    return f"there is no option {name}. To leave {name[1:]} out, put a space after the minus: {corrected}"


def _is_minus_word(word: str, error: click.UsageError) -> bool:
    """Whether a word is a minus and a word of letters or a file, but no file itself, and an error of click is about it."""
    is_left_out = _MINUS_WORD.fullmatch(word) or (re.match("-[^-]", word) and os.path.isfile(word[1:]))
    if not is_left_out or os.path.lexists(word):
        return False
    if isinstance(error, click.NoSuchOption):
        return error.option_name in (word, *(f"-{letter}" for letter in word[1:]))
    flags = error.param.opts if isinstance(error, click.BadParameter) and error.param else ()
    return word[:2] in flags


def extra_arguments(error: click.UsageError) -> str:
    """The message if a command takes no arguments, and how to give an index or a label if that may be meant."""
    match = re.search(r"\((.*)\)", error.message, re.S)
    extra, name = match[1] if match else "", str(error.ctx.command.name) if error.ctx else ""
    message = f"`{name}` does not take {extra!r} as an argument"
    if name == "label":
        return f"{message}. Give each label with --label: {command('label', '--label', extra)}"
    if name == "browse":
        return f"{message}. Type the query there, or: {command('query', extra)}"
    takes_index = error.ctx and any(option.name == "index_folder" for option in error.ctx.command.params)
    if takes_index and os.path.isdir(extra):
        return f"{message}. To name the index of that folder: {command(name, index=extra)}"
    return message
