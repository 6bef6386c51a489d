"""`browse`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from clipsearch.cli.filters import filter_options
from clipsearch.cli.find_index import existing_index
from clipsearch.cli.options import device_option, index_option, model_option
from clipsearch.errors import ClipsearchError

if TYPE_CHECKING:
    from clipsearch.types import Condition


@click.command()
@click.option("-k", "--top-k", type=click.IntRange(1), default=50, show_default=True, help="How many photos to list.")
@click.option("--relevant", is_flag=True, help="Begin with only hits that match; r in the list changes it.")
@filter_options
@index_option
@model_option("The model, where it is not to be found under the name the index remembers.")
@device_option
def browse(
    top_k: int,
    relevant: bool,
    filters: tuple[Condition, ...],
    index_folder: str | None,
    model: str | None,
    device: str,
) -> None:
    """Search in the terminal: the photos change as you type, and the chosen one is shown beside them.

    Down and Up choose a photo, Enter goes to the list. There, Enter opens the photo, c copies its path, s looks for more like
    it, r leaves out what does not match, / goes back to the query, q quits. Esc clears the query. Needs a terminal with
    colours, and textual: pip install 'clipsearch[tui]'.

    \b
    clipsearch browse
    clipsearch browse --in ~/Photos/2024 --relevant
    """
    from clipsearch.cli.files import open_in_viewer
    from clipsearch.cli.find_index import remember_index
    from clipsearch.engine import SearchEngine
    from clipsearch.types import Query

    try:
        from clipsearch.terminal.app import BrowseApp
    except ImportError as error:
        raise ClipsearchError("browse needs textual: pip install 'clipsearch[tui]'") from error
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ClipsearchError("browse needs a terminal; in a pipe, use `clipsearch query`")
    engine = SearchEngine(existing_index(index_folder), model=model, device=device)
    remember_index(engine.index_folder)
    app = BrowseApp(engine, open_in_viewer, Query((), filters), top_k=top_k, relevant=relevant)
    app.run()
    click.get_current_context().exit(app.return_code or 0)
