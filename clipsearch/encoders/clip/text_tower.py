"""CLIP's text tower as a short numpy forward pass over memory-mapped weights.

A lone sentence is 0.1 GFLOP of work at most; importing torch and transformers for it takes twenty times as long as doing it.
The architecture is that of `transformers.CLIPTextModelWithProjection`, to which tests compare it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsearch.encoders.clip.bpe import END, START, WORDS, PlainTokenizer, plain_tokenizer
from clipsearch.encoders.shape import ClipConfig
from clipsearch.encoders.weights import Weights
from clipsearch.errors import ClipsearchWarning, ModelError

Array = NDArray[np.float32]
_FEW = 4  # texts, for which the library's tables are not worth building
_AT_ONCE = 64  # sentences of one length in a batch; it bounds memory


class TextTower:
    """Texts to raw vectors (n, dim). The tokenizer and the weights are looked at when they are first needed."""

    def __init__(self, folder: Path, config: ClipConfig, weights: Weights) -> None:
        self._folder = folder
        self._shape, self._config = config, config.text
        self._weights = weights
        self.context_length = config.context_length

    def embed(self, texts: list[str]) -> Array:
        """Raw vectors (n, dim), float32. A text is never padded: the tower is causal, so padding changes nothing."""
        tokens = self._tokens(texts)
        by_length: dict[int, list[int]] = {}
        for number, ids in enumerate(tokens):
            by_length.setdefault(len(ids), []).append(number)
        out = np.empty((len(texts), self._projection.shape[0]), np.float32)
        for numbers in by_length.values():
            for start in range(0, len(numbers), _AT_ONCE):
                some = numbers[start : start + _AT_ONCE]
                batch = np.array([tokens[number] for number in some])
                self._require_ids(batch)
                try:
                    with np.errstate(
                        invalid="ignore", over="ignore"
                    ):  # of damaged weights; the caller looks at the result
                        out[some] = self._forward(batch)
                except (IndexError, ValueError) as error:
                    raise ModelError(f"the weights in {self._folder} do not fit its configuration: {error}") from error
        return out

    def _tokens(self, texts: list[str]) -> list[list[int]]:
        """The ids of each text's tokens, cut to the context length, which is said."""
        if len(texts) <= _FEW and "tokenizer" not in vars(self):
            few = [self._plain(text) for text in texts]
            if all(0 < len(ids) <= self.context_length for ids in few):
                return few
        encodings = self.tokenizer.encode_batch(texts)
        for text, encoding in zip(texts, encodings, strict=True):
            if encoding.overflowing:
                length = len(encoding.ids) + sum(len(more.ids) - 2 for more in encoding.overflowing)
                warnings.warn(
                    f"text of {length} tokens cut to the model's {self.context_length}: {text[:60]!r}…",
                    ClipsearchWarning,
                    stacklevel=5,
                )
        return [encoding.ids for encoding in encodings]

    def _require_ids(self, ids: NDArray[Any]) -> None:
        """Raise ModelError for tokens (n, length) that the tower does not have, or of which none ends the text.

        Where the end is not found, all texts would have one vector.
        """
        known = ids.dtype.kind == "i" and ids.size and ids.min() >= 0 and ids.max() < self._shape.tokens
        end = self._config.end_token
        if not known or (end != 2 and not (ids == end).any(axis=1).all()):
            raise ModelError(
                f"{self._folder}: its tokenizer gives tokens that the model does not know, or does not end a text as the model "
                "expects, so it is another model's; fetch the checkpoint again"
            )

    def _forward(self, ids: NDArray[np.int64]) -> Array:
        weights, config = self._weights, self._config
        count, length = ids.shape
        heads = config.heads
        x = weights["text_model.embeddings.token_embedding.weight"][ids]
        x = x + weights["text_model.embeddings.position_embedding.weight"][:length]
        future = np.triu(np.full((length, length), -np.inf, np.float32), 1)
        activate = ACTIVATIONS[config.activation]
        for layer in range(config.layers):
            name = f"text_model.encoder.layers.{layer}"
            y = self._norm(x, f"{name}.layer_norm1")
            q, k, v = (
                self._linear(y, f"{name}.self_attn.{part}_proj").reshape(count, length, heads, -1).transpose(0, 2, 1, 3)
                for part in "qkv"
            )
            attention = q @ k.transpose(0, 1, 3, 2) * np.float32(1 / math.sqrt(q.shape[-1])) + future
            attention = np.exp(attention - attention.max(axis=-1, keepdims=True))
            attention /= attention.sum(axis=-1, keepdims=True)
            y = (attention @ v).transpose(0, 2, 1, 3).reshape(count, length, -1)
            x = x + self._linear(y, f"{name}.self_attn.out_proj")
            y = self._linear(self._norm(x, f"{name}.layer_norm2"), f"{name}.mlp.fc1")
            x = x + self._linear(activate(y), f"{name}.mlp.fc2")
        # Where the sentence ends: its first end-of-text token; older configurations name a wrong id (2) and mean the highest.
        ends = ids.argmax(axis=1) if config.end_token == 2 else (ids == config.end_token).argmax(axis=1)
        result: Array = self._norm(x[np.arange(count), ends], "text_model.final_layer_norm") @ self._projection.T
        return result

    def _linear(self, x: Array, name: str) -> Array:
        matrix = self._weights[f"{name}.weight"]
        # One product for all sentences, which numpy would take one by one, and the large matrix on its left: BLAS then reads
        # it as it lies, in half the time for a short sentence.
        flat = (matrix @ x.reshape(-1, x.shape[-1]).T).T + self._weights[f"{name}.bias"]
        result: Array = flat.reshape(*x.shape[:-1], len(matrix))
        return result

    def _norm(self, x: Array, name: str) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + np.float32(self._config.epsilon))
        result: Array = centred / scale * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return result

    @cached_property
    def _projection(self) -> Array:
        return self._weights["text_projection.weight"]

    @cached_property
    def _plain(self) -> PlainTokenizer:
        return plain_tokenizer(self._folder, self._require_tokens)

    def _require_tokens(self, count: int) -> None:
        self._shape.require_tokens(count, self._folder)

    @cached_property
    def tokenizer(self) -> Any:
        """The checkpoint's own, without padding, cut to the context length."""
        from clipsearch.encoders.tokenizer import load_tokenizer, require_words  # a plain text does without

        _ = self._plain  # which looks at the files
        tokenizer = load_tokenizer(self._folder, _tokenizer_of_vocabulary)
        self._require_tokens(tokenizer.get_vocab_size())
        tokenizer.enable_truncation(self.context_length)
        tokenizer.no_padding()
        require_words(lambda word: tokenizer.encode(word).ids, self._folder)
        return tokenizer


