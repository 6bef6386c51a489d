"""MetaCLIP 2 and Chinese-CLIP without torch are the reference; configurations may leave their family's usual values out."""

import json
import shutil

import numpy as np
import pytest

from clipsearch import load_encoder
from clipsearch.encoders.checkpoint import Checkpoint
from clipsearch.encoders.local_encoder import LocalEncoder
from tests.encoders.support import TEXTS, change_json, save_checkpoint
from tests.lazy import LazyModule

torch, transformers = LazyModule("torch"), LazyModule("transformers")
torch_encoder = LazyModule("clipsearch.encoders.torch_encoder")

UNLIKE_TEXTS = [*TEXTS, "cat", "a a a a a a", "[EOS] dog", "[UNK]"]
USUAL = {  # the values that each family's own configurations leave out: of texts, of pictures
    "clip": [("quick_gelu", 1e-5)] * 2,
    "metaclip_2": [("quick_gelu", 1e-5)] * 2,
    "siglip": [("gelu_pytorch_tanh", 1e-6)] * 2,
    "chinese_clip": [("gelu", 1e-12), ("quick_gelu", 1e-5)],
}


@pytest.fixture(scope="module", params=["metaclip_2", "chinese_clip"])
def folder(request, tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp(request.param), request.param)


def assert_same(encoder, reference):
    assert isinstance(encoder, LocalEncoder)
    ours, theirs = encoder.spec, reference.spec
    assert (ours.fingerprint.digest, ours.dim, ours.label_prompts) == (
        theirs.fingerprint.digest,
        theirs.dim,
        theirs.label_prompts,
    )
    assert (ours.context_length, ours.logit_bias) == (theirs.context_length, theirs.logit_bias)
    np.testing.assert_allclose(encoder.encode_texts(UNLIKE_TEXTS), reference.encode_texts(UNLIKE_TEXTS), atol=1e-5)
    pixels = np.random.default_rng(0).standard_normal((5, 3, 64, 64)).astype(np.float32)
    np.testing.assert_allclose(encoder.encode_pixels(pixels), reference.encode_pixels(pixels), atol=1e-5)


def test_vectors_are_those_of_torch(folder):
    assert_same(load_encoder(folder), torch_encoder.TorchEncoder(Checkpoint(folder)))


def test_logits_are_those_of_the_models_own_forward(folder):
    encoder = load_encoder(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    pixels = np.random.default_rng(1).standard_normal((3, 3, 64, 64)).astype(np.float32)
    with torch.inference_mode():
        inputs = tokenizer(UNLIKE_TEXTS, padding=True, return_tensors="pt")
        expected = model(**inputs, pixel_values=torch.from_numpy(pixels)).logits_per_image.numpy()
    logits = encoder.spec.logit_scale * encoder.encode_pixels(pixels) @ encoder.encode_texts(UNLIKE_TEXTS).T
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_metaclips_end_token_is_the_configured_one_also_if_it_is_2(tmp_path):
    """CLIP's old configurations name 2 and mean the highest token; here 2 starts each text, and is pooled."""
    folder = save_checkpoint(tmp_path, "metaclip_2")
    change_json(folder / "config.json", lambda config: config["text_config"].update(eos_token_id=2))
    vectors = load_encoder(folder).encode_texts(["red", "two people"])
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)  # a causal model's first output knows the first token


@pytest.mark.parametrize("kind", USUAL)
def test_a_configuration_may_leave_out_what_is_usual_in_its_family(kind, tmp_path):
    full = save_checkpoint(tmp_path / "full", kind)
    sparse = shutil.copytree(full, tmp_path / "sparse")
    config = json.loads((full / "config.json").read_text())
    for tower, (activation, epsilon) in zip(("text_config", "vision_config"), USUAL[kind], strict=True):
        assert (config[tower].pop("hidden_act"), config[tower].pop("layer_norm_eps")) == (activation, epsilon)
    (sparse / "config.json").write_text(json.dumps(config))
    ours, theirs = load_encoder(sparse), load_encoder(full)
    np.testing.assert_array_equal(ours.encode_texts(TEXTS), theirs.encode_texts(TEXTS))
    pixels = np.random.default_rng(2).standard_normal((2, 3, 64, 64)).astype(np.float32)
    np.testing.assert_array_equal(ours.encode_pixels(pixels), theirs.encode_pixels(pixels))
