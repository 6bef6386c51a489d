#!/usr/bin/env python3
"""Measure clipsearch beside its peers and beside the limits of the machine.

    benchmarks/install_peers.sh                  # once: each peer in its own environment
    python scripts/bench.py                      # everything: an hour, 15 GB in the work folder (45 with ten million)
    python scripts/bench.py cold warm --json     # some cases, as JSON

Every case runs clipsearch and the peers in turn, in one run, and compares medians. Compare only rows of one run: machines
differ and are busy. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from suite import peers
from suite.indexing import adding, first_results, indexing, marginal, unchanged
from suite.measure import machine
from suite.models import models_cold, models_indexing
from suite.querying import cold_query, facts, filtered, huge, start, warm_query
from suite.report import picture, table
from suite.result import Result
from suite.setup import KEPT, Setup, add_folders

CASES: dict[str, Callable[[Setup], Iterator[Result]]] = {
    "start": start, "cold": cold_query, "warm": warm_query, "filtered": filtered, "facts": facts, "huge": huge,
    "indexing": indexing, "unchanged": unchanged, "adding": adding,
    "models": models_cold, "models-indexing": models_indexing, "marginal": marginal, "first": first_results,
}  # fmt: skip


def main() -> None:
    """Run the chosen cases."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0] if __doc__ else "", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)}; default: all")
    parser.add_argument("--peers", type=Path, default=KEPT, help="where install_peers.sh put them")
    add_folders(parser)
    parser.add_argument("--repeats", type=int, default=5, help="runs of each; a table shows their median")
    parser.add_argument("--photos", type=int, default=192, help="of 12 megapixels; twice as many of 1 megapixel")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--picture", type=Path, help="write the ratios to the peers as an SVG file")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    if not arguments.shared.is_dir():
        parser.error(f"{arguments.shared} is not there; name the folder with --shared")
    arguments.work.mkdir(parents=True, exist_ok=True)
    setup = Setup(arguments.shared, arguments.peers, arguments.work, arguments.repeats, arguments.photos)
    results: list[Result] = []
    for name in arguments.cases or CASES:
        print(f"{name} ...", file=sys.stderr)
        for result in CASES[name](setup):
            results.append(result)
            print(table([result], header=False), file=sys.stderr)
    versions = {name: version(name) for name in ("faiss-cpu", "numpy", "openvino", "pillow")}
    versions |= {name: peers.version(setup.peer_dir, name) for name in ("rclip", "transformers") if setup.has(name)}
    about = {"machine": machine(), "python": sys.version.split()[0], "versions": versions}
    if arguments.json:
        print(json.dumps({**about, "results": [result.as_json() for result in results]}, indent=1))
    else:
        print(f"{about['machine']}; {', '.join(f'{name} {number}' for name, number in versions.items())}\n")
        print(table(results))
    if arguments.picture:
        arguments.picture.write_text(picture(results), "utf-8")


if __name__ == "__main__":
    main()
