"""How a model computes: what its two towers do, and under which names a checkpoint stores their tensors.

A family (`clipsearch.encoders.families`) writes a plan. The towers (`clipsearch.encoders.towers`) follow it. They know a
tensor by one name, whatever the family calls it:

    text.tokens.weight   text.positions.weight   text.token_types.weight   text.embedding_norm.*
    text.final_norm.*   text.hidden.*   text.projection.*
    image.patches.*   image.class   image.positions.weight   image.pre_norm.*   image.post_norm.*   image.projection.*
    image.head.probe   image.head.{q,k,v,out,norm,fc1,fc2}.*
    {text,image}.layers.N.{norm1,q,k,v,out,norm2,fc1,fc2}.*      (* is weight or bias)

A tensor that is not in a plan is not computed: a model without `image.class` has no class token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.shape import TowerShape
from clipsearch.encoders.weights import Weights

Cleaning: TypeAlias = Literal["lower", "whitespace", "canonicalize"]
"""What OpenCLIP does with a text before it is tokenized: see `clipsearch.encoders.tokenizers.cleaning`."""

HIGHEST = -1
"""`TextPlan.end_token` of a model whose end token has the highest id of its vocabulary."""


@dataclass(frozen=True, slots=True)
class TextPlan:
    """What a text tower does with the ids of a text's tokens."""

    tower: TowerShape
    dim: int  # of an embedding
    vocabulary: int  # rows of the token table
    context_length: int  # tokens, including the special ones
    pooling: Literal["end", "last", "first", "mean"]  # which token's output is the text's: that of `end_token`, …
    end_token: int | None = None  # for "end"
    is_causal: bool = False  # a token attends to itself and to earlier ones
    is_padded: bool = False  # filled with padding to the context length, and attended to there: SigLIP
    padding: int | None = None  # the id of that padding; None for the tokenizer's own
    is_norm_first: bool = True  # a layer norm stands before each half of a layer; BERT's stand after them
    position_offset: int = 0  # row of the position table for the first token; RoBERTa's is 2
    cleaning: Cleaning | None = None  # what is done with a text before it is tokenized
    hides_end: bool = False  # a zero takes the place of the end token


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """What an image tower does with preprocessed pictures."""

    tower: TowerShape
    image_size: int  # pixels
    patch_size: int
    pooling: Literal[
        "class", "attention", "average"
    ]  # of the outputs: the class token's, by a learnt query, their mean
    normalises_before_pooling: bool = False  # the last layer norm stands before the pooling

    @property
    def patches(self) -> int:
        """Number of patches of a picture."""
        return (self.image_size // self.patch_size) ** 2


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a checkpoint has a tensor."""

    name: str
    shape: tuple[int, ...]  # of the tensor as the towers use it
    part: int | None = None  # which part of the stored rows: of a query's, key's and value's matrices in one
    parts: int = 3
    is_transposed: bool = False  # stored with its two axes exchanged
    is_by_pixel: bool = False  # patches (width, 3, side, side), stored as a matrix of flat patches: SigLIP 2's NaFlex

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """The shape in the checkpoint."""
        if self.part is not None:
            return (self.parts * self.shape[0], *self.shape[1:])
        if self.is_by_pixel:
            return (self.shape[0], self.shape[1] * self.shape[2] * self.shape[3])
        return self.shape[::-1] if self.is_transposed else self.shape


Tensors: TypeAlias = dict[str, Stored]
"""The tensors of a model: the towers' name → where it is stored."""


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """A model: its two towers and their tensors, `logit_scale` and perhaps `logit_bias` among them."""

    text: TextPlan
    image: ImagePlan
    tensors: Tensors
    reads_english: bool = True  # the templates for prompts are in English
    foreign: frozenset[Literal["text", "image"]] = frozenset()  # towers that only OpenCLIP's own library computes
    optional_prefix: str = ""  # stored names may begin with it
    other_tensors: str = ""  # a regular expression for the names of stored tensors that our towers do not use


class PlannedWeights(Mapping[str, NDArray[np.float32]]):
    """The tensors of a checkpoint by the towers' names, as float32; views of the file if they are stored so."""

    def __init__(self, weights: Weights, tensors: Tensors) -> None:
        self._weights, self._tensors = weights, tensors

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        stored = self._tensors[name]
        values = self._weights[stored.name].reshape(stored.stored_shape)
        if stored.part is not None:
            values = values[stored.part * stored.shape[0] :][: stored.shape[0]]
        elif stored.is_by_pixel:
            width, channels, height, wide = stored.shape
            values = values.reshape(width, height, wide, channels).transpose(0, 3, 1, 2)
        return values.T if stored.is_transposed else values

    def rows(self, name: str, numbers: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """The rows with these numbers of a tensor that is stored as the towers use it, such as a token table."""
        return self._weights.rows(self._tensors[name].name, numbers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


def linear(prefix: str, stored: str, outputs: int, inputs: int, *, has_bias: bool = True) -> Tensors:
    """The two tensors of a linear layer, stored as `stored`.weight (outputs, inputs) and .bias."""
    tensors = {f"{prefix}.weight": Stored(f"{stored}.weight", (outputs, inputs))}
    return tensors | ({f"{prefix}.bias": Stored(f"{stored}.bias", (outputs,))} if has_bias else {})


def norm(prefix: str, stored: str, width: int) -> Tensors:
    """The two tensors of a layer norm."""
    return {f"{prefix}.{part}": Stored(f"{stored}.{part}", (width,)) for part in ("weight", "bias")}


def attention_in_one(prefix: str, stored: str, width: int, names: str = "qkv") -> Tensors:
    """The query's, key's and value's matrices and biases, or some of them, stored as `stored`weight and `stored`bias."""
    tensors: Tensors = {}
    for part, name in enumerate(names):
        tensors[f"{prefix}.{name}.weight"] = Stored(f"{stored}weight", (width, width), part, len(names))
        tensors[f"{prefix}.{name}.bias"] = Stored(f"{stored}bias", (width,), part, len(names))
    return tensors


def layers(tower: TowerShape, prefix: str, stored: str, names: Mapping[str, str]) -> Tensors:
    """The tensors of a tower's layers.

    `stored` is a layer's name with "{}" for its number. `names` are the names in it of norm1, q, k, v, out, norm2, fc1, fc2.
    If q, k and v are stored in one, they are "qkv", and the name goes on with "weight" and "bias": "attn.in_proj_".
    """
    width, mlp_width = tower.width, tower.mlp_width
    tensors: Tensors = {}
    for number in range(tower.layers):
        ours, theirs = f"{prefix}.layers.{number}", stored.format(number)
        for part, name in names.items():
            if part.startswith("norm"):
                tensors |= norm(f"{ours}.{part}", f"{theirs}.{name}", width)
            elif part == "qkv":
                tensors |= attention_in_one(ours, f"{theirs}.{name}", width)
            else:
                outputs, inputs = mlp_width if part == "fc1" else width, mlp_width if part == "fc2" else width
                tensors |= linear(f"{ours}.{part}", f"{theirs}.{name}", outputs, inputs)
    return tensors
