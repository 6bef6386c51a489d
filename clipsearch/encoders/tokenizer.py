"""Loading tokenizers that may be incomplete or another model's, or mean no good."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from clipsearch._internal.untrusted_files import open_plain, why
from clipsearch.encoders.checkpoint import MOST_TOKENIZER_BYTES
from clipsearch.errors import ModelError, one_line

WORDS = ("dog", "cat", "red", "two", "people", "house", "car", "sea", "a photo", "the river")


def load_tokenizer(folder: Path, other: Callable[[Path], Any]) -> Any:
    """The tokenizer in a folder's tokenizer.json, or that of its `other` files. ModelError if it cannot be loaded."""
    from tokenizers import Tokenizer

    require_plain_files(folder)
    file = folder / "tokenizer.json"
    tokenizer = with_panics(lambda: Tokenizer.from_file(str(file)) if file.is_file() else other(folder), folder)
    if getattr(
        tokenizer.model, "dropout", None
    ):  # it is for training; with it, a text would have other tokens each time
        tokenizer.model.dropout = None
    return tokenizer


def with_panics(call: Callable[[], Any], folder: Path) -> Any:
    """What a call into the tokenizers library gives; ModelError where it fails, be it by a panic, which is no Exception."""
    try:
        return call()
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ModelError(
            f"{folder}: cannot load its tokenizer: {one_line(error)}; fetch the checkpoint again"
        ) from error


def require_words(tokens: Callable[[str], Sequence[int]], folder: Path) -> None:
    """Raise ModelError if a tokenizer takes all words for the same: every text would have one vector."""
    ids = with_panics(lambda: {tuple(tokens(word)) for word in WORDS}, folder)
    if len({tuple(sorted(set(some))) for some in ids}) < 2:
        raise ModelError(
            f"{folder}: its tokenizer cannot tell words apart, so it is incomplete or another model's; fetch the checkpoint "
            "again"
        )


def require_plain_files(folder: Path) -> None:
    """Raise ModelError if a file that a tokenizer may be read from is a pipe, say, or too large: its library would hang."""
    for file in sorted(folder.iterdir()):
        if file.suffix in (".json", ".txt", ".model", ".jinja") and (file.exists() or not file.is_symlink()):
            try:
                with open_plain(file) as stream:
                    if stream.seek(0, 2) > MOST_TOKENIZER_BYTES:
                        raise ValueError(f"it is larger than {MOST_TOKENIZER_BYTES:,} bytes")
            except (OSError, ValueError) as error:
                raise ModelError(f"{file} cannot be read: {why(error)}") from error
