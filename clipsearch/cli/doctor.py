"""`clipsearch doctor`."""

from __future__ import annotations

import sys
from typing import Any

from clipsearch.cli.command import command, flag
from clipsearch.cli.exit_status import ExitStatus
from clipsearch.cli.find_index import find_index
from clipsearch.cli.hints import hint, use
from clipsearch.cli.options import index_option, json_option
from clipsearch.cli.output import broken_at_words, current_folder, print_report
from clipsearch.render.text import human_bytes, printable

_BYTES = frozenset({"memory", "memory_available", "cache_free", "free", "bytes"})


@command()
def doctor(
    index_folder: str | None = index_option,
    hub: bool = flag("--hub", "Also check that the Hugging Face hub answers. Otherwise nothing is sent."),
    as_json: bool = json_option,
) -> int:
    """Check this machine, this installation and the index, on one page to paste into a bug report.

    \b
    clipsearch doctor
    clipsearch doctor --json
    clipsearch doctor --hub  # if a model cannot be downloaded

    The page has no photo's name and no secret; the home folder becomes ~. Nothing is changed, and it takes a few seconds at
    most. `clipsearch verify` reads the whole index.

    Exit status: 0 all is well; 1 something does not work; 4 the index is damaged.
    """
    from clipsearch import __version__
    from clipsearch.analysis import diagnosis

    versions, loads = diagnosis.packages(), diagnosis.runtimes()
    health = _index(index_folder, all(loads[name] == "ok" for name in ("numpy", "faiss")))
    absent = [name for name, version in versions.items() if version is None and name not in diagnosis.optional()]
    problems = [f"{name} is not installed" for name in absent]
    problems += [f"{name} {result}" for name, result in loads.items() if result != "ok"]
    problems += [f"index: {problem}" for problem in health.problems if health.state in ("damaged", "unknown")]
    report: dict[str, Any] = {
        "clipsearch": __version__,
        "environment": diagnosis.environment(),
        "packages": versions,
        "runtimes": loads,
        "models": diagnosis.models(ask_hub=hub),
        "index": {
            "state": health.state,
            **health.facts,
            "problems": list(health.problems),
            "beyond_repair": health.beyond_repair is not None,
        },
        "problems": problems,
    }
    print_report(as_json, report, _page(report, health.beyond_repair, repairable=health.repairable))
    return ExitStatus.DAMAGED if health.state == "damaged" else ExitStatus.ERROR if problems else ExitStatus.OK


def _index(given: str | None, look_at_vectors: bool) -> Any:
    from clipsearch.analysis import diagnosis

    try:
        folder = find_index(given)
        use(folder)
    except Exception as error:  # there is no index, or finding it does not work
        none = type(error).__name__ == "CollectionNotFound"
        reason = diagnosis.without_home(str(error)) if current_folder() else "the current folder was deleted"
        return diagnosis.IndexHealth("none" if none else "unknown", {}, (reason,))
    return diagnosis.index_health(folder, look_at_vectors=look_at_vectors)


def _page(report: dict[str, Any], beyond_repair: str | None, *, repairable: bool = True) -> str:
    lines = [f"clipsearch {report['clipsearch']}"]
    for section in ("environment", "packages", "runtimes", "models", "index"):
        lines += ["", section]
        for name, value in report[section].items():
            if isinstance(value, dict):
                value = ", ".join(f"{key}={part}" for key, part in value.items())
            if value not in ("", []) and name not in ("problems", "beyond_repair"):
                lines.append(f"  {name.replace('_', ' '):<20} {printable(_value_text(name, value))}")
    facts = _text(lines, indent=23)
    lines = ["", *(f"PROBLEM  {printable(problem)}" for problem in report["problems"])]
    if report["index"]["state"] == "well":
        lines.append("the index looks well; to read everything in it: " + hint("verify"))
    elif report["index"]["state"] == "damaged" and repairable:
        if beyond_repair is None:
            lines.append(f"the index is damaged; all of it: {hint('verify')}; to keep what is good: {hint('repair')}")
        elif beyond_repair:
            lines.append(f"nothing of the index can be kept. {beyond_repair}")
    away = report["index"].get("folders_away", [])
    for folder in away:
        lines.append(
            f"the folder {printable(folder)} is not there. If it is on a drive, connect that. If it was moved, index it where "
            f"it is now. Then, or if it is gone for good: {hint('forget', folder)}"
        )
    if not report["problems"]:
        lines.append(f"nothing {'else ' if away else ''}is wrong that can be seen from here")
    return facts + _text(lines, indent=2)


def _text(lines: list[str], indent: int) -> str:
    return broken_at_words("".join(f"{line}\n" for line in lines), sys.stdout, indent)


def _value_text(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return human_bytes(value) if name in _BYTES else f"{value:,}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
