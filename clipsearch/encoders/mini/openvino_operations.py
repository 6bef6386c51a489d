"""mini's image tower as an OpenVINO graph."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as op

from clipsearch.encoders.mini.network import INPUT_SIZE, LOOK_SIZE, Array, Network
from clipsearch.encoders.mini.weights import DecodedWeights
from clipsearch.encoders.towers.image_tower import CompiledGraph

MANY = 48  # pictures after which int8 has saved more time than compiling it takes
_ANY = 3.4e38  # no value is larger
_LARGEST_WEIGHT, _LARGEST_CODE, _CHANNELS = 127, 255, 64


class OpenVinoTower:
    """Preprocessed pictures to raw vectors. Several threads may call it.

    The first pictures are computed in float32, and many in int8 if the processor can. Vectors are the same. In int8 a picture
    takes two thirds of the time, but compiling takes 0.7 s longer.
    """

    def __init__(self, weights: DecodedWeights, threads: int) -> None:
        self._weights, self._threads = weights, threads
        self._graph = _compiled(weights, threads, int8=False)
        self._choosing = threading.Lock()
        self._pictures = 0
        self._is_chosen = False

    def embed(self, pixels: Array) -> Array:
        """Raw vectors (n, dim), computed on one core."""
        with self._choosing:
            self._pictures += len(pixels)
            if not self._is_chosen and self._pictures > MANY:
                self._is_chosen = True
                if adds_int8_exactly():
                    self._graph = _compiled(self._weights, self._threads, int8=True)
            graph = self._graph
        return graph.embed(pixels)


def _compiled(weights: DecodedWeights, threads: int, *, int8: bool) -> CompiledGraph:
    pixels = op.parameter([-1, 3, INPUT_SIZE, INPUT_SIZE], ov.Type.f32)
    vectors = Network(weights, _OpenVinoOperations(int8=int8)).embed(pixels)
    return CompiledGraph(ov.Model([vectors], [pixels]), "f32", threads)


@cache
def adds_int8_exactly() -> bool:
    """Whether this processor adds products of int8 codes without an overflow: x86 processors without VNNI add two in 16 bits.

    Trying it takes 50 milliseconds, and needs no list of processors.
    """
    codes = op.parameter([1, _CHANNELS, 1, 1], ov.Type.f32)
    weight = np.full((_CHANNELS, _CHANNELS, 1, 1), _LARGEST_WEIGHT, np.float32)
    operations = _OpenVinoOperations(int8=True)
    y = operations.convolution(operations.codes(codes, 0, _LARGEST_CODE), weight, 1, (0, 0), in_codes=True)
    compiled = CompiledGraph(ov.Model([y], [codes]), "f32", 1)
    sums = compiled.embed(np.full((1, _CHANNELS, 1, 1), _LARGEST_CODE, np.float32))
    return bool((sums == _LARGEST_CODE * _LARGEST_WEIGHT * _CHANNELS).all())


class _OpenVinoOperations:
    """See Operations. In int8, codes say so by a FakeQuantize that changes nothing."""

    def __init__(self, *, int8: bool) -> None:
        self._int8 = int8

    def constant(self, values: Array) -> Any:
        return op.constant(np.ascontiguousarray(values, np.float32))

    def gather(self, x: Any, numbers: NDArray[np.int64], axis: int) -> Any:
        return op.gather(x, op.constant(numbers), op.constant(np.int64(axis)))

    def middle(self, x: Any) -> Any:
        start = (INPUT_SIZE - LOOK_SIZE) // 2
        return op.slice(
            x, _integers(start, start), _integers(*[start + LOOK_SIZE] * 2), _integers(1, 1), _integers(2, 3)
        )

    def both(self, x: Any, y: Any, axis: int) -> Any:
        return op.concat([x, y], axis)

    def separate(self, x: Any) -> Any:
        # OpenVINO multiplies factors into the weights before, and rounds a product and a sum together. Not through this.
        return op.clamp(x, -_ANY, _ANY)

    def codes(self, x: Any, low: float, high: float) -> Any:
        x = op.clamp(op.round(x, "half_to_even"), low, high)
        return self._fake_quantised(x, low, high, 256)

    def convolution(self, x: Any, weight: Array, stride: int, padding: tuple[int, int], *, in_codes: bool) -> Any:
        factors = self.constant(weight)
        if in_codes:
            factors = self._fake_quantised(factors, -_LARGEST_WEIGHT, _LARGEST_WEIGHT, 255)
        before, after = [padding[0]] * 2, [padding[1]] * 2
        if weight.shape[1] == 1:
            factors = op.reshape(factors, _integers(len(weight), 1, 1, *weight.shape[2:]), special_zero=False)
            return op.group_convolution(x, factors, [stride] * 2, before, after, [1, 1])
        return op.convolution(x, factors, [stride] * 2, before, after, [1, 1])

    def clip(self, x: Any, low: float, high: float) -> Any:
        return op.clamp(x, low, high)

    def mean(self, x: Any, axes: tuple[int, ...]) -> Any:
        return op.reduce_mean(x, _integers(*axes), keep_dims=False)

    def product(self, x: Any, weight: Array) -> Any:
        return op.matmul(x, self.constant(weight), False, True)

    def softmax(self, x: Any) -> Any:
        return op.softmax(x, -1)

    def standardised(self, x: Any, epsilon: float) -> Any:
        return op.mvn(x, _integers(-1), True, epsilon, "inside_sqrt")

    def gelu(self, x: Any) -> Any:
        return op.gelu(x, "erf")

    def unit(self, x: Any) -> Any:
        return op.divide(x, op.sqrt(op.reduce_sum(op.multiply(x, x), _integers(-1), keep_dims=True)))

    def halves(self, x: Any) -> Any:
        return op.reshape(x, _integers(2, -1, x.get_output_partial_shape(0)[1].get_length()), special_zero=False)

    def _fake_quantised(self, x: Any, low: float, high: float, levels: int) -> Any:
        if not self._int8:
            return x
        limits = [op.constant(np.float32(limit)) for limit in (low, high)]
        return op.fake_quantize(x, *limits, *limits, levels)


def _integers(*values: int) -> Any:
    return op.constant(np.array(values, np.int64))
