"""Static int8 quantisation of the convolutional trunk, as QuantizeLinear/DequantizeLinear pairs.

Weights are symmetric int8 per output channel, activations uint8 per tensor. x86 CPUs without VNNI multiply with
`vpmaddubsw`, which adds two u8*s8 products in 16 saturating bits, so their results differ a little. Scales that rule out
saturation cost more accuracy on every CPU than saturation costs on these (the model card has the figures).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort

from mini.crops import cut
from mini.graph import FLOAT, Graph
from mini.vision import IMAGE_SIZE, Block, Conv, Floats

Ranges = dict[str, tuple[float, float]]
SAMPLES_PER_BATCH = 40_000
SHRINKS = tuple(np.linspace(0.5, 1.0, 26))


def float_trunk(blocks: Sequence[Block], crops: bool = False, output: str = "mid") -> tuple[Graph, list[str]]:
    """The trunk in float32, of a photo or two crops of it, and the names of all tensors that need a range."""
    graph = Graph()
    x = cut(graph) if crops else "pixel_values"
    for block in blocks:
        x = graph.block(x, block)
    graph.op("Identity", x, output=output)
    skipped = {f"{conv.name}_out" for block in blocks for conv in block.convs if conv.relu6}
    names = ["pixel_values"] + [node.output[0] for node in graph.nodes[:-1] if node.output[0] not in skipped]
    return graph, names


def trunk_model(graph: Graph, outputs: Sequence[str], size: int = IMAGE_SIZE) -> onnx.ModelProto:
    """Close a graph over `pixel_values`, with shapes left to the runtime."""
    inputs: list[int | str | None] = ["n", 3, size, size]
    return graph.model([("pixel_values", FLOAT, inputs)], [(name, FLOAT, ["n", None, None, None]) for name in outputs])


def best_range(values: Floats) -> tuple[float, float]:
    """The (low, high) around zero with the least squared error when `values` are rounded to 8 bits inside it."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 1e-6)
    best = (np.inf, low, high)
    for shrink in SHRINKS:
        lo, hi = low * shrink, high * shrink
        scale = (hi - lo) / 255
        zero = round(-lo / scale)
        codes = np.clip(np.round(values / scale) + zero, 0, 255)
        error = float(np.mean(((codes - zero) * scale - values) ** 2))
        best = min(best, (error, lo, hi))
    return best[1], best[2]


def calibrate(blocks: Sequence[Block], pixels: Floats, seed: int = 0) -> Ranges:
    """Ranges of every activation over calibration images, shape (n, 3, s, s)."""
    graph, names = float_trunk(blocks)
    model = trunk_model(graph, names[1:])
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(seed)
    kept: dict[str, list[Floats]] = {name: [] for name in names}
    for start in range(0, len(pixels), 16):
        batch = pixels[start : start + 16]
        for name, value in zip(names, [batch, *session.run(names[1:], {"pixel_values": batch})], strict=True):
            flat = value.reshape(-1)
            kept[name].append(flat[rng.integers(0, flat.size, min(flat.size, SAMPLES_PER_BATCH))])
            kept[name].append(np.array([flat.min(), flat.max()], np.float32))
    return {name: best_range(np.concatenate(parts)) for name, parts in kept.items()}


def weight_codes(weight: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """int8 codes and per-channel scales of a convolution's weight (out, in/groups, k, k)."""
    scale = np.abs(weight.reshape(len(weight), -1)).max(axis=1) / 127
    scale = np.maximum(scale, 1e-6).astype(np.float32)  # dead channels: keeps the int32 bias in range
    codes = np.clip(np.round(weight / scale[:, None, None, None]), -127, 127).astype(np.int8)
    return codes, scale


class QuantisedGraph(Graph):
    """A graph whose convolutions and additions run in int8; tensors between them carry a (scale, zero point)."""

    def __init__(self, ranges: Ranges) -> None:
        super().__init__()
        self.ranges = ranges
        self._scales: dict[str, float] = {}

    def quantised(self, x: str, tensor: str) -> str:
        """Round `x` to the 8-bit grid of `tensor`; returns the dequantised name."""
        low, high = self.ranges[tensor]
        scale = (high - low) / 255
        scale_name = self.const(scale, f"{tensor}_scale", np.float32)
        zero_name = self.const(round(-low / scale), f"{tensor}_zero", np.uint8)
        codes = self.op("QuantizeLinear", x, scale_name, zero_name, output=f"{tensor}_q")
        name = self.op("DequantizeLinear", codes, scale_name, zero_name, output=f"{tensor}_dq")
        self._scales[name] = float(np.float32(scale))
        return name

    def conv(self, x: str, conv: Conv) -> str:
        """A convolution of a dequantised tensor; its rounded output clips like the float ReLU6."""
        codes, scale = weight_codes(conv.weight)
        scale_name = self.const(scale, f"{conv.name}_weight_scale")
        zeros = self.const(np.zeros(len(scale), np.int8), f"{conv.name}_weight_zero")
        weight = self.op("DequantizeLinear", self.const(codes, f"{conv.name}_weight"), scale_name, zeros, axis=0)
        bias_scale = scale.astype(np.float64) * self._scales[x]
        bias_codes = self.const(np.round(conv.bias / bias_scale).astype(np.int32), f"{conv.name}_bias")
        bias_zeros = self.const(np.zeros(len(scale), np.int32), f"{conv.name}_bias_zero")
        bias_scales = self.const(bias_scale.astype(np.float32), f"{conv.name}_bias_scale")
        bias = self.op("DequantizeLinear", bias_codes, bias_scales, bias_zeros, axis=0)
        y = self.op(
            "Conv", x, weight, bias, output=f"{conv.name}_out",
            kernel_shape=list(conv.weight.shape[2:]), strides=[conv.stride] * 2, pads=list(conv.pads), group=conv.groups,
        )  # fmt: skip
        return self.quantised(y, f"{conv.name}_relu6" if conv.relu6 else f"{conv.name}_out")

    def block(self, x: str, block: Block) -> str:
        """An inverted residual block whose sum is rounded too."""
        y = x
        for conv in block.convs:
            y = self.conv(y, conv)
        if not block.residual:
            return y
        tensor = f"{block.convs[-1].name}_sum"
        return self.quantised(self.op("Add", x, y, output=tensor), tensor)


def quantised_trunk(
    blocks: Sequence[Block], ranges: Ranges, crops: bool = False, output: str = "mid"
) -> QuantisedGraph:
    """The trunk in int8 from float pixels, or two crops of them, to a float map named `output`."""
    graph = QuantisedGraph(ranges)
    x = graph.quantised(cut(graph) if crops else "pixel_values", "pixel_values")
    for block in blocks:
        x = graph.block(x, block)
    graph.op("Identity", x, output=output)
    return graph
