"""Who answers: the index of this machine, a running `clipsearch serve`, or a vector database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from clipsearch.cli.choose_index import open_engine
from clipsearch.cli.command import WHERE, gathered, option
from clipsearch.cli.find_index import remember_index
from clipsearch.cli.options import device_option, indexes_option, model_option, text_model_option
from clipsearch.cli.output import remark
from clipsearch.errors import ClipsearchError, ModelError, ModelMismatch

if TYPE_CHECKING:
    from clipsearch.cli.results import ResultOptions
    from clipsearch.client import Client
    from clipsearch.engine import SearchEngine

_NEED_FILES = ("open", "copy_to", "link_to", "contact_sheet", "html", "preview")

server_option = option(
    "--server",
    "URL",
    "Ask `clipsearch serve`; token: $CLIPSEARCH_TOKEN.",
    WHERE,
    envvar="CLIPSEARCH_SERVER",
)


def store_option(text: str, *, required: bool = False, variable: bool = True) -> Any:
    """--store, and what it does. With `variable`, CLIPSEARCH_STORE may name it too."""
    return option(
        "--store",
        "URL",
        f"{text} milvus://HOST:PORT/NAME.",
        WHERE,
        envvar="CLIPSEARCH_STORE" if variable else None,
        required=required,
    )


@dataclass(frozen=True, slots=True)
class Backend:
    """The options that choose who answers."""

    index_folders: tuple[str, ...] = indexes_option
    server: str | None = server_option
    store: str | None = store_option("Ask a vector database:")
    model: str | None = model_option()
    text_model: str | None = text_model_option
    device: str = device_option

    @contextmanager
    def opened(self, results: ResultOptions) -> Iterator[SearchEngine | Client]:
        """The store, the server, or the index of this machine, to be searched."""
        encoder: dict[str, Any] = {"model": self.model, "device": self.device, "text_model": self.text_model}
        if address := store_to_ask(self.store):
            from clipsearch.engine import SearchEngine

            with SearchEngine(store=address, **encoder) as engine:
                yield engine
        elif client := server_to_ask(self.server, results):
            with client:
                yield client
        else:
            with open_engine(*self.index_folders or (None,), **encoder) as engine:
                if self.text_model is not None:
                    _remember_text_model(engine)
                yield engine
                if len(self.index_folders) < 2:
                    remember_index(engine.index_folder)


backend_options = gathered("backend", Backend)


def _remember_text_model(engine: SearchEngine) -> None:
    """Have the index remember a text model. If it cannot be written to, only this query uses the model, and a note says so."""
    try:
        engine.remember_text_model()
    except (ModelError, ModelMismatch):
        raise
    except ClipsearchError as error:
        remark(f"note: the index does not remember the text model: {error}")


def store_to_ask(store: str | None) -> str | None:
    """The store that is to answer; None if it is this machine's index: --index wins over $CLIPSEARCH_STORE.

    UsageError for options that exclude each other.
    """
    if store is None:
        return None
    others = _on_command_line("index_folders", "server")
    if others and _on_command_line("store"):
        raise click.UsageError(f"--store and {' and '.join(others)} exclude each other; choose who is to answer")
    return None if others else store


def server_to_ask(server: str | None, results: ResultOptions | None = None) -> Client | None:
    """A client of the server that is to answer; None if it is this machine's index.

    Options for the index win over $CLIPSEARCH_SERVER. UsageError for options that make no sense for a server.
    """
    if server is None:
        return None
    if others := _on_command_line("index_folders", "model", "text_model", "device"):
        if _on_command_line("server"):
            raise click.UsageError(
                f"{' and '.join(others)} cannot be chosen for a server, which has its index and model"
            )
        return None
    from clipsearch.client import Client

    client = Client(server, os.environ.get("CLIPSEARCH_TOKEN"))
    need_files = [_flag(name) for name in _NEED_FILES if results and getattr(results, name)]
    if need_files and not client.is_local:
        raise click.UsageError(
            f"{' and '.join(need_files)} cannot be done here: the photos are on the server's machine"
        )
    return client


def _on_command_line(*names: str) -> list[str]:
    """The flags of those parameters that were typed; the environment and defaults do not count."""
    context = click.get_current_context()
    return [_flag(name) for name in names if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]


def _flag(name: str) -> str:
    return f"--{name.removesuffix('_folders').replace('_', '-')}"
