#!/usr/bin/env python3
"""Write rclip's two ONNX files, with the weights of a local CLIP checkpoint at 256 px.

    DIR/export/bin/python benchmarks/suite/export_rclip.py CHECKPOINT OUT [--int8]

OUT gets visual.onnx and textual.onnx as rclip's own conversion names and shapes them: one input "input", one output "output"
of (batch, 512) that is not normalised, fp32, opset 18, from torch's tracing exporter. Needs torch, transformers, onnx.

With --int8 the image tower's matrix products are then quantised dynamically, as one version of rclip's conversion did.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import CLIPModel

CONTEXT = 77
END_OF_TEXT = 49407


class Visual(torch.nn.Module):
    """Pixels (n, 3, 256, 256) to (n, 512)."""

    def __init__(self, clip: CLIPModel) -> None:
        super().__init__()
        self.tower, self.project = clip.vision_model, clip.visual_projection

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Project the class token, as CLIPModel does."""
        embeddings: torch.Tensor = self.project(self.tower(pixel_values=pixels).pooler_output)
        return embeddings


class Textual(torch.nn.Module):
    """Token ids (n, 77), zeros after the end of the text, to (n, 512)."""

    def __init__(self, clip: CLIPModel) -> None:
        super().__init__()
        tower = clip.text_model
        self.embed = tower.embeddings
        self.layers, self.norm = tower.encoder.layers, tower.final_layer_norm
        self.project = clip.text_projection
        mask = torch.full((CONTEXT, CONTEXT), torch.finfo(torch.float32).min).triu(1)
        self.register_buffer("mask", mask[None, None])

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Run all 77 places, as OpenCLIP does, and project the place at the end of the text."""
        hidden = self.embed(input_ids=tokens)
        for layer in self.layers:
            hidden = layer(hidden, attention_mask=self.mask)
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        ends = tokens.argmax(dim=-1)  # the end-of-text token is the largest of all
        embeddings: torch.Tensor = self.project(self.norm(hidden)[torch.arange(tokens.shape[0]), ends])
        return embeddings


def export(module: torch.nn.Module, example: torch.Tensor, path: Path) -> None:
    """Write one tower, with the first dimension left open."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(), (example,), str(path), input_names=["input"], output_names=["output"],
            dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}}, opset_version=18, dynamo=False,
        )  # fmt: skip


def largest_difference(path: Path, batch: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference between the ONNX file's output and that of transformers for the same input."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for rows in ([0], [1, 0, 1]):  # other batch sizes than the traced one
        (got,) = session.run(None, {"input": batch.numpy()[rows]})
        if got.shape != (len(rows), expected.shape[1]):
            raise SystemExit(f"{path.name} gives {got.shape} for a batch of {len(rows)}")
        worst = max(worst, float(np.abs(got - expected.numpy()[rows]).max()))
    return worst


def quantise(path: Path) -> None:
    """Make a file's weights int8, in place."""
    full = path.rename(path.with_suffix(".fp32"))
    quantize_dynamic(str(full), str(path), weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"])
    full.unlink()


def main() -> None:
    """Export both towers and compare them with the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--int8", action="store_true")
    args = parser.parse_args()

    clip = CLIPModel.from_pretrained(args.checkpoint, attn_implementation="eager").eval()
    size = clip.config.vision_config.image_size
    if size != 256:
        raise SystemExit(f"rclip feeds 256 px, and {args.checkpoint} wants {size}; make one with --image-size 256")
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    pixels = torch.randn(2, 3, size, size)
    tokens = torch.zeros(2, CONTEXT, dtype=torch.long)
    tokens[0, :4] = torch.tensor([49406, 320, 1929, END_OF_TEXT])
    tokens[1, :6] = torch.tensor([49406, 320, 1125, 539, 2368, END_OF_TEXT])

    with torch.inference_mode():
        images = clip.get_image_features(pixel_values=pixels)
        texts = clip.get_text_features(input_ids=tokens)
        images, texts = (out if isinstance(out, torch.Tensor) else out.pooler_output for out in (images, texts))
    work = [("visual.onnx", Visual(clip), pixels, images), ("textual.onnx", Textual(clip), tokens, texts)]
    with torch.no_grad():
        for name, module, batch, expected in work:
            export(module, batch, args.out / name)
            difference = largest_difference(args.out / name, batch, expected)
            print(f"{name}: largest difference from transformers {difference:.1e}")
            if difference > 1e-4:
                raise SystemExit(f"{name} does not compute what {args.checkpoint} computes")
    if args.int8:
        quantise(args.out / "visual.onnx")


if __name__ == "__main__":
    main()
