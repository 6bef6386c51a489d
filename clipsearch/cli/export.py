"""`clipsearch export`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

import click

from clipsearch.cli.choose_index import open_engine
from clipsearch.cli.command import OUTPUT, WHICH_PHOTOS, FilePath, argument, command, flag, option
from clipsearch.cli.options import folder_option, index_option, json_option
from clipsearch.cli.output import print_report
from clipsearch.cli.progress import ProgressBar
from clipsearch.cli.results import remark_unmet
from clipsearch.conditions import all_of
from clipsearch.query.filters import in_folder, parse_where
from clipsearch.render.text import counted, human_bytes, printable


@command()
def export(
    out: str = argument("out", type=FilePath(dir_okay=False)),
    file_format: Literal["npy", "parquet", "csv", "jsonl"] | None = option(
        "--format file_format",
        "NAME",
        "npy, parquet, csv or jsonl. Default: by OUT's ending.",
        OUTPUT,
        type=click.Choice(["npy", "parquet", "csv", "jsonl"]),
    ),
    folder: str | None = folder_option("Only below this folder.", WHICH_PHOTOS),
    where: str | None = option("--where", "EXPR", "Only if this is true, such as 'taken >= 2024'.", WHICH_PHOTOS),
    relative: bool = flag("--relative", "Write paths relative to --in, for another machine.", OUTPUT),
    embeddings: bool = flag("--embeddings", "With csv: also a column of embeddings, as JSON lists.", OUTPUT),
    force: bool = flag("--force", "Replace files that exist.", OUTPUT),
    index_folder: str | None = index_option,
    as_json: bool = json_option,
) -> None:
    """Write the photos' embeddings to a file, for notebooks and other tools.

    \b
    clipsearch export photos.npy
    clipsearch export photos.parquet --in ~/Photos/2024
    clipsearch export recent.jsonl --where 'taken >= 2024'
    clipsearch export laptop.npy --in ~/Photos --relative  # for another machine

    npy writes OUT.npy, float32 (photos, values), and OUT.jsonl with a line for each of its rows. parquet (which needs pyarrow:
    pip install 'clipsearch[parquet]') and jsonl have both in one file. csv has only the facts about the photos, unless
    --embeddings is given. All name the model and its digest, so that an import can refuse embeddings of another model. The
    embeddings are those that are searched, of length 1, bit by bit. The file appears when it is complete. It has no rows if no
    photo is chosen.
    Another machine takes it by `clipsearch import OUT --in FOLDER`.
    """
    from clipsearch.indexing.roots import absolute

    if relative and folder is None:
        raise click.UsageError("--relative needs --in FOLDER, the folder that the paths are to be relative to")
    if embeddings and not (file_format == "csv" or out.lower().endswith(".csv")):
        raise click.UsageError("--embeddings is for csv; the other formats always have them")
    conditions = [in_folder(folder)] if folder is not None else []
    conditions += [parse_where(where)] if where else []
    with open_engine(index_folder) as engine, ProgressBar() as bar:
        report = engine.export(
            out,
            format=file_format,
            condition=all_of(conditions),
            relative_to=absolute(folder) if relative and folder is not None else None,
            embeddings=embeddings,
            force=force,
            progress=bar.show,
        )
        if not report.images:
            remark_unmet(engine, tuple(conditions))
    about = f"{human_bytes(report.bytes)}, model {printable(report.fingerprint.model)}"
    text = f"wrote {counted(report.images, 'photo')} ({about}) to {printable(' and '.join(report.files))}\n"
    print_report(as_json, {"index": str(engine.index_folder), **asdict(report)}, text, summary=True)
