"""`clipsearch duplicates`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clipsearch._internal.paths import missing_folder
from clipsearch.cli.choose_index import open_engine
from clipsearch.cli.command import OUTPUT, WHICH_PHOTOS, command, flag, option
from clipsearch.cli.exit_status import ended
from clipsearch.cli.files import check_html, force_option, html_option, write_html
from clipsearch.cli.filters import filter_options
from clipsearch.cli.hints import hint
from clipsearch.cli.options import at_most_one, index_option, jobs_option, json_option
from clipsearch.cli.output import (
    current_folder,
    note,
    note_failures,
    print_json,
    print_paths,
    remark,
    remark_summary,
    say,
    terminal_width,
)
from clipsearch.cli.progress import ProgressBar
from clipsearch.cli.results import remark_unmet
from clipsearch.conditions import All, Below, Condition, all_of
from clipsearch.render.json_output import photo_to_json
from clipsearch.render.text import counted, human_bytes, printable, short_path, shorten_path, told_apart
from clipsearch.types import Failure, ImageRecord

if TYPE_CHECKING:
    from clipsearch.analysis.duplicates import Copy, CopyGroup, Duplicates
    from clipsearch.engine import SearchEngine
    from clipsearch.indexing.status import RootStatus
    from clipsearch.render.gallery import Gallery, Section


_PHOTO_KEYS = ("path", "width", "height", "format", "size", "content_hash")
"""The keys of a photo's JSON that describe a copy."""

_LEAST_ROOM = 16  # cells for a path; other columns are left out before it gets less


@command()
def duplicates(
    exact: bool = flag("--exact", "Only files with the same bytes. Instant; decodes nothing.", WHICH_PHOTOS),
    min_cosine: float | None = option(
        "--min-cosine",
        "S",
        "Compare photos that are at least this near. Default: 0.8 for mini, 0.9 for other models.",
        WHICH_PHOTOS,
        type=click.FloatRange(-1, 1),
    ),
    as_json: bool = json_option,
    paths: bool = flag("--paths", "Print only the paths of copies, never those of the best.", OUTPUT),
    print0: bool = flag("-0 --print0", "Print only the paths of copies, each ended by a NUL.", OUTPUT),
    html: str | None = html_option,
    force: bool = force_option("--html"),
    index_folder: str | None = index_option,
    jobs: int | None = jobs_option,
    filters: tuple[Condition, ...] = filter_options,
) -> int:
    """Find photos that are copies of each other. Nothing is ever deleted.

    \b
    clipsearch duplicates
    clipsearch duplicates --exact --in ~/Photos/phone
    clipsearch duplicates -0 | xargs -0 ls -l  # all but the best of each group
    clipsearch duplicates --html copies.html   # side by side, to look at

    Exact copies have the same bytes. Near-copies are re-encoded, resized, slightly cropped, framed or retouched: their
    embeddings are near, and so are their perceptual hashes, which are computed now. Mirrored photos, and those with more than
    a few percent cropped off, are not found. Of animations, the first picture counts.

    The best of each group is printed first: the one with the most pixels, then with the most metadata (date, camera, place),
    then the largest file. A photo in an archive or in remote storage is the best only if there is no other. Files that are
    gone or have changed since they were indexed are in no group.
    """
    from clipsearch.analysis.duplicates import CHANGED, GONE

    at_most_one({"--json": as_json, "--paths": paths, "-0": print0})
    check_html(html, force)
    with open_engine(index_folder) as engine, ProgressBar(unit_scale=True) as bar:

        def show(stage: str, done: int, total: int) -> None:
            bar.show(done, total, stage=stage, unit=" pairs" if stage == "comparing" else " photos")

        report = engine.duplicates(all_of(filters), exact_only=exact, least_cosine=min_cosine, jobs=jobs, progress=show)
        if not report.images:
            remark_unmet(engine, filters)
        absent = [(root.path, _photos_in(engine, root.path, filters)) for root in _absent_roots(engine)]
    unread: Sequence[Failure] = ()
    if html is not None:
        unread = write_html(_gallery(report), html, force)
    away: Counter[str] = Counter()
    others = []
    for failure in report.failures:
        if failure.reason == GONE and (folder := missing_folder(failure.file.path)):
            away[folder] += 1
        else:
            others.append(failure)
    for folder, count in away.items():
        note(
            f"the folder {folder} is not there, so {counted(count, 'photo')} in it could not be compared. If it is on a drive "
            "that is not mounted, mount it and run this again"
        )
    for folder, count in absent:
        if count and not any(Path(folder).is_relative_to(named) for named in away):
            remark(
                f"the folder {folder} is not there. As far as the index knows, {counted(count, 'photo')} in it "
                f"{'is' if count == 1 else 'are'} no copy of another"
            )
    note_failures(others)
    if any(failure.reason in (CHANGED, GONE) for failure in others):
        note(f"to update the index: {hint('index')}")
    if as_json:
        print_json({"index": str(engine.index_folder), **report.to_json(_photo)})
    elif paths or print0:
        copies = (copy.record.file.path for group in report.groups for copy in group.copies)
        print_paths(copies, b"\0" if print0 else b"\n")
    else:
        say(_groups_table(report.groups, terminal_width()))
        remark_summary(f"{_counts(report)}; nothing was deleted")
    return ended(report.failures or unread)


