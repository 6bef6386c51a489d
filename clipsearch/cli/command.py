"""The click classes of all commands: options under headings, -v and -q, and options whose value may be left out."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import click

from clipsearch._internal.early_interrupt import raise_again
from clipsearch.cli.formatter import Context
from clipsearch.cli.output import set_quiet

LOOK_FOR = "What to look for"
WHICH_PHOTOS = "Which photos count"
ORDER = "Order and pages"
OUTPUT = "Output"
WHERE = "Where to search"
OTHER = "Other options"
ARGUMENTS = f"{__name__}.arguments"
"""The arguments of the command that runs, as its parser gets them, in the `meta` of its context."""
_LAST = {WHERE: 1, OTHER: 2}  # other headings come before these, in the order of the options
_FEW = 12  # options that are listed without headings
_WIDEST = 30  # columns of an option's names; the text of one with longer names is below them


class Option(click.Option):
    """An option under a heading of --help. It refuses an empty value: then a variable of the shell is not set."""

    def __init__(self, *arguments: Any, heading: str = OTHER, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.heading = heading

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """The value in its type. A usage error for an empty one, and for "nan" and "inf", which limits of numbers let pass."""
        _require_filled(self, ctx, value)
        converted = super().type_cast_value(ctx, value)
        if isinstance(converted, float) and not math.isfinite(converted) and value != getattr(self, "bare", None):
            raise click.BadParameter(f"{value!r} is not a valid number", ctx, self)
        return converted

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Refuse a second value of a filter that has one. Of other options the last counts, as in other programs."""
        super().add_to_parser(parser, ctx)
        if self.heading != WHICH_PHOTOS or self.multiple or self.is_flag:
            return
        rules = {name: parser._long_opt.get(name) or parser._short_opt.get(name) for name in self.opts}
        for rule in {id(rule): rule for rule in rules.values() if rule}.values():
            rule.process = functools.partial(self._take, rule.process, ctx)

    def _take(self, process: Callable[[Any, Any], None], ctx: click.Context, value: Any, state: Any) -> None:
        if self in state.order:
            command, name = ctx.command.name, max(self.opts, key=len)
            raise click.UsageError(f"`{command}` takes one {name}, and here are several: leave out all but one", ctx)
        process(value, state)

    def get_help_extra(self, ctx: click.Context) -> Any:
        """Leave out the range of a number, which an error message tells."""
        extra = super().get_help_extra(ctx)
        extra.pop("range", None)
        return extra


