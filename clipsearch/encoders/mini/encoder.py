"""The embedded model: two ONNX graphs and a tokenizer that ship inside the package and need neither torch nor a hub."""

from __future__ import annotations

import hashlib
import threading
import warnings
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.untrusted_files import read_json
from clipsearch.encoders.base import Encoder, ModelSpec
from clipsearch.encoders.checkpoint import read_pixel_spec
from clipsearch.encoders.data_parallel import Parts, Run
from clipsearch.encoders.prompts import PHOTO
from clipsearch.errors import ClipsearchWarning, ModelError
from clipsearch.types import Fingerprint

FOLDER = Path(__file__).resolve().parent / "model"


class MiniEncoder(Encoder):
    """`mini`, run by ONNX Runtime on the CPU. A tower is loaded when it is first used."""

    def __init__(self, folder: Path = FOLDER) -> None:
        try:
            config = read_json(folder / "config.json", 1_000_000)
            identity = f"{config['image_sha256']} {config['text_sha256']} {read_pixel_spec(folder)}"
            self.spec = ModelSpec(
                fingerprint=Fingerprint(
                    model=config["name"],
                    revision=str(config["version"]),
                    digest=hashlib.sha256(identity.encode()).hexdigest(),
                    dim=config["projection_dim"],
                    precision="int8",  # as shipped
                ),
                pixels=read_pixel_spec(folder),
                context_length=config["context_length"],
                logit_scale=config["logit_scale"],
                # Top-1 on 1,000 photos of ImageNet, by `clipsearch eval --zero-shot`: 0.768; bare names 0.762, the ensemble
                # 0.766.
                label_prompts=PHOTO,
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"the embedded model is missing from this installation ({error}); reinstall clipsearch"
            ) from error
        self._folder = folder
        self._loading = threading.Lock()

    def embed_pixels(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """See Encoder."""
        with self._loading:  # batches come from several threads
            tower = self._image_tower
        return tower(pixels)

    def embed_texts(self, texts: list[str]) -> NDArray[np.float32]:
        """See Encoder."""
        limit = self.spec.context_length
        encodings = self._tokenizer.encode_batch(texts)
        for text, encoding in zip(texts, encodings, strict=True):
            length = len(encoding.ids) + sum(len(more.ids) for more in encoding.overflowing)
            if encoding.overflowing:
                warnings.warn(
                    f"text of about {length} tokens cut to the model's {limit}: {text[:60]!r}…",
                    ClipsearchWarning,
                    stacklevel=3,
                )
        inputs = {
            "input_ids": np.array([encoding.ids for encoding in encodings], np.int64),
            "attention_mask": np.array([encoding.attention_mask for encoding in encodings], np.int64),
        }
        (output,) = self._text_tower.run(None, inputs)
        result: NDArray[np.float32] = output
        return result

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        except Exception as error:  # tokenizers raises Exception itself
            raise ModelError(f"the embedded model cannot be loaded ({error}); reinstall clipsearch") from error
        tokenizer.enable_truncation(self.spec.context_length)
        tokenizer.enable_padding()
        return tokenizer

    @cached_property
    def _image_tower(self) -> Run:
        session = _session(self._folder / "image.onnx", 1)
        return Parts(lambda pixels: session.run(None, {"pixel_values": pixels})[0])

    @cached_property
    def _text_tower(self) -> Any:
        # One thread: a sentence is too little work to share, and on a busy machine a second thread only waits.
        return _session(self._folder / "text.onnx", 1)


def _session(path: Path, threads: int) -> Any:
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # Windows' own builds do not ask the environment, as others do
    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Or x86 processors without VNNI add int8 products in 16 bits, which is not always enough: photos were then embedded
    # at a cosine of 0.977 on average, 0.864 at worst, to what all others compute.
    options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own types, which it does not export
        raise ModelError(f"the embedded model cannot be loaded ({error}); reinstall clipsearch") from error
