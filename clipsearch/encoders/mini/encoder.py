"""`mini`: two towers and a tokenizer that ship inside the package and need neither torch nor a hub."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clipsearch._internal.cpu import cores
from clipsearch._internal.untrusted_files import read_json
from clipsearch.encoders.base import Encoder, ModelSpec
from clipsearch.encoders.checkpoint import read_pixel_spec
from clipsearch.encoders.mini.image_tower import open_image_tower
from clipsearch.encoders.mini.text_tower import MiniTextTower
from clipsearch.encoders.prompts import PHOTO
from clipsearch.encoders.runtime import DataParallel
from clipsearch.encoders.unread import TextPiece
from clipsearch.errors import ModelError
from clipsearch.types import Fingerprint

FOLDER = Path(__file__).resolve().parent / "model"


class MiniEncoder(Encoder):
    """`mini`, on the CPU: texts by numpy, pictures by OpenVINO. Each tower is loaded when it is first used."""

    def __init__(self, folder: Path = FOLDER) -> None:
        try:
            config = read_json(folder / "config.json", 1_000_000)
            pixels = read_pixel_spec(folder)
            identity = f"{config['identity']} {pixels}"
            self.spec = ModelSpec(
                fingerprint=Fingerprint(
                    model=config["name"],
                    revision=str(config["version"]),
                    digest=hashlib.sha256(identity.encode()).hexdigest(),
                    dim=config["projection_dim"],
                    precision="int8",  # as shipped
                ),
                pixels=pixels,
                context_length=config["context_length"],
                logit_scale=config["logit_scale"],
                # Top-1 on 1,000 photos of ImageNet, by `clipsearch eval --zero-shot`: 0.768 with PHOTO, 0.762 with bare names,
                # 0.766 with ENSEMBLE.
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

    def text_pieces(self, text: str) -> list[TextPiece]:
        """See Encoder."""
        with _whole_installation():
            return self._text_tower.tokenizer.pieces(text)

    def embed_texts(self, texts: list[str]) -> NDArray[np.float32]:
        """See Encoder."""
        with _whole_installation():
            return self._text_tower.embed(texts)

    @cached_property
    def _image_tower(self) -> DataParallel:
        with _whole_installation():
            return DataParallel(open_image_tower(self._folder, cores()))

    @cached_property
    def _text_tower(self) -> MiniTextTower:
        return MiniTextTower(self._folder, self.spec.context_length)


@contextmanager
def _whole_installation() -> Iterator[None]:
    """Say what to do if a file of the embedded model is damaged: it cannot be fetched again, as checkpoints can."""
    try:
        yield
    except ModelError as error:
        raise ModelError("the embedded model is damaged; reinstall clipsearch") from error
