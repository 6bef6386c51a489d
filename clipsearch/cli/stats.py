"""`clipsearch stats`."""

from __future__ import annotations

import shutil
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from clipsearch.cli.filters import filter_options
from clipsearch.cli.find_index import existing_index
from clipsearch.cli.options import index_option, json_option
from clipsearch.cli.output import current_folder, print_json, say
from clipsearch.types import all_of

if TYPE_CHECKING:
    from clipsearch.analysis.statistics import Breakdown, Stats
    from clipsearch.render.chart import Chart
    from clipsearch.types import Condition


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
