"""`clipsearch verify`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from clipsearch.cli.exit_status import ExitStatus
from clipsearch.cli.find_index import existing_index
from clipsearch.cli.hints import hint
from clipsearch.cli.options import index_option, json_option
from clipsearch.cli.output import print_json, progress_bar, say

if TYPE_CHECKING:
    from clipsearch.store.verify import Damage


_SHOWN = 20  # damages, and lost photos, of which a person sees each


@click.command()
@index_option
@json_option
@click.pass_context
def verify(context: click.Context, index_folder: str | None, as_json: bool) -> None:
    """Read everything in an index and compare it with its checksums. Changes nothing.

    Exit status: 0 all is as it was written; 4 something is damaged.

    \b
    clipsearch verify
    clipsearch verify --json
    """
    from clipsearch.render.text import human_bytes, printable
    from clipsearch.store.verify import verify as verify_index

    folder = existing_index(index_folder)
    with _progress() as progress:
        found = verify_index(folder, progress)
    if as_json:
        print_json({"index": str(folder), **asdict(found), "clean": not found.damages})
    elif found.damages:
        _show(found.damages)
        say(f"the index at {printable(str(folder))} is damaged; to keep all that is good: {hint('repair')}\n")
    else:
        say(
            f"{found.images:,} photos and {found.segments} segment{'' if found.segments == 1 else 's'} "
            f"({human_bytes(found.bytes_read)}) are as they were written\n"
        )
    context.exit(ExitStatus.DAMAGED if found.damages else 0)


def _show(damages: Iterable[Damage]) -> None:
    from clipsearch.render.text import printable

    damages = list(damages)
    for damage in damages[:_SHOWN]:
        say(f"{printable(damage.where)}: {printable(damage.what)}\n")
    if len(damages) > _SHOWN:
        say(f"and {len(damages) - _SHOWN:,} more; --json lists all\n")


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar of bytes."""
    with progress_bar(unit="B", unit_scale=True) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
