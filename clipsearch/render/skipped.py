"""List the files that a walk skipped, as lines for people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from clipsearch._internal.commands import quoted
from clipsearch.images.file_types import is_image_suffix, missing_decoder, suffix_of
from clipsearch.render.text import counted, printable
from clipsearch.types import Failure

_EXTRA = re.compile(r"pip install 'clipsearch\[([a-z0-9-]+)\]'")  # this text is in the reason of a failure
_MOST_KINDS = 8
"""Suffixes in one line; the files of the other suffixes are counted together."""


def counted_suffixes(files: Mapping[str, int]) -> str:
    """How many files have each suffix, most first: "5 .json, 2 .aae, 1 without a suffix"."""
    by_count = sorted(files.items(), key=lambda item: (-item[1], not item[0], item[0]))
    parts = [f"{count:,} {suffix or 'without a suffix'}" for suffix, count in by_count[:_MOST_KINDS]]
    if rest := sum(count for _, count in by_count[_MOST_KINDS:]):
        parts.append(f"{rest:,} of other kinds")
    return printable(", ".join(parts))


def skipped_lines(files: Mapping[str, int], links: int, left_alone: int, own: int) -> Iterator[str]:
    """A line for each reason to skip files, and how to take them.

    `files` maps the suffixes of files that are no photos to their numbers. `links` are links to folders, `left_alone` folders
    of deleted or derived pictures, and `own` pictures that clipsearch made.
    """
    by_extra: dict[str | None, dict[str, int]] = {}
    for suffix, count in files.items():
        if decoder := missing_decoder(suffix):
            by_extra.setdefault(decoder.extra, {})[suffix] = count
    for extra, lacking in sorted(by_extra.items(), key=lambda item: item[0] or "~"):
        names = sorted(lacking)
        kinds = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        advice = f"pip install 'clipsearch[{extra}]'" if extra else f"there is no decoder for {kinds} yet"
        yield f"skipped {counted_suffixes(lacking)}: {advice}"
    # A regular file with a photo's name is indexed, or listed as a failure.
    odd = {suffix: count for suffix, count in files.items() if is_image_suffix(suffix)}
    if odd:
        yield f"skipped {counted_suffixes(odd)}: links to nothing, or not regular files"
    others = {suffix: count for suffix, count in files.items() if suffix not in odd and not missing_decoder(suffix)}
    if others:
        yield f"skipped {counted(sum(others.values()), 'file')}: {counted_suffixes(others)}"
    if links:
        yield f"skipped {counted_links(links)}: use --follow-links"
    if left_alone:
        yield f"left alone {counted(left_alone, 'folder')} of deleted photos, thumbnails, the system and the like"
    if own:
        yield f"left alone {counted(own, 'picture')} that clipsearch made"


def excluded_lines(patterns: Sequence[str], files: Mapping[str, int], folders: Mapping[str, int]) -> Iterator[str]:
    """A line for what `--exclude` leaves out: the patterns in force, suffixes of files and names of folders with their numbers.

    What is inside the folders is not counted, because they are not walked.
    """
    if not patterns:
        return
    parts = [counted_suffixes(files)] if files else []
    if folders:
        named = [f"{name} ({count:,})" if count > 1 else name for name, count in list(folders.items())[:_MOST_KINDS]]
        named += [f"{len(folders) - _MOST_KINDS:,} more names"] if len(folders) > _MOST_KINDS else []
        kind = "the folder" if sum(folders.values()) == 1 else "the folders"
        parts.append(printable(f"{kind} {', '.join(named)}"))
    shown = printable(", ".join(map(quoted, patterns)))
    if parts:
        yield f"skipped {' and '.join(parts)}: --exclude {shown} (remembered; --no-exclude takes it back)"
    else:
        are, they = ("is", "it") if len(patterns) == 1 else ("are", "they")
        yield f"--exclude {shown} {are} remembered; {they} left out nothing (--no-exclude takes it back)"


def lacking_lines(failures: Iterable[Failure]) -> Iterator[str]:
    """A line for each extra of clipsearch that would read some of these files: how many of each suffix."""
    by_extra: dict[str, Counter[str]] = {}
    for failure in failures:
        if extra := _EXTRA.search(failure.reason):
            by_extra.setdefault(extra[1], Counter())[suffix_of(failure.file.name)] += 1
    for extra_name, files in sorted(by_extra.items()):
        verb = "needs" if sum(files.values()) == 1 else "need"
        yield f"{counted_suffixes(files)} of these {verb} a decoder: pip install 'clipsearch[{extra_name}]'"


def counted_links(links: int) -> str:
    """A number of links to folders."""
    return f"{links:,} link to a folder" if links == 1 else f"{links:,} links to folders"
