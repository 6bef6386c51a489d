"""`clipsearch stats`."""

from __future__ import annotations

import shutil
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from clipsearch.cli.choose_index import open_engine
from clipsearch.cli.command import OUTPUT, FilePath, command, option
from clipsearch.cli.files import force_option
from clipsearch.cli.filters import filter_options
from clipsearch.cli.options import count_option, index_option, json_option
from clipsearch.cli.output import broken_at_words, current_folder, print_report, remark
from clipsearch.cli.results import remark_unmet
from clipsearch.conditions import Condition, all_of
from clipsearch.render.chart import Chart, can_draw_blocks, charts_text
from clipsearch.render.text import counted, human_bytes, short_path

if TYPE_CHECKING:
    from clipsearch.analysis.statistics import Breakdown, Stats

_MOST_COLUMNS = 240  # of a timeline; a longer one leaves out its empty columns
# analysis.statistics.ALL_BY, which --help must not import
_BY = (
    "year", "month", "camera", "folder", "format", "orientation", "megapixels", "keyword", "person", "rating", "source",
    "place", "region", "country",
)  # fmt: skip
_COUNT = "What to count"
_STARS = {"-1": "rejected", "1": "1 star", **{str(stars): f"{stars} stars" for stars in range(2, 6)}}


@command()
def stats(
    by: tuple[str, ...] = option(
        "--by",
        "FACT",
        "year, month, camera, folder, format, orientation, megapixels, place, region, country, keyword, person, rating or "
        "source (of the date); repeatable. Default: year, camera, folder and format.",
        _COUNT,
        multiple=True,
        type=click.Choice(_BY),
    ),
    top: int = count_option("--top", 10, "How many cameras, folders, keywords, ... to show.", _COUNT),
    depth: int = count_option("--depth", 1, "Levels of folders to count separately.", _COUNT, least=0),
    filters: tuple[Condition, ...] = filter_options,
    as_json: bool = json_option,
    png: str | None = option("--png", "FILE", "Also write the counts as a picture.", OUTPUT, type=FilePath()),
    force: bool = force_option("--png"),
    index_folder: str | None = index_option,
) -> None:
    """Count the photos by year, camera, folder, keyword and the like.

    \b
    clipsearch stats
    clipsearch stats --by month --by camera --after 2023
    clipsearch stats --by folder --depth 2 --top 30 --json
    clipsearch stats --by keyword --by person --rating 4..
    clipsearch stats --png photos.png
    """
    from clipsearch.analysis.statistics import USUAL_BY

    if png is not None:
        from clipsearch.render.chart_picture import check_png

        check_png(png, force=force)  # before anything is counted for it
    with open_engine(index_folder) as engine:
        report = engine.stats(by or USUAL_BY, all_of(filters), top=top, depth=depth)  # type: ignore[arg-type]  # click has checked them
        if not report.images:
            remark_unmet(engine, filters)
    if png is not None:
        from clipsearch.render.chart_picture import charts_png, save_png

        charts = [_chart(breakdown, fill=True) for breakdown in report.breakdowns]
        save_png(charts_png(*_headline(report), charts), png, force=force)
        remark(f"wrote {png}")
    charts = [_chart(breakdown, fill=False) for breakdown in report.breakdowns if breakdown.counts or breakdown.unknown]
    width = shutil.get_terminal_size().columns
    blocks = can_draw_blocks(sys.stdout.encoding)
    drawn = charts_text(charts, width, blocks=blocks, whole_names=not sys.stdout.isatty())
    value = {"index": str(engine.index_folder), **asdict(report)}
    value["by"] = {breakdown.pop("by"): breakdown for breakdown in value.pop("breakdowns")}
    head = broken_at_words("".join(f"{line}\n" for line in _headline(report)), sys.stdout)
    print_report(as_json, value, f"{head}\n{drawn}")


def _headline(report: Stats) -> tuple[str, str]:
    photos = f"{counted(report.images, 'photo')}, {human_bytes(report.bytes)}"
    if not report.images:
        return photos, "nothing to count"
    time = f", {report.first[:10]} to {report.last[:10]}" if report.first and report.last else ""
    date, place = report.with_date / report.images, report.with_place / report.images
    facts = f"{date:.0%} with a date, {place:.0%} with a place"
    if report.texts_read:
        facts += f", {report.with_text / report.images:.0%} with text in the picture"
        if left := report.images - report.texts_read:
            facts += f" ({left:,} not read yet)"
    return photos + time, facts


def _chart(breakdown: Breakdown, *, fill: bool) -> Chart:
    """Counts as bars; with `fill`, a timeline also has the years or months without photos."""
    by = breakdown.by
    timeline = by in ("year", "month")
    folder = current_folder()
    name = {"folder": lambda value: short_path(value, folder), "rating": _STARS.__getitem__}.get(by, str)
    bars = [(name(count.value), count.images) for count in breakdown.counts]
    notes = []
    if breakdown.other_values:
        plural = {"person": "people", "country": "countries"}.get(by, f"{by}s")
        notes.append(f"{breakdown.other_values:,} more {plural}: {breakdown.other_images:,}")
    if breakdown.unknown:
        missing = "a date" if timeline or by == "source" else f"a {by}"
        notes.append(f"without {missing}: {breakdown.unknown:,}")
    return Chart(
        "by source of the date" if by == "source" else f"by {by}",
        tuple(_filled(bars) if fill and timeline else bars),
        "; ".join(notes),
        timeline,
    )


def _filled(bars: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The whole span of time, unless it is too long."""
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
