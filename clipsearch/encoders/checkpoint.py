"""A checkpoint folder in transformers' layout or OpenCLIP's, read and checked without either library."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from clipsearch._internal.untrusted_files import open_plain, read_json, why
from clipsearch.encoders.families import plan_of
from clipsearch.encoders.open_clip_config import OPEN_CLIP, OPEN_CLIP_CONFIG, open_clip_model, open_clip_shape
from clipsearch.encoders.open_clip_names import QUICK_GELU
from clipsearch.encoders.pickled_weights import advice_for_folder, has_pickled
from clipsearch.encoders.pixel_specs import open_clip_pixels, transformers_pixels
from clipsearch.encoders.shape import MAX_CONTEXT_LENGTH, read_shape, shortened
from clipsearch.errors import ModelError, one_line
from clipsearch.types import Fingerprint, PixelSpec

# Architectures that have `get_image_features` and `get_text_features` and one pixel size, with the tokenizer files that each
# needs: all files of one of the choices.
_TOKENIZER_FILES: dict[str, tuple[tuple[str, ...], ...]] = {
    "clip": (("tokenizer.json",), ("vocab.json", "merges.txt")),
    "metaclip_2": (("tokenizer.json",), ("sentencepiece.bpe.model",)),
    "siglip": (("tokenizer.json",), ("spiece.model",), ("tokenizer.model",)),
    "siglip2": (("tokenizer.json",),),  # the NaFlex models
    "chinese_clip": (("tokenizer.json",), ("vocab.txt",)),
    OPEN_CLIP: (("tokenizer.json",), ("vocab.json", "merges.txt"), ("vocab.txt",), ("spiece.model",)),
}
_MODEL_TYPES = tuple(name for name in _TOKENIZER_FILES if name != OPEN_CLIP)
_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_OPEN_CLIP_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
_PREPROCESSING = ("preprocessor_config.json", "processor_config.json")  # the second one is newer
_MAX_CONFIG_BYTES, _MAX_INDEX_BYTES = 1_000_000, 16_000_000
SAMPLE_WORDS = ("dog", "cat", "red", "two", "people", "house", "car", "sea", "a photo", "the river")
MAX_TOKENIZER_BYTES = 128_000_000
"""Limit for each of a tokenizer's files; SigLIP 2's has 34 million."""

_MAX_NESTING = 50  # real configurations have four levels
_LATER_PIXEL_FIELDS = ("longest_edge", "fill", "crops_as_torchvision")  # older indexes have digests without them
_WEIGHTS_PART = re.compile(r"[\w-][\w.-]*\.safetensors")
_VARIANT = re.compile(r"model\.(?!safetensors).*")  # transformers' names for weights in another precision
_SAMPLES, _SAMPLE_BYTES = 64, 4096
_PREPROCESSING_VERSION = 1  # raise it when our own preprocessing changes what an embedding is

_Result = TypeVar("_Result")


class Checkpoint:
    """A checkpoint folder: its configuration, its files, the shape of its model and how it wants its pictures.

    Each file is read once, when the object is made. Raises ModelError if one is missing or damaged, or describes a model that
    clipsearch does not run. The weights are checked by the encoder that reads them.
    """

    def __init__(self, folder: Path, name: str = "", revision: str = "") -> None:
        self.folder = folder
        self.name = name or str(folder)
        self.revision = revision
        if has_open_clip_layout(folder):
            self._read_open_clip()
        else:
            self._read_transformers()

    def _read_open_clip(self) -> None:
        folder = self.folder
        self.model_type, self.config = OPEN_CLIP, read_object(folder / OPEN_CLIP_CONFIG)
        model = open_clip_model(self.config, folder)
        if self.name in QUICK_GELU:
            model.setdefault("quick_gelu", True)
        self.weights_files = find_open_clip_weights(folder)
        self._require_tokenizer()
        self.shape = open_clip_shape(model, folder)
        self.pixels = open_clip_pixels(self.config.get("preprocess_cfg", {}), self.shape.image_size, folder)
        self.plan = plan_of(self.model_type, model, self.shape)

    def _read_transformers(self) -> None:
        folder = self.folder
        self.config = read_object(folder / "config.json")
        self.model_type = self._known_model_type()
        self.weights_files = find_weights(folder)
        self._require_tokenizer()
        self.shape = read_shape(self.config, self._max_text_length(), folder)
        self.pixels = read_pixel_spec(folder, self.shape.image_size)
        self.plan = plan_of(self.model_type, self.config, self.shape)
        """How to compute this model without torch; None if only torch computes it."""

    def fingerprint(self, dim: int, precision: str | None) -> Fingerprint:
        """The identity of this model, for embeddings of `dim` values."""
        return Fingerprint(self.name, self.revision, self.digest, dim, precision)

    @cached_property
    def digest(self) -> str:
        """A sha256 that tells this model and preprocessing from any other, without reading 600 MB of weights.

        It covers the configuration and, for each weights file that is read, its size, its header and 64 samples spread evenly
        over it. Files that are not read, such as the same weights in another layout, do not count.
        """
        pixels = [
            (name, value) for name, value in asdict(self.pixels).items() if value or name not in _LATER_PIXEL_FIELDS
        ]
        total = hashlib.sha256(f"{_PREPROCESSING_VERSION} {sorted(pixels)}".encode())
        volatile = ("_name_or_path", "transformers_version", "torch_dtype", "dtype")
        config = {name: value for name, value in self.config.items() if name not in volatile}
        total.update(json.dumps(config, sort_keys=True).encode())
        for file in self.weights_files:
            try:
                stream = open_plain(file)
            except (OSError, ValueError) as error:
                raise ModelError(f"{file} cannot be read: {why(error)}") from error
            with stream:
                size = os.fstat(stream.fileno()).st_size
                total.update(f"{size}".encode())
                header = int.from_bytes(stream.read(8), "little")
                total.update(stream.read(min(header, size)))
                for start in range(0, size, max(size // _SAMPLES, _SAMPLE_BYTES)):
                    stream.seek(start)
                    total.update(stream.read(_SAMPLE_BYTES))
        return total.hexdigest()

    def _known_model_type(self) -> str:
        model_type = self.config.get("model_type")
        if not isinstance(model_type, str) or model_type not in _MODEL_TYPES:
            known = ", ".join(_MODEL_TYPES)
            raise ModelError(f"{self.folder}: model type {model_type!r:.60} is not one that clipsearch runs ({known})")
        return model_type

    def _require_tokenizer(self) -> None:
        """Raise ModelError if tokenizer files are missing: a tokenizer without words would give all texts one vector."""
        choices = _TOKENIZER_FILES[self.model_type]
        if not any(all((self.folder / name).is_file() for name in names) for names in choices):
            needed = ", or ".join(" and ".join(names) for names in choices)
            advice = "fetch the checkpoint again"
            if self.model_type == OPEN_CLIP and not self.config["model_cfg"]["text_cfg"].get("hf_tokenizer_name"):
                advice += ", or copy vocab.json and merges.txt of openai/clip-vit-base-patch32 into it"
            raise ModelError(f"{self.folder} has no tokenizer: it needs {needed}; {advice}")

    def _max_text_length(self) -> int:
        """The tokenizer's limit in tokens. It is often a meaningless, huge number."""
        path = self.folder / "tokenizer_config.json"
        length = read_object(path).get("model_max_length") if path.exists() else None
        if length is None:
            return MAX_CONTEXT_LENGTH
        if type(length) not in (int, float) or not length >= 3:
            raise ModelError(f"{path}: model_max_length is {shortened(length)}; it must be 3 or more")
        return int(min(length, MAX_CONTEXT_LENGTH))


