"""`--server`: a running `clipsearch serve` answers, in place of the index of this machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from clipsearch.errors import ClipsearchError

if TYPE_CHECKING:
    from clipsearch.cli.results import ResultOptions
    from clipsearch.client import Client

_OF_THIS_MACHINE = {"index_folder": "--index", "model": "--model", "device": "--device"}
_NEED_FILES = {
    "open": "--open",
    "copy_to": "--copy-to",
    "link_to": "--link-to",
    "contact_sheet": "--contact-sheet",
    "html": "--html",
    "preview": "--preview",
}


def server_option(command: Any) -> Any:
    """--server, or CLIPSEARCH_SERVER; the command gets it as `server`, to be given to `server_to_ask`."""
    return click.option(
        "--server",
        envvar="CLIPSEARCH_SERVER",
        metavar="URL",
        help="Ask a running `clipsearch serve` there instead of opening the index. $CLIPSEARCH_SERVER; its token is taken from "
        "$CLIPSEARCH_TOKEN.",
    )(command)


def server_to_ask(server: str | None, results: ResultOptions | None = None) -> Client | None:
    """A client of the server that was chosen; None where this machine's own index is to answer.

    Flags for the index win over $CLIPSEARCH_SERVER. UsageError for flags that make no sense for a server.
    """
    if server is None:
        return None
    context = click.get_current_context()
    given = [
        flag
        for name, flag in _OF_THIS_MACHINE.items()
        if context.params.get(name) is not None and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if given and context.get_parameter_source("server") is not ParameterSource.COMMANDLINE:
        return None
    if given:
        raise click.UsageError(f"{' and '.join(given)} cannot be chosen for a server, which has its index and model")
    from clipsearch.client import Client

    client = Client(server, os.environ.get("CLIPSEARCH_TOKEN"))
    wanted = [flag for name, flag in _NEED_FILES.items() if results and getattr(results, name)]
    if wanted and not client.is_local:
        raise ClipsearchError(f"{' and '.join(wanted)} cannot be done here: the photos are on the server's machine")
    return client
