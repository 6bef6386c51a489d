"""How hits are shown, copied and opened: the options of `query` and `similar`, and `show`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import click

from clipsearch._internal.commands import command, with_flags
from clipsearch._internal.paths import is_gone, missing_folder
from clipsearch.cli.command import ORDER, OUTPUT, FilePath, flag, gathered, option
from clipsearch.cli.complete import complete_folder
from clipsearch.cli.exit_status import FAIL_IF_NONE, ExitStatus, ended
from clipsearch.cli.files import (
    check_html,
    force_option,
    html_option,
    note_unread,
    open_in_viewer,
    put_into,
    write_html,
)
from clipsearch.cli.hints import is_known
from clipsearch.cli.options import at_most_one, paths_option, print0_option
from clipsearch.cli.output import (
    broken_at_words,
    current_folder,
    note,
    print_data,
    print_json,
    print_json_text,
    print_paths,
    remark,
    say,
    say_aside,
)
from clipsearch.cli.players import open_photo
from clipsearch.cli.preview import Preview, can_preview, preview_option, print_preview
from clipsearch.conditions import Condition
from clipsearch.errors import ClipsearchError
from clipsearch.images.file_types import is_image_name, is_video_name
from clipsearch.query.hits import Hits
from clipsearch.render.tables import hits_table
from clipsearch.render.text import counted, short_path
from clipsearch.terms import Query
from clipsearch.types import Failure

if TYPE_CHECKING:
    from clipsearch.engine import SearchEngine

_FEW_PATHS = 3  # of copies of one picture, that are named

_LIMITS = {"best-match": "--min-match", "best-score": "--min-score"}

_FORMATS = {"json": "--json", "jsonl": "--jsonl", "csv": "--csv", "paths": "--paths", "print0": "-0"}
_folder = partial(option, heading=OUTPUT, type=FilePath(file_okay=False), metavar="DIR", shell_complete=complete_folder)


@dataclass(frozen=True, slots=True)
class ResultOptions:
    """How hits are printed, and what else is made of them. What cannot be done is refused before a search is made for it."""

    group_by: Literal["folder", "day"] | None = option(
        "--group-by", "KIND", "Put photos of one folder or day together.", ORDER, type=click.Choice(["folder", "day"])
    )
    json: bool = flag("--json", "Print one JSON object, or one for each photo.", OUTPUT)
    jsonl: bool = flag("--jsonl", heading=OUTPUT)
    csv: bool = flag("--csv", "Print comma-separated values and their names.", OUTPUT)
    paths: bool = paths_option
    print0: bool = print0_option
    preview: Preview | None = preview_option
    explain: bool = flag("--explain", "Say how the query was understood, and timings.", OUTPUT)
    open: bool = flag("--open", "Open the best photo, or the file written.", OUTPUT)
    copy_to: str | None = _folder("--copy-to", help="Copy, or link, the photos there; never overwrites.")
    link_to: str | None = _folder("--link-to")
    contact_sheet: str | None = option(
        "--contact-sheet", "FILE", "Write thumbnails to a .jpg, .png or .pdf file.", OUTPUT, type=FilePath()
    )
    html: str | None = html_option
    force: bool = force_option("--contact-sheet and --html")
    fail_if_none: bool = flag(FAIL_IF_NONE, "Exit status 1 if no photo is found, as grep does.", OUTPUT)

    def __post_init__(self) -> None:
        flags = at_most_one({flag: getattr(self, name) for name, flag in _FORMATS.items()})
        if flags and self.preview:
            raise click.UsageError(f"--preview is for people, and {flags[0]} for programs; choose one of them")
        if self.contact_sheet is not None:
            from clipsearch.render.contact_sheet import check_sheet

            check_sheet(self.contact_sheet, force=self.force)
        check_html(self.html, self.force)

    @property
    def format(self) -> str:
        """How hits are printed: "table", "json", "jsonl", "csv", "paths" or "print0"."""
        return next((name for name in _FORMATS if getattr(self, name)), "table")

    @property
    def is_for_people(self) -> bool:
        """Whether hits are only shown: no program reads them, and their files are not taken."""
        return self.format == "table" and self.copy_to is None and self.link_to is None


result_options = gathered("results", ResultOptions)


def show(hits: Hits, options: ResultOptions, query: str, *, first: bool = True) -> int:
    """Print hits, and write, copy, link and open what the options ask for.

    Returns 3 if a photo was not copied, linked or read, or is gone and not opened. Without hits, nothing is written or
    opened; with --fail-if-none, that returns 1.

    `query` is what the user typed. `first` is False for all but the first answer of a run: they get no heading.
    ClipsearchError if something cannot be made at all.
    """
    status = ExitStatus.OK
    targets = [path for path in (options.copy_to, options.link_to, options.contact_sheet, options.html) if path]
    written = options.html or options.contact_sheet
    is_table = options.format == "table"
    # Photos that are gone are named once, at the end, and not again for each output that needed them.
    looks = is_table or targets or options.open
    gone = {hit.path: None for hit in hits if is_gone(hit.path)} if looks else {}
    unread: set[str] = set()
    for folder, link in ((options.copy_to, False), (options.link_to, True)):
        if folder is None or not hits:
            continue
        done, there, failures = put_into(folder, dict.fromkeys(hit.path for hit in hits), link=link)
        remark(_put(done, there, len(failures), folder, link=link))
        for path, reason in failures:
            if path not in unread and path not in gone:
                note(f"{path}: {reason}")
            unread.add(path)
    if options.contact_sheet is not None and hits:
        from clipsearch.render.contact_sheet import save_contact_sheet

        sheet, missing = options.contact_sheet, list[Failure]()
        pages = save_contact_sheet(hits, sheet, query, force=options.force, on_failure=missing.append)
        remark(f"wrote {sheet}" + (f", {pages} pages" if pages > 1 else ""))
        note_unread(missing, len(hits), sheet, gone)
        unread |= {failure.file.path for failure in missing}
    if options.html is not None and hits:
        from clipsearch.render.gallery import hits_gallery

        page = hits_gallery(hits, query, hits.explain(), options.group_by)
        missing_in_page = write_html(page, options.html, options.force, gone)
        unread |= {failure.file.path for failure in missing_in_page}
    is_explained = any(about.code in ("unclear", "absent") for about in hits.explanation.notes)
    if (understood := hits.explanation.understood) and (understood.facts or not is_explained):
        nothing = 'no date, place, person or "without" was found in the text'
        remark(f"understood: {understood}" if understood.facts else nothing)
    for text in _notes(hits, query):
        remark(text)
    # Printed last, because a full or closed output must not prevent the files above.
    unread |= {failure.file.path for failure in _print(hits, options, query, first)}
    opens = options.open and bool(hits)
    if opens and written is None and hits[0].path in gone:
        unread.add(hits[0].path)
        opens = False
    status = max(status, ended(unread))
    if is_table or unread:
        for message in _gone(gone):
            (note if unread & gone.keys() else remark)(message)
    if not hits:
        unwritten = f"; nothing was written to {' and '.join(targets)}" if targets else ""
        remark(nothing_found(hits) + unwritten)
        status = max(status, ExitStatus.ERROR) if options.fail_if_none else status
    if options.explain and options.format != "json":
        from clipsearch.render.explain import explain_text

        say_aside(broken_at_words(with_flags(explain_text(hits.explain())), sys.stderr, indent=9))
    if opens:
        _open(hits, written)
    return status


def _put(done: int, there: int, failed: int, folder: str, *, link: bool) -> str:
    """What `put_into` has done."""
    before = f"{there:,} {'was' if there == 1 else 'were'} there already"
    if done:
        made = f"made links to {counted(done, 'photo')} in" if link else f"copied {counted(done, 'photo')} to"
        return f"{made} {folder}{f'; {before}' if there else ''}"
    nothing = f"made no links in {folder}" if link else f"copied nothing to {folder}"
    if there and not failed:
        return f"{nothing}: {'the photo was' if there == 1 else f'all {there:,} photos were'} there already"
    return f"{nothing}{f'; {before}' if there else ''}"


def _notes(hits: Hits, query: str) -> Iterator[str]:
    """What may surprise in an answer: the query's own picture is indexed, and the notes on its texts."""
    shown = {hit.path for hit in hits}
    own: dict[str, list[str]] = {}
    for record in hits.explanation.own_photos:
        if record.file.path not in shown:
            own.setdefault(record.info.content_hash, []).append(short_path(record.file.path, current_folder()))
    for paths in own.values():
        others = len(paths) - _FEW_PATHS
        also = f" and {counted(others, 'more copy')} (--keep-own lists all)" if others > 0 else ""
        yield f"this photo is here: {', '.join(paths[:_FEW_PATHS])}{also}"
    if notes := [about for about in hits.explanation.notes if about.code not in _LIMITS]:
        from clipsearch.cli.note_commands import note_text  # not for most queries

        yield from (note_text(about, query) for about in notes)


