"""Who answers: the index of this machine, a running `clipsearch serve`, or a vector database."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    pass


import os
from typing import TYPE_CHECKING

from clipsearch.errors import ClipsearchError

if TYPE_CHECKING:
    from clipsearch.cli.results import ResultOptions
    from clipsearch.client import Client


_F = TypeVar("_F", bound=Callable[..., Any])
URL = "milvus://HOST:PORT/COLLECTION"


def store_option(what: str, *, required: bool = False, variable: bool = True) -> Callable[[_F], _F]:
    """--store, or with `variable` also CLIPSEARCH_STORE, saying what it does here."""
    return click.option(
        "--store",
        envvar="CLIPSEARCH_STORE" if variable else None,
        metavar="URL",
        required=required,
        help=f"{what} {URL}, milvuss:// where it is encrypted, milvus+lite:FOLDER/COLLECTION on this machine. "
        f"{'$CLIPSEARCH_STORE; its' if variable else 'Its'} token is taken from $CLIPSEARCH_STORE_TOKEN.",
    )


def store_to_ask(store: str | None) -> str | None:
    """The store that is to answer; None where this machine's index is: --index wins over $CLIPSEARCH_STORE.

    UsageError for flags that make no sense together.
    """
    if store is None:
        return None
    context = click.get_current_context()
    given = [
        flag
        for name, flag in (("index_folder", "--index"), ("server", "--server"))
        if context.params.get(name) is not None and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if given and context.get_parameter_source("store") is not ParameterSource.COMMANDLINE:
        return None
    if given:
        raise click.UsageError(f"--store and {' and '.join(given)} exclude each other; choose who is to answer")
    return store


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
