"""A model of a disk that keeps only synced data: its possible contents after a power loss, from a trace of system calls.

A file's bytes are safe once the file was synced. A new, changed or deleted name is safe once its folder was synced. POSIX
promises no more, so the model does not rely on file systems that do.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal

from torture_lab.syscalls import Event

Fate = Literal["nothing unsynced", "everything", "in order", "any order"]
"""Which of the changes that were not synced are on the disk."""

_SECTOR = 512  # a disk writes this many bytes completely or not at all
_FOLDER = -1


@dataclass(slots=True)
class _Change:
    """An unsynced change to the bytes, the length or the name of a file."""

    number: int
    inode: int = 0
    offset: int = 0
    data: bytes | None = None
    length: int | None = None
    old: str | None = None  # a removed name
    new: str | None = None  # a new name


@dataclass(slots=True)
class _Open:
    inode: int
    path: str
    position: int = 0


@dataclass(slots=True)
class Disk:
    """The files of a folder: their synced content, and the changes since."""

    root: str
    names: dict[str, int] = field(default_factory=dict)  # as the process sees them: path → inode, or _FOLDER
    safe_names: dict[str, int] = field(default_factory=dict)
    safe: dict[int, bytes] = field(default_factory=dict)
    changes: list[_Change] = field(default_factory=list)
    handles: dict[int, _Open] = field(default_factory=dict)
    inodes: int = 0
    numbered: int = 0

    @staticmethod
    def of(root: Path) -> Disk:
        """A folder whose whole content is synced."""
        disk = Disk(str(root))
        for path in sorted(root.rglob("*")):
            disk.inodes += 1
            disk.names[str(path)] = _FOLDER if path.is_dir() else disk.inodes
            if path.is_file():
                disk.safe[disk.inodes] = path.read_bytes()
        disk.safe_names = dict(disk.names)
        return disk

    def take(self, event: Event) -> None:
        """Apply a system call."""
        name, texts, numbers = event.name, [os.fsdecode(text) for text in event.texts[:2]], event.numbers
        if name == "openat":
            self._open(texts[0], event)
        elif name == "mkdir" and self._is_here(texts[0]):
            self._rename(None, texts[0], _FOLDER)
        elif name == "rename" and self._is_here(texts[1]):
            self._rename(texts[0], texts[1], self.names[texts[0]])
        elif name == "unlink" and self._is_here(texts[0]):
            self._rename(texts[0], None, self.names[texts[0]])
        elif numbers and (handle := self.handles.get(numbers[0])):
            if name == "close":
                del self.handles[numbers[0]]
            elif name == "lseek":
                handle.position = event.result
            elif name in ("write", "pwrite64"):
                offset = numbers[2] if name == "pwrite64" else handle.position
                self._change(inode=handle.inode, offset=offset, data=event.texts[0][: event.result])
                handle.position += event.result if name == "write" else 0
            elif name == "ftruncate":
                self._change(inode=handle.inode, length=numbers[1])
            elif name in ("fsync", "fdatasync"):
                self._sync(handle)

    def after_power_loss(self, root: Path, fate: Fate, chance: Random) -> None:
        """Write the content of the disk into a new folder."""
        kept, torn = list(self.changes), None
        if fate == "nothing unsynced":
            kept = []
        elif fate == "in order":
            kept = kept[: chance.randint(0, len(kept))]
            torn = kept[-1] if kept else None
        elif fate == "any order":
            kept = [change for change in kept if chance.random() < 0.5]
            torn = chance.choice(kept) if kept else None
        names, contents = dict(self.safe_names), {inode: bytearray(data) for inode, data in self.safe.items()}
        for change in kept:
            if change.inode and change.inode != _FOLDER and change.old is change.new is None:
                _write(contents.setdefault(change.inode, bytearray()), change, chance if change is torn else None)
            else:
                _name(names, change)
        root.mkdir(parents=True)
        there = {self.root}
        for path, inode in sorted(names.items()):  # a folder comes before its content
            if os.path.dirname(path) not in there:
                continue
            if inode == _FOLDER:
                there.add(path)
                Path(path).mkdir()
            elif not path.endswith("-shm"):  # it is memory, not data
                Path(path).write_bytes(contents.get(inode, b""))

    def _is_here(self, path: str) -> bool:
        return path.startswith(f"{self.root}/")

    def _open(self, path: str, event: Event) -> None:
        if not self._is_here(path) and path != self.root:
            self.handles.pop(event.result, None)
            return
        if path not in self.names and "O_CREAT" in event.flags:
            self.inodes += 1
            self._rename(None, path, self.inodes)
        elif "O_TRUNC" in event.flags:
            self._change(inode=self.names[path], length=0)
        self.handles[event.result] = _Open(self.names.get(path, _FOLDER), path)

    def _rename(self, old: str | None, new: str | None, inode: int) -> None:
        self._change(inode=inode, old=old, new=new)
        _name(self.names, self.changes[-1])

    def _change(self, **values: int | str | bytes | None) -> None:
        self.numbered += 1
        self.changes.append(_Change(self.numbered, **values))  # type: ignore[arg-type]

    def _sync(self, handle: _Open) -> None:
        """Make the changes to a synced file permanent."""
        left = []
        for change in self.changes:
            is_name = change.old is not None or change.new is not None
            if is_name and handle.inode == _FOLDER and os.path.dirname(change.new or change.old or "") == handle.path:
                _name(self.safe_names, change)
            elif not is_name and change.inode == handle.inode:
                content = bytearray(self.safe.get(change.inode, b""))
                _write(content, change, None)
                self.safe[change.inode] = bytes(content)
            else:
                left.append(change)
        self.changes = left


def _name(names: dict[str, int], change: _Change) -> None:
    if change.old is not None and names.get(change.old) == change.inode:
        del names[change.old]
    if change.new is not None:
        names[change.new] = change.inode


def _write(content: bytearray, change: _Change, torn: Random | None) -> None:
    """Change a file's bytes; of a torn change, only some of the sectors."""
    if change.length is not None:
        del content[change.length :]
        content.extend(bytes(max(0, change.length - len(content))))
    data = change.data or b""
    content.extend(bytes(max(0, change.offset + len(data) - len(content))) if data else b"")
    for start in range(0, len(data), _SECTOR):
        if torn is None or torn.random() < 0.5:
            part = data[start : start + _SECTOR]
            content[change.offset + start : change.offset + start + len(part)] = part