def remark_unmet(engine: SearchEngine, filters: tuple[Condition, ...]) -> None:
    """Say which of the conditions no photo meets, if no photo meets them all."""
    if filters and not (hits := engine.search(Query((), filters), 1)):
        for about in hits.explanation.notes:
            remark(about.message)


def remark_none(engine: SearchEngine, filters: tuple[Condition, ...]) -> None:
    """Say that a command has found no photo, after the conditions that no photo meets."""
    remark_unmet(engine, filters)
    is_filtered = filters and engine.model_name
    remark("no photo was found" if is_filtered else f"the index at {engine.index_folder} holds no photos")


def nothing_found(hits: Hits) -> str:
    """That no photo was found, and the limit that would show the best one; or that the index has none."""
    if not hits.explanation.images:
        return f"the index at {hits.explanation.index} holds no photos"
    for about in hits.explanation.notes:
        if about.code in _LIMITS:
            return f"no photo was found: {about.message}; {_LIMITS[about.code]} {about.value} shows it"
    offset, considered = hits.query.offset, hits.explanation.considered
    if offset and considered:
        return (
            f"no photo is left: the list ends at photo {considered:,} or before, and the first {offset:,} are skipped; "
            "give a smaller --page or --offset"
        )
    return "no photo was found"


def _gone(paths: Iterable[str]) -> Iterator[str]:
    """That photos are not on the disk any more, or that their drive is not there: a message for each folder that is away.

    `index` confirms with --prune that a folder has lost all photos: it looks like that of a drive that is not mounted.
    """
    by_folder: dict[tuple[str, str], list[str]] = {}
    for path in paths:
        away = missing_folder(path)
        is_emptied = not away and is_known() and not _may_hold_photos(os.path.dirname(path))
        emptied = os.path.dirname(path) if is_emptied else ""
        by_folder.setdefault((away, emptied), []).append(short_path(path, current_folder()))
    for (away, emptied), (first, *others) in by_folder.items():
        more = f", nor {'is' if len(others) == 1 else 'are'} {len(others):,} more" if others else ""
        if away:
            folder = short_path(away, current_folder())
            yield f"{first} is not there{more}, since the folder {folder} is away; mount its drive"
        elif emptied:
            folder = short_path(emptied, current_folder())
            yield (
                f"{first} is not there any more{more}, and the folder {folder} has no photos. If it is that of a drive, mount "
                f"the drive. If its photos are really gone: `{command('index', emptied, '--prune')}`"
            )
        else:
            how = f": `{command('index')}`" if is_known() else ", update the index where it is kept"
            confirm = ". If most photos are gone, it asks you to confirm" if others and is_known() else ""
            yield f"{first} is not there any more, or its drive is not connected{more}. To take out what is gone{how}{confirm}"


