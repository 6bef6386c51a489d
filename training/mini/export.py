"""The image tower as an ONNX graph, and the text tower's tensors, both with int8 weights.

Outside of the convolutional trunk only weights are rounded, so a text's embedding cannot depend on other texts in its batch.
Each weight is stored as int8 codes with one float scale per output channel. In the graph, Cast and Mul decode it.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
from torch import nn

from clipsearch.encoders.mini.weights import SCALE
from mini.crops import INPUT_SIZE, averaged
from mini.graph import FLOAT, Graph
from mini.language import SHARPNESS, WEIGHT, Language
from mini.minilm import CONTEXT_LENGTH, LAYERS, MiniLM
from mini.quantise import Ranges, float_trunk, quantised_trunk, trunk_model
from mini.towers import DIM, ImageTower, TextTower
from mini.vision import Conv, Floats, Trunk

HEAD_EPSILON = 1e-5


class Weights:
    """Adds weights to a graph, rounded to int8 or kept in float32."""

    def __init__(self, graph: Graph, int8: bool) -> None:
        self.graph, self.int8 = graph, int8

    def matrix(self, value: Floats, name: str, axis: int) -> str:
        """A weight with one scale per index of `axis`."""
        if not self.int8:
            return self.graph.const(value.astype(np.float32), name)
        others = tuple(i for i in range(value.ndim) if i != axis)
        scale = np.maximum(np.abs(value).max(axis=others, keepdims=True) / 127, 1e-12).astype(np.float32)
        codes = self.graph.const(np.round(value / scale).astype(np.int8), name)
        decoded = self.graph.op("Cast", codes, to=FLOAT)
        return self.graph.op("Mul", decoded, self.graph.const(scale, f"{name}_scale"))

    def linear(self, x: str, weight: Floats, bias: Floats | None, name: str) -> str:
        """X @ weight.T + bias with PyTorch's (out, in) weight."""
        y = self.graph.op("MatMul", x, self.matrix(weight.T, f"{name}_weight", axis=1))
        return y if bias is None else self.graph.op("Add", y, self.graph.const(bias.astype(np.float32), f"{name}_bias"))

    def norm(self, x: str, weight: Floats, bias: Floats, epsilon: float, name: str) -> str:
        """Layer normalisation over the last axis."""
        scale, shift = self.graph.const(weight, f"{name}_scale"), self.graph.const(bias, f"{name}_shift")
        return self.graph.op("LayerNormalization", x, scale, shift, axis=-1, epsilon=epsilon)

    def gelu(self, x: str) -> str:
        """The exact GELU, x * (1 + erf(x / sqrt 2)) / 2."""
        g = self.graph
        erf = g.op("Erf", g.op("Div", x, g.const(math.sqrt(2), "sqrt2", np.float32)))
        y = g.op("Mul", x, g.op("Add", erf, g.const(1.0, "one", np.float32)))
        return g.op("Mul", y, g.const(0.5, "half", np.float32))

    def head(self, x: str, state: dict[str, Floats], name: str) -> str:
        """A projection head; `state` is `towers.Head`'s."""
        h = self.norm(x, state["norm.weight"], state["norm.bias"], HEAD_EPSILON, f"{name}_norm")
        straight = self.linear(h, state["linear.weight"], state["linear.bias"], f"{name}_linear")
        hidden = self.gelu(self.linear(h, state["up.weight"], state["up.bias"], f"{name}_up"))
        return self.graph.op(
            "Add", straight, self.linear(hidden, state["down.weight"], state["down.bias"], f"{name}_down")
        )

    def unit(self, x: str) -> str:
        """Rows scaled to length 1."""
        return self.graph.op("LpNormalization", x, axis=-1, p=2)

    def beside(self, trained: str, language: str, output: str | None = None) -> str:
        """Both unit embeddings as one, so that the cosine is (trained + WEIGHT * language) / (1 + WEIGHT)."""
        weight = self.graph.const(math.sqrt(WEIGHT), "language_weight", np.float32)
        return self.graph.op("Concat", trained, self.graph.op("Mul", language, weight), output=output, axis=1)

    def conv(self, x: str, conv: Conv) -> str:
        """A float convolution whose weight is stored in int8, with its ReLU6."""
        g = self.graph
        weight = self.matrix(conv.weight, f"{conv.name}_w8", axis=0)
        y = g.op(
            "Conv", x, weight, g.const(conv.bias, f"{conv.name}_b"),
            kernel_shape=list(conv.weight.shape[2:]), strides=[conv.stride] * 2, pads=list(conv.pads), group=conv.groups,
        )  # fmt: skip
        if not conv.relu6:
            return y
        return g.op("Clip", y, g.const(0.0, "zero_f", np.float32), g.const(6.0, "six_f", np.float32))


