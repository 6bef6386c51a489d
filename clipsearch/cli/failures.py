"""`clipsearch failures`."""

from __future__ import annotations

from clipsearch.cli.choose_index import open_engine
from clipsearch.cli.command import OUTPUT, command, flag
from clipsearch.cli.interrupt import interruptible
from clipsearch.cli.options import at_most_one, index_option, json_option
from clipsearch.cli.output import current_folder, note_failures, print_paths, print_report, remark, terminal_width
from clipsearch.render.index_preview import skipped_table, skipped_to_json
from clipsearch.render.json_output import failure_to_json
from clipsearch.render.tables import failures_table


@command()
def failures(
    skipped: bool = flag("--skipped", "The files and folders that `index` does not take, and why."),
    index_folder: str | None = index_option,
    as_json: bool = json_option,
    print0: bool = flag("-0 --print0", "Print only the paths, each ended by a NUL.", OUTPUT),
) -> None:
    """The files that could not be read, the folders that could not be listed, and why.

    \b
    clipsearch failures
    clipsearch failures -0 | xargs -0 ls -l
    clipsearch failures --skipped

    A file that is broken or too large is tried again when it changes, or with other limits or decoders. A file that could not
    be reached (no permission, a failing drive) is tried again by every run. Crashes and time-outs are tried in three runs.
    `clipsearch index --retry` tries all of them. A photo that was indexed before stays until its file is gone or has changed.
    """
    at_most_one({"--json": as_json, "-0": print0}, "choose one way to print the files")
    if skipped:
        _print_skipped(index_folder, as_json, print0)
        return
    with open_engine(index_folder) as engine:
        failed = engine.failures()
    if print0:
        print_paths((failure.file.path for failure in failed), b"\0")
        return
    if not failed and not as_json:
        remark("no file has failed")
    value = {"index": str(engine.index_folder), "failures": list(map(failure_to_json, failed))}
    print_report(as_json, value, failures_table(failed, current_folder(), terminal_width()))


def _print_skipped(index_folder: str | None, as_json: bool, print0: bool) -> None:
    """Print what a walk of the indexed folders does not take."""
    with open_engine(index_folder) as engine, interruptible() as cancel:
        preview = engine.preview(cancel=cancel)
    skipped = preview.skipped
    note_failures(preview.unreadable)
    if print0:
        print_paths((file.path for file in skipped), b"\0")
        return
    if not skipped and not as_json:
        remark("no file is skipped")
    value = {"index": str(engine.index_folder), "skipped": list(map(skipped_to_json, skipped))}
    print_report(as_json, value, skipped_table(skipped, current_folder(), terminal_width()))