def _may_hold_photos(folder: str) -> bool:
    """Whether a folder holds a picture, or a folder other than a hidden one such as its index; True if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(".")]
            return any(entry.is_dir() or is_image_name(entry.name) is not False for entry in shown)
    except OSError:
        return True


def _print(hits: Hits, options: ResultOptions, query: str, first: bool) -> Sequence[Failure]:
    """Print hits in the chosen form. Returns those that could not be read for a preview."""
    if options.format in ("paths", "print0"):
        print_paths((hit.path for hit in hits), b"\0" if options.format == "print0" else b"\n")
        return ()
    group_by = options.group_by
    if options.preview and can_preview(options.preview):
        return print_preview(hits, options.preview, group_by)
    if options.preview and first:
        remark("--preview draws only on a terminal that shows pictures; --preview=blocks draws everywhere")
    if options.format == "table":
        terminal = sys.stdout.isatty()
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"  # https://no-color.org
        text = hits_table(
            hits,
            current_folder(),
            width=shutil.get_terminal_size().columns if terminal else None,
            colours=terminal and not plain,
            heading=terminal,
            group_by=group_by,
        )
        say(text)
    elif options.format == "json":
        from clipsearch.render.explain import notes_in_words
        from clipsearch.render.json_output import hits_to_json

        about = hits.explanation
        answer = hits_to_json(
            hits,
            query,
            about.model,
            about.index,
            group_by=group_by,
            understood=about.understood.to_json() if about.understood else None,
            explanation=notes_in_words(hits.explain(), with_flags) if options.explain else None,
        )
        print_json(answer)
    elif options.format == "jsonl":
        from clipsearch.render.json_output import hits_to_jsonl

        print_json_text(hits_to_jsonl(hits, query, group_by=group_by))
    else:
        from clipsearch.render.csv_output import hits_csv

        print_data(hits_csv(hits, query, group_by=group_by, heading=first))
    return ()


def _open(hits: Hits, written: str | None) -> None:
    if written is not None:
        open_in_viewer(written)
    else:
        record = hits[0].record
        if not (is_image_name(record.file.name) or is_video_name(record.file.name)):
            # photos are known by content: the name may be a program's
            raise ClipsearchError(f"{hits[0].path} is a photo, but its name does not say so; open it yourself")
        if what_is_left := open_photo(record):
            note(what_is_left)
