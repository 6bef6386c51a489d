"""Read the boxes of ISO 14496-12 files, such as CR3 and AVIF, from bytes that may be broken or hostile."""

from __future__ import annotations

from collections.abc import Iterator

_MOST_BOXES = 1000


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(type, start of the content, end) of the boxes between two offsets."""
    at = start
    for _ in range(_MOST_BOXES):
        if at + 8 > end:
            return
        size, head = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        after = end if size == 0 else at + size
        if 0 < size < head or after > end:
            return
        yield data[at + 4 : at + 8], at + head, after
        at = after


def boxes_below(data: bytes, start: int, end: int, path: tuple[bytes, ...]) -> Iterator[tuple[bytes, int, int]]:
    """The boxes in the first box of each type of `path`."""
    for kind, inside, after in boxes(data, start, end):
        if not path:
            yield kind, inside, after
        elif kind == path[0]:
            yield from boxes_below(data, inside, after, path[1:])
            return
