"""How hits are shown and what is done with them: the flags that `query` and its kin share, and `show`."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import click

from clipsearch.cli.exit_status import ExitStatus
from clipsearch.cli.galleries import check_html, html_flag, write_html
from clipsearch.cli.output import (
    current_folder,
    note,
    print_data,
    print_json,
    print_json_text,
    print_paths,
    say,
    say_aside,
)
from clipsearch.cli.previews import Preview, can_preview, preview_flag, print_preview
from clipsearch.errors import ClipsearchError

if TYPE_CHECKING:
    from clipsearch.query.hits import Hits


@dataclass(frozen=True, slots=True)
class ResultOptions:
    """What the user wants of the hits. `format` is how they are printed; the others come on top of that."""

    format: Literal["table", "json", "jsonl", "csv", "paths", "print0"] = "table"
    group_by: Literal["folder", "day"] | None = None
    preview: Preview | None = None
    explain: bool = False
    open: bool = False
    copy_to: str | None = None
    link_to: str | None = None
    contact_sheet: str | None = None
    html: str | None = None
    force: bool = False


_FORMATS = {"json": "--json", "jsonl": "--jsonl", "csv": "--csv", "paths": "--paths", "print0": "-0"}

_FOLDER = click.Path(file_okay=False)
_OPTIONS = (
    click.option("--json", "json", is_flag=True, help="Print one JSON object."),
    click.option("--jsonl", "jsonl", is_flag=True, help="Print one JSON object for each photo."),
    click.option("--csv", "csv", is_flag=True, help="Print comma-separated values, with a line of names first."),
    click.option("--paths", "paths", is_flag=True, help="Print only the paths, one a line."),
    click.option("-0", "--print0", "print0", is_flag=True, help="Print only the paths, each ended by a NUL, for xargs -0."),
    click.option("--group-by", type=click.Choice(["folder", "day"]), help="Put photos of one folder or day together."),
    preview_flag,
    click.option("--explain", is_flag=True, help="Say how the query was understood and where the time went."),
    click.option("--open", "open", is_flag=True, help="Show the best photo, or the file written, in the system's viewer."),
    click.option("--copy-to", type=_FOLDER, metavar="DIR", help="Copy the photos there, as 0001-name.jpg; never overwrites."),
    click.option("--link-to", type=_FOLDER, metavar="DIR", help="Put symbolic links there, as 0001-name.jpg."),
    click.option(
        "--contact-sheet", type=click.Path(), metavar="FILE", help="Write thumbnails to a .jpg, .png or .pdf file."
    ),
    html_flag,
    click.option("--force", is_flag=True, help="Let --contact-sheet and --html replace a file."),
)  # fmt: skip


def result_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags; the command gets them as one argument, `results: ResultOptions`."""
    others = [field.name for field in fields(ResultOptions) if field.name != "format"]

    @functools.wraps(command)
    def with_results(**values: Any) -> Any:
        chosen = [name for name in _FORMATS if values.pop(name)]
        options = {name: values.pop(name) for name in others}
        return command(results=_checked(chosen, options), **values)

    for option in reversed(_OPTIONS):
        with_results = option(with_results)
    return with_results


def show(hits: Hits, options: ResultOptions, query: str, *, first: bool = True) -> int:
    """Print hits and do with them what was asked; the exit status, 0 or 3 where some photos could not be copied or linked.

    `query` is what the user typed. `first` is False for the second and later answers of one run: no heading again.
    ClipsearchError where what was asked cannot be done at all.
    """
    status = 0
    for folder, link in ((options.copy_to, False), (options.link_to, True)):
        if folder is not None:
            status = max(status, _put_into(folder, hits, link))
    if options.contact_sheet is not None:
        from clipsearch.render.contact_sheet import save_contact_sheet

        pages = save_contact_sheet(hits, options.contact_sheet, query, force=options.force)
        note(f"wrote {options.contact_sheet}" + (f", {pages} pages" if pages > 1 else ""))
    if options.html is not None:
        from clipsearch.render.gallery_cards import hits_gallery

        write_html(hits_gallery(hits, query, hits.explain(), options.group_by), options.html, options.force)
    _print(hits, options, query, first)  # after what is made of them, which a full or closed output must not prevent
    if not hits:
        note(_why_nothing(hits))
    if options.explain and options.format != "json":
        from clipsearch.render.explain import explain_text

        say_aside(explain_text(hits.explain()))
    if options.open:
        _open(hits, options.html or options.contact_sheet)
    return status