def safetensors_files(folder: Path) -> list[Path]:
    """All safetensors files, sorted. Raises ModelError without one: pickled weights are never loaded."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        if has_pickled(file.name for file in folder.glob("*")):
            raise ModelError(
                f"{folder} has no *.safetensors file (it has pickled weights, which could run code, so they are not loaded); "
                f"{advice_for_folder(folder)}"
            )
        raise ModelError(f"{folder} has no *.safetensors file; choose a checkpoint that ships safetensors")
    return files


def has_open_clip_layout(folder: Path) -> bool:
    """Whether a folder is read as a checkpoint in OpenCLIP's layout.

    It has OpenCLIP's configuration, and no weights in transformers' layout with the configurations of a model of a known family
    and of its preprocessing.
    """
    names = (OPEN_CLIP_CONFIG, "config.json", *_PREPROCESSING, _SINGLE, _INDEX, *_OPEN_CLIP_WEIGHTS)
    return _is_open_clip(folder, {name for name in names if (folder / name).exists()})


def _is_open_clip(folder: Path, names: Collection[str]) -> bool:
    """The same for a folder that has, or will have, files of these names."""
    if OPEN_CLIP_CONFIG not in names:
        return False
    if "config.json" not in names:
        return True
    has_own = (_SINGLE in names or _INDEX in names) and any(name in names for name in _PREPROCESSING)
    has_other = any(name in names for name in _OPEN_CLIP_WEIGHTS)
    return has_other and not (has_own and read_object(folder / "config.json").get("model_type") in _MODEL_TYPES)


def weights_to_fetch(folder: Path, names: Collection[str]) -> list[str]:
    """The weights files of one set, if a repository has files of these names, and `folder` has all but the weights.

    A repository may hold the same weights several times: in both layouts, and in a lower precision (`model.fp16.safetensors`).
    The set is the one that `Checkpoint` reads. Without safetensors, the list is empty.
    """
    if _is_open_clip(folder, names):
        return [name for name in (*_OPEN_CLIP_WEIGHTS, _SINGLE) if name in names][:1]
    if _SINGLE in names:
        return [_SINGLE]
    if _INDEX in names:
        return sorted(_indexed_files(folder / _INDEX))
    others = sorted(name for name in names if _WEIGHTS_PART.fullmatch(name))
    return [name for name in others if name not in _OPEN_CLIP_WEIGHTS and not _VARIANT.fullmatch(name)] or others[:1]


def find_open_clip_weights(folder: Path) -> list[Path]:
    """The file with the weights of a checkpoint in OpenCLIP's layout. Raises ModelError without one."""
    for name in (*_OPEN_CLIP_WEIGHTS, _SINGLE):
        if (folder / name).exists():
            return [folder / name]
    safetensors_files(folder)  # explains pickled weights
    raise ModelError(
        f"{folder} has no {_OPEN_CLIP_WEIGHTS[0]}, so it has no weights in the layout of its {OPEN_CLIP_CONFIG}; fetch the "
        "checkpoint again"
    )


