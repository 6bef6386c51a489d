"""How values are written for people: names, paths, sizes, dates, places, probabilities; and the width of text in a terminal."""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time
from itertools import takewhile
from textwrap import wrap

from clipsearch._internal.partial_dates import known_part
from clipsearch.types import FoundIn, Hit, ImageInfo, Moment

_READABLE = 12  # cells: what is left of a name that is shortened to fewer tells nothing
_BYTE = re.compile("[\udc80-\udcff]")  # stands for a byte of a name that is not UTF-8 (PEP 383)


def printable(text: str) -> str:
    """Text that a terminal shows on one line and cannot take as a command: other characters, and bytes, are escaped."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii")
        for c in with_bytes_escaped(text)
    )


def with_bytes_escaped(text: str) -> str:
    """Text with \\xff for each byte of a name that is not UTF-8, in place of the lone surrogate that stands for it."""
    return _BYTE.sub(lambda byte: f"\\x{ord(byte[0]) & 0xFF:02x}", text)


def short_path(path: str, relative_to: str) -> str:
    """A path relative to a folder above it; any other path, or any path if the folder is "", as it is."""
    if not relative_to:
        return path
    prefix = relative_to.rstrip(os.sep) + os.sep
    return path[len(prefix) :] if path.startswith(prefix) else path


def cosine(score: float) -> str:
    """A score, 0.2534; nothing if there is none (NaN)."""
    return "" if math.isnan(score) else f"{score:.4f}"


def percent(probability: float | None) -> str:
    """A probability in whole percent, rounded down so that "50%" reaches a limit of 50%; "" if it is not known.

    It goes from "<1%" to ">99%", since it never claims certainty.
    """
    if probability is None:
        return ""
    whole = round(probability * 100)
    whole -= whole / 100 > probability
    return ">99%" if probability >= 0.995 else f"{whole}%" if whole else "<1%"


def match_and_score(hit: Hit) -> list[str]:
    """How well a photo fits, in words: its match, if it is known, and its score."""
    return [text for text in (percent(hit.match), cosine(hit.score)) if text]


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


def with_moment(name: str, moment: Moment | None, others: int = 0) -> str:
    """The name of a photo, its moment, and how many more files its shot has: "IMG_0001.MOV (at 0:42, +2 files)"."""
    details = [str(moment)] if moment else []
    details += [f"+{counted(others, 'file')}"] if others else []
    return f"{name} ({', '.join(details)})" if details else name


def titled(name: str, hit: Hit) -> str:
    """The name of a hit, which may be a part of its path, with what `with_moment` adds."""
    return with_moment(printable(name), hit.record.moment, len(hit.others))


def found_words(hit: Hit) -> str:
    """The part of a hit's texts that has the words that were looked for, such as "title: Holiday in Rome"; "" if none has."""
    return _found_words(hit.found_in) if hit.found_in else ""


def all_found_words(hit: Hit) -> str:
    """`found_words` of each field that has some, such as "title: Holiday in Rome; keywords: Rome"."""
    return "; ".join(map(_found_words, (*filter(None, (hit.found_in,)), *hit.also_found_in)))


def _found_words(found: FoundIn) -> str:
    return f"{found.field}: {printable(found.excerpt)}"


def stars(rating: int | None) -> str:
    """A rating as stars; "" if it is not known or 0."""
    return "rejected" if rating == -1 else "★" * (rating or 0)


def joined_counts(*parts: tuple[int | None, str]) -> str:
    """The counts that are not zero, such as "3 added, 1 removed"; "" if all are."""
    return ", ".join(f"{count:,} {noun}" for count, noun in parts if count)


def day(taken_at: datetime | None) -> str:
    """The date of a photo, such as 2024-07-15, or as much as is known of it: 2024-07, 2024; "" without a date."""
    return (known_part(taken_at) or taken_at.date().isoformat()) if taken_at else ""


def minute(taken_at: datetime | None) -> str:
    """The date and time of a photo, such as 2024-07-15 12:30; "" if it is not known.

    A date without a time is kept as midnight, so midnight to the second is only a date.
    """
    if taken_at is None or taken_at.time() == time.min or known_part(taken_at):
        return day(taken_at)
    return taken_at.isoformat(" ", "minutes")[:16]


