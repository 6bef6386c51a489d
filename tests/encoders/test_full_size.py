"""The whole path on a full-size ViT-B/32 with random weights, as for the real checkpoint."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from clipsearch import SearchEngine, load_encoder
from clipsearch.encoders.checkpoint import Checkpoint
from clipsearch.encoders.tokenizers import open_tokenizer
from clipsearch.images.reader import read_image
from tests.conftest import PHOTOS, shared

pytestmark = [pytest.mark.long, pytest.mark.shared]

TEXTS = ["a photo of a cat", "a photo of a dog", "a very long sentence about mountains, lakes and the weather there"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "vit-b-32"
    tool = shared("tools/make_clip_checkpoint.py")
    subprocess.run([sys.executable, str(tool), str(folder)], check=True, capture_output=True)
    return folder


def test_embeddings_and_logits_are_those_of_transformers(checkpoint):
    import torch
    import transformers

    paths = sorted(PHOTOS.glob("*.jpg"))[:8]
    encoder = load_encoder(checkpoint)
    pictures = [read_image(path)[0] for path in paths]  # decoded at full size, as transformers does
    model = transformers.CLIPModel.from_pretrained(checkpoint).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    processor = transformers.CLIPImageProcessorPil.from_pretrained(checkpoint)
    with torch.inference_mode():
        inputs = {**tokenizer(TEXTS, padding=True, return_tensors="pt"), **processor(pictures, return_tensors="pt")}
        output = model(**inputs)
    np.testing.assert_allclose(encoder.logits(pictures, TEXTS), output.logits_per_image.numpy(), atol=1e-4)
    for ours, theirs in [
        (encoder.encode_images(pictures), output.image_embeds.numpy()),
        (encoder.encode_texts(TEXTS), output.text_embeds.numpy()),
        (encoder.encode_images(paths), output.image_embeds.numpy()),  # decoded at a fraction of their size
    ]:
        assert (ours * theirs).sum(axis=1).min() >= 0.99999


def test_tokens_are_those_of_transformers(checkpoint):
    import transformers

    shape, theirs = Checkpoint(checkpoint).shape, transformers.AutoTokenizer.from_pretrained(checkpoint)
    texts = [
        *TEXTS, "It's 12 o'clock, isn't it?", "São Paulo; 雪だるま 🎉🎉", "  two\t spaces\n", "x" * 300, "a<|endoftext|>b",
        "№½²…", "ﬁne Ångström e\u0301", "don't we'll I'm they're I've he'd", "UPPER lower", "\u202e\x00",
    ]  # fmt: skip
    for text in texts:
        (ours,) = open_tokenizer(checkpoint, shape).encode([text])
        assert ours == theirs(text)["input_ids"], text
        assert [*ours[:76], ours[-1]][: len(ours)] == theirs(text, truncation=True, max_length=77)["input_ids"], text


def test_index_query_and_status_with_it(checkpoint, tmp_path):
    for path in sorted(PHOTOS.glob("*.jpg"))[:12]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with SearchEngine.open(tmp_path, model=str(checkpoint)) as engine:
        assert engine.index().added == 12
    with SearchEngine.open(tmp_path) as engine:  # the index remembers its model
        path = sorted(tmp_path.glob("*.jpg"))[3]
        with Image.open(path) as image:
            assert engine.search(image, 1)[0].path == str(path)
        assert len(engine.search("a dog", 5)) == 5
    command = [sys.executable, "-m", "clipsearch", "status", "--json", "--index", str(tmp_path)]
    status = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert (status["images"], status["model"]["dim"], status["model"]["model"]) == (12, 512, str(checkpoint))
