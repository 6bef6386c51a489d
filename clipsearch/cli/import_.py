"""`clipsearch import`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from clipsearch.cli.choose_index import existing_index, index_to_write
from clipsearch.cli.command import command, declared, gathered, setting
from clipsearch.cli.exit_status import ExitStatus
from clipsearch.cli.find_index import remember_index
from clipsearch.cli.interrupt import interruptible
from clipsearch.cli.options import (
    complete_folder,
    device_option,
    index_option,
    jobs_option,
    json_option,
    model_option,
)
from clipsearch.cli.output import ProgressBar, is_quiet, note, print_json, say

if TYPE_CHECKING:
    from clipsearch.transfer.import_ import ImportReport


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Which embeddings are taken, and for which photos."""

    folder: str | None = setting(
        "--in",
        "folder",
        metavar="FOLDER",
        shell_complete=complete_folder,
        help="The photos' folder: take only those below it, start relative paths there, and index it from now on.",
    )
    trust_model: bool = setting(
        "--trust-model",
        is_flag=True,
        help="Confirm that a file which names no model has embeddings of --model. It cannot be checked.",
    )
    normalise: bool = setting("--normalise", is_flag=True, help="Take vectors of any length, and scale them to 1.")
    jobs: int | None = declared(jobs_option)


@command("import")
@click.argument("file", type=click.Path(dir_okay=False))
@gathered("options", ImportOptions)
@model_option("The model that made the embeddings, for a new index or a file that names none.")
@index_option
@device_option
@json_option
@click.pass_context
def import_(
    context: click.Context,
    file: str,
    options: ImportOptions,
    index_folder: str | None,
    model: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Take embeddings from a file instead of computing them: from an export, or made elsewhere.

    \b
    clipsearch import photos.npy
    clipsearch import laptop.npy --in ~/Photos --model mini
    clipsearch import other.jsonl --model mini --trust-model --normalise

    FILE is a .npy of floats (rows, values) with a .jsonl of the same name that has {"path": ...} for each row, a .jsonl of
    {"path": ..., "embedding": [...]}, or a .parquet with such columns. Nothing is written unless all vectors are finite and of
    length 1, and the model is the index's. A row is refused if its photo is missing, or differs from the row's "content_hash"
    (sha256): exit status 3. Rows that are already in the index change nothing. A later `clipsearch index` embeds these photos
    again only if they change. Ctrl-C keeps what is committed; run it again to continue.
    """
    from clipsearch.engine import SearchEngine

    may_be_new = options.folder is not None or index_folder is not None
    index = index_to_write((options.folder or "",), index_folder) if may_be_new else existing_index(None)
    with (
        SearchEngine(index, model=model, device=device) as engine,
        ProgressBar() as bar,
        interruptible() as cancel,
    ):
        report = engine.import_embeddings(
            file,
            folder=options.folder,
            any_length=options.normalise,
            trust_model=options.trust_model,
            jobs=options.jobs,
            progress=lambda report, done, total: bar.show(done, total, failed=report.failed),
            cancel=cancel,
        )
        remember_index(engine.index_folder)
    if as_json:
        print_json({"index": str(engine.index_folder), **asdict(report)})
    else:
        for refused in report.refused:
            note(f"row {refused.row:,}: {refused.path}: {refused.reason}")
        if not is_quiet():
            say(_summary(report, str(engine.index_folder)))
    if report.interrupted:
        context.exit(ExitStatus.INTERRUPTED)
    if report.refused:
        context.exit(ExitStatus.SOME_FAILED)


def _summary(report: ImportReport, index_folder: str) -> str:
    from clipsearch.render.text import joined_counts, printable

    done = joined_counts(
        (report.added, "added"),
        (report.updated, "updated"),
        (report.unchanged, "unchanged"),
        (report.failed, "refused"),
    )
    lines = [f"{done or 'nothing done'} in {report.seconds:.1f} s", f"index: {printable(index_folder)}"]
    if report.interrupted:
        lines.append(f"interrupted with {report.left:,} rows to go; what is committed is kept. To go on, run it again")
    return "".join(f"{line}\n" for line in lines)
