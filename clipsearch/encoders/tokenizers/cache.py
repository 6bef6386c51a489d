"""The user's cache folder for tables of tokenizers, and the digests of the files that they were made from."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from clipsearch._internal.atomic_files import keep_if_possible
from clipsearch._internal.untrusted_files import open_plain, read_json
from clipsearch.encoders.checkpoint import MAX_TOKENIZER_BYTES

_SMALL_BYTES = 200_000  # a smaller file is hashed each time, in half a millisecond
_SETTLED_SECONDS = 2  # a file changed later than that may change again without another time stamp
_MAX_DIGESTS, _MAX_DIGESTS_BYTES = 200, 1_000_000
_MAX_TABLES = 8  # files of 10 MB; the oldest ones are removed


def cache_folder() -> Path:
    """Where tables are kept."""
    from platformdirs import user_cache_path

    return user_cache_path("clipsearch", appauthor=False) / "tokenizers"


def digest(files: Sequence[Path]) -> str:
    """A sha256 of the names and contents of files. Raises ValueError or OSError if one is no plain file, or too large.

    A large file is not read again while its size, times and number on the disk are those that it had when it was read.
    """
    total = hashlib.sha256()
    for file in files:
        total.update(f"{file.name} {_digest_of_file(file)}\n".encode())
    return total.hexdigest()


def remove_oldest_tables() -> None:
    """Keep only the newest tables."""
    with contextlib.suppress(OSError):
        tables = sorted(cache_folder().glob("*.table"), key=lambda path: path.stat().st_mtime_ns)
        for path in tables[:-_MAX_TABLES]:
            path.unlink()


def _digest_of_file(file: Path) -> str:
    with open_plain(file) as stream:
        status = os.fstat(stream.fileno())
        if status.st_size > MAX_TOKENIZER_BYTES:
            raise ValueError(f"it is larger than {MAX_TOKENIZER_BYTES:,} bytes")
        is_small = status.st_size < _SMALL_BYTES
        name, stamp = str(file.resolve()), _stamp(status)
        if not is_small and (known := _load_digests().get(name)) and known[:1] == [stamp]:
            return str(known[1])
        content = hashlib.sha256()
        while block := stream.read(1 << 20):
            content.update(block)
        is_settled = time.time() - max(status.st_mtime, status.st_ctime) > _SETTLED_SECONDS
        if not is_small and is_settled and _stamp(os.fstat(stream.fileno())) == stamp:
            _save_digest(name, stamp, content.hexdigest())
    return content.hexdigest()


def _stamp(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev]


def _load_digests() -> dict[str, list[object]]:
    try:
        digests = read_json(cache_folder() / "digests.json", _MAX_DIGESTS_BYTES)
    except (OSError, ValueError):
        return {}
    is_usable = isinstance(digests, dict) and all(
        isinstance(known, list) and len(known) == 2 for known in digests.values()
    )
    return digests if is_usable else {}


def _save_digest(name: str, stamp: list[int], hexdigest: str) -> None:
    """Keep a digest for later runs. If it cannot be kept, the next run reads the file again."""
    digests = _load_digests()
    digests.pop(name, None)
    digests[name] = [stamp, hexdigest]
    keep_if_possible(cache_folder() / "digests.json", json.dumps(dict([*digests.items()][-_MAX_DIGESTS:])).encode())
