"""An image tower on a CPU: an OpenVINO graph built from the checkpoint's own weights.

Tests compare each family with its reference. Building and compiling takes about a second, so nothing converted is kept on disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as op

from clipsearch.encoders.plan import ImagePlan
from clipsearch.encoders.towers.quantised_layers import LOWEST_ACTIVATION, huge_channels, linear_int8
from clipsearch.encoders.towers.quantised_layers import constant as _constant


@cache
def _core() -> Any:
    """OpenVINO, one instance for the whole process, never released.

    Its CPU plugin replaces the alternate signal stack of the thread that loads it. If another thread released the last
    instance, that stack would be unmapped while in use, and the next Ctrl-C would be a segmentation fault.
    """
    return ov.Core()


def available_precisions() -> tuple[str, ...]:
    """The precisions that this processor has instructions for, in the order in which they are worth a try."""
    capabilities = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    # Processors that compute in FP16 multiply bf16 as fast as int8 (AMX, or Arm's), and bf16 is nearer to fp32.
    names = ("bf16", "int8", "fp32") if "FP16" in capabilities else ("int8", "bf16", "fp32")
    return tuple(name for name in names if name.upper() in capabilities)


class CompiledGraph:
    """A graph from pictures to vectors, compiled for `threads` cores. Several threads may call it."""

    def __init__(self, graph: Any, precision_hint: str, threads: int) -> None:
        options = {
            "INFERENCE_PRECISION_HINT": precision_hint,
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,  # int8 is part of the graph
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": threads,  # one thread each, so that no thread waits for another in the middle of a picture
        }
        self._compiled = _core().compile_model(graph, "CPU", options)
        self._local = threading.local()

    def embed(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raw vectors (n, dim), computed on one core."""
        request: Any = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self._compiled.create_infer_request()
        request.infer({0: np.ascontiguousarray(pixels)}, share_inputs=True)
        vectors: NDArray[np.float32] = np.array(request.get_output_tensor(0).data)
        return vectors


class ImageTower(CompiledGraph):
    """Preprocessed pictures, float32 (n, 3, size, size), to raw vectors (n, dim). Several threads may call it."""

    def __init__(
        self, weights: Mapping[str, NDArray[np.float32]], plan: ImagePlan, precision: str, threads: int
    ) -> None:
        graph = _Graph(weights, plan, int8=precision == "int8").build()
        super().__init__(graph, "bf16" if precision == "bf16" else "f32", threads)


