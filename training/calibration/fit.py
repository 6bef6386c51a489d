"""Logistic regression by Newton's method, weighted, with a ridge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEPS = 50
_RIDGE = 1e-5  # for standardised features and a mean log-likelihood; it makes sure that a solution exists


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
    for _ in range(_STEPS):
        guess = 1 / (1 + np.exp(-(design @ solution)))
        gradient = design.T @ (shares * (guess - labels)) + ridge @ solution
        hessian = (design * (shares * guess * (1 - guess))[:, None]).T @ design + ridge
        step = np.linalg.solve(hessian, gradient)
        solution -= step
        if np.abs(step).max() < 1e-9:
            break
    found = solution[:-1] / deviation
    return found, float(solution[-1] - mean @ found)