def _tokenizer_of_vocabulary(folder: Path) -> Any:
    """CLIP's byte-pair tokenizer from vocab.json and merges.txt, as `transformers.CLIPTokenizer` puts it together."""
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import BPE

    files = str(folder / "vocab.json"), str(folder / "merges.txt")
    tokenizer: Any = Tokenizer(BPE.from_file(*files, end_of_word_suffix="</w>", fuse_unk=False, unk_token=END))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.add_special_tokens([START, END])
    tokenizer.post_processor = processors.RobertaProcessing(
        (END, tokenizer.token_to_id(END)), (START, tokenizer.token_to_id(START)), False, False
    )
    return tokenizer


def _quick_gelu(x: Array) -> Array:
    with np.errstate(over="ignore"):  # x / inf is the right limit
        result: Array = x / (1 + np.exp(np.float32(-1.702) * x))
    return result


def _gelu(x: Array) -> Array:
    """The input times Φ of it, by Abramowitz & Stegun 7.1.26 for the error function: off by at most 1.5e-7."""
    z = np.abs(x) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = t * (
        0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * np.float32(1.061405429))))
    )
    erf = np.copysign(1 - series * np.exp(-z * z), x)
    result: Array = (np.float32(0.5) * x * (1 + erf)).astype(np.float32)
    return result


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "quick_gelu": _quick_gelu,
    "gelu": _gelu,
}  # as shape.ACTIVATIONS
