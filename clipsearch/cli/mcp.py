"""`clipsearch mcp`."""

from __future__ import annotations

from clipsearch.cli.choose_index import existing_index
from clipsearch.cli.command import command
from clipsearch.cli.options import device_option, index_option, model_option
from clipsearch.errors import ClipsearchError


@command()
def mcp(
    index_folder: str | None = index_option, model: str | None = model_option(), device: str = device_option
) -> None:
    """Let an assistant search: the Model Context Protocol on standard input and output.

    \b
    clipsearch mcp --index ~/Photos

    Put this command into the settings of the assistant's program, which starts it. It only reads the index and the photos.
    The assistant's program may send what it reads to wherever the assistant runs.
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
