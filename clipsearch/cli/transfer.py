"""`export` and `import`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from clipsearch.cli.indexes import existing_index, index_to_write
from clipsearch.cli.options import device_option, index_option, json_option, model_option
from clipsearch.cli.output import ProgressBar, note, print_json, say

if TYPE_CHECKING:
    from clipsearch.transfer.fields import Format
    from clipsearch.transfer.importing import ImportReport

SOME_FAILED, INTERRUPTED = 3, 130


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
def export_command(
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


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False))
@click.option(
    "--in",
    "folder",
    metavar="FOLDER",
    help="Where the photos are: only those below this folder count, relative paths begin there, and it is indexed from now on.",
)
@index_option
@model_option("The model that the embeddings were made with; for a new index, or a file that does not say.")
@device_option
@click.option(
    "--trust-model",
    is_flag=True,
    help="Confirm that a file which names no model has embeddings of --model, preprocessed as it wants. It cannot be checked.",
)
@click.option("--normalise", is_flag=True, help="Take vectors of any length, and scale them to 1.")
@click.option("--jobs", type=click.IntRange(1), help="Photos read at once. Default: one a core.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar and no summary; refused rows are told all the same.")
@json_option
@click.pass_context
def import_command(
    context: click.Context, file: str, folder: str | None, index_folder: str | None, model: str | None, device: str,
    trust_model: bool, normalise: bool, jobs: int | None, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Take embeddings from a file, instead of computing them: an export, or one made elsewhere.

    FILE is a .npy of floats (rows, values) with a .jsonl of the same name that has {"path": ...} for each row, a .jsonl of
    {"path": ..., "embedding": [...]}, or a .parquet with such columns. Nothing is written unless all of its vectors are finite
    and of length 1 and its model is the index's. A row is refused, and told, where its photo is not there, or differs from the
    row's "content_hash" (sha256): exit status 3. What is equal already is left alone, and a later `clipsearch index` embeds
    none of these photos again until they change. Ctrl-C keeps what is committed; run it again to go on.

    \b
    clipsearch import photos.npy
    clipsearch import laptop.npy --in ~/Photos --model mini
    clipsearch import other.jsonl --model mini --trust-model --normalise
    """
    from clipsearch.cli.index_folder import remember_index
    from clipsearch.engine import SearchEngine

    may_be_new = folder is not None or index_folder is not None
    index = index_to_write((folder or "",), index_folder) if may_be_new else existing_index(None)
    with SearchEngine(index, model=model, device=device) as engine, ProgressBar(quiet) as bar:
        report = engine.import_embeddings(
            file,
            folder=folder,
            any_length=normalise,
            trust_model=trust_model,
            jobs=jobs,
            progress=lambda report, done, total: bar.count(done, total, report.failed),
        )
        remember_index(engine.index_folder)
    if as_json:
        print_json({"index": str(engine.index_folder), **asdict(report)})
    else:
        for refused in report.refused:
            note(f"row {refused.row:,}: {refused.path}: {refused.reason}")
        if not quiet:
            say(_summary(report, str(engine.index_folder)))
    if report.interrupted:
        context.exit(INTERRUPTED)
    if report.refused:
        context.exit(SOME_FAILED)


def _summary(report: ImportReport, index_folder: str) -> str:
    from clipsearch.render.text import printable

    counts = [
        (report.added, "added"),
        (report.updated, "updated"),
        (report.unchanged, "unchanged"),
        (report.failed, "refused"),
    ]
    done = ", ".join(f"{count:,} {what}" for count, what in counts if count) or "nothing done"
    lines = [f"{done} in {report.seconds:.1f} s", f"index: {printable(index_folder)}"]
    if report.interrupted:
        lines.append(f"interrupted with {report.left:,} rows to go; what is committed is kept. To go on, run it again")
    return "".join(f"{line}\n" for line in lines)


def _absolute(folder: str) -> str:
    from clipsearch.indexing.roots import absolute

    return absolute(folder)
