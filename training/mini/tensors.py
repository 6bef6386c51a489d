"""The image tower's tensors for `clipsearch.encoders.mini.network`, from its ONNX graph.

onnxruntime computed the vectors of older indexes, so what it does in int8 is followed to the last bit: the factor of a
convolution, and how it adds two tensors of codes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from clipsearch.encoders.mini.weights import SCALE
from mini.crops import CUBIC, INPUT_SIZE
from mini.graph import OPSET
from mini.vision import IMAGE_SIZE, Floats

PARTS = ("expand", "depthwise", "project")
STEPS = 40  # by so many of its smallest steps a factor of a sum may be changed
NEAR = 2e-3  # of the middle between two codes


def image_tensors(model: onnx.ModelProto) -> dict[str, npt.NDArray[np.generic]]:
    """Tensors by the names that the network has for them."""
    stored = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    steps = [1 / stored["pixel_values_scale"].item(), stored["pixel_values_zero"].item()]
    tensors = {"pixels": np.array(steps, np.float32), **whole_tensors()}
    source = quantised(tensors, stored, "stem", "conv_stem", "pixel_values")
    blocks = len({name for name in stored if name.endswith("project_conv_weight")})
    for number in range(blocks):
        before = source
        for part in PARTS:
            theirs = f"blocks_{number}__{part}_conv"
            if f"{theirs}_weight" in stored:
                source = quantised(tensors, stored, f"blocks.{number}.{part}", theirs, source)
        total = f"blocks_{number}__project_conv_sum"
        if f"{total}_scale" in stored:
            scales = [stored[f"{name}{SCALE}"] for name in (before, source, total)]
            zeros = [stored[f"{name}_zero"] for name in (before, source, total)]
            tensors[f"blocks.{number}.sum"] = np.append(robust_sum(scales, zeros), np.float32(zeros[2]))
            source = total
    tensors["maps"] = stored[f"{source}_scale"]
    for head, prefix in (("classifier", ""), ("tuned", "tuned_")):
        names = {**{part: f"blocks_{blocks}__{part}_conv" for part in PARTS}, "last": "conv_head"}
        for part, theirs in names.items():
            tensors[f"{head}.{part}.weight"] = stored[f"{prefix}{theirs}_w8"]
            tensors[f"{head}.{part}.weight{SCALE}"] = stored[f"{prefix}{theirs}_w8_scale"]
            tensors[f"{head}.{part}.bias"] = stored[f"{prefix}{theirs}_b"]
    matrices = {
        "classifier.logits": "classifier_weight",
        "classifier.classes": "classes",
        "language.names": "names",
        **{f"head.{part}": f"image_head_{part}_weight" for part in ("linear", "up", "down")},
    }
    for ours, theirs in matrices.items():
        tensors[f"{ours}.weight"] = stored[theirs].T
        tensors[f"{ours}.weight{SCALE}"] = stored[f"{theirs}_scale"].T
        bias = theirs.replace("_weight", "_bias")
        if bias != theirs:
            tensors[f"{ours}.bias"] = stored[bias]
    tensors["head.norm.weight"], tensors["head.norm.bias"] = (
        stored[f"image_head_norm_{part}"] for part in ("scale", "shift")
    )
    tensors["language.sharpness"] = stored["sharpness"].reshape(1)
    tensors["language.weight"] = stored["language_weight"].reshape(1)
    return {name: np.ascontiguousarray(value) for name, value in tensors.items()}


def quantised(
    tensors: dict[str, npt.NDArray[np.generic]],
    stored: dict[str, npt.NDArray[np.generic]],
    ours: str,
    theirs: str,
    source: str,
) -> str:
    """Add the tensors of a convolution in int8. Returns the name of its output."""
    output = f"{theirs}_relu6" if f"{theirs}_relu6_scale" in stored else f"{theirs}_out"
    tensors[f"{ours}.weight"] = stored[f"{theirs}_weight"]
    tensors[f"{ours}.bias"] = stored[f"{theirs}_bias"].astype(np.float32)  # in steps of the sum, a whole number
    products = stored[f"{source}_scale"] * stored[f"{theirs}_weight_scale"]
    tensors[f"{ours}.factor"] = products / stored[f"{output}_scale"]
    tensors[f"{ours}.zero"] = stored[f"{output}_zero"].astype(np.float32)
    return output


def whole_tensors() -> dict[str, Floats]:
    """The bicubic filter of the first look: its factors (IMAGE_SIZE, taps), and the first pixel of each."""
    signature = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 1, INPUT_SIZE, INPUT_SIZE]), ("y", None))
    ]
    node = helper.make_node("Resize", ["x", "", "s"], ["y"], mode="cubic", cubic_coeff_a=CUBIC, antialias=1)
    scale = numpy_helper.from_array(np.array([1, 1, 1, IMAGE_SIZE / INPUT_SIZE], np.float32), "s")
    graph = helper.make_graph([node], "resize", signature[:1], signature[1:], [scale])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    matrix = session.run(None, {"x": np.eye(INPUT_SIZE, dtype=np.float32)[None, None]})[0][0, 0].T
    used = [np.flatnonzero(row) for row in matrix]
    taps = max(places[-1] + 1 - places[0] for places in used)
    starts = np.array([min(places[0], INPUT_SIZE - taps) for places in used])
    factors = np.take_along_axis(matrix, starts[:, None] + np.arange(taps), 1)
    return {"whole.weight": factors, "whole.start": starts.astype(np.float32)}


def robust_sum(scales: list[npt.NDArray[np.generic]], zeros: list[npt.NDArray[np.generic]]) -> Floats:
    """Two factors and a shift: `first * factor + second * factor + shift`, rounded, is onnxruntime's sum of any two codes.

    They are as far as possible from a middle between two codes, so that the result does not depend on how the sum is rounded
    on its way. Codes are counted from zero's.
    """
    first, second = (codes.reshape(-1) for codes in np.meshgrid(*[np.arange(256, dtype=np.float32)] * 2, indexing="ij"))
    expected = onnxruntime_sum(first, second, scales, zeros)
    zero = [float(value) for value in zeros]
    first, second, target = first - np.float32(zero[0]), second - np.float32(zero[1]), expected - zero[2]
    start = [np.float32(scales[0] / scales[2]), np.float32(scales[1] / scales[2])]
    exact = first.astype(float) * float(start[0]) + second.astype(float) * float(start[1])
    near = (np.abs(exact - np.floor(exact) - 0.5) < NEAR) & (exact > -zero[2] - 2) & (exact < 257 - zero[2])
    x, y, wanted, codes = first[near].astype(float), second[near].astype(float), target[near], expected[near]
    best = (-1.0, start[0], start[1], np.float32(0))
    for i in range(-STEPS, STEPS + 1):
        for j in range(-STEPS, STEPS + 1):
            a, b = start[0] + i * np.spacing(start[0]), start[1] + j * np.spacing(start[1])
            sums = x * float(a) + y * float(b)
            low, high = (wanted - 0.5 - sums)[codes > 0].max(), (wanted + 0.5 - sums)[codes < 255].min()
            if high - low > best[0]:
                best = (high - low, a, b, np.float32((low + high) / 2))
    _, a, b, shift = best
    for sums in (first * a + second * b + shift, fused(second, b, fused(first, a, shift))):
        if not (np.clip(np.rint(sums), -zero[2], 255 - zero[2]) == target).all():
            raise ValueError("no factors give onnxruntime's sums")
    return np.array([a, b, shift], np.float32)


def onnxruntime_sum(
    first: Floats, second: Floats, scales: list[npt.NDArray[np.generic]], zeros: list[npt.NDArray[np.generic]]
) -> npt.NDArray[np.float64]:
    """The codes that QLinearAdd gives for two tensors of codes, on processors with fused multiplication and addition."""
    a, b = np.float32(scales[0] / scales[2]), np.float32(scales[1] / scales[2])
    zero = [np.float32(value) for value in zeros]
    fixed = np.float32(zero[2] - fused(a, zero[0], np.float32(b * zero[1])))
    return np.clip(np.rint(fused(second, b, fused(first, a, fixed))), 0, 255).astype(np.float64)


def fused(x: Floats, y: Floats, z: Floats) -> Floats:
    """X * y + z, rounded once."""
    return (np.float64(x) * np.float64(y) + np.float64(z)).astype(np.float32)  # type: ignore[no-any-return]
