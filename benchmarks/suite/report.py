"""The results as a Markdown table and as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from suite.measure import Figures
from suite.result import Result

_COLUMNS = ("case", "clipsearch", "peer", "ratio", "limit", "of the limit", "notes")
_COLOURS = {"rclip": "#4878a8", "transformers": "#c26d3f"}


def table(results: Sequence[Result], *, header: bool = True) -> str:
    """One row for each peer of each result. The ratio is the peer's time by ours; the limit's share is limit by ours."""
    rows = [_COLUMNS, ("---",) * len(_COLUMNS)] if header else []
    for result in results:
        ours = f"{_time(result.ours.median)} ± {result.ours.spread / 2:.0%}{_memory(result.ours)}"
        limit = f"{_time(result.limit)} ({result.limit_is})" if result.limit else ""
        share = f"{result.limit / result.ours.median:.0%}" if result.limit else ""
        notes = "; ".join(f"{name}: {value}" for name, value in result.notes.items())
        if result.count > 1:
            notes = "; ".join(filter(None, [f"{result.count / result.ours.median:,.1f} a second", notes]))
        first = (result.name, ours, limit, share, notes)
        for number, (peer, figures) in enumerate(result.peers.items() or [("", None)]):
            name, ours, limit, share, notes = first if number == 0 else ("", "", "", "", "")
            theirs = f"{peer} {_time(figures.median)}{_memory(figures)}" if figures else ""
            ratio = f"{figures.median / result.ours.median:.2f}" if figures else ""
            rows.append((name, ours, theirs, ratio, limit, share, notes))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def picture(results: Sequence[Result]) -> str:
    """Bars, as SVG: how many times as long the peers take, on a logarithmic scale."""
    bars = [
        (result.name, peer, figures.median / result.ours.median)
        for result in results
        for peer, figures in result.peers.items()
        if peer in _COLOURS
    ]
    most = max([ratio for *_, ratio in bars] + [10])
    scale = 420 / math.log10(most)
    lines = []
    for number, (name, peer, ratio) in enumerate(bars):
        y = 50 + 24 * number
        width = max(scale * math.log10(max(ratio, 1.01)), 1)
        lines += [
            f'<text x="250" y="{y + 13}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="258" y="{y}" width="{width:.0f}" height="18" fill="{_COLOURS[peer]}"/>',
            f'<text x="{264 + width:.0f}" y="{y + 13}">{escape(peer)} x {ratio:.1f}</text>',
        ]
    height = 60 + 24 * len(bars)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="820" height="{height}" font-family="sans-serif" font-size="13">\n'
        f'<rect width="820" height="{height}" fill="#ffffff"/>\n'
        '<text x="258" y="28" font-size="15">How many times as long the peers take (logarithmic)</text>\n'
        + "\n".join(lines)
        + "\n</svg>\n"
    )


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.2 else f"{1e3 * seconds:.1f} ms"


def _memory(figures: Figures) -> str:
    if not figures.peak_mb:
        return ""
    return f", {max(figures.peak_mb):,.0f} MB ({max(figures.anonymous_mb):,.0f} beyond mapped files)"
