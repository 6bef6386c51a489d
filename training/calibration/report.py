"""Compare calibrations with each other and with flat thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.measure import Believed, Cutoff, believed, best_threshold, cutoff, top
from calibration.tasks import Task
from clipsearch.query.relevance import RELEVANT

_DEPTH = 100  # hits of a query that a reliability is measured over
_PRECISION = 0.8  # of single words, at which their recall is looked for


@dataclass(frozen=True, slots=True)
class Report:
    """A model's figures. `rows`: way of choosing → kind of query → its quality; `beliefs`: calibration → reliability."""

    model: str
    queries: dict[str, int]
    photos: int
    rows: dict[str, dict[str, Cutoff]]
    beliefs: dict[str, Believed]
    frontier: dict[
        str, tuple[float, float]
    ]  # calibration → recall of single words at _PRECISION, and from which match on
    attainable: float  # the same recall if each word had its own best threshold

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def report(
    model: str, said: Mapping[str, Sequence[NDArray[np.float64]]], fitted: Sequence[Task], held_out: Sequence[Task]
) -> Report:
    """Judge each calibration's matches, one array a task of `held_out`; flat thresholds are chosen on `fitted`."""
    rows = {f"{name}, >= {RELEVANT}": _row(held_out, [match >= RELEVANT for match in said[name]]) for name in said}
    present = [task for task in fitted if task.queries.name in ("descriptions", "words", "single")]
    flat = best_threshold([task.queries for task in present], [task.scores for task in present])
    rows[f"best fixed score, >= {flat:.3f}"] = _row(held_out, [task.scores >= flat for task in held_out])
    rows["the first 10"] = _row(held_out, [top(task.scores, 10) for task in held_out])
    single = [position for position, task in enumerate(held_out) if task.queries.name == "single"]
    return Report(
        model=model,
        queries={task.queries.name: len(task.queries.texts) for task in held_out},
        photos=held_out[0].scores.shape[1],
        rows=rows,
        beliefs={name: belief(held_out, matches) for name, matches in said.items()},
        frontier={name: _frontier(held_out[at], said[name][at]) for name in said for at in single},
        attainable=next((_attainable(held_out[at]) for at in single), float("nan")),
    )


def belief(tasks: Sequence[Task], said: Sequence[NDArray[np.float64]], depth: int = _DEPTH) -> Believed:
    """The reliability over the best `depth` hits of each query; each kind of queries counts the same."""
    shown = [top(task.scores, depth) & task.queries.judged for task in tasks]
    return believed(
        np.concatenate([match[hits] for match, hits in zip(said, shown, strict=True)]),
        np.concatenate([task.queries.relevant[hits] for task, hits in zip(tasks, shown, strict=True)]),
        np.concatenate([np.full(hits.sum(), 1e5 / hits.sum()) for hits in shown]),
    )


def table(found: Report) -> str:
    """Markdown: one row for each way of choosing."""
    kinds = [kind for kind in ("descriptions", "words", "single") if kind in found.queries]
    counts = ", ".join(f"{count} {kind}" for kind, count in found.queries.items())
    lines = [
        f"{found.model}: {counts}; {found.photos} photos",
        "",
        f"| shown | {' | '.join(f'{kind} P / R / F1' for kind in kinds)} | absent answered | removed answered | Brier | ECE |",
        "|---" * (5 + len(kinds)) + "|",
    ]
    for name, row in found.rows.items():
        figures = [f"{row[kind].precision:.2f} / {row[kind].recall:.2f} / {row[kind].f1:.2f}" for kind in kinds]
        belief = found.beliefs.get(name.rpartition(",")[0])
        figures += [f"{row['absent'].answered:.2f}", f"{row['removed'].answered:.2f}"]
        figures += [f"{belief.brier:.4f}", f"{belief.error:.3f}"] if belief else ["", ""]
        lines.append(f"| {name} | {' | '.join(figures)} |")
    base = next(iter(found.beliefs.values())).base
    lines += ["", f"Brier of the base rate: {base:.4f}, over the first {_DEPTH} hits of each query."]
    for name, (recall, least) in found.frontier.items():
        lines.append(
            f"Single words, {name}: recall {recall:.2f} at precision {_PRECISION}, from a match of {least:.2f} on."
        )
    if found.frontier:
        lines.append(f"With a threshold of its own for each word, chosen knowing the answers: {found.attainable:.2f}.")
    return "\n".join(lines)


def _row(tasks: Sequence[Task], shown: Sequence[NDArray[np.bool_]]) -> dict[str, Cutoff]:
    return {task.queries.name: cutoff(task.queries, one) for task, one in zip(tasks, shown, strict=True)}


def _frontier(task: Task, match: NDArray[np.float64]) -> tuple[float, float]:
    """The highest recall at _PRECISION over all pairs together, and the least match that gives it."""
    judged = task.queries.judged
    values, relevant = match[judged], task.queries.relevant[judged]
    order = np.argsort(-values)
    right = np.cumsum(relevant[order])
    good = np.flatnonzero(right >= _PRECISION * np.arange(1, len(right) + 1))
    if not len(good):
        return 0.0, 1.0
    return float(right[good[-1]] / relevant.sum()), float(values[order[good[-1]]])


def _attainable(task: Task) -> float:
    """The recall over all pairs if each query's threshold is the best one with _PRECISION."""
    found = 0.0
    for scores, relevant, judged in zip(task.scores, task.queries.relevant, task.queries.judged, strict=True):
        right = np.cumsum(relevant[judged][np.argsort(-scores[judged])])
        good = np.flatnonzero(right >= _PRECISION * np.arange(1, len(right) + 1))
        found += right[good[-1]] if len(good) else 0
    return float(found / task.queries.relevant.sum())
