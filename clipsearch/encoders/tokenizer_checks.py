"""Checks of tokenizers that may be incomplete, another model's, or malicious."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from clipsearch._internal.untrusted_files import open_plain, why
from clipsearch.errors import ModelError, one_line

MAX_FILE_BYTES = 128_000_000
"""Limit for each of a tokenizer's files; SigLIP 2's has 34 million."""

SAMPLE_WORDS = ("dog", "cat", "red", "two", "people", "house", "car", "sea", "a photo", "the river")

_Result = TypeVar("_Result")


def call_tokenizers(call: Callable[[], _Result], folder: Path) -> _Result:
    """The result of a call into the tokenizers library. Raises ModelError if it fails or panics (no subclass of Exception)."""
    try:
        return call()
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ModelError(
            f"{folder}: cannot load its tokenizer: {one_line(error)}; fetch the checkpoint again"
        ) from error


def require_words_differ(tokens: Callable[[str], Sequence[int]], folder: Path) -> None:
    """Raise ModelError if a tokenizer gives all words the same tokens: every text would have one vector."""
    distinct = call_tokenizers(lambda: {tuple(sorted(set(tokens(word)))) for word in SAMPLE_WORDS}, folder)
    if len(distinct) < 2:
        raise ModelError(
            f"{folder}: its tokenizer cannot tell words apart, so it is incomplete or another model's; fetch the checkpoint "
            "again"
        )


def require_readable_files(folder: Path) -> None:
    """Raise ModelError if a file that a tokenizer may be read from is, say, a pipe, or too large: its library would hang."""
    for file in sorted(folder.iterdir()):
        if file.suffix in (".json", ".txt", ".model", ".jinja") and (file.exists() or not file.is_symlink()):
            try:
                with open_plain(file) as stream:
                    if stream.seek(0, 2) > MAX_FILE_BYTES:
                        raise ValueError(f"it is larger than {MAX_FILE_BYTES:,} bytes")
            except (OSError, ValueError) as error:
                raise ModelError(f"{file} cannot be read: {why(error)}") from error
