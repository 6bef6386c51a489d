"""What a shell completes: files, folders, indexes, models, and values that the photos of an index have."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from clipsearch.store.image_table import Listed

Complete: TypeAlias = "Callable[[click.Context, click.Parameter, str], list[CompletionItem]]"

_DEVICES = ("auto", "cpu", "cuda", "mps")


def complete_folder(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """Have the shell complete a folder."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(word, type="dir")]


def complete_file(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """Have the shell complete a file or folder."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(word, type="file")]


def complete_index(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """Folders; before a letter is typed, also the last used index, which may be far from the current folder."""
    from clipsearch.cli.find_index import last_used_index

    last = None if word else last_used_index()
    return [*(_items([str(last)], word) if last else []), *complete_folder(context, parameter, word)]


def complete_model(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """The recommended models; or a folder, if no model begins so."""
    from clipsearch.encoders.recommended import MINI, MODELS

    names = _items([MINI, *(entry.model for entry in MODELS)], word)
    return names or complete_folder(context, parameter, word)


def complete_text_model(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """The models that encode texts for the pictures of another."""
    from clipsearch.encoders.text_models import TEXT_MODELS

    names = _items(["none", *(entry.model for entry in TEXT_MODELS)], word)
    return names or complete_folder(context, parameter, word)


def complete_device(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """The usual devices."""
    return _items(_DEVICES, word)


def complete_orientation(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """The orientations of a picture."""
    return _items(("landscape", "portrait", "square"), word)


def complete_value(field: Listed, more: Sequence[str] = ()) -> Complete:
    """The values that the photos of the index have of a fact, the most frequent first, and some `more`."""

    def complete(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:
        return _items([*values_of_index(context, field), *more], word)

    return complete


def complete_album(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """The albums of the index, favourites first."""

    def names(index: Path) -> list[str]:
        from clipsearch.store.albums import Albums

        return Albums(index).names()

    return _items(_of_index(context, names), word)


def values_of_index(context: click.Context, field: Listed) -> list[str]:
    """A fact's values among the photos of the index, the most frequent first; empty without an index."""

    def values(index: Path) -> list[str]:
        from clipsearch.store.collection import Collection

        with Collection(index) as collection:
            return collection.values_of(field)

    found = _of_index(context, values)
    return [value.lower() for value in found] if field == "format" else found


def _of_index(context: click.Context, read: Callable[[Path], list[str]]) -> list[str]:
    """What `read` finds in the index that the command would take.

    Gives nothing if the index is missing or cannot be read. A message would spoil the line that the user types.
    """
    from clipsearch.cli.find_index import find_index
    from clipsearch.errors import ClipsearchError

    with contextlib.suppress(ClipsearchError, OSError):
        several = context.params.get("index_folders") or (None,)
        given = several[0] or context.params.get("index_folder") or os.environ.get("CLIPSEARCH_INDEX")
        return read(Path(find_index(given)))
    return []


def _items(values: Iterable[str], word: str) -> list[CompletionItem]:
    """Those that begin with a word; case and accents do not count."""
    from click.shell_completion import CompletionItem

    begun = [value for value in values if _folded(value).startswith(_folded(word)) and value.isprintable()]
    return [CompletionItem(value) for value in begun]


def _folded(text: str) -> str:
    """A text as filters compare names. Most are ASCII, and then nothing is imported."""
    if text.isascii():
        return text.casefold()
    from clipsearch.store.full_text import unaccented

    return unaccented(text)
