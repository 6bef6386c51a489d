"""`mcp`."""

from __future__ import annotations

import click

from clipsearch.cli.find_index import existing_index
from clipsearch.cli.options import device_option, index_option, model_option
from clipsearch.errors import ClipsearchError


@click.command()
@index_option
@model_option("The model, where it is not to be found under the name the index remembers.")
@device_option
def mcp(index_folder: str | None, model: str | None, device: str) -> None:
    """Let an assistant search: the Model Context Protocol on standard input and output.

    It is started by the assistant's program, which is told this command in its settings. It reads, and never changes, the
    index and the photos. What the assistant sees of them, its program may send to wherever it runs.

    \b
    clipsearch mcp --index ~/Photos
    """
    try:
        from clipsearch.mcp_server.tools import Assistant
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("mcp", "mcp_types", "pydantic"):
            raise
        raise ClipsearchError("`clipsearch mcp` needs the protocol's library: pip install 'clipsearch[mcp]'") from error
    from clipsearch.engine import SearchEngine

    folder = existing_index(index_folder)
    Assistant(lambda: SearchEngine(folder, model=model, device=device)).serve()
