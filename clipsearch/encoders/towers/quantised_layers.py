"""Linear layers of an image tower in 8 bits, as parts of an OpenVINO graph.

Weights have a scale for each output, activations one for each token, computed as the picture comes. Written out like this, with
a constant range between the two scales, OpenVINO multiplies int8 by int8 with its fastest instructions (AMX, VNNI) and
computes scales, biases and activations in passes of their own over values that are still in the cache. Its own dynamic
quantisation (DYNAMIC_QUANTIZATION_GROUP_SIZE) has slower kernels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as op

LOWEST_ACTIVATION = -0.1702
"""No GELU, exact or approximated, returns less."""

_HUGE = 4.0  # times the median of the bounds: a channel that may be so much larger than the others is computed apart
_MOST_APART = 1 / 32  # of the channels; more would cost the time that 8 bits save
_LEAST_SCALE = 1e-9  # a token of zeros has no scale


def linear_int8(x: Any, matrix: NDArray[np.float32], bias: NDArray[np.float32], lowest: float | None = None) -> Any:
    """`x` (n, tokens, inputs) or (n, inputs) times `matrix` (outputs, inputs), plus `bias`.

    If no value of `x` is below `lowest`, a small negative number, all 256 codes serve the values above it.
    """
    weight_scales = np.maximum(np.abs(matrix).max(axis=1, keepdims=True) / 127, np.finfo(np.float32).tiny)
    codes = np.round(matrix / weight_scales).astype(np.int8)
    if lowest is None:
        scales, ends = op.reduce_max(op.abs(x), _last_axis(), True), (-128 / 127, 1)
    else:  # what is added here leaves with the bias
        x = op.subtract(x, constant(lowest))
        scales, ends = op.reduce_max(x, _last_axis(), True), (0, 1)
        bias = bias + np.float32(lowest) * (codes * weight_scales).sum(axis=1)
    scales = op.maximum(scales, constant(_LEAST_SCALE))
    low, high = map(constant, ends)
    x = op.fake_quantize(op.divide(x, scales), low, high, low, high, 256)
    weights = op.multiply(op.convert(op.constant(codes), ov.Type.f32), constant(weight_scales))
    return op.add(op.multiply(op.matmul(x, weights, False, True), scales), constant(bias))


def huge_channels(
    matrix: NDArray[np.float32], bias: NDArray[np.float32], gains: NDArray[np.float32], shifts: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Which outputs (outputs,) of a linear layer may become so large that all others would be zero in 8 bits beside them.

    The layer's input is a layer norm's output with these gains and shifts. Before them a token's Euclidean norm is the square
    root of its length at most, which bounds every output by the Cauchy-Schwarz inequality. No picture is needed to know it.
    """
    bounds = np.abs(matrix @ shifts + bias) + np.sqrt(len(gains)) * np.linalg.norm(matrix * gains, axis=1)
    most = int(len(bounds) * _MOST_APART)
    huge: NDArray[np.bool_] = bounds > max(_HUGE * np.median(bounds), np.sort(bounds)[-most - 1])
    return huge


def constant(values: Any) -> Any:
    """A float32 constant of the graph."""
    return op.constant(np.ascontiguousarray(values, np.float32))


def _last_axis() -> Any:
    return op.constant(np.array([-1], np.int64))
