#!/usr/bin/env python3
"""Measure approximate indexes: recall of text and image queries against latency and memory, beside peers and exact search.

    benchmarks/install_peers.sh                            # once: each peer in its own environment
    python benchmarks/ann.py --picture docs/ann.svg        # 100,000 and 1,000,000 vectors
    python benchmarks/ann.py --rows 100000 --kind ivf-pq   # a part of it

Vectors are scattered around real CLIP ViT-B/32 embeddings of pictures; the texts are real ones of that model. Every method gets
one query at a time. Compare rows of one run only: machines differ and are busy.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does, before numpy is loaded

from suite.ann import as_json, measured
from suite.ann_report import picture, table
from suite.measure import machine
from suite.setup import ROOT, Setup

from clipsearch.store.approximate.info import KINDS

PEERS = ("autofaiss", "usearch")


def main() -> None:
    """Run the chosen measurements and print them."""
    cache = Path(os.environ.get("CLIPSEARCH_BENCH", "~/.cache/clipsearch-bench")).expanduser()
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0] if __doc__ else "", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000], help="sizes")
    parser.add_argument("--kind", nargs="*", choices=KINDS, default=list(KINDS), help="our kinds")
    parser.add_argument("--peer", nargs="*", choices=PEERS, default=list(PEERS), help="peers; absent ones are left out")
    parser.add_argument("--peers", type=Path, default=cache, help="where install_peers.sh put them")
    parser.add_argument("--work", type=Path, default=cache / "work", help="keeps indexes and vectors")
    parser.add_argument(
        "--shared", type=Path, default=ROOT.parent / "shared", help="embeddings and the checkpoint tool"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--picture", type=Path, help="write the frontier as an SVG file")
    arguments = parser.parse_args()
    if not arguments.shared.is_dir():
        parser.error(f"{arguments.shared} is not there; name the folder with --shared")
    arguments.work.mkdir(parents=True, exist_ok=True)
    setup = Setup(arguments.shared, arguments.peers, arguments.work, repeats=1, photos=0)
    points = []
    for rows in arguments.rows:
        for point in measured(setup, rows, arguments.kind, arguments.peer):
            points.append(point)
            print(
                f"{point.rows:>9,} {point.method:<12} {point.setting:<18} text {point.text:.3f} image {point.image:.3f} "
                f"{point.milliseconds:7.2f} ms {point.megabytes:7.0f} MB",
                file=sys.stderr,
            )
    if arguments.picture:
        arguments.picture.write_text(picture(points), "utf-8")
    if arguments.json:
        print(json.dumps({"machine": machine(), "points": as_json(points)}, indent=1))
    else:
        print(f"{machine()}\n\n{table(points)}")


if __name__ == "__main__":
    main()
