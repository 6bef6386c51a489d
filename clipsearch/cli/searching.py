"""`query`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from clipsearch.cli.options import device_option, index_option, json_option, model_option
from clipsearch.cli.output import print_paths


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

    Prints rank, score (the cosine; higher is better) and path, best first.

    \b
    clipsearch query "a dog on a beach"
    clipsearch query holiday.jpg -k 5
    clipsearch query "a red car" -0 -k 20 | xargs -0 cp -t ~/cars
    """
    from clipsearch.config import find_index, remember_index
    from clipsearch.engine import SearchEngine
    from clipsearch.errors import ClipsearchError
    from clipsearch.images.discover import is_image_name
    from clipsearch.query import parse_query
    from clipsearch.render.text import hits_json, hits_table

    text = " ".join(words)
    if len(words) == 1 and is_image_name(text) and not os.path.isfile(text):  # noqa: PTH113
        raise ClipsearchError(
            f"there is no file {text}; to search for these words, add another one, as in 'photo {text}'"
        )
    wanted = parse_query(Path(text) if os.path.isfile(text) else text)  # noqa: PTH113 - False for a very long text
    with SearchEngine(find_index(index_folder), model=model, device=device) as engine:
        hits = engine.search(wanted, top_k)
        remember_index(engine.index_folder)
        if as_json:
            name = engine.model_name or ""
            click.echo(hits_json(text, name, str(engine.index_folder), hits), nl=False)
        elif print0 or paths:
            print_paths((hit.path for hit in hits), b"\0" if print0 else b"\n")
        else:
            click.echo(hits_table(hits, os.getcwd()), nl=False)  # noqa: PTH109
    if not hits:
        click.echo(f"clipsearch: the index at {engine.index_folder} holds no photos", err=True)
