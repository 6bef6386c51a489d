#!/usr/bin/env python3
"""Calibrate `match`, the probability beside a score, and judge it.

    python training/calibrate.py                          # a table for each model; minutes the first time
    python training/calibrate.py --write                  # and clipsearch/query/calibration.json
    python training/calibrate.py --json --picture docs/reliability.svg

There are four kinds of queries. *Descriptions* are captions; the photo that a caption was written for is relevant. All other
photos count as not relevant, although many that `match` believes in are, by eye (data/relevance/judged.jsonl). *Words* are one
or two plain things. Photos with two captions that name them are relevant, those with none are not, and the rest are not judged.
*Absent* things are in no caption, and *removed* captions are those of photos taken out: no photo is relevant to them. Figures
of words are averages over queries, those of descriptions over all pairs.

`mini` is fitted on Flickr8k's development split and judged on its test split. CLIP ViT-B/32 is fitted on the captions of fifty
photos and judged on those of fifty others, among 1,091, with embeddings that others computed. Words and absent things are
halved too.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from calibration.clip import MODEL, SCALE, clip_tasks
from calibration.examples import Examples, examples, fit, fit_without_level, matches
from calibration.measure import Believed, believed
from calibration.picture import reliability
from calibration.queries import judgements
from calibration.report import Report, report, table
from calibration.tasks import DATA, Task, flickr8k, removed
from numpy.typing import NDArray

from clipsearch import load_encoder
from clipsearch.analysis.evaluation import read_captions
from clipsearch.query.relevance import FEATURES, TABLE, Calibration

ROOT = Path(__file__).resolve().parents[1]
_DRAWN_FROM = 0.2  # the lowest match of the pairs that were judged by eye


def main() -> None:
    """Calibrate, judge, print."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0] if __doc__ else "", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared" / "data", help="Flickr8k and embeddings")
    parser.add_argument(
        "--work", type=Path, default=Path("~/.cache/clipsearch-calibration").expanduser(), help="keeps embeddings"
    )
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.relative_to(ROOT)}")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--picture", type=Path, help="write the reliability diagram as an SVG file")
    arguments = parser.parse_args()
    if not arguments.shared.is_dir():
        parser.error(f"{arguments.shared} is not there; name the folder with --shared")
    mini = load_encoder("mini")
    scale, folder = mini.spec.logit_scale, arguments.shared / "flickr8k"
    sets = {
        "mini": (
            scale,
            flickr8k(mini, folder, "dev", 0, arguments.work),
            flickr8k(mini, folder, "test", 1, arguments.work),
        ),
        MODEL: (SCALE, clip_tasks(arguments.shared, 0), clip_tasks(arguments.shared, 1)),
    }
    found: dict[str, Examples] = {}
    known: dict[str, Calibration] = {}
    reports: list[Report] = []
    for model, (scale, *halves) in sets.items():
        print(f"{model} ...", file=sys.stderr)
        fitted, held_out = ([*tasks, removed(tasks[0])] for tasks in halves)
        found[model] = examples(fitted, scale, np.random.default_rng(0))
        known[model] = fit(found[model])
        reports.append(report(model, scale, known[model], fitted, held_out))
    known["others"] = fit_without_level(list(found.values()))
    test = sets["mini"][2][0]
    eye = by_eye(test, matches(test, mini.spec.logit_scale, known["mini"]), folder)
    if arguments.write:
        TABLE.write_text(json.dumps({model: _entry(one) for model, one in known.items()}, indent=1) + "\n", "utf-8")
    if arguments.picture:
        arguments.picture.write_text(reliability("Hits of mini, Flickr8k test", _curves(reports[0], eye)), "utf-8")
    if arguments.json:
        by_model = {one.model: one.as_json() for one in reports}
        print(json.dumps({"reports": by_model, "calibrations": {k: _entry(v) for k, v in known.items()}}, indent=1))
    else:
        print("\n\n".join(table(one) for one in reports))
        print(f"\nmini, descriptions by eye, from a match of {_DRAWN_FROM} on:")
        print(
            "\n".join(f"  match {bin.predicted:.2f}: {bin.observed:.2f} fit (of about {bin.count})" for bin in eye.bins)
        )


def by_eye(task: Task, said: NDArray[np.float64], folder: Path) -> Believed:
    """The reliability of `match` for descriptions if other fitting photos count too: own pairs and a sample of the others."""
    rows, photos, fits, weights = judgements(DATA / "judged.jsonl", read_captions(folder / "captions.jsonl", "test"))
    own = said[task.queries.relevant]
    everything = np.concatenate([own, said[rows, photos]])
    drawn = everything >= _DRAWN_FROM
    return believed(
        everything[drawn],
        np.concatenate([np.ones(len(own), np.bool_), fits])[drawn],
        np.concatenate([np.ones(len(own)), weights])[drawn],
    )


def _curves(found: Report, eye: Believed) -> dict[str, list[Any]]:
    beliefs = found.beliefs[10]
    return {
        "words, first ten": beliefs["words"].bins,
        "descriptions, by eye": eye.bins,
        "descriptions, first ten": beliefs["descriptions"].bins,
    }


def _entry(known: Calibration) -> dict[str, Any]:
    return {"weights": dict(zip(FEATURES, known.weights, strict=True)), "bias": known.bias}


if __name__ == "__main__":
    main()
