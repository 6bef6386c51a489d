"""`query`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clipsearch.cli.options import device_option, index_option, json_option, model_option
from clipsearch.cli.output import print_paths
from clipsearch.errors import ClipsearchError, ImageError, QueryError

if TYPE_CHECKING:
    from clipsearch.schema import Query


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="TEXT|IMAGE")
@click.option("-k", "--top-k", type=click.IntRange(1), default=10, show_default=True, help="How many photos to show.")
@index_option
@json_option
@click.option("--paths", is_flag=True, help="Print only the paths, one a line.")
@click.option("-0", "--print0", is_flag=True, help="Print only the paths, each ended by a NUL, for xargs -0.")
@model_option("The model, where it is not to be found under the name the index remembers.")
@device_option
def query(
    words: tuple[str, ...], top_k: int, index_folder: str | None, as_json: bool, paths: bool, print0: bool,
    model: str | None, device: str,
) -> None:  # fmt: skip
    """Find photos by describing them, or by an image file that they should look like.

    Prints rank, score (the cosine; higher is better) and path, best first. With - as the query, reads one from each line of
    standard input and answers as it goes: the index and the model stay open, and with --json every answer is one line.

    \b
    clipsearch query "a dog on a beach"
    clipsearch query holiday.jpg -k 5
    clipsearch query "a red car" -0 -k 20 | xargs -0 cp -t ~/cars
    clipsearch query - --json < queries.txt
    """
    from clipsearch.config import find_index, remember_index
    from clipsearch.engine import SearchEngine
    from clipsearch.render.text import hits_json, hits_table, printable

    def answer(engine: SearchEngine, text: str, wanted: Query) -> None:
        hits = engine.search(wanted, top_k)
        if as_json:
            click.echo(hits_json(text, engine.model_name or "", str(engine.index_folder), hits), nl=False)
        elif print0 or paths:
            print_paths((hit.path for hit in hits), b"\0" if print0 else b"\n")
        else:
            click.echo(hits_table(hits, os.getcwd()), nl=False)  # noqa: PTH109
        if not hits:
            click.echo(f"clipsearch: the index at {engine.index_folder} holds no photos", err=True)

    text = " ".join(words)
    if text != "-":
        wanted = _understand(text, one_word=len(words) == 1)
        with SearchEngine(find_index(index_folder), model=model, device=device) as engine:
            answer(engine, text, wanted)
            remember_index(engine.index_folder)
        return
    refused = False
    with SearchEngine(find_index(index_folder), model=model, device=device) as engine:
        remember_index(engine.index_folder)
        for line in sys.stdin.buffer:
            text = os.fsdecode(line).rstrip("\r\n")  # as arguments are read: it may be any file's name
            if not text.strip():
                continue
            if not (as_json or print0 or paths):
                click.echo(f"# {printable(text)}")
            try:
                answer(engine, text, _understand(text, one_word=" " not in text))
            except (QueryError, ImageError) as error:  # of this line; the next may be better
                refused = True
                click.echo(f"clipsearch: {error}", err=True)
            sys.stdout.flush()
    if refused:
        raise ClipsearchError("some queries could not be answered; see above")


def _understand(text: str, *, one_word: bool) -> Query:
    """An image file where there is one of that name, else words."""
    from clipsearch.images.discover import is_image_name
    from clipsearch.query import parse_query

    is_file = os.path.isfile(text)  # noqa: PTH113 - False for a very long text
    if one_word and is_image_name(Path(text).name) and not is_file:
        raise QueryError(f"there is no file {text}; to search for these words, add another one, as in 'photo {text}'")
    return parse_query(Path(text) if is_file else text)
