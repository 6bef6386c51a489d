"""Commands that messages propose. They have --index if the command would not find the index otherwise."""

from __future__ import annotations

import os
from pathlib import Path

from clipsearch._internal.commands import command, with_flags, with_index
from clipsearch.cli.find_index import as_index, nearest_index

_index: Path | None = None


def use(index: Path | None) -> None:
    """From now on, the commands proposed are for this index."""
    global _index
    _index = index


def index_in_use() -> Path | None:
    """The one index of this machine that is in use."""
    return _index


def is_known() -> bool:
    """Whether one index of this machine is in use. If not, a command that changes an index would take another one."""
    return _index is not None


def hint(*words: str | os.PathLike[str]) -> str:
    """`clipsearch WORDS...` for a message: pasted into the same shell, it acts on the index in use."""
    return command(*words, index=_to_name())


def completed(text: str) -> str:
    """A message of the library, with the index in use added to each command between backticks."""
    text = with_flags(text)
    return text if _index is None else with_index(text, _index, near=_to_name() is None)


def _to_name() -> Path | None:
    """The index in use, or None if a command without --index would take the same.

    The last used index does not count: it may be another one by then, and `clipsearch index` does not take it.
    """
    if _index is None:
        return None
    try:
        given = os.environ.get("CLIPSEARCH_INDEX")
        nearest = as_index(Path(given)) if given else nearest_index(Path.cwd())
    except OSError:  # the current folder was deleted
        return _index
    return None if nearest is not None and _same(nearest, _index) else _index


def _same(index: Path, other: Path) -> bool:
    try:
        return index == other or os.path.samefile(index, other)
    except OSError:
        return False
