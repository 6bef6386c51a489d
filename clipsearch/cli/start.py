"""`clipsearch` without a command: what one can do next, in a few lines."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from pathlib import Path

from clipsearch._internal.commands import command
from clipsearch.cli.find_index import as_index, last_used_index, nearest_index
from clipsearch.cli.hints import hint, use
from clipsearch.cli.output import say
from clipsearch.errors import ClipsearchError
from clipsearch.render.text import counted, printable

_EXAMPLE = "a dog on a beach"


def say_what_is_next() -> None:
    """Print the next commands: for the index that they would take, if there is one."""
    folder, about = _index()
    use(folder)
    lines = [(hint("query", _EXAMPLE), "find photos"), (hint("serve"), "the same in the browser")]
    if folder is None:
        about = "Search a photo folder by describing the picture. Nothing is indexed yet."
        lines.insert(0, (f"{command('index')} {_photo_folder()}", "index your photos, once"))
    else:
        lines.append((hint("index"), "after changes: update the index"))
    lines.append((command("help"), "all commands"))
    width = max(len(line) for line, _ in lines)
    listed = [f"  {line:<{width}}  {what}" for line, what in lines]
    if sys.stdout.isatty() and max(map(len, listed)) > shutil.get_terminal_size().columns:
        listed = [f"  {line}\n      {what}" for line, what in lines]
    say("".join(f"{line}\n" for line in (printable(about), *listed)))


def _index() -> tuple[Path | None, str]:
    """The index that a command would take, and what is in it."""
    from clipsearch.store.collection import Collection

    with contextlib.suppress(ClipsearchError, OSError):
        given = os.environ.get("CLIPSEARCH_INDEX")
        folder = as_index(Path(given)) if given else nearest_index(Path.cwd()) or last_used_index()
        if folder is not None:
            with Collection(folder) as collection:
                model = f", model {collection.fingerprint.model}" if collection.fingerprint else ""
                return folder, f"{counted(len(collection), 'photo')} in the index at {folder}{model}"
    return None, ""


def _photo_folder() -> str:
    """Where most systems keep photos, if that is there; without quotes, so that a shell reads its ~."""
    names = ("Pictures", "Photos")
    return next((f"~/{name}" for name in names if (Path.home() / name).is_dir()), f"~/{names[0]}")
