"""A small ONNX graph writer: named tensors in, nodes appended in order, one checked model out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from mini.vision import Block, Conv

OPSET = 18  # the first whose Resize can smooth
IR_VERSION = 8  # released with opset 18, so that older runtimes read the file


# A tensor's name, element type and shape; None is a size that is left to the runtime.
Signature = tuple[str, int, list[int | str | None]]


class Graph:
    """Collects nodes and constants; every method returns the name of the tensor that it made."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self._count = 0

    def fresh(self, stem: str) -> str:
        """A tensor name that is not in use yet."""
        self._count += 1
        return f"{stem}_{self._count}"

    def const(self, value: npt.ArrayLike, name: str | None = None, dtype: Any = None) -> str:
        """Store a constant; the dtype is the array's own unless given."""
        array = np.asarray(value, dtype=dtype)
        key = name or self.fresh("const")
        self.constants[key] = numpy_helper.from_array(np.array(array, order="C"), key)
        return key

    def op(self, kind: str, *inputs: str, output: str | None = None, domain: str = "", **attributes: Any) -> str:
        """Append one node with a single output."""
        name = output or self.fresh(kind.lower())
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=f"n_{name}", domain=domain, **attributes))
        return name

    def conv(self, x: str, conv: Conv) -> str:
        """A folded convolution with its ReLU6."""
        weight = self.const(conv.weight, f"{conv.name}_weight")
        bias = self.const(conv.bias, f"{conv.name}_bias")
        kernel = conv.weight.shape[2:]
        y = self.op(
            "Conv", x, weight, bias, output=f"{conv.name}_out",
            kernel_shape=list(kernel), strides=[conv.stride] * 2, pads=list(conv.pads), group=conv.groups,
        )  # fmt: skip
        if not conv.relu6:
            return y
        low, high = self.const(0.0, "zero_f", np.float32), self.const(6.0, "six_f", np.float32)
        return self.op("Clip", y, low, high, output=f"{conv.name}_relu6")

    def block(self, x: str, block: Block) -> str:
        """An inverted residual block."""
        y = x
        for conv in block.convs:
            y = self.conv(y, conv)
        return self.op("Add", x, y, output=f"{block.convs[-1].name}_sum") if block.residual else y

    def model(
        self,
        inputs: list[Signature],
        outputs: list[Signature],
        opset: int = OPSET,
        ir_version: int = IR_VERSION,
    ) -> onnx.ModelProto:
        """The checked model; inputs and outputs are (name, element type, shape)."""
        graph = helper.make_graph(
            self.nodes,
            "clipsearch-mini",
            [helper.make_tensor_value_info(*item) for item in inputs],
            [helper.make_tensor_value_info(*item) for item in outputs],
            list(self.constants.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="clipsearch")
        model.ir_version = ir_version
        onnx.checker.check_model(model)
        return model


FLOAT = TensorProto.FLOAT
