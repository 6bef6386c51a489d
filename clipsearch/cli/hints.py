"""Commands that messages propose. They name the index with --index if it would not be found otherwise."""

from __future__ import annotations

import os
from pathlib import Path

from clipsearch._internal.commands import command, with_index

_index: Path | None = None


def use(index: Path | None) -> None:
    """From now on, the commands proposed are for this index."""
    global _index
    _index = index


def hint(*words: str | os.PathLike[str]) -> str:
    """`clipsearch WORDS...` for a message: pasted here, it acts on the index in use."""
    return command(*words, index=_to_name())


def completed(text: str) -> str:
    """A message of the library, with the index in use in each command that stands between backticks in it."""
    return text if _index is None else with_index(text, _index, near=_to_name() is None)


def _to_name() -> Path | None:
    """The index in use; None where a command without --index would take the same.

    The index used last does not count: it may be another by then, and `clipsearch index` does not take it.
    """
    from clipsearch.cli.find_index import as_index, nearest_index

    if _index is None:
        return None
    try:
        given = os.environ.get("CLIPSEARCH_INDEX")
        found = as_index(Path(given)) if given else nearest_index(Path.cwd())
    except OSError:  # the current folder was deleted
        return _index
    return None if found is not None and _same(found, _index) else _index


def _same(one: Path, other: Path) -> bool:
    try:
        return one == other or os.path.samefile(one, other)
    except OSError:
        return False
