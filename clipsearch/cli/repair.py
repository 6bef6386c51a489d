"""`clipsearch repair`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from clipsearch.cli.find_index import existing_index
from clipsearch.cli.hints import hint
from clipsearch.cli.options import index_option, json_option
from clipsearch.cli.output import print_json, say

if TYPE_CHECKING:
    pass


from clipsearch.cli.verify import _SHOWN, _progress, _show


@click.command()
@index_option
@json_option
def repair(index_folder: str | None, as_json: bool) -> None:
    """Make a damaged index whole again, with all that can be proven good. The photos themselves are never touched.

    What was lost is embedded again by the next `clipsearch index`.

    \b
    clipsearch repair
    """
    from clipsearch.render.text import printable
    from clipsearch.store.repair import repair as repair_index

    folder = existing_index(index_folder)
    with _progress() as progress:
        done = repair_index(folder, progress)
    if as_json:
        print_json({"index": str(folder), **asdict(done)})
        return
    if not done.damages:
        say(f"nothing is damaged; all {done.kept:,} photos are as they were\n")
        return
    _show(done.damages)
    lines = [f"kept {done.kept:,} photos; {len(done.lost):,} must be embedded again: {hint('index')}"]
    lines += [f"  {printable(path)}" for path in done.lost[:_SHOWN]]
    if len(done.lost) > _SHOWN:
        lines.append(f"  and {len(done.lost) - _SHOWN:,} more; --json lists all")
    say("".join(f"{line}\n" for line in lines))
