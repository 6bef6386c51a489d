"""CLIP's image tower on a CPU: an OpenVINO graph built from the checkpoint's own weights. The only user of openvino.

The architecture is that of `transformers.CLIPVisionModelWithProjection`; tests compare the two. Building and compiling it takes
about a second, so nothing converted is kept on disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as op

from clipsearch.encoders.shape import ModelShape
from clipsearch.encoders.weights import Weights

# Activations are quantised on the fly in groups of this many values, each with its own scale. Measured on a ViT-B/32 with
# random weights, worst mean-centred cosine to fp32 and top-10 overlap: 64: 0.9971, 0.987; 256: 0.9961, 0.981.
_INT8_GROUP = 64


@cache
def _core() -> Any:
    """OpenVINO, one instance for the whole process, never released.

    Its CPU plugin replaces the alternate signal stack of the thread that loads it. If another thread released the last
    instance, that stack would be unmapped while in use, and the next Ctrl-C would be a segmentation fault.
    """
    return ov.Core()


def available_precisions() -> tuple[str, ...]:
    """The precisions that this processor has instructions for, cheapest first."""
    capabilities = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return tuple(name for name in ("int8", "bf16", "fp32") if name.upper() in capabilities)


class ImageTower:
    """Preprocessed pictures, float32 (n, 3, size, size), to raw vectors (n, dim). Several threads may call it."""

    def __init__(self, weights: Weights, shape: ModelShape, precision: str, threads: int) -> None:
        options = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": _INT8_GROUP if precision == "int8" else 0,
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": threads,  # one thread each, so that no thread waits for another in the middle of a picture
        }
        graph = _Graph(weights, shape, int8=precision == "int8").build()
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


class _Graph:
    def __init__(self, weights: Weights, shape: ModelShape, *, int8: bool) -> None:
        self._weights, self._shape, self._int8 = weights, shape, int8

    def build(self) -> Any:
        weights, size, patch = self._weights, self._shape.image_size, self._shape.patch_size
        filters = weights["vision_model.embeddings.patch_embedding.weight"]
        width, tokens = len(filters), (size // patch) ** 2 + 1
        pixels = op.parameter([-1, 3, size, size], ov.Type.f32)
        x = op.convolution(pixels, _constant(filters), [patch, patch], [0, 0], [0, 0], [1, 1])
        x = op.transpose(op.reshape(x, _integers(0, width, tokens - 1), special_zero=True), _integers(0, 2, 1))
        # The class token comes before the patches: a row of zeros, to which its embedding is added with the positions.
        positions = np.array(weights["vision_model.embeddings.position_embedding.weight"])
        positions[0] += weights["vision_model.embeddings.class_embedding"]
        x = op.pad(x, _integers(0, 1, 0), _integers(0, 0, 0), "constant", op.constant(np.float32(0)))
        x = op.add(x, _constant(positions[None]))
        x = self._norm(x, "vision_model.pre_layrnorm")  # spelt so in the checkpoints
        for layer in range(self._shape.image.layers):
            x = self._layer(x, f"vision_model.encoder.layers.{layer}", width, tokens)
        x = op.gather(x, _integers(0), _integers(1))
        x = self._norm(op.squeeze(x, _integers(1)), "vision_model.post_layernorm")
        return ov.Model([op.matmul(x, _constant(weights["visual_projection.weight"]), False, True)], [pixels])

    def _layer(self, x: Any, name: str, width: int, tokens: int) -> Any:
        heads, weights = self._shape.image.heads, self._weights
        scale = np.float32((width // heads) ** -0.5)
        parts = [f"{name}.self_attn.{part}_proj" for part in "qkv"]
        matrices, biases = [weights[f"{part}.weight"] for part in parts], [weights[f"{part}.bias"] for part in parts]
        matrix = np.concatenate([matrices[0] * scale, *matrices[1:]])
        bias = np.concatenate([biases[0] * scale, *biases[1:]])
        y = self._linear(self._norm(x, f"{name}.layer_norm1"), matrix, bias)
        y = op.reshape(y, _integers(0, tokens, 3, heads, width // heads), special_zero=True)
        split = op.split(op.transpose(y, _integers(2, 0, 3, 1, 4)), op.constant(np.int64(0)), 3)
        q, k, v = (op.squeeze(output, _integers(0)) for output in split.outputs())
        y = op.matmul(op.softmax(op.matmul(q, k, False, True), -1), v, False, False)
        y = op.reshape(op.transpose(y, _integers(0, 2, 1, 3)), _integers(0, tokens, width), special_zero=True)
        x = op.add(x, self._dense(y, f"{name}.self_attn.out_proj"))
        y = self._dense(self._norm(x, f"{name}.layer_norm2"), f"{name}.mlp.fc1")
        return op.add(x, self._dense(_ACTIVATIONS[self._shape.image.activation](y), f"{name}.mlp.fc2"))

    def _dense(self, x: Any, name: str) -> Any:
        return self._linear(x, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _linear(self, x: Any, matrix: NDArray[np.float32], bias: NDArray[np.float32]) -> Any:
        if self._int8:  # one scale per output; OpenVINO recognises this pattern and multiplies in 8 bits
            scales = np.maximum(np.abs(matrix).max(axis=1, keepdims=True) / 127, np.finfo(np.float32).tiny)
            codes = op.convert(op.constant(np.round(matrix / scales).astype(np.int8)), ov.Type.f32)
            weights = op.multiply(codes, _constant(scales))
        else:
            weights = _constant(matrix)
        return op.add(op.matmul(x, weights, False, True), _constant(bias))

    def _norm(self, x: Any, name: str) -> Any:
        x = op.mvn(x, _integers(-1), True, self._shape.image.norm_epsilon, "inside_sqrt")
        return op.add(
            op.multiply(x, _constant(self._weights[f"{name}.weight"])), _constant(self._weights[f"{name}.bias"])
        )


def _constant(values: Any) -> Any:
    return op.constant(np.ascontiguousarray(values, np.float32))


def _integers(*values: int) -> Any:
    return op.constant(np.array(values, np.int64))


def _quick_gelu(x: Any) -> Any:
    return op.multiply(x, op.sigmoid(op.multiply(x, _constant(np.float32(1.702)))))


_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"quick_gelu": _quick_gelu, "gelu": lambda x: op.gelu(x, "erf")}
