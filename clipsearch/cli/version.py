"""`clipsearch version`."""

from __future__ import annotations

from clipsearch import __version__
from clipsearch.cli.command import command
from clipsearch.cli.output import say


@command()
def version() -> None:
    """The version of clipsearch."""
    say(f"clipsearch {__version__}\n")
