"""What click finds wrong with a command line, as sentences in the style of all other messages."""

from __future__ import annotations

import difflib
import math
import os
import re
from typing import Any

import click
from click.core import ParameterSource

from clipsearch._internal.arguments import either
from clipsearch._internal.commands import quoted
from clipsearch.cli.command import ARGUMENTS

_QUOTES = "'\""
_VALUE = re.compile(r"(?P<value>'.*'|\".*\"|\S+) is not (a valid|in the range|one of)", re.S)
_PATH = re.compile(r"\w+ (?P<quote>['\"])(?P<path>.*)(?P=quote) (?P<fault>does not exist|is (not )?[a-z ]+)\.", re.S)
_FAULTS = {
    "is a file": "{} is a file; give a folder",
    "is a directory": "{} is a folder; give a file",
    "is not readable": "{} may not be read: its permissions forbid it",
    "is not writable": "{} may not be written to: its permissions forbid it",
}


def explain(error: click.ClickException) -> list[str]:
    """Lines that say what is wrong, and for a wrong command line one more line: where its options are explained."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error.format_message().split("\n")
    if not isinstance(error, click.UsageError):
        name = getattr(error, "ui_filename", "")
        return [f"cannot open {name}: {error.message}" if name else error.message]
    if isinstance(error, click.MissingParameter):
        message = _missing(error)
    elif isinstance(error, click.BadParameter):
        message = f"{_name(error)}{_bad_value(error)}{_file_like(error)}"
    elif isinstance(error, click.NoSuchOption):
        message = f"there is no option {_unknown_option(error)}"
    elif isinstance(error, click.BadOptionUsage):
        message = _bad_option(error)
    else:
        message = _other(error)
    path = error.ctx.command_path if error.ctx else "clipsearch"
    return [message, f"see '{path} --help'"]


def _unknown_option(error: click.NoSuchOption) -> str:
    """The word that was typed, and what to write instead: click names only -d of -dash.jpg."""
    name = error.option_name
    words = _words(error.ctx)
    if name not in words and not name.startswith("--"):
        word = next((word for word in words if re.match("-[^-]", word) and name[1] in word[1:]), name)
        if word[:2] != name and not os.path.lexists(word):
            return f"{name} (in {word})"
        name = word
    if os.path.lexists(name):
        return f"{name}; {_written_as_file(name)}"
    return f"{name}{_nearest(name, _options(error.ctx))}"


def _file_like(error: click.BadParameter) -> str:
    """How to write the name of a file that looks like an option, such as -kitten.jpg; "" if there is no such file."""
    letters = tuple(name for name in getattr(error.param, "opts", ()) if re.fullmatch("-[^-]", name))
    words = [word for word in _words(error.ctx) if word[:2] in letters and len(word) > 2 and os.path.lexists(word)]
    return f"; {_written_as_file(words[0])}" if words else ""


def _written_as_file(word: str) -> str:
    kind = "folder" if os.path.isdir(word) else "file"
    return f"for the {kind} of that name, write {quoted(os.path.join(os.curdir, word))}"


def _words(context: click.Context | None) -> list[str]:
    """The words of a command line that may be options: those before --."""
    words = list(context.meta.get(ARGUMENTS, ())) if context else []
    return words[: words.index("--")] if "--" in words else words


def _missing(error: click.MissingParameter) -> str:
    """An argument or a required option that is not there."""
    parameter, context = error.param, error.ctx
    if parameter is None or context is None:
        return error.format_message()
    if isinstance(parameter, click.Argument):
        return f"{_placeholder(parameter)} is missing; usage: {_usage(context)}"
    what = (getattr(parameter, "help", None) or "").rstrip(".")
    return f"{'/'.join(parameter.opts)} is missing{f': {what[:1].lower()}{what[1:]}' if what else ''}"


def _placeholder(parameter: click.Parameter) -> str:
    """What --help calls an argument, such as FOLDER."""
    return (parameter.metavar or (parameter.name or "").upper()).strip("[]")


def _usage(context: click.Context) -> str:
    """A command with its arguments, without its options."""
    words = [piece for piece in context.command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    return " ".join([context.command_path, *words])


def _bad_value(error: click.BadParameter) -> str:
    """What is wrong with a value, by the type of its parameter; our own types have said it in their message."""
    kind = error.param.type if error.param else None
    if isinstance(kind, click.Path) and (fault := _PATH.fullmatch(error.message)):
        default = "there is no folder {}" if not kind.file_okay else "there is no file {}"
        return _FAULTS.get(fault["fault"], default).format(fault["path"])
    value = _VALUE.match(error.message)
    if value is None or kind is None:
        return error.message.removesuffix(".")
    text = value["value"]
    if isinstance(kind, click.Choice):
        choices = [str(choice) for choice in kind.choices]
        return f"there is no {text}{_nearest(text.strip(_QUOTES), choices) or f'; give {either(choices)}'}"
    if isinstance(kind, (click.types.IntParamType, click.types.FloatParamType)):
        return f"{text} is not {_number(kind)}{_percentage(text, kind)}"
    return error.message.removesuffix(".")


def _number(kind: click.types.IntParamType | click.types.FloatParamType) -> str:
    """A number of a type in words, such as "a whole number from 1 to 5"."""
    noun = "a whole number" if isinstance(kind, click.types.IntParamType) else "a number"
    least, most = getattr(kind, "min", None), getattr(kind, "max", None)
    if least is None and most is None:
        return noun
    if least is None:
        return f"{noun} up to {most}"
    if getattr(kind, "min_open", False):
        return f"{noun} above {least}" + ("" if most is None else f", and at most {most}")
    return f"{noun} from {least} to {most}" if most is not None else f"{noun} of at least {least}"


def _percentage(text: str, kind: Any) -> str:
    """The fraction to write for a percentage, if the type takes that."""
    try:
        share = float(text.strip(_QUOTES).removesuffix("%")) / 100 if "%" in text else math.nan
    except ValueError:
        return ""
    fits = isinstance(kind, click.FloatRange) and (kind.min or 0) <= share <= (kind.max or 0)
    return f"; write {share:g}" if fits else ""


def _bad_option(error: click.BadOptionUsage) -> str:
    """A flag that got a value, or an option without one."""
    name = error.option_name
    known = {option: parameter for parameter in _parameters(error.ctx) for option in parameter.opts}
    parameter = known.get(name)
    if isinstance(parameter, click.Option) and not parameter.is_flag and not parameter.count and error.ctx:
        return f"{name} needs a value: {name} {parameter.make_metavar(error.ctx)}"
    return f"{name} takes no value; write {name} alone"


def _other(error: click.UsageError) -> str:
    """All other faults. Our own sentences stay as they are."""
    message = error.message
    if message.startswith("Got unexpected extra argument"):
        from clipsearch.cli.suggestions import extra_arguments

        return extra_arguments(error)
    if error.ctx and isinstance(error.ctx.command, click.Group):
        if match := re.fullmatch(r"No such command (['\"])(.*)\1\.", message, re.S):
            commands = error.ctx.command.list_commands(error.ctx)
            advice = _nearest(match[2], commands) or f"; give {either(commands)}"
            return f"`{error.ctx.command_path}` has no command {match[2]!r}{advice}"
        if message == "Missing command.":
            return f"a command is missing; give {either(error.ctx.command.list_commands(error.ctx))}"
    return message


def _name(error: click.BadParameter) -> str:
    """The option, argument or variable that has a wrong value, with a colon; "" if the message names it itself."""
    parameter = error.param
    if parameter is None:
        return ""
    if error.ctx and parameter.name and error.ctx.get_parameter_source(parameter.name) is ParameterSource.ENVIRONMENT:
        return f"${parameter.envvar}: "
    if isinstance(parameter, click.Argument):
        return f"{_placeholder(parameter)}: "
    return f"{'/'.join(parameter.opts)}: "


def _parameters(context: click.Context | None) -> list[click.Parameter]:
    return context.command.get_params(context) if context else []


def _options(context: click.Context | None) -> list[str]:
    """All options of a command."""
    options = (parameter for parameter in _parameters(context) if isinstance(parameter, click.Option))
    return [name for option in options for name in (*option.opts, *option.secondary_opts)]


def _nearest(name: str, names: list[str]) -> str:
    """A question whether the most similar name was meant; "" if no name is similar."""
    bare = {known.lstrip("-"): known for known in names if len(known) > 2}  # dashes would make all options similar
    meant = difflib.get_close_matches(name.lstrip("-"), bare, 1, 0.7)
    return f"; did you mean {bare[meant[0]]}?" if meant else ""
