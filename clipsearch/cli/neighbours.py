"""`duplicates` and `stats`."""

from __future__ import annotations

import shutil
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from clipsearch.cli.filters import filter_options
from clipsearch.cli.galleries import check_html, duplicates_gallery, html_option, write_html
from clipsearch.cli.hints import hint
from clipsearch.cli.indexes import existing_index
from clipsearch.cli.options import index_option, json_option
from clipsearch.cli.output import current_folder, note, print_json, print_paths, progress_bar, say
from clipsearch.types import all_of

if TYPE_CHECKING:
    from clipsearch.analysis.duplicates import CopyGroup, Duplicates
    from clipsearch.analysis.statistics import Breakdown, Stats
    from clipsearch.render.chart import Chart
    from clipsearch.types import Condition, ImageRecord

SOME_FAILED = 3

_MOST_COLUMNS = 240  # of a timeline; longer ones leave out what is empty
_BY = (
    "year",
    "month",
    "camera",
    "folder",
    "format",
    "orientation",
    "megapixels",
)  # stats.ALL_BY, which --help must not import


@click.command()
@index_option
@filter_options
@click.option("--exact", is_flag=True, help="Only files with the same bytes. It takes no time, and decodes nothing.")
@click.option(
    "--min-cosine",
    type=click.FloatRange(-1, 1),
    help="Look closer at photos that are so near each other. Default: 0.8 for mini, 0.9 for other models.",
)
@click.option("--jobs", type=click.IntRange(1), help="Photos decoded at once. Default: one a core.")
@click.option("--paths", is_flag=True, help="Print only the paths of the copies, one a line; never those of the best.")
@click.option(
    "-0", "--print0", is_flag=True, help="Print only the paths of the copies, each ended by a NUL, for xargs -0."
)
@html_option
@click.option("-q", "--quiet", is_flag=True, help="No progress bar and no summary.")
@json_option
@click.pass_context
def duplicates(
    context: click.Context, index_folder: str | None, filters: tuple[Condition, ...], exact: bool, min_cosine: float | None,
    jobs: int | None, paths: bool, print0: bool, html: str | None, force: bool, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Find photos that are copies of each other. Nothing is ever deleted.

    Exact copies have the same bytes. Near-copies are re-encoded, resized, slightly cropped, framed or touched up: their
    embeddings are near, and so are their perceptual hashes, for which they are decoded again. Mirrored ones, and those with
    more than a few percent cropped off, are not found; of animations, the first picture counts.

    Of each group the best is printed first: the one with the most pixels, then the one that knows more of its date, camera and
    place, then the largest file; one in an archive or in storage elsewhere only where there is no other. Files that are gone or
    have changed since they were indexed are in no group.

    \b
    clipsearch duplicates
    clipsearch duplicates --exact --in ~/Photos/phone
    clipsearch duplicates -0 | xargs -0 ls -l       # the copies, without the best of each group
    clipsearch duplicates --html copies.html        # side by side, to look at
    """
    from clipsearch.analysis.duplicates import CHANGED, GONE
    from clipsearch.engine import SearchEngine
    from clipsearch.render.text import human_bytes

    check_html(html, force)
    with SearchEngine(existing_index(index_folder)) as engine, _StageBar(quiet) as bar:
        found = engine.duplicates(
            all_of(filters), exact_only=exact, least_cosine=min_cosine, jobs=jobs, progress=bar.show
        )
    if html is not None:
        write_html(duplicates_gallery(found), html, force)
    for failure in found.failures:
        note(f"{failure.file.path}: {failure.reason}")
    if any(failure.reason in (CHANGED, GONE) for failure in found.failures):
        note(f"to update the index: {hint('index')}")
    if as_json:
        print_json(_duplicates_object(str(engine.index_folder), found))
    elif paths or print0:
        copies = (copy.record.file.path for group in found.groups for copy in group.copies)
        print_paths(copies, b"\0" if print0 else b"\n")
    else:
        say("\n".join(_group_table(group) for group in found.groups))
        if not quiet:
            groups = f"{len(found.groups):,} group{'' if len(found.groups) == 1 else 's'}"
            what = f"{found.copies:,} cop{'y' if found.copies == 1 else 'ies'} of {human_bytes(found.spare_bytes)}"
            note(f"{found.images:,} photos, {groups}, {what}; nothing was deleted")
    if found.failures:
        context.exit(SOME_FAILED)


@click.command()
@index_option
@filter_options
@click.option(
    "--by",
    multiple=True,
    type=click.Choice(_BY),
    help="Count by this; repeatable. Default: year, camera, folder, format.",
)
@click.option(
    "--top", type=click.IntRange(1), default=10, show_default=True, help="How many cameras, folders, ... to show."
)
@click.option("--depth", type=click.IntRange(0), default=1, show_default=True, help="How deep folders are told apart.")
@json_option
@click.option("--png", type=click.Path(), metavar="FILE", help="Also write the counts as a picture.")
@click.option("--force", is_flag=True, help="Let --png replace a file.")
def stats(
    index_folder: str | None, filters: tuple[Condition, ...], by: tuple[str, ...], top: int, depth: int, as_json: bool,
    png: str | None, force: bool,
) -> None:  # fmt: skip
    """Count the photos by year, month, camera, folder, format, orientation or megapixels.

    \b
    clipsearch stats
    clipsearch stats --by month --by camera --after 2023
    clipsearch stats --by folder --depth 2 --top 30 --json
    clipsearch stats --png photos.png
    """
    from clipsearch.analysis.statistics import USUAL_BY
    from clipsearch.engine import SearchEngine
    from clipsearch.render.chart import can_draw_blocks, charts_text

    with SearchEngine(existing_index(index_folder)) as engine:
        found = engine.stats(by or USUAL_BY, all_of(filters), top=top, depth=depth)  # type: ignore[arg-type]  # click has checked them
    if png is not None:
        from clipsearch.render.chart_picture import charts_png, save_png

        charts = [_chart(one, fill=True) for one in found.breakdowns]
        save_png(charts_png(*_headline(found), charts), png, force=force)
    if as_json:
        print_json(_stats_object(str(engine.index_folder), found))
        return
    shown = [_chart(one, fill=False) for one in found.breakdowns if one.counts]
    width = shutil.get_terminal_size().columns
    charts_drawn = charts_text(shown, width, blocks=can_draw_blocks(sys.stdout.encoding))
    say("\n".join(_headline(found)) + "\n\n" + charts_drawn)


class _StageBar:
    """A bar for each stage."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._stage = ""
        self._bar: Any = None

    def show(self, stage: str, done: int, total: int) -> None:
        """A duplicates.Progress."""
        if self._quiet:
            return
        if stage != self._stage:
            self.close()
            unit = " pairs" if stage == "comparing" else " photos"
            self._bar = progress_bar(desc=stage, total=total, unit=unit, unit_scale=True)
            self._stage = stage
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Take the bar off the screen."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> _StageBar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _group_table(group: CopyGroup) -> str:
    """One line a photo: what it is to its group, cosine, pixels, size, path."""
    from clipsearch.render.text import human_bytes, printable, short_path

    rows = [("best", "", group.best)]
    rows += [
        ("same" if copy.exact else "near", "" if copy.exact else f"{copy.cosine:.4f}", copy.record)
        for copy in group.copies
    ]
    folder = current_folder()
    return "".join(
        f"{kind:<4}  {cosine:<6}  {f'{record.info.width} x {record.info.height}':>13}  "
        f"{human_bytes(record.file.size):>7}  {printable(short_path(record.file.path, folder))}\n"
        for kind, cosine, record in rows
    )


def _duplicates_object(index: str, found: Duplicates) -> dict[str, Any]:
    """{"index", "images", "copies", "bytes", "groups": [{"best", "copies": [...]}], "failures"}. Keys are only ever added."""
    return {
        "index": index,
        "images": found.images,
        "copies": found.copies,
        "bytes": found.spare_bytes,
        "groups": [
            {
                "best": _photo(group.best),
                "copies": [
                    {
                        **_photo(copy.record),
                        "exact": copy.exact,
                        "cosine": round(copy.cosine, 6),
                        "differing_bits": copy.differing_bits,
                    }
                    for copy in group.copies
                ],
            }
            for group in found.groups
        ],
        "failures": [{"path": failure.file.path, "reason": failure.reason} for failure in found.failures],
    }


def _photo(record: ImageRecord) -> dict[str, Any]:
    info = record.info
    return {
        "path": record.file.path,
        "width": info.width,
        "height": info.height,
        "format": info.format,
        "size": record.file.size,
        "content_hash": info.content_hash,
    }


def _stats_object(index: str, found: Stats) -> dict[str, Any]:
    """{"index", "images", "bytes", "with_date", "with_place", "first", "last", "by": {"year": {...}}}. Keys are only added."""
    values = asdict(found)
    by = {one.pop("by"): one for one in values.pop("breakdowns")}
    return {"index": index, **values, "by": by}


def _headline(found: Stats) -> tuple[str, str]:
    from clipsearch.render.text import human_bytes

    photos = f"{found.images:,} photo{'' if found.images == 1 else 's'}, {human_bytes(found.bytes)}"
    if not found.images:
        return photos, "nothing to count"
    time = f", {found.first[:10]} to {found.last[:10]}" if found.first and found.last else ""
    date, place = found.with_date / found.images, found.with_place / found.images
    return photos + time, f"{date:.0%} with a date, {place:.0%} with a place"


_PLURALS = {"camera": "cameras", "folder": "folders", "format": "formats"}


def _chart(breakdown: Breakdown, *, fill: bool) -> Chart:
    """Counts as bars; with `fill`, a timeline also has the years or months in which there was nothing."""
    from clipsearch.render.chart import Chart
    from clipsearch.render.text import short_path

    by = breakdown.by
    timeline = by in ("year", "month")
    folder = current_folder()
    bars = [(short_path(one.value, folder) if by == "folder" else one.value, one.images) for one in breakdown.counts]
    notes = []
    if breakdown.other_values:
        notes.append(f"{breakdown.other_values:,} more {_PLURALS.get(by, by)}: {breakdown.other_images:,}")
    if breakdown.unknown:
        notes.append(f"without {'a date' if timeline else f'a {by}'}: {breakdown.unknown:,}")
    return Chart(f"by {by}", tuple(_filled(bars) if fill and timeline else bars), "; ".join(notes), timeline)


def _filled(bars: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The whole span of time, where that is not too long."""
    if not bars:
        return bars
    counts = dict(bars)
    first, last = ([int(part) for part in name.split("-")] for name in (bars[0][0], bars[-1][0]))
    if len(first) == 1:
        names = [f"{year:04}" for year in range(first[0], last[0] + 1)]
    else:
        months = range(first[0] * 12 + first[1] - 1, last[0] * 12 + last[1])
        names = [f"{month // 12:04}-{month % 12 + 1:02}" for month in months]
    return [(name, counts.get(name, 0)) for name in names] if len(names) <= _MOST_COLUMNS else bars
