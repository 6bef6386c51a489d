"""Read the tags of TIFF directories from bytes that may be broken or hostile.

Camera makers build their raw formats on TIFF 6.0 and change its header, so Pillow's reader does not open them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SUB_IFDS, EXIF_IFD, GPS_IFD, MAKER_NOTE = 0x014A, 0x8769, 0x8825, 0x927C

_PACKETS = (MAKER_NOTE, 0x02BC, 0x83BB, 0x8649)  # with tables of their own: the maker's, XMP, IPTC and Photoshop's

_MOST_DIRECTORIES = 64
_MOST_ENTRIES = 1024  # of one directory
_MOST_BYTES = 1024**2  # of one value; previews are read by their offsets instead
_MOST_FACT_BYTES = 64 * 1024  # of one value that is a fact about a photo

# Bytes of a value, and its letter for struct, by the number of the type: TIFF 6.0, section 2; from 16 on, BigTIFF.
_TYPES = {1: (1, "B"), 2: (1, "s"), 3: (2, "H"), 4: (4, "I"), 5: (8, "II"), 6: (1, "b"), 7: (1, "s"), 8: (2, "h"),
          9: (4, "i"), 10: (8, "ii"), 11: (4, "f"), 12: (8, "d"), 13: (4, "I"), 16: (8, "Q"), 17: (8, "q"),
          18: (8, "Q")}  # fmt: skip

_HEADERS = (b"II*\0", b"MM\0*")
_BIG_HEADER = b"II+\0"  # with the other byte order, Pillow does not open it


def is_tiff(data: bytes) -> bool:
    """Whether data begins like a TIFF file, or like a BigTIFF file, whose offsets have 64 bits."""
    return data[:4] in (*_HEADERS, _BIG_HEADER)


@dataclass(frozen=True, slots=True)
class Value:
    """One entry of a directory: its type, and the number and the offset of its values."""

    kind: int
    count: int
    offset: int

    @property
    def length(self) -> int:
        """Bytes."""
        return self.count * _TYPES[self.kind][0]


class TiffTags:
    """The directories of a TIFF structure that begins at `base` in `data`. Offsets count from there.

    `first` is the offset of the directory to begin with, if it is not the one that the header names.
    """

    def __init__(self, data: bytes, base: int = 0, order: str | None = None, first: int | None = None) -> None:
        self.data = data
        self.base = base
        self.order = order or (">" if data[base : base + 2] == b"MM" else "<")
        self._first = first
        self._is_big = data[base : base + 4] == _BIG_HEADER
        # struct's letters of a directory's length, of an entry's head and of an offset
        self._count, self._head, self._offset = ("Q", "HHQ", "Q") if self._is_big else ("H", "HHI", "I")
        self._entry_bytes, self._inline_bytes = (20, 8) if self._is_big else (12, 4)

    def first(self) -> int:
        """The offset of the first directory; 0 if there is none."""
        if self._first is not None:
            return self._first
        return self._unpack(self._offset, self.base + (8 if self._is_big else 4))

    def with_first(self, offset: int) -> bytes:
        """The file's header with another offset of the first directory. It replaces as many bytes at the start of `data`."""
        at = self.base + (8 if self._is_big else 4)
        return self.data[self.base : at] + struct.pack(self.order + self._offset, offset)

    def directory(self, offset: int) -> tuple[dict[int, Value], int]:
        """(tag → its entry, the offset of the next directory) at an offset. Both are empty if there is no valid directory."""
        at = self.base + offset
        if offset <= 0 or at + 2 > len(self.data):
            return {}, 0
        count = self._unpack(self._count, at)
        start = at + struct.calcsize(self._count)
        end = start + self._entry_bytes * count
        if not 0 < count <= _MOST_ENTRIES or end > len(self.data):
            return {}, 0
        head = struct.Struct(self.order + self._head)
        entries = {}
        for entry in range(start, end, self._entry_bytes):
            tag, kind, length = head.unpack_from(self.data, entry)
            if kind not in _TYPES:
                continue
            value = Value(kind, length, entry + head.size)
            if value.length > self._inline_bytes:
                value = Value(kind, length, self.base + self._unpack(self._offset, value.offset))
            if value.offset + value.length <= len(self.data):
                entries[tag] = value
        return entries, self._unpack(self._offset, end)

    def chain(self, offset: int) -> Iterator[dict[int, Value]]:
        """The directory at an offset, those that it links to, and the sub-directories of each. Loops end."""
        waiting = [offset]
        seen: set[int] = set()
        while waiting and len(seen) < _MOST_DIRECTORIES:
            offset = waiting.pop(0)
            if offset in seen:
                continue
            seen.add(offset)
            entries, following = self.directory(offset)
            if entries:
                yield entries
                waiting += self.numbers(entries, SUB_IFDS)[:_MOST_DIRECTORIES]
            if following:
                waiting.append(following)

    def value(self, entries: dict[int, Value], tag: int) -> Any:
        """A tag's value as Pillow's EXIF reader gives it: bytes, a number, or a tuple of numbers; None if it is absent."""
        entry = entries.get(tag)
        if entry is None or entry.length > _MOST_BYTES:
            return None
        if entry.kind in (2, 7):
            return self.data[entry.offset : entry.offset + entry.count]
        letters = _TYPES[entry.kind][1]
        values = struct.unpack_from(f"{self.order}{letters * entry.count}", self.data, entry.offset)
        if len(letters) == 2:
            values = tuple(
                top / bottom if bottom else float("nan") for top, bottom in zip(values[::2], values[1::2], strict=True)
            )
        return values[0] if len(values) == 1 else values

    def content(self, entries: dict[int, Value], tag: int, most: int = _MOST_BYTES) -> bytes:
        """The bytes of a tag's value, whatever its type; empty if it is absent, or longer than `most`."""
        entry = entries.get(tag)
        return self.data[entry.offset : entry.offset + entry.length] if entry and entry.length <= most else b""

    def values(self, entries: dict[int, Value]) -> dict[int, Any]:
        """Every tag's value, without values that are too long to be facts about a photo."""
        short = (tag for tag, entry in entries.items() if tag not in _PACKETS and entry.length <= _MOST_FACT_BYTES)
        return {tag: self.value(entries, tag) for tag in short}

    def facts(self) -> tuple[dict[int, Any], dict[int, Any], dict[int, Any]]:
        """The values of the first directory, and of the EXIF and the GPS directory that it names."""
        main, _ = self.directory(self.first())
        exif, _ = self.directory(self.number(main, EXIF_IFD))
        gps, _ = self.directory(self.number(main, GPS_IFD))
        return self.values(main), self.values(exif), self.values(gps)

    def number(self, entries: dict[int, Value], tag: int) -> int:
        """A tag's first value as a whole number; 0 if it is absent or not a number."""
        numbers = self.numbers(entries, tag)
        return numbers[0] if numbers else 0

    def numbers(self, entries: dict[int, Value], tag: int) -> list[int]:
        """A tag's values as whole numbers, not negative; empty if it is absent or not made of numbers."""
        value = self.value(entries, tag)
        values = value if isinstance(value, tuple) else (value,)
        return [int(number) for number in values if isinstance(number, (int, float)) and 0 <= number < 2**32]

    def _unpack(self, letter: str, at: int) -> int:
        size = struct.calcsize(letter)
        if at < 0 or at + size > len(self.data):
            return 0
        return int(struct.unpack_from(f"{self.order}{letter}", self.data, at)[0])
