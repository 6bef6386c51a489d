"""Compare a calibration with flat thresholds and with "the first ten"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.examples import matches
from calibration.measure import Believed, Cutoff, believed, best_threshold, cutoff, top
from calibration.tasks import Task
from clipsearch.query.relevance import Calibration

KINDS = ("descriptions", "words", "absent", "removed")
_DEPTHS = (10, 20)  # hits of a query that a reliability is measured over
_RELEVANT = 0.5  # the match from which on --relevant shows a hit


@dataclass(frozen=True, slots=True)
class Report:
    """A model's figures. `rows`: way of choosing → kind of query → its quality; `beliefs`: depth → kind → reliability."""

    model: str
    queries: dict[str, int]
    photos: int
    rows: dict[str, dict[str, Cutoff]]
    beliefs: dict[int, dict[str, Believed]]

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def report(model: str, scale: float, known: Calibration, fitted: Sequence[Task], held_out: Sequence[Task]) -> Report:
    """Choose thresholds on `fitted`, like the calibration, and judge all on `held_out`. Tasks are in the order of KINDS."""
    asked = [task.queries for task in fitted[:2]]
    scores = [task.scores for task in fitted[:2]]
    said = [matches(task, scale, known) for task in held_out]
    best = best_threshold(asked, [matches(task, scale, known) for task in fitted[:2]])
    flat = {
        "descriptions": best_threshold(asked[:1], scores[:1]),
        "words": best_threshold(asked[1:], scores[1:]),
        "both": best_threshold(asked, scores),
    }
    rows = {f"match >= {value:.2f}": _row(held_out, [match >= value for match in said]) for value in (_RELEVANT, best)}
    for kind, value in flat.items():
        shown = [task.scores >= value for task in held_out]
        rows[f"score >= {value:.3f}, best for {kind}"] = _row(held_out, shown)
    for count in (1, 10):
        rows[f"the first {count}"] = _row(held_out, [top(task.scores, count) for task in held_out])
    return Report(
        model=model,
        queries={task.queries.name: len(task.queries.texts) for task in held_out},
        photos=held_out[0].scores.shape[1],
        rows=rows,
        beliefs={depth: _beliefs(held_out, said, depth) for depth in _DEPTHS},
    )


def table(found: Report) -> str:
    """Markdown: one row for each way of choosing, then the reliability of `match`."""
    lines = [
        f"{found.model}: {', '.join(f'{count} {kind}' for kind, count in found.queries.items())}; {found.photos} photos",
        "",
        "| shown | descriptions P / R / F1 | words P / R / F1 | absent things answered | removed photos answered |",
        "|---|---|---|---|---|",
    ]
    for name, row in found.rows.items():
        three = [
            f"{one.precision:.2f} / {one.recall:.2f} / {one.f1:.3f}" for one in (row["descriptions"], row["words"])
        ]
        lines.append(f"| {name} | {' | '.join(three)} | {row['absent'].answered:.2f} | {row['removed'].answered:.2f} |")
    lines += ["", "| hits | queries | Brier | Brier of the base rate | calibration error |", "|---|---|---|---|---|"]
    for depth, kinds in found.beliefs.items():
        for kind, one in kinds.items():
            lines.append(f"| first {depth} | {kind} | {one.brier:.4f} | {one.base:.4f} | {one.error:.3f} |")
    return "\n".join(lines)


def _row(tasks: Sequence[Task], shown: Sequence[NDArray[np.bool_]]) -> dict[str, Cutoff]:
    return {task.queries.name: cutoff(task.queries, one) for task, one in zip(tasks, shown, strict=True)}


def _beliefs(tasks: Sequence[Task], said: Sequence[NDArray[np.float64]], depth: int) -> dict[str, Believed]:
    """The reliability for descriptions, for words, and for all kinds of queries together."""
    shown = [top(task.scores, depth) & task.queries.judged for task in tasks]
    matches = [match[hits] for match, hits in zip(said, shown, strict=True)]
    relevant = [task.queries.relevant[hits] for task, hits in zip(tasks, shown, strict=True)]
    kinds = {KINDS[number]: believed(matches[number], relevant[number]) for number in (0, 1)}
    return {**kinds, "all": believed(np.concatenate(matches), np.concatenate(relevant))}