def _absent_roots(engine: SearchEngine) -> list[RootStatus]:
    return [root for root in engine.status(scan=False).roots if not root.present]


def _photos_in(engine: SearchEngine, folder: str, filters: tuple[Condition, ...]) -> int:
    """How many indexed photos below a folder meet the filters."""
    return engine.browse(All((*filters, Below(folder))), top_k=1)[1]


def _counts(report: Duplicates) -> str:
    copies = f"{counted(report.copies, 'copy')} of {human_bytes(report.spare_bytes)}"
    return f"{counted(report.images, 'photo')}, {counted(len(report.groups), 'group')}, {copies}"


def _groups_table(groups: Sequence[CopyGroup], terminal: int | None) -> str:
    """One line a photo: best, same or near; cosine, pixels, size, path. An empty line between groups.

    A `terminal` that is narrower gets the paths shortened in the middle, after their sizes and pixels have been left out.
    """
    folder = current_folder()
    tables = []
    for group in groups:
        rows = [("best", "", group.best)]
        rows += [
            ("same", "", copy.record) if copy.exact else ("near", f"{copy.cosine:.4f}", copy.record)
            for copy in group.copies
        ]
        tables.append([(_facts(*row, terminal), printable(short_path(row[-1].file.path, folder))) for row in rows])
    shown: dict[str, str] = {}
    if terminal is not None:
        rooms = {path: terminal - len(facts) - 2 for table in tables for facts, path in table}
        shown = {path: shorten_path(path, room) for path, room in rooms.items()}
        shown = told_apart(shown, min(rooms.values(), default=0))
    return "\n".join("".join(f"{facts}  {shown.get(path, path)}\n" for facts, path in table) for table in tables)


def _facts(kind: str, cosine: str, record: ImageRecord, terminal: int | None) -> str:
    """What stands before a path: fewer facts if a terminal is so narrow that the path would have no room."""
    facts = [
        f"{kind:<4}  {cosine:<6}",
        f"{f'{record.info.width} x {record.info.height}':>13}",
        f"{human_bytes(record.file.size):>7}",
    ]
    while terminal is not None and len("  ".join(facts)) + 2 + _LEAST_ROOM > terminal and len(facts) > 1:
        facts.pop()
    return "  ".join(facts)


def _photo(record: ImageRecord) -> dict[str, Any]:
    return {key: value for key, value in photo_to_json(record).items() if key in _PHOTO_KEYS}


def _gallery(report: Duplicates) -> Gallery:
    """A section for each group of copies, the best marked."""
    from clipsearch.render.gallery import Gallery

    return Gallery(
        "Copies", (_counts(report), "Nothing was deleted."), tuple(map(_section, report.groups)), side_by_side=True
    )


def _section(group: CopyGroup) -> Section:
    from clipsearch.render.gallery import PhotoCard, Section, joined, photo_facts

    cards = []
    for record, worth, fact in (
        (group.best, "", ("best", group.reason)),
        *((copy.record, *_likeness(copy)) for copy in group.copies),
    ):
        more = joined(f"{record.info.width} x {record.info.height}", human_bytes(record.file.size), record.info.format)
        badge = "best" if record is group.best else ""
        cards.append(PhotoCard(record, (fact, *photo_facts(record)), worth=worth, more=more, badge=badge))
    summary = f"{counted(len(group.copies), 'copy')}, {human_bytes(group.spare_bytes)}; best: {group.reason}"
    return Section(tuple(cards), group.best.file.name, summary)


def _likeness(copy: Copy) -> tuple[str, tuple[str, str]]:
    """How a copy compares to the best of its group, in a word and in full."""
    if copy.exact:
        return "same", ("copy", "the same bytes as the best")
    bits = f"{copy.differing_bits} of 256 bits of the picture differ"
    return "near", ("copy", f"near the best: cosine {copy.cosine:.4f}, {bits}")
