"""`clipsearch failures`."""

from __future__ import annotations

from clipsearch.cli.choose_index import existing_index
from clipsearch.cli.command import command
from clipsearch.cli.options import index_option, json_option, print0_option
from clipsearch.cli.output import current_folder, print_json, print_paths, say


@command()
@index_option
@json_option
@print0_option
def failures(index_folder: str | None, as_json: bool, print0: bool) -> None:
    """The files that could not be read, and why.

    \b
    clipsearch failures
    clipsearch failures -0 | xargs -0 ls -l

    A file that is broken or too large is tried again when it changes, or with other limits or decoders. A file that could not
    be reached (no permission, a failing drive) is tried again by every run. Crashes and time-outs are tried in three runs.
    `clipsearch index --retry` tries all of them. A photo that was indexed before stays until its file is gone or has changed.
    """
    from clipsearch.engine import SearchEngine
    from clipsearch.render.json_output import failure_to_json
    from clipsearch.render.tables import failures_table

    with SearchEngine(existing_index(index_folder)) as engine:
        failed = engine.failures()
    if as_json:
        print_json({"index": str(engine.index_folder), "failures": [failure_to_json(failure) for failure in failed]})
    elif print0:
        print_paths((failure.file.path for failure in failed), b"\0")
    else:
        say(failures_table(failed, current_folder()))
