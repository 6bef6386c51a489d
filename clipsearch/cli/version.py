"""`clipsearch version`."""

from __future__ import annotations

import click


@click.command("version")
def version() -> None:
    """The version of clipsearch."""
    from clipsearch import __version__
    from clipsearch.cli.output import say

    say(f"clipsearch {__version__}\n")
