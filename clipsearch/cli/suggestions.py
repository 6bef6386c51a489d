"""Suggestions for a command line that names no command."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection, Sequence

import click

from clipsearch._internal.commands import command

OTHER_WORDS = {
    "search": "query", "find": "query", "ask": "query", "look": "query", "like": "similar", "add": "index", "scan": "index",
    "update": "index", "sync": "index", "build": "index", "create": "index", "watch": "index --watch", "remove": "forget",
    "delete": "forget", "rm": "forget", "list": "status", "ls": "status", "info": "status", "show": "status",
    "errors": "failures", "dedupe": "duplicates", "dups": "duplicates", "copies": "duplicates", "server": "serve",
    "web": "serve", "ui": "serve", "gui": "serve", "tui": "browse",
    "tag": "label", "classify": "label", "check": "verify", "fix": "repair",
    "download": "models pull", "evaluate": "eval", "count": "stats",
}  # fmt: skip


def unknown(arguments: Sequence[str], commands: Collection[str]) -> str:
    """The message if the first argument is not a command, with the command that was probably meant, ready to paste."""
    name, rest = arguments[0], list(arguments[1:])
    path = os.path.expanduser(name)
    looks_like_path = os.sep in name or name.startswith(("~", "."))
    if name == "clipsearch" and rest:
        return f"`clipsearch` is written twice. Did you mean: {command(*rest)}"
    other = OTHER_WORDS.get(name.lower())
    close = difflib.get_close_matches(name.lower(), [*commands, *OTHER_WORDS], 1, 0.7)
    if not other and (looks_like_path or not close):
        if os.path.isdir(path):
            return f"{name} is a folder, not a command. To index its photos: {command('index', name, *rest)}"
        if os.path.isfile(path):
            return f"{name} is a file, not a command. To find photos like it: {command('similar', name, *rest)}"
        if looks_like_path:
            return f"there is no command {name!r}, nor a file or folder of that name"
    if other or close:
        words = (other or OTHER_WORDS.get(close[0], close[0])).split()
        return f"there is no command {name!r}. Did you mean: {command(*words, *rest)}"
    if not any(word.startswith("-") for word in arguments):  # a description without quotes
        return f"there is no command {name!r}. To search for these words: {command('query', ' '.join(arguments))}"
    return f"there is no command {name!r}. To search for it: {command('query', *arguments)}"


def options_first(arguments: Sequence[str], commands: Collection[str]) -> str | None:
    """The command line with its options moved behind the command; None if it names no command."""
    position = next((number for number, word in enumerate(arguments) if word in commands), None)
    if position is None:
        return None
    return command(arguments[position], *arguments[position + 1 :], *arguments[:position])


def extra_arguments(error: click.UsageError) -> str:
    """The message if a command takes no arguments, with how to name an index or a label if that may be meant."""
    found = re.search(r"\((.*)\)", error.message, re.S)
    extra, names = found[1] if found else "", error.ctx.command.name if error.ctx else ""
    said = f"`{names}` does not take {extra!r} as an argument"
    if names == "label":
        return f"{said}. Give each label with --label: {command('label', '--label', extra)}"
    if names == "browse":
        return f"{said}. Type the query there, or: {command('query', extra)}"
    takes_index = error.ctx and any(option.name == "index_folder" for option in error.ctx.command.params)
    if takes_index and os.path.isdir(extra):
        return f"{said}. To name the index of that folder: {command(str(names), index=extra)}"
    return said
