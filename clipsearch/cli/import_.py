"""`clipsearch import`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING

from clipsearch._internal.commands import quoted
from clipsearch.cli.choose_index import existing_index, index_to_write
from clipsearch.cli.command import FilePath, argument, command, flag
from clipsearch.cli.exit_status import ended
from clipsearch.cli.find_index import remember_index
from clipsearch.cli.interrupt import interruptible
from clipsearch.cli.options import device_option, folder_option, index_option, jobs_option, json_option, model_option
from clipsearch.cli.output import note, print_report, remark
from clipsearch.cli.progress import ProgressBar
from clipsearch.render.text import joined_counts, printable

if TYPE_CHECKING:
    from clipsearch.transfer.import_ import RefusedRow

_FEW = 3  # rows that are named each, and of more rows with one reason


@command("import")
def import_(
    file: str = argument("file", type=FilePath(dir_okay=False)),
    folder: str | None = folder_option(
        "The photos' folder: take only those below it, start relative paths there, and index it from now on."
    ),
    trust_model: bool = flag(
        "--trust-model", "Confirm that a file which names no model has embeddings of --model. It cannot be checked."
    ),
    normalise: bool = flag("--normalise", "Take vectors of any length, and scale them to 1."),
    jobs: int | None = jobs_option,
    model: str | None = model_option("The model that made the embeddings, for a new index or a file that names none."),
    index_folder: str | None = index_option,
    device: str = device_option,
    as_json: bool = json_option,
) -> int:
    """Take embeddings from a file instead of computing them: from an export, or made elsewhere.

    \b
    clipsearch import photos.npy
    clipsearch import laptop.npy --in ~/Photos --model mini
    clipsearch import other.jsonl --model mini --trust-model --normalise

    FILE is a .npy of floats (rows, values) with a .jsonl of the same name that has {"path": ...} for each row, a .jsonl of
    {"path": ..., "embedding": [...]}, or a .parquet with such columns. Nothing is written unless all vectors are finite and of
    length 1, and the model is the index's. A row is refused if its photo is missing, or differs from the row's "content_hash"
    (sha256): exit status 3. A file without rows changes nothing. Rows that are already in the index change nothing. A later
    `clipsearch index` embeds these photos again only if they change. Ctrl-C keeps what is committed; run it again to continue.
    """
    from clipsearch.engine import SearchEngine

    may_be_new = folder is not None or index_folder is not None
    index = index_to_write((folder or "",), index_folder) if may_be_new else existing_index(None)
    with SearchEngine(index, model=model, device=device) as engine, ProgressBar() as bar, interruptible() as cancel:
        report = engine.import_embeddings(
            file,
            folder=folder,
            any_length=normalise,
            trust_model=trust_model,
            jobs=jobs,
            progress=lambda report, done, total: bar.show(done, total, failed=report.failed),
            cancel=cancel,
        )
        is_empty = not (report.added or report.updated or report.unchanged or report.failed or report.interrupted)
        if not (report.no_index or is_empty):
            remember_index(engine.index_folder)
    if is_empty:
        remark(f"{file} has no rows, so there is nothing to import")
    for line in () if as_json else _refusals(report.refused):
        note(line)
    if not (as_json or report.added or report.updated or report.unchanged) and _are_elsewhere(report.refused):
        name = os.path.basename(file)
        remark(
            f"the paths in {name} are of another folder or machine. Where it was made, write them relative to the photos: "
            f"`clipsearch export {quoted(name)} --in PHOTOS --relative`. Then import that here, with --in and their folder"
        )
    counts = [(report.added, "added"), (report.updated, "updated"), (report.unchanged, "unchanged")]
    done = joined_counts(*counts, (report.failed, "refused")) or "nothing done"
    where = "no index was made" if report.no_index else f"index: {printable(str(engine.index_folder))}"
    text = f"{done} in {report.seconds:.1f} s\n{where}\n"
    if report.interrupted:
        text += f"interrupted with {report.left:,} rows to go; what is committed is kept. To go on, run it again\n"
    value = {"index": None if report.no_index else str(engine.index_folder), **asdict(report)}
    del value["no_index"]
    print_report(as_json, value, text, summary=True)
    return ended(report.refused, report.interrupted)


def _are_elsewhere(refused: Sequence[RefusedRow]) -> bool:
    """Whether all rows were refused because of their paths, which start at a folder that is not the photos' one here."""
    return bool(refused) and all(
        row.reason.startswith("not below ")
        or (not os.path.isabs(row.path) and PureWindowsPath(row.path).is_absolute())  # from Windows
        for row in refused
    )


def _refusals(refused: Sequence[RefusedRow]) -> Iterator[str]:
    """Why rows were refused: a line for each if they are few, otherwise for each reason, with examples."""
    rows_of: dict[str, list[RefusedRow]] = {}
    for row in refused:
        rows_of.setdefault(row.reason, []).append(row)
    for reason, rows in sorted(rows_of.items(), key=lambda item: -len(item[1])):
        if len(rows) <= _FEW:
            yield from (f"row {row.row:,}: {row.path}: {reason}" for row in rows)
        else:
            examples = ", ".join(f"row {row.row:,} ({row.path})" for row in rows[:_FEW])
            yield f"{len(rows):,} rows: {reason}; such as {examples}. --json lists all of them"
