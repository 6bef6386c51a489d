"""Logistic regression by Newton's method, weighted, with a ridge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEPS = 50
_CLOSE = 1e-7
_RIDGE = 1e-4  # for standardised features and a mean log-likelihood; it makes sure that a solution exists


def logistic(
    features: NDArray[np.float64], labels: NDArray[np.bool_], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """The weights (features,) and the bias of P(label) = 1 / (1 + exp(-(features @ weights + bias))).

    `features` (n, features), `labels` (n,), `weights` (n,) of the examples. The ridge is on standardised features.
    """
    shares = weights / weights.sum()
    mean = shares @ features
    deviation = np.sqrt(shares @ (features - mean) ** 2) + 1e-12
    design = np.column_stack([(features - mean) / deviation, np.ones(len(features))])
    ridge = np.diag([*[_RIDGE] * features.shape[1], 0.0])
    solution = np.zeros(design.shape[1])
    solution[-1] = np.log(shares @ labels) - np.log(shares @ ~labels)

    def loss(solution: NDArray[np.float64]) -> float:
        log_odds = design @ solution
        return float(shares @ (np.logaddexp(0, log_odds) - labels * log_odds) + 0.5 * solution @ ridge @ solution)

    for _ in range(_STEPS):
        guess = 0.5 * (1 + np.tanh(design @ solution / 2))
        gradient = design.T @ (shares * (guess - labels)) + ridge @ solution
        hessian = (design * (shares * guess * (1 - guess))[:, None]).T @ design + ridge
        step = np.linalg.solve(hessian, gradient)
        before = loss(solution)
        while loss(solution - step) > before and np.abs(step).max() > _CLOSE:
            step /= 2
        solution -= step
        if np.abs(step).max() < _CLOSE:
            break
    found = solution[:-1] / deviation
    return found, float(solution[-1] - mean @ found)
