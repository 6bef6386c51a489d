"""A text model in the layout of sentence-transformers: a DistilBERT, the mean of its outputs, and a linear layer.

The folder has modules.json, which names the folders of the three parts. Weights are read from safetensors only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipsearch._internal.untrusted_files import read_json, why
from clipsearch.encoders.checkpoint import find_weights, read_object
from clipsearch.encoders.families import distilbert
from clipsearch.encoders.families.hugging_face import ACTIVATIONS
from clipsearch.encoders.plan import PlannedWeights, TextPlan
from clipsearch.encoders.shape import BOUNDS, TowerShape, require_known_vocabulary, shortened
from clipsearch.encoders.tokenizers import open_tokenizer
from clipsearch.encoders.towers.text_tower import TextTower
from clipsearch.encoders.weights import Weights
from clipsearch.errors import ModelError

DENSE_WEIGHTS = "model.safetensors"
_PARTS = ["Transformer", "Pooling", "Dense"]
_FOLDER_NAME = re.compile(r"(?:\w[\w.-]*)?")  # of a part; "" is the folder itself
_MAX_MODULES_BYTES = 100_000
_NUMBERS = {  # in a DistilBERT's config.json: (bounds, what transformers uses if it is left out)
    "n_layers": ("num_hidden_layers", 6),
    "n_heads": ("num_attention_heads", 12),
    "dim": ("hidden_size", 768),
    "hidden_dim": ("intermediate_size", 3072),
    "vocab_size": ("vocab_size", 30522),
    "max_position_embeddings": ("max_position_embeddings", 512),
}


class TextCheckpoint:
    """The folder of a text model. Its configuration is read at once, its weights by `tower`.

    Raises ModelError if a file is missing or damaged, or describes a model that clipsearch does not run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._transformer, self._pooling, self._dense = _part_folders(folder)
        _require_mean(self._pooling)
        config = read_object(self._transformer / "config.json")
        if config.get("model_type") != "distilbert":
            raise ModelError(
                f"{folder}: the text model is a {config.get('model_type')!r:.40}, and clipsearch runs distilbert"
            )
        numbers = {name: _number(config, name, self._transformer) for name in _NUMBERS}
        self._positions = numbers["max_position_embeddings"]
        dense = read_object(self._dense / "config.json")
        self._has_bias = dense.get("bias", True) is not False
        self.plan = TextPlan(
            tower=_tower(config, numbers, folder),
            dim=_dense_dim(dense, numbers["dim"], self._dense),
            vocabulary=numbers["vocab_size"],
            context_length=min(self._positions, self._max_length()),
            pooling="mean",
            is_norm_first=False,
        )

    @property
    def dense_weights(self) -> Path:
        """The safetensors file of the linear layer. Raises ModelError if the folder does not have one."""
        path = self._dense / DENSE_WEIGHTS
        if not path.is_file():
            pickled = " (it has pickled weights, which could run code, so they are not loaded)"
            has_pickled = (self._dense / "pytorch_model.bin").is_file()
            raise ModelError(
                f"{self._dense} has no {DENSE_WEIGHTS}{pickled if has_pickled else ''}; fetch the model again"
            )
        return path

    def tower(self) -> TextTower:
        """What computes the vectors of texts. Raises ModelError if the weights are not this model's."""
        stored = Weights([*find_weights(self._transformer), self.dense_weights])
        tensors = distilbert.tensors(self.plan, self._positions, has_bias=self._has_bias)
        stored.require({tensor.name: tensor.stored_shape for tensor in tensors.values()})
        tokenizer = open_tokenizer(self._transformer, self)
        return TextTower(self.folder, self.plan, PlannedWeights(stored, tensors), tokenizer)

    def require_vocabulary(self, tokens: int, folder: Path) -> None:
        """Raise ModelError if a tokenizer with this many tokens belongs to another model."""
        require_known_vocabulary(tokens, self.plan.vocabulary, folder)

    def _max_length(self) -> int:
        path = self._transformer / "sentence_bert_config.json"
        length = read_object(path).get("max_seq_length") if path.is_file() else None
        if length is None:
            return self._positions
        if type(length) is not int or length < BOUNDS["max_position_embeddings"][0]:
            raise ModelError(f"{path}: max_seq_length is {shortened(length)}; it must be a number of tokens")
        return length


def _part_folders(folder: Path) -> list[Path]:
    """The folders of the transformer, the pooling and the linear layer."""
    path = folder / "modules.json"
    try:
        modules = read_json(path, _MAX_MODULES_BYTES)
        kinds = [str(module["type"]).rpartition(".")[2] for module in modules]
        names = [str(module["path"]) for module in modules]
    except FileNotFoundError as error:
        raise ModelError(f"{folder} is not a text model of sentence-transformers: it has no modules.json") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} cannot be read: {why(error)}") from error
    if kinds != _PARTS or not all(_FOLDER_NAME.fullmatch(name) for name in names):
        raise ModelError(f"{path} does not list the parts {', '.join(_PARTS)}, so clipsearch does not run this model")
    return [folder / name for name in names]


def _require_mean(folder: Path) -> None:
    config = read_object(folder / "config.json")
    modes = {name for name, value in config.items() if name.startswith("pooling_mode_") and value is True}
    if modes != {"pooling_mode_mean_tokens"} and config.get("pooling_mode") != "mean":
        raise ModelError(f"{folder}: it does not pool by the mean of all tokens, so clipsearch does not run this model")


def _number(config: Mapping[str, Any], name: str, folder: Path) -> int:
    bounds, default = _NUMBERS[name]
    value, (low, high) = config.get(name, default), BOUNDS[bounds]
    if type(value) is not int or not low <= value <= high:
        raise ModelError(
            f"{folder}: {name} in config.json is {shortened(value)}; it must be a whole number from {low} to {high:,}"
        )
    return value


def _tower(config: Mapping[str, Any], numbers: Mapping[str, int], folder: Path) -> TowerShape:
    activation = config.get("activation", "gelu")
    if activation not in ACTIVATIONS or numbers["dim"] % numbers["n_heads"]:
        raise ModelError(f"{folder}: its config.json describes a transformer that clipsearch does not run")
    return TowerShape(
        numbers["n_layers"],
        numbers["n_heads"],
        numbers["dim"],
        numbers["hidden_dim"],
        activation,
        distilbert.NORM_EPSILON,
    )


def _dense_dim(config: Mapping[str, Any], width: int, folder: Path) -> int:
    """Number of outputs of the linear layer."""
    dim, (low, high) = config.get("out_features"), BOUNDS["projection_dim"]
    activation = str(config.get("activation_function", "")).rpartition(".")[2]
    if type(dim) is not int or not low <= dim <= high or config.get("in_features") != width or activation != "Identity":
        raise ModelError(f"{folder}: its config.json does not describe a linear layer on the transformer's outputs")
    return dim
