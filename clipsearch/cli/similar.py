"""`clipsearch similar`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clipsearch.cli.previews import CommandWithPreview
from clipsearch.cli.results import ResultOptions, show
from clipsearch.errors import QueryError

if TYPE_CHECKING:
    from clipsearch.types import Condition, Sort


from clipsearch.cli.query import _engine, _shared


@click.command(cls=CommandWithPreview)
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@_shared
def similar(
    images: tuple[str, ...], top_k: int, offset: int, page: int, min_score: float | None, diverse: bool, sort: Sort,
    keep_own: bool, exact: bool, filters: tuple[Condition, ...], results: ResultOptions, index_folder: str | None,
    server: str | None, store: str | None, model: str | None, device: str,
) -> None:  # fmt: skip
    """Find photos that look like an image, or like all of several. The image itself and its copies are left out.

    \b
    clipsearch similar giraffe.jpg
    clipsearch similar cat.png giraffe.jpg -k 3 --diverse
    """
    from clipsearch.types import Query, Term

    for image in images:
        if not os.path.isfile(image):
            folder = os.path.isdir(image)
            raise QueryError(f"{image} is a folder; give a picture" if folder else f"there is no file {image}")
    terms = tuple(Term(Path(image)) for image in images)
    offset += (page - 1) * top_k
    wanted = Query(terms, filters, (), min_score, None, offset, diverse, sort, keep_own, exact=exact)
    with _engine(index_folder, model, device, server, store, results) as engine:
        hits = engine.search(wanted, top_k)
        status = show(hits, results, " + ".join(images))
    click.get_current_context().exit(status)