def find_weights(folder: Path) -> list[Path]:
    """The files with the model's weights, chosen as transformers does: a single one, those that an index names, or all.

    A folder may have other safetensors files, such as OpenCLIP's layout of the same weights.
    """
    single, index = folder / _SINGLE, folder / _INDEX
    if single.exists():
        return [single]
    if not index.exists():
        return safetensors_files(folder)
    names = _indexed_files(index)
    if missing := sorted(name for name in names if not (folder / name).is_file()):
        raise ModelError(
            f"{folder} is incomplete: {len(missing)} of {len(names)} weights files are missing, such as {missing[0]}; "
            "fetch the checkpoint again"
        )
    return [folder / name for name in sorted(names)]


def _indexed_files(index: Path) -> set[str]:
    """The names of the files in which an index says that the weights are."""
    files = read_object(index, _MAX_INDEX_BYTES).get("weight_map")
    if (
        not isinstance(files, dict)
        or not files
        or not all(isinstance(name, str) and _WEIGHTS_PART.fullmatch(name) for name in files.values())
    ):
        raise ModelError(f"{index} does not name safetensors files of its folder; fetch the checkpoint again")
    return set(files.values())


def read_pixel_spec(folder: Path, image_size: int = 224) -> PixelSpec:
    """The preprocessing in `preprocessor_config.json`, or in its newer place inside `processor_config.json`.

    `image_size` is for a NaFlex model, whose file gives a number of patches: pictures are squashed to that square. Raises
    ModelError if the preprocessing makes no sense, or would give pictures that are huge or differ in size.
    """
    older, newer = (folder / name for name in _PREPROCESSING)
    config = read_object(older) if older.exists() else read_object(newer).get("image_processor") or {}
    return transformers_pixels(config, image_size, folder)


def read_object(path: Path, max_bytes: int = _MAX_CONFIG_BYTES) -> dict[str, Any]:
    """The JSON object in a file of a checkpoint. Raises ModelError if it is missing, too large or not an object."""
    try:
        data = read_json(path, max_bytes)
        _require_shallow(data)
    except FileNotFoundError as error:
        raise ModelError(f"{path.parent} is not a checkpoint folder: it has no {path.name}") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read: {why(error)}") from error
    if not isinstance(data, dict):
        raise ModelError(f"{path} does not hold a JSON object")
    return data


def _require_shallow(data: Any) -> None:
    level = [data]
    for _ in range(_MAX_NESTING):
        level = [
            value
            for outer in level
            if isinstance(outer, (dict, list))
            for value in (outer.values() if isinstance(outer, dict) else outer)
        ]
    if level:
        raise ValueError("it is nested too deeply")


def call_tokenizers(call: Callable[[], _Result], folder: Path) -> _Result:
    """The result of a call into the tokenizers library. Raises ModelError if it fails or panics (no subclass of Exception)."""
    try:
        return call()
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ModelError(
            f"{folder}: cannot load its tokenizer: {one_line(error)}; fetch the checkpoint again"
        ) from error


def require_words_differ(tokens: Callable[[str], Sequence[int]], folder: Path) -> None:
    """Raise ModelError if a tokenizer gives all words the same tokens: every text would have one vector."""
    distinct = call_tokenizers(lambda: {tuple(sorted(set(tokens(word)))) for word in SAMPLE_WORDS}, folder)
    if len(distinct) < 2:
        raise ModelError(
            f"{folder}: its tokenizer cannot tell words apart, so it is incomplete or another model's; fetch the checkpoint "
            "again"
        )


def require_readable_files(folder: Path) -> None:
    """Raise ModelError if a file that a tokenizer may be read from is, say, a pipe, or too large: its library would hang."""
    for file in sorted(folder.iterdir()):
        if file.suffix in (".json", ".txt", ".model", ".jinja") and (file.exists() or not file.is_symlink()):
            try:
                with open_plain(file) as stream:
                    if stream.seek(0, 2) > MAX_TOKENIZER_BYTES:
                        raise ValueError(f"it is larger than {MAX_TOKENIZER_BYTES:,} bytes")
            except (OSError, ValueError) as error:
                raise ModelError(f"{file} cannot be read: {why(error)}") from error
