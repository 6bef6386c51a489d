"""Commands that messages propose. They have --index if the command would not find the index otherwise."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from clipsearch._internal.commands import command, with_index


def _no_index() -> Path | None:
    return None


_index: Path | None = None
_default: Callable[[], Path | None] = _no_index


def use(index: Path | None, default: Callable[[], Path | None] = _no_index) -> None:
    """From now on, the commands proposed are for this index. `default` returns what a command without --index would take."""
    global _index, _default
    _index, _default = index, default


def hint(*words: str | os.PathLike[str]) -> str:
    """`clipsearch WORDS...` for a message: pasted into the same shell, it acts on the index in use."""
    return command(*words, index=_to_name())


def completed(text: str) -> str:
    """A message of the library, with the index in use added to each command between backticks."""
    return text if _index is None else with_index(text, _index, near=_to_name() is None)


def _to_name() -> Path | None:
    """The index in use, or None if a command without --index would take the same.

    The index used last does not count: it may be another one by then, and `clipsearch index` does not take it.
    """
    if _index is None:
        return None
    try:
        nearest = _default()
    except OSError:  # the current folder was deleted
        return _index
    return None if nearest is not None and _same(nearest, _index) else _index


def _same(index: Path, other: Path) -> bool:
    try:
        return index == other or os.path.samefile(index, other)
    except OSError:
        return False
