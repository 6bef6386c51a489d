"""Tests of whole paths, as hits have them, turned into tests of what the catalog has: paths below the indexed folders."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from clipsearch._internal.paths import is_remote
from clipsearch.conditions import All, Below, Condition, Either, Not, Test, literal_glob
from clipsearch.store.filters import composed, negated_by, with_leaves

_PARTS = re.compile(r"\[[!^]?\]?[^]]*\]|\*+|.", re.DOTALL)  # of a glob


def with_whole_paths(condition: Condition, roots: Callable[[], Iterable[str]]) -> Condition:
    """The condition with each test of an absolute path or folder as tests of what is below the roots, which are absolute."""

    def below_roots(leaf: Condition) -> Condition:
        if isinstance(leaf, Test) and leaf.field in ("path", "folder"):
            path = str(leaf.value)
            if os.path.isabs(path) or is_remote(path):
                return _below_roots(leaf, roots())
        return leaf

    return with_leaves(condition, below_roots)


def _below_roots(test: Test, roots: Iterable[str]) -> Condition:
    text = str(test.value)
    if test.operator != "~":
        text = literal_glob(text if is_remote(text) else os.path.normpath(text))
    found = Either(tuple(All((Below(root), _below(root, test, text))) for root in roots))
    return Not(found) if test.operator == "!=" else found


def _below(root: str, test: Test, glob: str) -> Condition:
    """The test of a whole path for the photos of one root."""
    start = root if root.endswith(os.sep) else root + os.sep
    if test.field == "path":
        return Either(tuple(Test("path", "~", rest) for rest in _rests(glob, start)))
    # With a "/" at its end, the root itself is a folder like those below it. The catalog calls it "".
    rests = (rest.removesuffix("/") for rest in _rests(f"{glob}/", start))
    return Either(
        tuple(
            All((Test("folder", "!=", ""), Test("folder", "~", rest))) if rest else Test("folder", "=", "")
            for rest in rests
        )
    )


def _rests(glob: str, start: str) -> list[str]:
    """The globs for the rest of a text that begins with `start`: after "/a/b/", "/*/c" is "c" or "*/c"."""
    parts = _PARTS.findall(_comparable(glob))
    reached = {0}  # how many parts may have matched so far
    for letter in _comparable(start):
        reached = {after for before in reached for after in _matched(parts, before, letter)}
    return ["".join(parts[number:]) for number in sorted(reached)]


def _matched(parts: Sequence[str], before: int, letter: str) -> Iterator[int]:
    """How many parts may have matched after one more letter."""
    if before == len(parts):
        return
    if parts[before].startswith("*"):
        yield before  # it takes this letter, and may take more
        yield from _matched(parts, before + 1, letter)
    elif fnmatchcase(letter, negated_by("!", parts[before])):
        yield before + 1


def _comparable(text: str) -> str:
    """A path as it is compared: without regard to case, and with "/" on every system."""
    return composed(text.replace(os.sep, "/").lower())
