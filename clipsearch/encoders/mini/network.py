"""mini's image tower: EfficientNet-Lite2 in int8, which looks twice at a picture, and two heads on its last maps.

Its vectors have to be the same on every processor and in every version, since an index keeps them. Rounding makes that hard:
one pixel that differs by 1/255 changes a vector's cosine to 0.9995. So no number may depend on the order of a sum, nor on
whether a product and a sum are rounded together:

- codes are whole numbers, and so are sums of their products, which float32 holds exactly;
- each sum is multiplied by one factor before it is rounded;
- the three numbers of a residual sum were chosen so that all 65,536 pairs of codes are far enough from the middle between two
  codes.

The network is written once, and computed by OpenVINO (`openvino_operations.py`) or numpy (`numpy_operations.py`).
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.mini.weights import DecodedWeights

INPUT_SIZE, LOOK_SIZE = 325, 260  # pixels of a picture, and of what the network looks at
_BLOCKS = 20  # in int8; one more, in float32, belongs to the heads
_REDUCING = frozenset({1, 4, 7, 15})  # blocks that halve the size of the maps
_NORM_EPSILON = 1e-5
_HEADS = ("classifier", "tuned")

Array = NDArray[np.float32]


class Operations(Protocol):
    """What the network is made of. Tensors are arrays, or nodes of a graph."""

    def constant(self, values: Array) -> Any:
        """A tensor of known values."""

    def gather(self, x: Any, numbers: NDArray[np.int64], axis: int) -> Any:
        """Rows or columns of maps by their numbers."""

    def middle(self, x: Any) -> Any:
        """The middle of pictures, LOOK_SIZE pixels wide and high."""

    def both(self, x: Any, y: Any, axis: int) -> Any:
        """Two tensors one after the other."""

    def separate(self, x: Any) -> Any:
        """The tensor itself: what is computed before is rounded, and not merged with what comes after."""

    def codes(self, x: Any, low: float, high: float) -> Any:
        """Whole numbers from low to high; the even one if two are equally near."""

    def convolution(self, x: Any, weight: Array, stride: int, padding: tuple[int, int], *, in_codes: bool) -> Any:
        """A convolution without bias. Padding is (before, after). It is by channel if the weight has one input channel."""

    def clip(self, x: Any, low: float, high: float) -> Any:
        """Values limited to a range."""

    def mean(self, x: Any, axes: tuple[int, ...]) -> Any:
        """The mean over axes, which are left out of the result."""

    def product(self, x: Any, weight: Array) -> Any:
        """X (n, inputs) times the transpose of a matrix (outputs, inputs)."""

    def softmax(self, x: Any) -> Any:
        """Softmax over the last axis."""

    def standardised(self, x: Any, epsilon: float) -> Any:
        """Rows with mean 0 and variance 1."""

    def gelu(self, x: Any) -> Any:
        """GELU by the error function."""

    def unit(self, x: Any) -> Any:
        """Rows scaled to length 1."""

    def halves(self, x: Any) -> Any:
        """(2n, dim) to (2, n, dim)."""


class Network:
    """The network on some operations. Raises ModelError if a tensor is missing."""

    def __init__(self, weights: DecodedWeights, operations: Operations) -> None:
        self._weights, self._operations = weights, operations

    def embed(self, pixels: Any) -> Any:
        """Pictures (n, 3, INPUT_SIZE, INPUT_SIZE) to raw vectors (n, dim)."""
        operations, weights = self._operations, self._weights
        x = operations.both(self._whole(pixels), operations.middle(pixels), 0)
        steps, zero = weights["pixels"]  # steps of a code in 1, and the code of 0
        x = self._codes(x * operations.constant(steps.reshape(1)), float(zero))
        x = self._quantised(x, "stem", LOOK_SIZE, 2)
        size = LOOK_SIZE // 2
        for number in range(_BLOCKS):
            x, size = self._block(x, f"blocks.{number}", size, 2 if number in _REDUCING else 1)
        both = self._heads(x * operations.constant(weights["maps"]))
        return operations.mean(operations.halves(both), (0,))

    def _whole(self, pixels: Any) -> Any:
        """Whole pictures at LOOK_SIZE, as a bicubic filter with antialiasing makes them."""
        operations, weights = self._operations, self._weights["whole.weight"]
        starts = self._weights["whole.start"].astype(np.int64)
        x = pixels
        for axis, shape in ((3, (1, 1, 1, -1)), (2, (1, 1, -1, 1))):
            total: Any = None
            for tap, factors in enumerate(weights.T):
                part = operations.gather(x, starts + tap, axis) * operations.constant(factors.reshape(shape))
                total = operations.separate(part) if total is None else total + operations.separate(part)
            x = total
        return x

    def _block(self, x: Any, name: str, size: int, stride: int) -> tuple[Any, int]:
        """An inverted residual block: maps and their size."""
        y = self._quantised(x, f"{name}.expand", size) if f"{name}.expand.weight" in self._weights else x
        y = self._quantised(y, f"{name}.depthwise", size, stride)
        y = self._quantised(y, f"{name}.project", -(-size // stride))
        if f"{name}.sum" in self._weights:
            constant, separate = self._operations.constant, self._operations.separate
            *factors, shift, zero = self._weights[f"{name}.sum"]
            parts = [separate(separate(part) * constant(f.reshape(1))) for part, f in zip((x, y), factors, strict=True)]
            y = self._codes(parts[0] + parts[1] + constant(shift.reshape(1)), float(zero))
        return y, -(-size // stride)

    def _quantised(self, x: Any, name: str, size: int, stride: int = 1) -> Any:
        """A convolution of codes, rounded to codes. ReLU6 is the limit of the codes."""
        operations, weights = self._operations, self._weights
        weight = weights[f"{name}.weight"]
        padding = _same_padding(size, weight.shape[2], stride)
        x = operations.convolution(x, weight, stride, padding, in_codes=True)
        x = operations.separate(x + operations.constant(weights[f"{name}.bias"].reshape(1, -1, 1, 1)))
        factor = operations.constant(weights[f"{name}.factor"].reshape(1, -1, 1, 1))
        return self._codes(x * factor, float(weights[f"{name}.zero"].item()))

    def _codes(self, x: Any, zero: float) -> Any:
        """Codes from 0 to 255, less the code of 0."""
        return self._operations.codes(x, -zero, 255 - zero)

    def _heads(self, maps: Any) -> Any:
        """Maps (n, 208, 9, 9) to the vectors (n, 2 * 384) of looks."""
        operations, constant = self._operations, self._operations.constant
        base, own = (self._pooled(maps, name) for name in _HEADS)
        logits = self._linear(base, "classifier.logits")
        classes = self._linear(operations.softmax(logits), "classifier.classes")
        x = operations.standardised(own, _NORM_EPSILON)
        x = x * constant(self._weights["head.norm.weight"]) + constant(self._weights["head.norm.bias"])
        hidden = operations.gelu(self._linear(x, "head.up"))
        direct = operations.unit(self._linear(x, "head.linear") + self._linear(hidden, "head.down"))
        softened = operations.softmax(logits * constant(self._weights["language.sharpness"]))
        named = operations.unit(self._linear(softened, "language.names"))
        return operations.both(operations.unit(direct + classes), named * constant(self._weights["language.weight"]), 1)

    def _pooled(self, x: Any, head: str) -> Any:
        """A head's own last block and convolution, in float32, and the mean of its maps."""
        for part in ("expand", "depthwise", "project", "last"):
            weight = self._weights[f"{head}.{part}.weight"]
            padding = (weight.shape[2] // 2,) * 2
            x = self._operations.convolution(x, weight, 1, padding, in_codes=False)
            x = x + self._operations.constant(self._weights[f"{head}.{part}.bias"].reshape(1, -1, 1, 1))
            if part != "project":
                x = self._operations.clip(x, 0, 6)
        return self._operations.mean(x, (2, 3))

    def _linear(self, x: Any, name: str) -> Any:
        y = self._operations.product(x, self._weights[f"{name}.weight"])
        if f"{name}.bias" in self._weights:
            y = y + self._operations.constant(self._weights[f"{name}.bias"])
        return y


def _same_padding(size: int, side: int, stride: int) -> tuple[int, int]:
    """Zeros before and after maps of a size so that a convolution with this stride gives size / stride, rounded up."""
    total = max((-(-size // stride) - 1) * stride + side - size, 0)
    return total // 2, total - total // 2
