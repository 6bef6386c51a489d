"""How values are written for people: names, paths, sizes, dates, places, probabilities."""

from __future__ import annotations

import os
from datetime import datetime


def printable(text: str) -> str:
    """Text that a terminal shows on one line and cannot take as a command: other characters are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii") for c in text)


def short_path(path: str, relative_to: str) -> str:
    """A path relative to a folder above it; any other path, or any path if the folder is "", as it is."""
    if not relative_to:
        return path
    prefix = relative_to.rstrip(os.sep) + os.sep
    return path[len(prefix) :] if path.startswith(prefix) else path


def percent(probability: float) -> str:
    """A probability in whole percent. It never claims certainty: ">99%" and "<1%" are its ends."""
    return ">99%" if probability >= 0.995 else "<1%" if probability <= 0.005 else f"{probability:.0%}"


def human_bytes(count: int) -> str:
    """A size with a decimal unit and at least two digits, such as 1.5 GB."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def counted(count: int, noun: str) -> str:
    """A number and its noun, such as "1 photo", "1,200 photos" or "2 copies"."""
    if count != 1:
        noun = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {noun}"


def joined_counts(*parts: tuple[int | None, str]) -> str:
    """The counts that are not zero, such as "3 added, 1 removed"; "" if all are."""
    return ", ".join(f"{count:,} {what}" for count, what in parts if count)


def day(taken_at: datetime | None) -> str:
    """The date of a photo, such as 2024-07-15; "" if it is not known."""
    return taken_at.date().isoformat() if taken_at else ""


def minute(taken_at: datetime | None) -> str:
    """The date and time of a photo, such as 2024-07-15 12:30; "" if it is not known."""
    return taken_at.isoformat(" ", "minutes")[:16] if taken_at else ""


def place(gps: tuple[float, float] | None) -> str:
    """(latitude, longitude) in degrees, to about ten metres; "" if it is not known."""
    if gps is None:
        return ""
    latitude, longitude = gps
    return f"{abs(latitude):.4f}° {'NS'[latitude < 0]}, {abs(longitude):.4f}° {'EW'[longitude < 0]}"