def arrays(module: nn.Module) -> dict[str, Floats]:
    """A module's state as numpy arrays."""
    return {key: value.detach().numpy() for key, value in module.state_dict().items()}


def under(state: dict[str, Floats], prefix: str) -> dict[str, Floats]:
    """The part of a state whose names start with `prefix`, without it."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def pooled(weights: Weights, x: str, convs: list[Conv]) -> str:
    """The tail's convolutions and the average over space: (n, 1280)."""
    for conv in convs:
        x = weights.conv(x, conv)
    return weights.graph.op("Flatten", weights.graph.op("GlobalAveragePool", x), axis=1)


def image_model(trunk: Trunk, tower: ImageTower, language: Language, ranges: Ranges | None) -> onnx.ModelProto:
    """`pixel_values` (n, 3, INPUT_SIZE, INPUT_SIZE) to `image_embeds` (n, 2 * dim); int8 if `ranges` are given."""
    blocks = trunk.blocks[:-1]
    graph = float_trunk(blocks, crops=True)[0] if ranges is None else quantised_trunk(blocks, ranges, crops=True)
    w = Weights(graph, ranges is not None)
    state = arrays(tower)
    base = [*trunk.blocks[-1].convs, trunk.head]
    features = pooled(w, "mid", base)
    sharpness = math.exp(state["temperature"])
    logits = w.linear(features, trunk.fc * sharpness, trunk.fc_bias * sharpness, "classifier")
    posterior = graph.op("Softmax", logits, axis=-1)
    gated = w.matrix(state["classes"] * math.exp(state["gate"]), "classes", axis=1)
    classes = graph.op("MatMul", posterior, gated)
    own = pooled(w, "mid", tower.tail.folded())
    head = under(state, "head.")
    direct = w.unit(w.head(own, head, "image_head"))
    softened = graph.op("Mul", logits, graph.const(SHARPNESS / sharpness, "sharpness", np.float32))
    names = w.matrix(language.classes.numpy(), "names", axis=1)
    named = w.unit(graph.op("MatMul", graph.op("Softmax", softened, axis=-1), names))
    averaged(graph, w.beside(w.unit(graph.op("Add", direct, classes)), named), "image_embeds")
    model = trunk_model(graph, [], INPUT_SIZE)
    shape = onnx.helper.make_tensor_value_info("image_embeds", FLOAT, ["n", 2 * DIM])
    model.graph.output.append(shape)
    onnx.checker.check_model(model)
    return model


def text_tensors(encoder: MiniLM, tower: TextTower, language: Language) -> dict[str, Floats]:
    """The text tower's tensors by the names that `clipsearch.encoders.plan` lists, and those of its head."""
    state, head = arrays(encoder), under(arrays(tower), "head.")
    tensors = {"text.positions.weight": state["positions"][:CONTEXT_LENGTH]}
    matrices = {"text.tokens": state["words.weight"]}
    names = {"text.embedding_norm": "norm"}
    for number in range(LAYERS):
        ours, theirs = f"text.layers.{number}", f"layers.{number}"
        for kind in ("weight", "bias"):
            parts = np.split(state[f"{theirs}.qkv.{kind}"], 3)
            state |= {f"{theirs}.{name}.{kind}": part for name, part in zip("qkv", parts, strict=True)}
        names |= {f"{ours}.{part}": f"{theirs}.{part}" for part in ("q", "k", "v", "out", "norm1", "norm2")}
        names |= {f"{ours}.fc1": f"{theirs}.up", f"{ours}.fc2": f"{theirs}.down"}
    state |= {f"head.{name}": value for name, value in head.items()}
    names |= {f"text.head.{part}": f"head.{part}" for part in ("norm", "linear", "up", "down")}
    for ours, theirs in names.items():
        tensors[f"{ours}.bias"] = state[f"{theirs}.bias"]
        matrices[ours] = state[f"{theirs}.weight"]
    for name, value in matrices.items():
        if value.ndim == 2:
            scale = np.maximum(np.abs(value).max(axis=1, keepdims=True) / 127, 1e-12).astype(np.float32)
            tensors |= {f"{name}.weight": np.round(value / scale).astype(np.int8), f"{name}.weight{SCALE}": scale}
        else:
            tensors[f"{name}.weight"] = value
    tensors["text.language.mean"] = language.mean.numpy()
    tensors["text.language.weight"] = np.array(math.sqrt(WEIGHT), np.float32)
    return {name: np.ascontiguousarray(value) for name, value in tensors.items()}
