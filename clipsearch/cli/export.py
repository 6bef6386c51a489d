"""`clipsearch export`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from clipsearch.cli.find_index import existing_index
from clipsearch.cli.options import index_option, json_option
from clipsearch.cli.output import ProgressBar, print_json, say

if TYPE_CHECKING:
    from clipsearch.transfer.fields import Format


@click.command("export")
@click.argument("out", type=click.Path(dir_okay=False))
@click.option(
    "--format", "file_format", type=click.Choice(["npy", "parquet", "csv", "jsonl"]), help="Default: by OUT's ending."
)
@click.option("--in", "folder", metavar="FOLDER", help="Only below this folder.")
@click.option("--where", metavar="EXPR", help="Only where this holds, as in 'taken >= 2024 and width > 2000'.")
@click.option("--relative", is_flag=True, help="Write paths relative to the --in folder, for use on another machine.")
@click.option("--embeddings", is_flag=True, help="With csv: a column of embeddings too, as JSON lists.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar and no summary.")
@index_option
@json_option
def export(
    out: str, file_format: Format | None, folder: str | None, where: str | None, relative: bool, embeddings: bool,
    force: bool, quiet: bool, index_folder: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Write the photos' embeddings to a file, for notebooks and other tools.

    npy writes OUT.npy, float32 (photos, values), and OUT.jsonl with a line for each of its rows; parquet (it needs pyarrow: pip
    install 'clipsearch[parquet]') and jsonl have both in one file; csv has only what is known of the photos, unless
    --embeddings. All name the model and its digest, so that an import can refuse embeddings of another. The embeddings are
    those that are searched, of length 1, bit by bit. The file appears when it is whole.

    \b
    clipsearch export photos.npy
    clipsearch export photos.parquet --in ~/Photos/2024
    clipsearch export recent.jsonl --where 'taken >= 2024'
    clipsearch export laptop.npy --in ~/Photos --relative     # there: clipsearch import laptop.npy --in FOLDER
    """
    from clipsearch.engine import SearchEngine
    from clipsearch.query.filters import in_folder, parse_where
    from clipsearch.render.text import human_bytes, printable

    if relative and folder is None:
        raise click.UsageError("--relative needs --in FOLDER, the folder that the paths are to be relative to")
    if embeddings and not (file_format == "csv" or out.lower().endswith(".csv")):
        raise click.UsageError("--embeddings is for csv; the other formats have them anyway")
    from clipsearch.types import all_of

    conditions = [in_folder(folder)] if folder is not None else []
    conditions += [parse_where(where)] if where else []
    with SearchEngine(existing_index(index_folder)) as engine, ProgressBar(quiet) as bar:
        report = engine.export(
            out,
            format=file_format,
            condition=all_of(conditions),
            relative_to=_absolute(folder) if relative and folder is not None else None,
            embeddings=embeddings,
            force=force,
            progress=bar.count,
        )
    if as_json:
        model = asdict(report.fingerprint)
        value = {"files": list(report.files), "format": report.format, "images": report.images, "bytes": report.bytes}
        print_json({"index": str(engine.index_folder), **value, "fingerprint": model})
    elif not quiet:
        model_name, files = printable(report.fingerprint.model), printable(" and ".join(report.files))
        say(f"wrote {report.images:,} photos ({human_bytes(report.bytes)}, model {model_name}) to {files}\n")


def _absolute(folder: str) -> str:
    from clipsearch.indexing.roots import absolute

    return absolute(folder)
