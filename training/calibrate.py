#!/usr/bin/env python3
"""Calibrate `match`, the probability beside a score, and judge it by leaving models out.

    python training/calibrate.py                          # a table for each model; minutes the first time
    python training/calibrate.py --write                  # and clipsearch/query/calibration.json
    python training/calibrate.py --json --picture docs/reliability.svg

One calibration is fitted on `mini` alone and judged on CLIP ViT-B/32, one the other way round; the one that ships is fitted on
both. Beside them: a fit on the judged model itself, the method before, which had a fit for each model, and fixed scores.

There are five kinds of queries. *Descriptions* are captions; the photo that a caption was written for is relevant. All other
photos count as not relevant, although many that `match` believes in are, by eye (data/relevance/judged.jsonl). *Words* are one
or two plain things; *single* are single words that 20 photos or more show. Photos with two captions that name them are
relevant, those with none are not, and the rest are not judged. *Absent* things are in no caption, and *removed* captions are
those of photos taken out: no photo is relevant to them. Figures of words are averages over queries, others over all pairs.

`mini` is fitted on Flickr8k's development split and judged on its test split. CLIP ViT-B/32 is fitted on the captions of fifty
photos and judged on those of fifty others, among 1,091, with embeddings that others computed; it has no single words. Words and
absent things are halved too, so that no query is both fitted and judged.

The held-out queries are also asked inside folders of 50 to 500 of the photos, drawn at random, or of one subject: the photos
that score highest for an everyday text. There, *elsewhere* are captions of photos that are outside the folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from calibration.clip import MODEL, SCALE, clip_tasks
from calibration.earlier import earlier_evidence
from calibration.examples import Examples, examples, fit, matches
from calibration.folders import folder_reports, folder_table
from calibration.measure import Believed, believed
from calibration.picture import reliability
from calibration.queries import judgements
from calibration.report import Report, belief, report, table
from calibration.tasks import DATA, Task, flickr8k, precision_by_template, removed
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
    folder = arguments.shared / "flickr8k"
    scales = {"mini": mini.spec.logit_scale, MODEL: SCALE}
    fitted = {
        "mini": _with_removed(flickr8k(mini, folder, "dev", 0, arguments.work)),
        MODEL: _with_removed(clip_tasks(arguments.shared, 0)),
    }
    held_out = {
        "mini": _with_removed(flickr8k(mini, folder, "test", 1, arguments.work)),
        MODEL: _with_removed(clip_tasks(arguments.shared, 1)),
    }
    found: dict[str, Examples] = {}
    for model in fitted:
        print(f"{model} ...", file=sys.stderr)
        found[model] = examples(fitted[model])
    shipped = fit(list(found.values()))
    alone = {model: fit([found[model]]) for model in found}
    reports: list[Report] = []
    shown: dict[str, list[NDArray[np.float64]]] = {}
    for model, other in ((MODEL, "mini"), ("mini", MODEL)):
        earlier = earlier_evidence(scales[model])
        before = fit([examples(fitted[model], earlier)])
        said = {
            f"match, fitted on {other} alone": [matches(task, alone[other]) for task in held_out[model]],
            "match, fitted on both": [matches(task, shipped) for task in held_out[model]],
            f"match, fitted on {model} alone": [matches(task, alone[model]) for task in held_out[model]],
            "the method before, fitted on it": [matches(task, before, earlier) for task in held_out[model]],
        }
        shown[model] = said["match, fitted on both"]
        reports.append(report(model, said, fitted[model], held_out[model]))
    eye = by_eye(held_out["mini"][0], shown["mini"][0], folder)
    if arguments.write:
        TABLE.write_text(json.dumps(_entry(shipped), indent=1) + "\n", "utf-8")
    if arguments.picture:
        curves = {model: belief(held_out[model], shown[model]).bins for model in shown}
        picture = reliability("Hits of match, fitted on both models", curves | {"mini's captions, by eye": eye.bins})
        arguments.picture.write_text(picture, "utf-8")
    in_folders = [found for model in held_out for found in folder_reports(model, held_out[model], shipped)]
    templates = precision_by_template(mini, folder, arguments.work)
    if arguments.json:
        fits = {"shipped": _entry(shipped), **{model: _entry(one) for model, one in alone.items()}}
        print(
            json.dumps(
                {
                    "reports": {one.model: one.as_json() for one in reports},
                    "folders": [asdict(one) for one in in_folders],
                    "templates": templates,
                    "calibrations": fits,
                },
                indent=1,
            )
        )
    else:
        print("\n\n".join(table(one) for one in reports))
        print(f"\n{folder_table(in_folders)}")
        print("\nmini, single words, mean average precision:")
        print("\n".join(f"  {name}: {value:.3f}" for name, value in templates.items()))
        print(f"\nmini, descriptions by eye, from a match of {_DRAWN_FROM} on:")
        print(
            "\n".join(f"  match {bin.predicted:.2f}: {bin.observed:.2f} fit (of about {bin.count})" for bin in eye.bins)
        )


def _with_removed(tasks: list[Task]) -> list[Task]:
    return [*tasks, removed(tasks[0])]


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


def _entry(known: Calibration) -> dict[str, Any]:
    return {"weights": dict(zip(FEATURES, known.weights, strict=True)), "bias": known.bias}


if __name__ == "__main__":
    main()