class OptionalValue(Option):
    """An option whose value may be left out: then it is `bare`.

    `takes(word)` says whether the word after the option is its value. It may raise click.UsageError.
    """

    def __init__(self, *arguments: Any, bare: str, takes: Callable[[str], bool], **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.bare = bare
        self.takes = takes

    def complete(self, words: list[str]) -> list[str]:
        """The words of a command line, with the value filled in if it was left out."""
        end = words.index("--") if "--" in words else len(words)
        completed = []
        for place, word in enumerate(words[:end]):
            if word == self.opts[0] and not (place + 1 < end and self.takes(words[place + 1])):
                word = f"{word}={self.bare}"
            completed.append(word)
        return completed + words[end:]


class Once(Option):
    """An option that is given once at most. Otherwise click takes the last value, and ignores the others without a word."""

    def __init__(self, *arguments: Any, advice: str, **attributes: Any) -> None:
        super().__init__(*arguments, multiple=True, **attributes)
        self._advice = advice  # to those who give it twice

    def value_from_envvar(self, ctx: click.Context) -> Any:
        """The whole variable: a folder's name may have spaces."""
        value = self.resolve_envvar_value(ctx)
        return None if value is None else (value,)

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """The only value, or None."""
        values = super().process_value(ctx, value) or (None,)
        if len(values) > 1:
            raise click.UsageError(
                f"`{ctx.command.name}` takes one {self.opts[0]}, and here are {len(values)}. {self._advice}", ctx
            )
        return values[0]


class Argument(click.Argument):
    """An argument that refuses an empty value, as options do."""

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """The value in its type. A usage error for an empty one."""
        _require_filled(self, ctx, value)
        return super().type_cast_value(ctx, value)


def _require_filled(parameter: click.Parameter, ctx: click.Context, value: Any) -> None:
    """Raise BadParameter if a value is empty. Types with choices, and numbers, say themselves what they take."""
    if not isinstance(parameter.type, (click.types.StringParamType, click.Path)):
        return
    values = value if isinstance(value, (tuple, list)) else (value,)
    if any(isinstance(text, str) and not text.strip() for text in values):
        name = parameter.make_metavar(ctx).removesuffix("...")
        name = name[1:-1] if name.startswith("[") else name
        raise click.BadParameter(f"it is empty; give {name}, or leave it out", ctx, parameter)


class Command(click.Command):
    """A command with -v and -q, and with headings in --help if it has many options."""

    context_class = Context

    def __init__(self, *arguments: Any, headings: Mapping[str, str] | None = None, **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.params += verbosity_options()
        self._headings = headings or {}  # what this command calls the shared headings

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Fill in the values that may be left out."""
        try:
            for parameter in self.params:
                if isinstance(parameter, OptionalValue):
                    args = parameter.complete(args)
            ctx.meta[ARGUMENTS] = tuple(args)
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # click names no command if an option lacks its value
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. From here on, Ctrl-C is a KeyboardInterrupt."""
        raise_again()
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options under their headings, all in the same two columns."""
        options = [parameter for parameter in self.get_params(ctx) if isinstance(parameter, click.Option)]
        listed: list[tuple[click.Option, tuple[str, str]]] = []
        for option in options:
            names, text = option.get_help_record(ctx) or ("", "")
            if names and not text:  # it is the counterpart of the one before
                before, (others, text) = listed.pop()
                flags = others.removesuffix(f" {before.metavar}") if before.metavar else others
                listed.append((before, (f"{flags}, {names}", text)))
            elif names:
                listed.append((option, (names, text)))
        lengths = [len(names) for _, (names, _) in listed]
        width = max((length for length in lengths if length <= _WIDEST), default=_WIDEST)
        sections: dict[str, list[tuple[str, str]]] = {}
        for option, (names, text) in listed:
            heading = getattr(option, "heading", OTHER) if len(listed) > _FEW else "Options"
            sections.setdefault(heading, []).append((names.ljust(width), text))
        for heading in sorted(sections, key=lambda heading: _LAST.get(heading, 0)):
            with formatter.section(self._headings.get(heading, heading)):
                formatter.write_dl(sections[heading], width)


class FilePath(click.Path):
    """A file's or a folder's path. It may not be `-`, which other programs take for standard input or output."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        _require_name(self, value, param, ctx)
        return super().convert(value, param, ctx)


class PathText(click.types.StringParamType):
    """The same for paths that the command itself looks at: it says more about a missing one than click does."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        _require_name(self, value, param, ctx)
        return super().convert(value, param, ctx)


def _require_name(
    kind: click.ParamType[Any], value: Any, param: click.Parameter | None, ctx: click.Context | None
) -> None:
    """Raise BadParameter for the path `-`."""
    if value == "-":
        kind.fail(
            "- is neither standard input nor output here; give a name, or ./- for one that is called -", param, ctx
        )


def argument(name: str, **attributes: Any) -> Any:
    """An argument; it is the default of the parameter, or of the field of an options class, that gets its value."""
    return click.argument(name, **{"cls": Argument, **attributes})


def option(names: str, metavar: str | None = None, help: str = "", heading: str = OTHER, **attributes: Any) -> Any:
    """An option by its names, as "-k --top-k", perhaps with that of its parameter, as "--in folders".

    It is the default of the parameter, or of the field of an options class, that gets its value. Without `help`, --help lists
    it beside the option before, whose help is about both.
    """
    about = {"metavar": metavar, "help": help, "heading": heading}
    return click.option(*names.split(), **{"cls": Option, **about, **attributes})


def flag(names: str, help: str = "", heading: str = OTHER) -> Any:
    """An option without a value."""
    return option(names, help=help, heading=heading, is_flag=True)


def command(name: str | None = None, cls: type[Command] = Command, **attributes: Any) -> Callable[[Any], click.Command]:
    """Make a command of a function. Each parameter's default is its option, argument or group of options.

    The function returns the exit status; None is 0.
    """

    def decorate(function: Any) -> click.Command:
        for decorator in reversed(function.__defaults__ or ()):
            function = decorator(function)
        return click.command(name, cls=cls, **attributes)(function)

    return decorate


def verbosity_options() -> list[click.Parameter]:
    """-v and -q, which every command has and no command function gets."""
    logs = "Log to standard error; -vv logs more."
    hides = "No progress bar, notes or summary."
    return [
        Option(["-v", "--verbose"], count=True, expose_value=False, callback=_set_verbosity, help=logs),
        Option(["-q", "--quiet"], is_flag=True, expose_value=False, callback=_set_quiet, help=hides),
    ]


def grouped(name: str, options: Mapping[str, Any], make: Callable[..., Any]) -> Any:
    """Options that reach a command as one argument: the result of `make`, which takes their values by name."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def with_group(**values: Any) -> Any:
            return function(**{name: make(**{key: values.pop(key) for key in options})}, **values)

        for decorator in reversed([*options.values()]):
            with_group = decorator(with_group)
        return with_group

    return decorate


def gathered(name: str, kind: type[Any]) -> Any:
    """The options that are the defaults of a dataclass's fields, as one argument of that class."""
    return grouped(name, {field.name: field.default for field in fields(kind)}, kind)


def _set_verbosity(context: click.Context, _: click.Parameter, count: int) -> None:
    if count:
        from clipsearch.cli.logs import log_more

        log_more(count)


def _set_quiet(context: click.Context, _: click.Parameter, quiet: bool) -> None:
    if quiet:
        set_quiet(True)
        context.call_on_close(lambda: set_quiet(False))
