"""`clipsearch similar`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import click

from clipsearch.cli.backend import Backend, backend_options
from clipsearch.cli.command import Command, PathText, argument, command
from clipsearch.cli.complete import complete_file
from clipsearch.cli.filters import filter_options
from clipsearch.cli.options import SearchOptions, search_options
from clipsearch.cli.players import note_film
from clipsearch.cli.results import ResultOptions, result_options, show
from clipsearch.conditions import Condition, typed_glob
from clipsearch.errors import QueryError
from clipsearch.images.file_types import is_image_name
from clipsearch.terms import Term


class _SimilarCommand(Command):
    """The `similar` command. It explains why it lacks the options about a match."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options and pictures."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name in ("--relevant", "--min-match"):
                message = (
                    f"only texts have a match, so `similar` has no {error.option_name}; --min-score limits the cosine"
                )
                raise click.UsageError(message, ctx) from error
            raise


def _without_file(missing: str, images: Sequence[str]) -> str:
    """What to type if a picture is not there: a search by its name, or for words; "" for another path."""
    from clipsearch.cli.typed_line import TypedLine  # only if something is wrong

    line, name = TypedLine.current(), Path(missing).name
    if is_image_name(name):
        by_name = line.with_terms((), "--name", typed_glob(name), without=("names",), name="query")
        return f"; to find indexed photos of this name: `{by_name}`"
    if " " not in missing and re.search(r"[/\\.]", missing):
        return ""
    pictures = [Term(Path(image)) for image in images if os.path.isfile(image)]
    words = " ".join(image for image in images if not os.path.isfile(image))
    return f"; to search for these words: `{line.with_terms([*pictures, Term(words)], name='query')}`"


@command(cls=_SimilarCommand)
def similar(
    images: tuple[str, ...] = argument(
        "images", nargs=-1, required=True, metavar="IMAGE...", type=PathText(), shell_complete=complete_file
    ),
    search: SearchOptions = search_options,
    filters: tuple[Condition, ...] = filter_options,
    results: ResultOptions = result_options,
    backend: Backend = backend_options,
) -> int:
    """Find photos that look like an image, or like all of several. The image itself and its copies are left out.

    \b
    clipsearch similar giraffe.jpg
    clipsearch similar cat.png giraffe.jpg -k 3 --diverse
    """
    for image in images:
        if not os.path.isfile(image):
            if image.lower().startswith(("http://", "https://")):
                from clipsearch.cli.typed_line import TypedLine, as_picture  # only if something is wrong

                terms = [Term(as_picture(picture)) for picture in images]
                by_url = TypedLine.current().with_terms(terms, "--allow-url", name="query")
                raise QueryError(f"{image} is a web address; to search by the picture there: {by_url}")
            if os.path.isdir(image):
                raise QueryError(f"{image} is a folder; give a picture")
            if os.path.exists(image):  # a device or a pipe
                raise QueryError(f"{image} is not a regular file")
            raise QueryError(f"there is no file {image}{_without_file(image, images)}")
        note_film(image)
    question = search.query(tuple(Term(Path(image)) for image in images), filters, for_people=results.is_for_people)
    with backend.opened(results) as engine:
        return show(engine.search(question, search.top_k), results, " + ".join(images))