def place(info: ImageInfo) -> str:
    """Where a photo was taken: the names of its place, or degrees to about ten metres; "" if it is not known."""
    if info.place is not None:
        from clipsearch.gazetteer import label  # few photos have a place

        return label(info.place)
    if info.gps is None:
        return ""
    latitude, longitude = info.gps
    return f"{abs(latitude):.4f}° {'NS'[latitude < 0]}, {abs(longitude):.4f}° {'EW'[longitude < 0]}"


def columns(text: str) -> int:
    """The terminal cells of a printable text: two for wide East Asian characters, none for combining marks."""
    # wcwidth would measure it, but takes 25 ms to import, which every query with a name beyond ASCII would pay.
    return len(text) if text.isascii() else sum(map(_cells, text))


def pad(text: str, width: int) -> str:
    """The text, filled up with spaces to a width in terminal cells."""
    return text + " " * (width - columns(text))


def paragraphs(lines: Sequence[str], terminal: int | None) -> Sequence[str]:
    """Lines of a path, a tab and words. On a `terminal` that is too narrow for one, the words are below each path."""
    if terminal is None or all(columns(line.expandtabs()) <= terminal for line in lines):
        return lines
    return [
        part
        for path, _, about in (line.partition("\t") for line in lines)
        for part in (path, *wrap(about, terminal, initial_indent="  ", subsequent_indent="  "))
    ]


def shorten(text: str, width: int) -> str:
    """The text in at most `width` terminal cells: its beginning, an ellipsis, and more of its end, the name in a path."""
    if columns(text) <= width:
        return text
    if width < 1:
        return ""
    head = (width - 1) // 3
    start = _fitting(text, head)
    end = _fitting(reversed(text), width - 1 - head)[::-1]
    while end and not _cells(end[0]):  # a combining mark would join the ellipsis
        end = end[1:]
    return f"{start}…{end}"


def shorten_path(path: str, width: int) -> str:
    """The path in at most `width` terminal cells: its file's name, and as much of its folder as fits before it."""
    if columns(path) <= width:
        return path
    folder, separator, name = path.rpartition(os.sep)
    room = width - columns(separator + name)
    return f"{shorten(folder, room)}{separator}{name}" if separator and room > 0 else shorten(name, width)


def told_apart(shown: Mapping[str, str], width: int) -> dict[str, str]:
    """Whole paths and how each is shown in `width` cells. Those shown the same get the folders that differ, or stay whole."""
    apart = dict(shown)
    if width < _READABLE:
        return apart
    for again in (_with_their_folders, _whole):
        alike = defaultdict(list)
        for path, text in apart.items():
            alike[text].append(path)
        for paths in alike.values():
            if len(paths) > 1:
                apart.update(zip(paths, again(paths, width), strict=True))
    return apart


def _with_their_folders(paths: Sequence[str], width: int) -> Iterable[str]:
    """The paths without the folders that they share, each with its own folders and a shortened name, or whole."""
    in_all = takewhile(lambda letters: len(set(letters)) == 1, zip(*paths, strict=False))
    shared = "".join("".join(letters[0] for letters in in_all).rpartition(os.sep)[:2])
    start = shared if columns(shared) <= columns(f"…{os.sep}") else f"…{os.sep}"
    for path in paths:
        folder, separator, name = path[len(shared) :].rpartition(os.sep)
        room = width - columns(start + folder + separator)
        is_readable = room >= min(_READABLE, columns(name))
        yield f"{start}{folder}{separator}{shorten(name, room)}" if is_readable else path


def _whole(paths: Sequence[str], _width: int) -> Iterable[str]:
    return paths


def short_title(path: str, moment: Moment | None, others: int, width: int) -> str:
    """What `with_moment` says of a path in at most `width` terminal cells. If there is no room for both, the name is kept."""
    title = with_moment(path, moment, others)
    if columns(title) <= width:
        return title
    room = width - columns(title.removeprefix(path))
    return shorten_path(path, room) + title.removeprefix(path) if room >= _READABLE else shorten_path(path, width)


def _fitting(characters: Iterable[str], width: int) -> str:
    kept = []
    for character in characters:
        width -= _cells(character)
        if width < 0:
            break
        kept.append(character)
    return "".join(kept)


def _cells(character: str) -> int:
    # U+1160 to U+11FF: vowels and finals of decomposed Hangul, which macOS writes. They are drawn onto the initial.
    if unicodedata.category(character) in ("Mn", "Me", "Cf") or "\u1160" <= character <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
