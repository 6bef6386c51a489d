"""`clipsearch browse`."""

from __future__ import annotations

import os
import sys

from clipsearch.cli.choose_index import open_engine
from clipsearch.cli.command import WHICH_PHOTOS, command, flag
from clipsearch.cli.filters import filter_options
from clipsearch.cli.find_index import remember_index
from clipsearch.cli.options import count_option, device_option, index_option, model_option
from clipsearch.cli.output import is_utf8
from clipsearch.cli.players import open_photo
from clipsearch.conditions import Condition
from clipsearch.errors import ClipsearchError, QueryError
from clipsearch.terms import Query


@command()
def browse(
    top_k: int = count_option("-k --top-k", 50, "How many photos to list.", WHICH_PHOTOS),
    relevant: bool = flag("--relevant", "Start with only photos that match; r in the list changes it.", WHICH_PHOTOS),
    every_file: bool = flag("--every-file", "Start with every file of a shot; f in the list changes it.", WHICH_PHOTOS),
    all_moments: bool = flag(
        "--all-moments", "Start with every moment of a film, every page; a in the list changes it.", WHICH_PHOTOS
    ),
    filters: tuple[Condition, ...] = filter_options,
    index_folder: str | None = index_option,
    model: str | None = model_option(),
    device: str = device_option,
) -> int:
    """Search in the terminal: the photos change as you type, and the chosen one is shown beside them.

    \b
    clipsearch browse
    clipsearch browse --in ~/Photos/2024 --relevant

    Down and Up choose a photo, and Enter goes to the list. In the list, Enter opens the photo, c copies its path, s looks for
    similar photos, + and - mark a photo right or wrong and search again, u takes the last mark back, r hides photos that do
    not match, f shows every file of a shot, a every moment of a film, / goes back to the query, and q quits. Esc clears the
    query. Needs a terminal with colours.
    """
    if os.environ.get("TERM") == "dumb" and sys.stdout.isatty():
        raise QueryError("browse needs a terminal that can move its cursor, and TERM is dumb; use `clipsearch query`")
    try:
        from clipsearch.terminal.app import BrowseApp
    except ImportError as error:
        raise ClipsearchError("browse needs textual: pip install 'clipsearch[tui]'") from error
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise QueryError("browse needs a terminal; in a pipe, use `clipsearch query`")
    if not is_utf8(sys.stdout):  # frames and blocks would be escapes
        raise QueryError(
            f"browse needs a terminal in UTF-8, and this one is in {sys.stdout.encoding}; use `clipsearch query`"
        )
    engine = open_engine(index_folder, model=model, device=device)
    remember_index(engine.index_folder)
    app = BrowseApp(
        engine,
        open_photo,
        Query((), filters),
        top_k=top_k,
        relevant=relevant,
        every_file=every_file,
        all_moments=all_moments,
    )
    app.run()
    return app.return_code or 0
