"""Write the files that users name as outputs. No option lets them take the place of a photo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from clipsearch._internal.atomic_files import replacing, require_free
from clipsearch._internal.windows import is_misread, opened_as
from clipsearch.errors import QueryError
from clipsearch.images.file_types import VIDEO_HEAD_BYTES, looks_like_image, looks_like_video
from clipsearch.images.own_pictures import has_mark


def require_output(target: Path, *, force: bool) -> None:
    """QueryError for the name of a photo, of a folder or (unless `force`) of a file, or in a folder that is not there."""
    if _is_photo(target):
        raise QueryError(
            f"{target} is a photo, or another picture that clipsearch did not make, and is never replaced; name another file"
        )
    require_free(target, force=force)


@contextmanager
def replacing_outputs(targets: Sequence[Path], *, force: bool) -> Iterator[list[Path]]:
    """Paths to write to, which get the targets' names if the block succeeds. The errors are those of `require_output`.

    ClipsearchError if they cannot be written.
    """
    for target in targets:
        require_output(target, force=force)
    with replacing(targets, force=force) as unfinished:
        yield unfinished
        for target in targets:  # a photo may have come meanwhile
            require_output(target, force=force)


def _is_photo(path: Path) -> bool:
    """Whether a file begins like a picture or film, and has not the mark of clipsearch's own. False if it cannot be read."""
    if is_misread(str(path)) or not path.is_file():
        return False
    try:
        with open(opened_as(str(path)), "rb") as file:
            head = file.read(VIDEO_HEAD_BYTES)
    except OSError:
        return False
    return (looks_like_image(head) or looks_like_video(head)) and not has_mark(head)