class _Graph:
    def __init__(self, weights: Mapping[str, NDArray[np.float32]], plan: ImagePlan, *, int8: bool) -> None:
        self._weights, self._plan, self._int8 = weights, plan, int8
        self._width, self._heads = plan.tower.width, plan.tower.heads

    def build(self) -> Any:
        weights, size = self._weights, self._plan.image_size
        pixels = op.parameter([-1, 3, size, size], ov.Type.f32)
        x = self._embed(pixels)
        if "image.pre_norm.weight" in weights:
            x = self._norm(x, "image.pre_norm")
        for layer in range(self._plan.tower.layers):
            x = self._layer(x, f"image.layers.{layer}")
        if self._plan.normalises_before_pooling:
            x = self._pool(self._norm(x, "image.post_norm"))
        else:
            x = self._norm(self._pool(x), "image.post_norm")
        if "image.projection.weight" in weights:
            x = op.matmul(x, _constant(weights["image.projection.weight"]), False, True)
        return ov.Model([x], [pixels])

    @property
    def _tokens(self) -> int:
        return self._plan.patches + ("image.class" in self._weights)

    def _embed(self, pixels: Any) -> Any:
        """A picture's patches (n, tokens, width), after the class token if the model has one."""
        weights, side = self._weights, self._plan.patch_size
        x = op.convolution(pixels, _constant(weights["image.patches.weight"]), [side, side], [0, 0], [0, 0], [1, 1])
        x = op.reshape(x, _integers(0, self._width, self._plan.patches), special_zero=True)
        x = op.transpose(x, _integers(0, 2, 1))
        positions = np.array(weights["image.positions.weight"]).reshape(-1, self._width)
        if "image.patches.bias" in weights:
            positions[-self._plan.patches :] += weights["image.patches.bias"]
        if "image.class" in weights:  # a row of zeros, to which its embedding is added with the positions
            positions[0] += weights["image.class"]
            x = op.pad(x, _integers(0, 1, 0), _integers(0, 0, 0), "constant", op.constant(np.float32(0)))
        return op.add(x, _constant(positions[None]))

    def _layer(self, x: Any, name: str) -> Any:
        x = op.add(x, self._attend(self._norm(x, f"{name}.norm1"), name))
        return op.add(x, self._perceptron(x, name, f"{name}.norm2"))

    def _attend(self, x: Any, name: str) -> Any:
        """What the tokens (n, tokens, width) take from each other."""
        y = self._linear(x, *self._stacked(name, "qkv"))
        q, k, v = self._split(y, 3)
        y = op.matmul(op.softmax(op.matmul(q, k, False, True), -1), v, False, False)
        y = op.reshape(
            op.transpose(y, _integers(0, 2, 1, 3)), _integers(0, self._tokens, self._width), special_zero=True
        )
        return self._dense(y, f"{name}.out")

    def _stacked(self, name: str, parts: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The matrices and the biases of several linear layers in one. The query's are scaled as attention needs it."""
        scales = {"q": np.float32((self._width // self._heads) ** -0.5)}
        matrices = [self._weights[f"{name}.{part}.weight"] * scales.get(part, np.float32(1)) for part in parts]
        biases = [self._weights[f"{name}.{part}.bias"] * scales.get(part, np.float32(1)) for part in parts]
        return np.concatenate(matrices), np.concatenate(biases)

    def _split(self, y: Any, parts: int) -> list[Any]:
        """(n, tokens, parts * width) to `parts` times (n, heads, tokens, width / heads)."""
        shape = _integers(0, self._tokens, parts, self._heads, self._width // self._heads)
        y = op.transpose(op.reshape(y, shape, special_zero=True), _integers(2, 0, 3, 1, 4))
        return [op.squeeze(output, _integers(0)) for output in op.split(y, op.constant(np.int64(0)), parts).outputs()]

    def _perceptron(self, x: Any, name: str, norm: str) -> Any:
        """A layer norm and two linear layers. In int8, hidden channels that may become huge are computed apart, in fp32."""
        activate, weights, x = _ACTIVATIONS[self._plan.tower.activation], self._weights, self._norm(x, norm)
        if not self._int8:
            return self._dense(activate(self._dense(x, f"{name}.fc1")), f"{name}.fc2")
        first, bias, second = weights[f"{name}.fc1.weight"], weights[f"{name}.fc1.bias"], weights[f"{name}.fc2.weight"]
        huge = huge_channels(first, bias, weights[f"{norm}.weight"], weights[f"{norm}.bias"])
        hidden = activate(linear_int8(x, np.where(huge[:, None], 0, first), np.where(huge, 0, bias)))
        y = linear_int8(hidden, np.where(huge, 0, second), weights[f"{name}.fc2.bias"], LOWEST_ACTIVATION)
        if huge.any():
            hidden = activate(op.add(op.matmul(x, _constant(first[huge]), False, True), _constant(bias[huge])))
            y = op.add(y, op.matmul(hidden, _constant(second[:, huge]), False, True))
        return y

    def _pool(self, x: Any) -> Any:
        """One row (n, width) a picture, of the outputs (n, tokens, width)."""
        if self._plan.pooling == "class":
            return op.squeeze(op.gather(x, _integers(0), _integers(1)), _integers(1))
        if self._plan.pooling == "average":
            patches = self._plan.patches  # the last tokens: a class token does not count
            x = op.gather(x, _integers(*range(self._tokens - patches, self._tokens)), _integers(1))
            return op.reduce_mean(x, _integers(1), False)
        return self._attend_to_all(x)

    def _attend_to_all(self, x: Any) -> Any:
        """Attention pooling, of one learnt query (arXiv:1810.00825, section 3.2): what it takes from the tokens."""
        name, weights = "image.head", self._weights
        matrix, bias = self._stacked(name, "q")
        query = (weights[f"{name}.probe"].reshape(-1) @ matrix.T + bias).reshape(1, self._heads, 1, -1)
        k, v = self._split(self._linear(x, *self._stacked(name, "kv")), 2)
        y = op.matmul(op.softmax(op.matmul(_constant(query), k, False, True), -1), v, False, False)
        y = self._dense(op.reshape(y, _integers(0, self._width), special_zero=True), f"{name}.out")
        return op.add(y, self._perceptron(y, name, f"{name}.norm"))

    def _dense(self, x: Any, name: str) -> Any:
        return self._linear(x, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _linear(self, x: Any, matrix: NDArray[np.float32], bias: NDArray[np.float32]) -> Any:
        if self._int8:
            return linear_int8(x, matrix, bias)
        return op.add(op.matmul(x, _constant(matrix), False, True), _constant(bias))

    def _norm(self, x: Any, name: str) -> Any:
        x = op.mvn(x, _integers(-1), True, self._plan.tower.norm_epsilon, "inside_sqrt")
        return op.add(
            op.multiply(x, _constant(self._weights[f"{name}.weight"])), _constant(self._weights[f"{name}.bias"])
        )


def _integers(*values: int) -> Any:
    return op.constant(np.array(values, np.int64))


def _quick_gelu(x: Any) -> Any:
    return op.multiply(x, op.sigmoid(op.multiply(x, _constant(np.float32(1.702)))))


_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "quick_gelu": _quick_gelu,
    "gelu": lambda x: op.gelu(x, "erf"),
    "gelu_pytorch_tanh": lambda x: op.gelu(x, "tanh"),
}
