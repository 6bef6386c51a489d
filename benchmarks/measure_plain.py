"""Measure how many of the first photos are right for plain queries: strict precision@5 over data/plain.

    python benchmarks/measure_plain.py --model mini
    python benchmarks/measure_plain.py --model mini --each --wrong    # every query, and the photos that are wrong

data/plain/README.md describes queries, photos and the rule of judging. A query's precision@5 is the number of right photos
among its first five, divided by five. Some queries have fewer than five right photos, so no model reaches 1: "reachable" is the
best possible, and "of it" the share of that. The old queries are not among all.

`--probe` tells which tower is at fault. For each query with five right photos or more, a linear classifier learns from the
vectors of four fifths of the photos, judged, and ranks the rest. If it does better than the text, the photos show the thing
and the text tower misses it. If both do badly, the image tower does not see it. "better of both" counts the one that does
better for each query: more than a perfect text tower would have, if the classifiers saw more examples.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipsearch import load_encoder
from clipsearch.analysis.evaluation import CaptionedExample, embed_photos
from clipsearch.encoders.base import Encoder
from clipsearch.encoders.prompts import default_prompts, embed_with_prompts

ROOT = Path(__file__).resolve().parents[1]
PLAIN = ROOT / "data" / "plain"
OLD = "old"
FIRST = 5
_FOLDS = 5
_RIDGE = 0.1  # of unit vectors
_OF_EACH_SET = 300
_EVERY = 3


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo of the pool: its name in the judgements, and its path."""

    name: str
    image: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A query's group, its first photos that are wrong, and how many of all photos are right."""

    query: str
    group: str
    wrong: tuple[str, ...]
    there: int

    @property
    def right(self) -> int:
        """How many of the first FIRST photos are right."""
        return FIRST - len(self.wrong)


def read_queries(path: Path = PLAIN / "queries.txt") -> dict[str, str]:
    """Each query's group."""
    groups, group = {}, ""
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("["):
            group = line.strip("[]")
        elif line and not line.startswith("#"):
            groups[line] = group
    return groups


def read_judgements(path: Path = PLAIN / "judgements.jsonl") -> dict[str, frozenset[str]]:
    """The names of each query's right photos."""
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return {line["query"]: frozenset(line["right"]) for line in lines}


def read_photos(shared: Path) -> list[Photo]:
    """The 647 photos."""
    captions = (ROOT / "data" / "photos" / "captions.jsonl").read_text("utf-8")
    names = [json.loads(line)["image"] for line in captions.splitlines()]
    found = [Photo(f"photos/{name}", str(ROOT / "data" / "photos" / name)) for name in names]
    for dataset, file in (("flickr8k", "captions.jsonl"), ("imagenet_sample", "labels.jsonl")):
        lines = [json.loads(line) for line in (shared / dataset / file).read_text("utf-8").splitlines()]
        names = [line["image"] for line in lines if line.get("split", "test") == "test"][::_EVERY][:_OF_EACH_SET]
        found += [Photo(f"{dataset}/{name}", str(shared / dataset / "images" / name)) for name in names]
    return found


def judge(
    names: list[str], scores: NDArray[np.floating], queries: dict[str, str], known: dict[str, frozenset[str]]
) -> list[Judged]:
    """Judge the rankings of `scores` (queries, photos)."""
    judged = []
    for (query, group), row in zip(queries.items(), scores, strict=True):
        first = [names[photo] for photo in np.argsort(-row, kind="stable")[:FIRST]]
        judged.append(
            Judged(query, group, tuple(name for name in first if name not in known[query]), len(known[query]))
        )
    return judged


def table(judged: list[Judged]) -> list[str]:
    """One line for each group, for all queries but the old, and for the old."""
    lines = [f"{'queries':<12}{'n':>4}{'precision@5':>13}{'reachable':>11}{'of it':>7}"]
    groups = [group for group in dict.fromkeys(row.group for row in judged) if group != OLD]
    for name in [*groups, "all", OLD]:
        rows = [row for row in judged if row.group == name or (name == "all" and row.group != OLD)]
        precision = sum(row.right for row in rows) / (FIRST * len(rows))
        reachable = sum(min(row.there, FIRST) for row in rows) / (FIRST * len(rows))
        lines.append(
            f"{name:<12}{len(rows):>4}{precision:>13.3f}{reachable:>11.3f}{precision / max(reachable, 1e-9):>7.2f}"
        )
    return lines


