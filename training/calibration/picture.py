"""The reliability diagram, as SVG."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from calibration.measure import Bin

_SIDE, _LEFT, _TOP = 380, 70, 60
_COLOURS = ("#4878a8", "#c26d3f", "#4a8f5c")


def reliability(title: str, curves: Mapping[str, list[Bin]]) -> str:
    """`match` against the share of its hits that are relevant; a dot's area grows with their number."""
    most = max((bin.count for bins in curves.values() for bin in bins), default=1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_SIDE + 260}" height="{_SIDE + 130}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{_SIDE + 260}" height="{_SIDE + 130}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="32" font-size="15">{escape(title)}</text>',
        f'<rect x="{_LEFT}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="#888888"/>',
        f'<line x1="{_x(0):.0f}" y1="{_y(0):.0f}" x2="{_x(1):.0f}" y2="{_y(1):.0f}" stroke="#888888" stroke-dasharray="4 4"/>',
        f'<text x="{_x(0.5):.0f}" y="{_TOP + _SIDE + 48}" text-anchor="middle">match</text>',
        f'<text x="22" y="{_y(0.5):.0f}" text-anchor="middle" transform="rotate(-90 22 {_y(0.5):.0f})">'
        "share that is relevant</text>",
    ]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts += [
            f'<text x="{_x(tick):.0f}" y="{_TOP + _SIDE + 20}" text-anchor="middle">{tick:g}</text>',
            f'<text x="{_LEFT - 8}" y="{_y(tick) + 4:.0f}" text-anchor="end">{tick:g}</text>',
        ]
    for number, (name, bins) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        line = " ".join(f"{_x(bin.predicted):.1f},{_y(bin.observed):.1f}" for bin in bins)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for bin in bins:
            radius = 2 + 7 * (bin.count / most) ** 0.5
            parts.append(
                f'<circle cx="{_x(bin.predicted):.1f}" cy="{_y(bin.observed):.1f}" r="{radius:.1f}" fill="{colour}">'
                f"<title>{bin.count} hits</title></circle>"
            )
        y = _TOP + 14 + 22 * number
        parts += [
            f'<circle cx="{_LEFT + _SIDE + 18}" cy="{y - 4}" r="5" fill="{colour}"/>',
            f'<text x="{_LEFT + _SIDE + 30}" y="{y}">{escape(name)}</text>',
        ]
    return "\n".join([*parts, "</svg>\n"])


def _x(share: float) -> float:
    return _LEFT + _SIDE * share


def _y(share: float) -> float:
    return _TOP + _SIDE * (1 - share)
