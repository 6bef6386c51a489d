"""The frontier of approximate indexes as a Markdown table and as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from suite.ann import Point

_COLUMNS = ("vectors", "method", "text recall 0.95", "0.99", "0.999", "images at text 0.99", "MB", "built in")
_TARGETS = (0.95, 0.99, 0.999)
_COLOURS = ("#4878a8", "#c26d3f", "#4f9d69", "#8a5aa8", "#b5a642", "#c05070", "#5b5b5b")
_WIDTH, _HEIGHT, _LEFT, _TOP = 420, 300, 60, 40
_LEAST = 0.5  # recall at the bottom of the picture


def table(points: Sequence[Point]) -> str:
    """For each method, the quickest setting that reaches a recall of texts, in ms; "-" if no setting reaches it."""
    rows = [_COLUMNS, ("---",) * len(_COLUMNS)]
    for size, method, group in _methods(points):
        quickest = [_quickest(group, target) for target in _TARGETS]
        times = [
            f"{point.milliseconds:.2f} ms" if point else f"- ({max(one.text for one in group):.3f})"
            for point in quickest
        ]
        images = f"{quickest[1].image:.3f}" if quickest[1] else ""
        seconds = f"{group[0].build_seconds:.0f} s" if group[0].build_seconds else ""
        rows.append((f"{size:,}", method, *times, images, f"{group[0].megabytes:,.0f}", seconds))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def picture(points: Sequence[Point]) -> str:
    """Recall of texts (lines) and of images (dashes) against the median latency, as SVG; memory below."""
    sizes = sorted({point.rows for point in points})
    methods = list(dict.fromkeys(method for _, method, _ in _methods(points) if method != "exact"))
    colours = {method: _COLOURS[number % len(_COLOURS)] for number, method in enumerate(methods)}
    lines = [part for number, size in enumerate(sizes) for part in _panel(points, size, number, colours)]
    below = _TOP + _HEIGHT + 56
    for number, method in enumerate(methods):
        x, y = _LEFT + 330 * (number % 3), below + 20 * (number // 3)
        memory = ", ".join(f"{group[0].megabytes:,.0f}" for _, other, group in _methods(points) if other == method)
        lines += [
            f'<line x1="{x}" x2="{x + 24}" y1="{y - 4}" y2="{y - 4}" stroke="{colours[method]}" stroke-width="3"/>',
            f'<text x="{x + 30}" y="{y}">{escape(method)}: {memory} MB</text>',
        ]
    width, height = max(len(sizes) * (_WIDTH + 90), 1040), below + 20 * (len(methods) // 3 + 1)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n' + "\n".join(lines) + "\n</svg>\n"
    )


def _panel(points: Sequence[Point], size: int, number: int, colours: dict[str, str]) -> list[str]:
    group = [point for point in points if point.rows == size]
    times = [point.milliseconds for point in group]
    low, high = math.log10(min(times) / 1.3), math.log10(max(times) * 1.3)
    left = _LEFT + number * (_WIDTH + 90)

    def x(milliseconds: float) -> float:
        return left + _WIDTH * (math.log10(milliseconds) - low) / (high - low)

    def y(recall: float) -> float:
        return _TOP + _HEIGHT * (1 - (max(recall, _LEAST) - _LEAST) / (1 - _LEAST))

    lines = [f'<text x="{left}" y="24" font-size="14">{size:,} vectors: recall@10 of texts (dashed: of images)</text>']
    for recall in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99):
        lines += [
            f'<line x1="{left}" x2="{left + _WIDTH}" y1="{y(recall):.1f}" y2="{y(recall):.1f}" stroke="#dddddd"/>',
            f'<text x="{left - 6}" y="{y(recall) + 4:.1f}" text-anchor="end">{recall:g}</text>',
        ]
    for mark in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500):
        if low <= math.log10(mark) <= high:
            lines.append(f'<text x="{x(mark):.1f}" y="{_TOP + _HEIGHT + 16}" text-anchor="middle">{mark:g} ms</text>')
    exact = next(point for point in group if point.method == "exact")
    lines.append(
        f'<line x1="{x(exact.milliseconds):.1f}" x2="{x(exact.milliseconds):.1f}" y1="{_TOP}" y2="{_TOP + _HEIGHT}" '
        'stroke="#000000" stroke-dasharray="2 3"/>'
        f'<text x="{x(exact.milliseconds) - 4:.1f}" y="{_TOP + _HEIGHT - 6}" text-anchor="end">'
        f"exact, {exact.megabytes:,.0f} MB</text>"
    )
    for method, colour in colours.items():
        quickest_first = sorted(
            (point for point in group if point.method == method), key=lambda point: point.milliseconds
        )
        for which, dash in (("text", ""), ("image", ' stroke-dasharray="5 4"')):
            best, path = 0.0, []
            for point in quickest_first:
                if (recall := getattr(point, which)) > best:
                    best = recall
                    path.append(f"{x(point.milliseconds):.1f},{y(recall):.1f}")
            if len(path) == 1:  # no slower setting finds more
                path.append(f"{x(quickest_first[-1].milliseconds):.1f},{y(best):.1f}")
            if path:
                lines.append(
                    f'<polyline points="{" ".join(path)}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
                )
    return lines


def _methods(points: Sequence[Point]) -> list[tuple[int, str, list[Point]]]:
    groups: dict[tuple[int, str], list[Point]] = {}
    for point in points:
        groups.setdefault((point.rows, point.method), []).append(point)
    return [(size, method, group) for (size, method), group in groups.items()]


def _quickest(points: Sequence[Point], target: float) -> Point | None:
    return min((point for point in points if point.text >= target), key=lambda point: point.milliseconds, default=None)
