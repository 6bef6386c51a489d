#!/usr/bin/env python3
"""Predict the cost of 10 million, 100 million and a billion photos from measured constants, and compare with measurements.

    python benchmarks/simulate_scale.py                          # the table, the validation, the simulated shards
    python benchmarks/simulate_scale.py 250000000 --dim 768 --megapixels 12 --json
    python scripts/bench.py --json > bench.json
    python benchmarks/simulate_scale.py --measure --bench bench.json    # remakes scale_constants.json; 10 minutes

docs/scale.md says what the model covers.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from scale_model import costs, fan_out, report, validation
from scale_model.constants import FILE, Constants, Figures, load

ROOT = Path(__file__).resolve().parents[1]
SIZES = (10_000_000, 100_000_000, 1_000_000_000)
LOADS = (0.1, 0.5, 0.8)  # of a fleet's capacity


def main() -> None:
    """Print the model's answers, or measure the constants again."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("photos", nargs="*", type=int, default=SIZES, metavar="PHOTOS", help="number of photos")
    parser.add_argument("--dim", type=int, default=512, help="of an embedding: 512 for ViT-B/32, 768 for ViT-L/14")
    parser.add_argument("--megapixels", type=float, default=1.0, help="of a photo")
    parser.add_argument("--photo-kb", type=float, default=300.0, help="of a photo's file, in kilobytes")
    parser.add_argument("--captions", action="store_true", help="each photo has a caption")
    parser.add_argument("--shards", type=int, nargs="*", default=(8, 64), help="machines that share the photos")
    parser.add_argument("--replicas", type=int, default=1, help="fleets of shards, which share the queries")
    parser.add_argument(
        "--spread",
        choices=("quiet", "busy"),
        default="quiet",
        help="of a machine's times: measured alone, or beside others",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the simulated arrivals")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--measure", action="store_true", help="measure small indexes, and write scale_constants.json")
    parser.add_argument("--bench", type=Path, help="with --measure: the output of scripts/bench.py --json")
    parser.add_argument("--work", type=Path, default=Path("scale-work"), help="with --measure: a folder for 1.5 GB")
    parser.add_argument(
        "--shared", type=Path, default=ROOT.parent / "shared", help="with --measure: embeddings and captions"
    )
    arguments = parser.parse_args()
    if arguments.measure:
        if arguments.bench is None:
            parser.error("--measure needs --bench")
        remake(arguments.bench, arguments.work, arguments.shared)
    if min([arguments.dim, arguments.replicas, *arguments.photos, *arguments.shards]) < 1:
        parser.error("numbers are above zero")
    answer = answers(load(), arguments)
    print(json.dumps(answer, indent=1) if arguments.json else report.text(answer))


def answers(figures: Figures, arguments: argparse.Namespace) -> dict[str, Any]:
    """Costs of each size, the validation, and the simulated fleets."""
    constants = figures.constants
    tables = [
        costs.costs(
            constants,
            photos,
            arguments.dim,
            megapixels=arguments.megapixels,
            photo_bytes=1e3 * arguments.photo_kb,
            captions=arguments.captions,
            gpus=figures.gpus,
        )
        for photos in arguments.photos
    ]
    compared = [{**asdict(point), "error": point.error} for point in validation.compared(figures)]
    return {
        "costs": [asdict(table) for table in tables],
        "validation": compared,
        "fleets": fleets(
            figures,
            arguments.photos,
            arguments.dim,
            arguments.shards,
            arguments.replicas,
            arguments.spread,
            arguments.seed,
        ),
        "constants": {
            name: {"value": value, "source": figures.sources[name]} for name, value in asdict(constants).items()
        },
        "gpus": [asdict(gpu) for gpu in figures.gpus],
    }


def fleets(
    figures: Figures, sizes: Sequence[int], dim: int, shards: Sequence[int], replicas: int, spread: str, seed: int
) -> list[dict[str, Any]]:
    """The waiting times of queries for each size, number of shards and load."""
    rows = []
    for photos in sizes:
        for count in shards:
            held = costs.compact_bytes(photos / count, dim) + costs.vector_bytes(photos / count, dim)
            service = costs.warm_query(figures.constants, photos / count, dim)
            fleet = fan_out.Fleet(count, replicas, service, np.array(figures.service[spread]))
            limit = fan_out.capacity(fleet)
            for load_share in LOADS:
                answered = fan_out.simulate(fleet, load_share * limit, seed=seed)
                rows.append(
                    {"photos": photos, "shards": count, "replicas": replicas, "service_s": service,
                     "in_memory": held <= figures.constants.memory,
                     "capacity": limit, "load": load_share, **asdict(answered)}
                )  # fmt: skip
    return rows


def remake(bench: Path, work: Path, shared: Path) -> None:
    """Write the file of constants. Constants that neither command measures stay as they are."""
    from scale_model import measuring

    data = json.loads(FILE.read_text("utf-8"))
    benched, points, quiet = measuring.from_bench(bench)
    measured, busy = measuring.measure(work, shared)
    data["constants"] |= {**measured, **benched}
    values = {name: entry["value"] for name, entry in data["constants"].items()}
    data["constants"]["open_s"] = measuring.opening(bench, Constants(**{**values, "open_s": 0.0}))
    data["points"] = points + [point for point in data["points"] if "quiet run" in point["source"]]
    data["service"] = {"quiet": quiet, "busy": busy}
    data["load"] = os.getloadavg()[1]
    FILE.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
