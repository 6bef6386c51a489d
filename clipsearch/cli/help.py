"""`clipsearch help`."""

from __future__ import annotations

import difflib

import click

from clipsearch._internal.commands import command
from clipsearch.cli.suggestions import _OTHER_WORDS


@click.command("help", context_settings={"ignore_unknown_options": True})
@click.argument("names", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def help_(context: click.Context, names: tuple[str, ...]) -> None:
    """Show what a command does and how to use it; without a name, list all commands."""
    from clipsearch.cli.output import say

    inner = context.find_root()
    for name in names:
        group = inner.command
        found = group.get_command(inner, name) if isinstance(group, click.Group) else None
        if found is None:
            known = group.list_commands(inner) if isinstance(group, click.Group) else []
            close = difflib.get_close_matches(name.lower(), known, 1, 0.7)
            other = [_OTHER_WORDS[name.lower()].split()[0]] if name.lower() in _OTHER_WORDS else close
            advice = f"did you mean: {command('help', *other)}" if other else f"all commands: {command('help')}"
            raise click.UsageError(f"there is no command {name!r}; {advice}")
        inner = click.Context(found, info_name=name, parent=inner)
    say(f"{inner.get_help()}\n")
