"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from clipsearch.errors import ClipsearchError


@contextmanager
def replacing(targets: Sequence[Path], *, force: bool) -> Iterator[list[Path]]:
    """Paths beside some targets to write to; they get the targets' names, the first one last, if all goes well.

    Where it does not, nothing is left of them. A target that exists is an error unless `force`. Of several targets the first
    stands for all: while it is there, the others are of the same run.
    """
    _require_free(targets, force)
    partial = [target.with_name(f".{target.name}.{os.getpid()}.partial") for target in targets]
    try:
        yield partial
        _require_free(targets, force)
        for path in partial:
            _to_disk(path)
        if len(targets) > 1:
            targets[0].unlink(missing_ok=True)
        for path, target in reversed(list(zip(partial, targets, strict=True))):
            path.replace(target)
    finally:
        for path in partial:
            with contextlib.suppress(OSError):
                path.unlink()


def _require_free(targets: Sequence[Path], force: bool) -> None:
    for target in targets:
        if target.is_dir():
            raise ClipsearchError(f"{target} is a folder; name a file")
        if not target.parent.is_dir():
            raise ClipsearchError(f"there is no folder {target.parent}")
        if not force and os.path.lexists(target):
            raise ClipsearchError(f"{target} exists; to replace it: --force")


def _to_disk(path: Path) -> None:
    with open(path, "rb+") as stream:
        os.fsync(stream.fileno())