def probed(pictures: NDArray[np.floating], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Scores (photos,) of a ridge classifier, each from a classifier that has not seen its fold's answers.

    `pictures` (photos, dim) are unit vectors. The few right photos weigh more, as the square root of the wrong ones' share.
    """
    random, fold = np.random.default_rng(0), np.zeros(len(right), np.intp)
    for kind in (right, ~right):
        rows = random.permutation(np.flatnonzero(kind))
        fold[rows] = np.arange(len(rows)) % _FOLDS
    vectors = pictures.astype(np.float64)
    cosines, scores = vectors @ vectors.T, np.zeros(len(right))
    for number in range(_FOLDS):
        known = fold != number
        weights = np.where(right[known], np.sqrt((~right[known]).sum() / max(right[known].sum(), 1)), 1.0)
        system = cosines[np.ix_(known, known)] * np.outer(weights, weights) + _RIDGE * np.eye(known.sum())
        answers = weights * (right[known] - right[known].mean())
        scores[~known] = cosines[np.ix_(~known, known)] @ (weights * np.linalg.solve(system, answers))
    return scores


def probe_table(judged: list[Judged], by_probe: list[Judged]) -> list[str]:
    """The precision of texts and of classifiers, group by group, for queries with FIRST right photos or more."""
    lines = [f"{'queries':<12}{'n':>4}{'text':>8}{'classifier':>12}{'better of both':>16}"]
    pairs = [pair for pair in zip(judged, by_probe, strict=True) if pair[0].there >= FIRST]
    for name in [*dict.fromkeys(text.group for text, _ in pairs if text.group != OLD), "all"]:
        rows = [(a.right, b.right) for a, b in pairs if a.group == name or (name == "all" and a.group != OLD)]
        text, classifier = np.mean(rows, axis=0) / FIRST
        better = np.max(rows, axis=1).mean() / FIRST
        lines.append(f"{name:<12}{len(rows):>4}{text:>8.3f}{classifier:>12.3f}{better:>16.3f}")
    return lines


def embed(
    encoder: Encoder, photos: list[Photo], queries: list[str]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Vectors of queries and of photos; texts are put into templates as a search does it."""
    items = [CaptionedExample(photo.image, ()) for photo in photos]
    _, pictures, failures = embed_photos(encoder, items, "", None, None)
    if failures:
        raise SystemExit(f"{failures[0].file.path}: {failures[0].reason}")
    texts = [embed_with_prompts(encoder, [query], default_prompts(encoder.spec, query))[0] for query in queries]
    return np.stack(texts), pictures


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument(
        "--shared", type=Path, default=ROOT.parent / "shared" / "data", help="Flickr8k and ImageNet sample"
    )
    parser.add_argument("--each", action="store_true", help="print every query")
    parser.add_argument("--wrong", action="store_true", help="with --each: name the wrong photos")
    parser.add_argument("--probe", action="store_true", help="also compare with classifiers of the photos' vectors")
    options = parser.parse_args()
    queries, photos, known = read_queries(), read_photos(options.shared), read_judgements()
    names = [photo.name for photo in photos]
    texts, pictures = embed(load_encoder(options.model), photos, list(queries))
    judged = judge(names, texts @ pictures.T, queries, known)
    if options.each:
        for row in judged:
            wrong = f": {' '.join(row.wrong)}" if options.wrong and row.wrong else ""
            print(f"{row.query:<24}{row.right} of {min(row.there, FIRST)} possible{wrong}")
    print("\n".join(table(judged)))
    if options.probe:
        rights = [np.array([name in known[query] for name in names]) for query in queries]
        scores = np.stack([probed(pictures, right) if right.sum() >= FIRST else 0.0 * right for right in rights])
        print("\n".join(["", *probe_table(judged, judge(names, scores, queries, known))]))


if __name__ == "__main__":
    main()
