"""`clipsearch export`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import click

from clipsearch.cli.choose_index import existing_index
from clipsearch.cli.command import OUTPUT, WHICH_PHOTOS, command, gathered, setting
from clipsearch.cli.options import complete_folder, index_option, json_option
from clipsearch.cli.output import ProgressBar, is_quiet, print_json, say


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Which photos are written, and how."""

    file_format: Literal["npy", "parquet", "csv", "jsonl"] | None = setting(
        "--format",
        "file_format",
        type=click.Choice(["npy", "parquet", "csv", "jsonl"]),
        metavar="NAME",
        heading=OUTPUT,
        help="npy, parquet, csv or jsonl. Default: by OUT's ending.",
    )
    folder: str | None = setting(
        "--in",
        "folder",
        metavar="FOLDER",
        heading=WHICH_PHOTOS,
        shell_complete=complete_folder,
        help="Only below this folder.",
    )
    where: str | None = setting(
        "--where", metavar="EXPR", heading=WHICH_PHOTOS, help="Only if this is true, such as 'taken >= 2024'."
    )
    relative: bool = setting(
        "--relative", is_flag=True, heading=OUTPUT, help="Write paths relative to --in, for another machine."
    )
    embeddings: bool = setting(
        "--embeddings", is_flag=True, heading=OUTPUT, help="With csv: also a column of embeddings, as JSON lists."
    )
    force: bool = setting("--force", is_flag=True, heading=OUTPUT, help="Replace files that exist.")


@command()
@click.argument("out", type=click.Path(dir_okay=False))
@gathered("options", ExportOptions)
@index_option
@json_option
def export(out: str, options: ExportOptions, index_folder: str | None, as_json: bool) -> None:
    """Write the photos' embeddings to a file, for notebooks and other tools.

    \b
    clipsearch export photos.npy
    clipsearch export photos.parquet --in ~/Photos/2024
    clipsearch export recent.jsonl --where 'taken >= 2024'
    clipsearch export laptop.npy --in ~/Photos --relative     # there: clipsearch import laptop.npy --in FOLDER

    npy writes OUT.npy, float32 (photos, values), and OUT.jsonl with a line for each of its rows. parquet (which needs pyarrow:
    pip install 'clipsearch[parquet]') and jsonl have both in one file. csv has only the facts about the photos, unless
    --embeddings is given. All name the model and its digest, so that an import can refuse embeddings of another model. The
    embeddings are those that are searched, of length 1, bit by bit. The file appears when it is complete.
    """
    from clipsearch.engine import SearchEngine
    from clipsearch.indexing.roots import absolute
    from clipsearch.query.filters import in_folder, parse_where
    from clipsearch.render.text import counted, human_bytes, printable
    from clipsearch.types import all_of

    if options.relative and options.folder is None:
        raise click.UsageError("--relative needs --in FOLDER, the folder that the paths are to be relative to")
    if options.embeddings and not (options.file_format == "csv" or out.lower().endswith(".csv")):
        raise click.UsageError("--embeddings is for csv; the other formats always have them")
    conditions = [in_folder(options.folder)] if options.folder is not None else []
    conditions += [parse_where(options.where)] if options.where else []
    with SearchEngine(existing_index(index_folder)) as engine, ProgressBar() as bar:
        report = engine.export(
            out,
            format=options.file_format,
            condition=all_of(conditions),
            relative_to=absolute(options.folder) if options.relative and options.folder is not None else None,
            embeddings=options.embeddings,
            force=options.force,
            progress=bar.show,
        )
    if as_json:
        value = {"files": list(report.files), "format": report.format, "images": report.images, "bytes": report.bytes}
        print_json({"index": str(engine.index_folder), **value, "fingerprint": asdict(report.fingerprint)})
    elif not is_quiet():
        about = f"{human_bytes(report.bytes)}, model {printable(report.fingerprint.model)}"
        say(f"wrote {counted(report.images, 'photo')} ({about}) to {printable(' and '.join(report.files))}\n")
