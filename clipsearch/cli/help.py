"""`clipsearch help`: of commands, and of topics that concern several."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clipsearch._internal import commands
from clipsearch.cli.command import argument, command
from clipsearch.cli.formatter import fitted
from clipsearch.cli.output import say
from clipsearch.cli.suggestions import closest

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

TOPICS = ("query-language", "filters", "exit-statuses", "environment")


def topic_text(name: str) -> str:
    """A topic as Markdown that reads well as plain text; the documentation includes it too."""
    return (Path(__file__).parent / "topics" / f"{name}.md").read_text("utf-8")


def _all_names(context: click.Context) -> list[str]:
    """The commands and the topics."""
    group = context.find_root().command
    return [*(group.list_commands(context) if isinstance(group, click.Group) else ()), *TOPICS]


def _complete_name(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in _all_names(context) if name.startswith(word)]


@command("help", context_settings={"ignore_unknown_options": True})
def help_(
    names: tuple[str, ...] = argument("names", nargs=-1, metavar="[COMMAND...|TOPIC]", shell_complete=_complete_name),
) -> None:
    """Show how to use a command, or explain a topic. Without a name, list all commands.

    \b
    clipsearch help query
    clipsearch help filters

    Topics: query-language, filters, exit-statuses, environment.
    """
    if names and names[0] in TOPICS:
        if len(names) > 1:
            raise click.UsageError(f"{names[0]} is a topic; give its name alone: {commands.command('help', names[0])}")
        text = topic_text(names[0]).removeprefix("# ")
        say(fitted(text, shutil.get_terminal_size().columns) if sys.stdout.isatty() else text)
        return
    inner = click.get_current_context().find_root()
    for name in names:
        group = inner.command
        subcommand = group.get_command(inner, name) if isinstance(group, click.Group) else None
        if subcommand is None and inner.parent and name in _all_names(inner):
            raise click.UsageError(
                f"`{inner.command_path}` has no command {name!r}; ask for one at a time: {commands.command('help', name)}"
            )
        if subcommand is None:
            known = group.list_commands(inner) if isinstance(group, click.Group) else []
            meant = closest(name, [*known, *TOPICS]).split()[:1]
            advice = f"{'did you mean' if meant else 'all commands'}: {commands.command('help', *meant)}"
            raise click.UsageError(f"there is no command {name!r}; {advice}")
        inner = subcommand.context_class(subcommand, info_name=name, parent=inner)
    say(f"{inner.get_help()}\n")