def _checked(formats: list[str], options: dict[str, Any]) -> ResultOptions:
    """The options, or what is wrong with them, before a search is made for nothing."""
    if len(formats) > 1:
        flags = " and ".join(_FORMATS[name] for name in formats)
        raise click.UsageError(f"{flags} exclude each other; choose one way to print the photos")
    if formats and options["preview"]:
        raise click.UsageError(f"--preview is for people, and {_FORMATS[formats[0]]} for programs; choose one of them")
    if options["contact_sheet"] is not None:
        from clipsearch.render.contact_sheet import check_sheet

        check_sheet(options["contact_sheet"], force=options["force"])
    check_html(options["html"], options["force"])
    options["format"] = formats[0] if formats else "table"
    return ResultOptions(**options)


def _print(hits: Hits, options: ResultOptions, query: str, first: bool) -> None:
    if options.format in ("paths", "print0"):
        print_paths((hit.path for hit in hits), b"\0" if options.format == "print0" else b"\n")
        return
    group_by = options.group_by
    if options.preview and can_preview(options.preview):
        print_preview(hits, options.preview, group_by)
    elif options.format == "table":
        from clipsearch.render.tables import hits_table

        terminal = sys.stdout.isatty()
        text = hits_table(
            hits,
            current_folder(),
            width=shutil.get_terminal_size().columns if terminal else None,
            colours=terminal and _wants_colours(),
            heading=terminal,
            group_by=group_by,
        )
        say(text)
    elif options.format == "json":
        from clipsearch.render.json_output import hits_to_json

        explanation = hits.explain() if options.explain else None
        answer = hits_to_json(
            hits, query, hits.explanation.model, hits.explanation.index, group_by=group_by, explanation=explanation
        )
        print_json(answer)
    elif options.format == "jsonl":
        from clipsearch.render.json_output import hits_to_jsonl

        print_json_text(hits_to_jsonl(hits, query, group_by=group_by))
    else:
        from clipsearch.render.csv_output import hits_csv

        print_data(hits_csv(hits, query, group_by=group_by, heading=first))


def _why_nothing(hits: Hits) -> str:
    if hits.explanation.images:
        return "no photo was found"
    return f"the index at {hits.explanation.index} holds no photos"


def _put_into(folder: str, hits: Hits, link: bool) -> int:
    from clipsearch.cli.files import put_into

    done, failures = put_into(folder, [hit.path for hit in hits], link=link)
    note(f"{'linked to' if link else 'copied'} {done} {'photo' if done == 1 else 'photos'} in {folder}")
    for path, reason in failures:
        note(f"{path}: {reason}")
    return ExitStatus.SOME_FAILED if failures else 0


def _open(hits: Hits, written: str | None) -> None:
    from clipsearch.cli.files import open_in_viewer
    from clipsearch.indexing.walk import is_image_name

    if written is not None:
        open_in_viewer(written)
    elif not hits:
        raise ClipsearchError("no photo was found, so there is none to open")
    elif not is_image_name(hits[0].record.file.name):  # photos are known by content: the name may be a program's
        raise ClipsearchError(f"{hits[0].path} is a photo, but its name does not say so; open it yourself")
    else:
        open_in_viewer(hits[0].path)


def _wants_colours() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"  # https://no-color.org
