"""`clipsearch repair`."""

from __future__ import annotations

import sys
from dataclasses import asdict

from clipsearch.cli.choose_index import existing_index
from clipsearch.cli.command import command
from clipsearch.cli.exit_status import ExitStatus
from clipsearch.cli.hints import hint
from clipsearch.cli.options import index_option, json_option
from clipsearch.cli.output import broken_at_words, print_report
from clipsearch.cli.progress import ProgressBar
from clipsearch.cli.verify import damages_text, first_lines
from clipsearch.render.text import counted, printable


@command()
def repair(index_folder: str | None = index_option, as_json: bool = json_option) -> int:
    """Make a damaged index whole again, from everything that is provably good. The photos themselves are never touched.

    \b
    clipsearch repair

    The next `clipsearch index` embeds again what was lost. Albums and saved searches are left as they are: if their file is
    damaged, restore it from a backup.

    Exit status: 0 all is well now; 4 a file of albums or saved searches is still damaged.
    """
    from clipsearch.store.repair import repair as repair_index

    folder = existing_index(index_folder)
    with ProgressBar(unit="B", unit_scale=True) as bar:
        report = repair_index(folder, bar.show)
    if report.damages:
        lost = len(report.lost) + report.lost_unnamed
        text = damages_text(report.damages)
        if lost:
            kept = f"kept {counted(report.kept, 'photo')}; {lost:,} must be embedded again: {hint('index')}\n"
        else:
            kept = f"kept {'all ' if report.kept > 1 else ''}{counted(report.kept, 'photo')}\n"
        text += broken_at_words(kept, sys.stdout)
        text += first_lines(report.lost, indent="  ")
        if report.lost_unnamed:
            name = "name was" if report.lost_unnamed == 1 else "names were"
            text += f"  {counted(report.lost_unnamed, 'photo')} whose {name} lost\n"
        if report.former_catalog:
            former = printable(report.former_catalog)
            text += broken_at_words(
                f"the catalog of before is kept as {former}; delete it when all is well\n", sys.stdout
            )
    else:
        text = f"nothing is damaged; {counted(report.kept, 'photo')} as before\n"
    print_report(as_json, {"index": str(folder), **asdict(report)}, text, summary=not report.damages)
    return ExitStatus.DAMAGED if any(damage.advice for damage in report.damages) else ExitStatus.OK
