"""`match` under filters: the same queries inside folders of an index, by three methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.measure import Believed, Cutoff, believed, cutoff, top
from calibration.queries import QuerySet
from calibration.tasks import Task
from clipsearch.query.null_scores import NullScores, measure
from clipsearch.query.relevance import REACH, RELEVANT, RIVALS, Calibration, evidence

METHODS = {
    "whole": "rivals from the whole index",
    "inside": "rivals from the folder, as it ships",
    "alone": "the folder as an index of its own",
}
SIZES = (50, 200, 500)  # photos in a folder
_FOLDERS = 8  # of each size and kind
_QUERIES = 100  # of a kind, in a folder
_DEPTH = 100  # hits of a query that a reliability is measured over


@dataclass(frozen=True, slots=True)
class FolderReport:
    """The quality of each method: method → kind of query → its cutoff, and the method's reliability."""

    title: str
    rows: dict[str, dict[str, Cutoff]]
    beliefs: dict[str, Believed]


def folder_reports(model: str, tasks: Sequence[Task], known: Calibration) -> list[FolderReport]:
    """Judge every method in folders of photos drawn at random, and in folders of photos of one subject."""
    return [
        _report(
            f"{model}, {_FOLDERS} folders of {size} photos{about}", list(_folders(tasks[0], size, alike)), tasks, known
        )
        for alike, about in ((False, " at random"), (True, " of one subject"))
        for size in SIZES
    ]


def folder_table(reports: Sequence[FolderReport]) -> str:
    """Markdown: one row for each method in each kind of folders."""
    lines = ["| folders | method | descriptions F1 | words F1 | absent answered | elsewhere answered | Brier | ECE |"]
    lines.append("|---" * 8 + "|")
    for found in reports:
        for method, row in found.rows.items():
            belief = found.beliefs[method]
            figures = (
                f"{row['descriptions'].f1:.2f} | {row['words'].f1:.2f} | {row['absent'].answered:.2f} | "
                f"{row['elsewhere'].answered:.2f} | {belief.brier:.4f} | {belief.error:.3f}"
            )
            lines.append(f"| {found.title} | {METHODS[method]} | {figures} |")
    return "\n".join(lines)


def _folders(task: Task, size: int, alike: bool) -> Iterator[NDArray[np.intp]]:
    """The photos of some folders: drawn at random, or those that score highest for one everyday text."""
    rng = np.random.default_rng(0)
    total = task.scores.shape[1]
    subjects = rng.permutation(len(task.everyday))
    for number in range(_FOLDERS):
        if alike:
            yield np.sort(np.argsort(-task.everyday[subjects[number]])[:size])
        else:
            yield np.sort(rng.choice(total, min(size, total), replace=False))


def _report(title: str, folders: Sequence[NDArray[np.intp]], tasks: Sequence[Task], known: Calibration) -> FolderReport:
    rng = np.random.default_rng(0)
    whole_null = measure(tasks[0].everyday)
    kinds: dict[str, list[tuple[QuerySet, NDArray[np.float64], dict[str, NDArray[np.float64]]]]] = {}
    for photos in folders:
        own_null = measure(tasks[0].everyday[:, photos])
        for task in tasks:
            for kind, rows in _kinds(task.among(photos).queries).items():
                rows = np.sort(rng.choice(rows, min(len(rows), _QUERIES), replace=False))
                if not len(rows):
                    continue
                part = task.some(rows)
                said = [_matches(part, row, photos, whole_null, own_null, known) for row in range(len(rows))]
                inside = part.among(photos)
                queries = QuerySet(kind, inside.queries.texts, inside.queries.relevant, inside.queries.judged)
                found = {method: np.array([one[method] for one in said]) for method in METHODS}
                kinds.setdefault(kind, []).append((queries, inside.scores, found))
    rows_of: dict[str, dict[str, Cutoff]] = {}
    beliefs: dict[str, Believed] = {}
    for method in METHODS:
        rows_of[method] = {}
        hits: list[NDArray[np.float64]] = []
        right: list[NDArray[np.bool_]] = []
        weights: list[NDArray[np.float64]] = []
        for kind, parts in kinds.items():
            together = QuerySet(
                kind,
                tuple(text for queries, _, _ in parts for text in queries.texts),
                np.concatenate([queries.relevant for queries, _, _ in parts]),
                np.concatenate([queries.judged for queries, _, _ in parts]),
            )
            match = np.concatenate([found[method] for _, _, found in parts])
            shown = top(np.concatenate([scores for _, scores, _ in parts]), _DEPTH) & together.judged
            rows_of[method][kind] = cutoff(together, match >= RELEVANT)
            hits.append(match[shown])
            right.append(together.relevant[shown])
            weights.append(np.full(int(shown.sum()), 1e5 / max(int(shown.sum()), 1)))
        beliefs[method] = believed(np.concatenate(hits), np.concatenate(right), np.concatenate(weights))
    return FolderReport(title, rows_of, beliefs)


def _kinds(queries: QuerySet) -> dict[str, NDArray[np.intp]]:
    """The rows of a task's queries that can be asked in a folder, by kind. Captions of photos outside are "elsewhere"."""
    present = queries.relevant.any(axis=1)
    if queries.name == "descriptions":
        return {"descriptions": np.flatnonzero(present), "elsewhere": np.flatnonzero(~present)}
    if queries.name in ("words", "single"):
        return {queries.name: np.flatnonzero(present)}
    return {queries.name: np.arange(len(queries.texts))} if queries.name == "absent" else {}


def _matches(
    task: Task,
    row: int,
    photos: NDArray[np.intp],
    whole_null: NullScores,
    own_null: NullScores,
    known: Calibration,
) -> dict[str, NDArray[np.float64]]:
    """A query's match (photos,) with each photo of a folder, by every method."""
    text, scores = task.queries.texts[row], task.scores[row]
    inside, total = scores[photos], len(scores)
    best, rivals = _highest(scores, REACH), _highest(inside, REACH)
    found = {
        "whole": evidence(whole_null, total, text, inside, best),
        "inside": evidence(whole_null, total, text, inside, best, rivals[:RIVALS]),
        "alone": evidence(own_null, len(inside), text, inside, rivals),
    }
    ascending = np.argsort(inside, kind="stable")
    said = {}
    for method, of_photos in found.items():
        log_odds = of_photos @ np.array(known.weights) + known.bias
        log_odds[ascending] = np.maximum.accumulate(log_odds[ascending])
        said[method] = 0.5 * (1 + np.tanh(log_odds / 2))
    return said


def _highest(scores: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    return np.sort(scores)[::-1][:count]
