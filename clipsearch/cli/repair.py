"""`clipsearch repair`."""

from __future__ import annotations

from dataclasses import asdict

from clipsearch.cli.choose_index import existing_index
from clipsearch.cli.command import command
from clipsearch.cli.hints import hint
from clipsearch.cli.options import index_option, json_option
from clipsearch.cli.output import ProgressBar, print_json, say
from clipsearch.cli.verify import MOST_SHOWN, say_damages


@command()
def repair(index_folder: str | None = index_option, as_json: bool = json_option) -> None:
    """Make a damaged index whole again, from everything that is provably good. The photos themselves are never touched.

    \b
    clipsearch repair

    The next `clipsearch index` embeds again what was lost.
    """
    from clipsearch.render.text import printable
    from clipsearch.store.repair import repair as repair_index

    folder = existing_index(index_folder)
    with ProgressBar(unit="B", unit_scale=True) as bar:
        report = repair_index(folder, bar.show)
    if as_json:
        print_json({"index": str(folder), **asdict(report)})
        return
    if not report.damages:
        say(f"nothing is damaged; all {report.kept:,} photos are as they were\n")
        return
    say_damages(report.damages)
    lines = [f"kept {report.kept:,} photos; {len(report.lost):,} must be embedded again: {hint('index')}"]
    lines += [f"  {printable(path)}" for path in report.lost[:MOST_SHOWN]]
    if len(report.lost) > MOST_SHOWN:
        lines.append(f"  and {len(report.lost) - MOST_SHOWN:,} more; --json lists all")
    say("".join(f"{line}\n" for line in lines))
