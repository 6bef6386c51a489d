"""`clipsearch import`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from clipsearch.cli.exit_status import ExitStatus
from clipsearch.cli.find_index import existing_index, index_to_write
from clipsearch.cli.interrupt import interruptible
from clipsearch.cli.options import device_option, index_option, json_option, model_option
from clipsearch.cli.output import ProgressBar, note, print_json, say

if TYPE_CHECKING:
    from clipsearch.transfer.importing import ImportReport


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
def import_(
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
    from clipsearch.cli.find_index import remember_index
    from clipsearch.engine import SearchEngine

    may_be_new = folder is not None or index_folder is not None
    index = index_to_write((folder or "",), index_folder) if may_be_new else existing_index(None)
    with (
        SearchEngine(index, model=model, device=device) as engine,
        ProgressBar(quiet) as bar,
        interruptible() as cancel,
    ):
        report = engine.import_embeddings(
            file,
            folder=folder,
            any_length=normalise,
            trust_model=trust_model,
            jobs=jobs,
            progress=lambda report, done, total: bar.count(done, total, report.failed),
            cancel=cancel,
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
        context.exit(ExitStatus.INTERRUPTED)
    if report.refused:
        context.exit(ExitStatus.SOME_FAILED)


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
