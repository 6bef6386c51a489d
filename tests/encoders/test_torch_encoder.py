"""The torch encoder agrees with transformers, on small checkpoints with random weights."""

import json
import runpy
import sys

import numpy as np
import pytest
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers

from clipsearch import ClipsearchWarning, load_encoder
from clipsearch.encoders import hub
from clipsearch.encoders.checkpoint import Checkpoint, read_pixel_spec
from clipsearch.encoders.unread import unread_words
from clipsearch.errors import ClipsearchWarning, ModelError, QueryError
from tests.conftest import PHOTOS, SHARED
from tests.encoders.support import MAKERS, TEXTS, save_checkpoint
from tests.lazy import LazyModule

torch, transformers = LazyModule("torch"), LazyModule("transformers")
torch_encoder = LazyModule("clipsearch.encoders.torch_encoder")


@pytest.fixture(scope="module", params=MAKERS)
def checkpoint(request, tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def pictures():
    noise = np.random.default_rng(0)
    sizes = [(64, 64), (100, 64), (65, 200), (300, 301)]
    return [Image.fromarray(noise.integers(0, 256, (h, w, 3), dtype=np.uint8)) for w, h in sizes]


def reference_logits(folder, pictures, texts):
    """Return `model(**inputs).logits_per_image`, computed by transformers alone."""
    kind = Checkpoint(folder).model_type
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    processor = {
        "clip": transformers.CLIPImageProcessorPil,
        "siglip": transformers.SiglipImageProcessorPil,
        "chinese_clip": transformers.ChineseCLIPImageProcessorPil,
    }[kind].from_pretrained(folder)
    padding = "max_length" if kind == "siglip" else True
    inputs = tokenizer(texts, padding=padding, max_length=16, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        return model(**inputs, **processor(pictures, return_tensors="pt")).logits_per_image.numpy()


def test_logits_are_those_of_the_models_own_forward(checkpoint, pictures):
    ours = load_encoder(checkpoint).logits(pictures, TEXTS)
    assert ours.shape == (4, 4) and ours.dtype == np.float32
    np.testing.assert_allclose(ours, reference_logits(checkpoint, pictures, TEXTS), atol=1e-4)


def test_embeddings_are_unit_vectors_of_the_models_dimension(checkpoint, pictures):
    encoder = load_encoder(checkpoint)
    for embeddings in (encoder.encode_texts(TEXTS), encoder.encode_images(pictures)):
        assert embeddings.shape == (4, encoder.spec.dim) and embeddings.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(embeddings.astype(np.float64), axis=1), 1, atol=1e-6)
    assert encoder.encode_texts([]).shape == encoder.encode_images([]).shape == (0, encoder.spec.dim)


def test_the_models_own_features_are_not_normalised_so_that_this_test_means_something(checkpoint, pictures):
    encoder = load_encoder(checkpoint)
    pixels = np.zeros((1, 3, 64, 64), np.float32)
    assert abs(np.linalg.norm(encoder.embed_pixels(pixels)) - 1) > 0.01


def test_a_text_means_the_same_alone_and_in_company(checkpoint):
    encoder = load_encoder(checkpoint)
    together = encoder.encode_texts(TEXTS)
    for text, row in zip(TEXTS, together, strict=True):
        np.testing.assert_allclose(encoder.encode_texts([text])[0], row, atol=1e-6)


def test_a_text_beyond_the_context_is_cut_as_the_tokenizer_does_and_said_so(checkpoint):
    encoder = load_encoder(checkpoint)
    long = "a photo of a cat " * 20
    with pytest.warns(ClipsearchWarning, match="102 tokens cut to the model's 16"):
        cut = encoder.encode_texts([long])
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    words = tokenizer.decode(tokenizer(long, truncation=True, max_length=16)["input_ids"], skip_special_tokens=True)
    np.testing.assert_allclose(cut, encoder.encode_texts([words]), atol=1e-6)


@pytest.mark.parametrize("texts", [[""], ["a cat", " \n"]])
def test_an_empty_text_is_an_error(checkpoint, texts):
    with pytest.raises(QueryError, match="empty"):
        load_encoder(checkpoint).encode_texts(texts)


def test_one_string_is_not_taken_for_a_list(checkpoint):
    with pytest.raises(TypeError, match="list"):
        load_encoder(checkpoint).encode_texts("a cat")


def test_pictures_may_be_paths(checkpoint, pictures, tmp_path):
    pictures[1].save(tmp_path / "x.png")
    encoder = load_encoder(checkpoint)
    np.testing.assert_array_equal(encoder.encode_images([tmp_path / "x.png"]), encoder.encode_images([pictures[1]]))


def test_a_word_that_a_tokenizer_lacks_is_unread(checkpoint):
    encoder = load_encoder(checkpoint)
    assert unread_words("a собака on a beach", encoder.text_pieces, is_english=False) == ["собака"]
    assert unread_words("a photo of a cat", encoder.text_pieces, is_english=False) == []


def test_bytes_of_sentencepiece_are_parts_of_characters(tmp_path, monkeypatch):
    """SigLIP 2's vocabulary, for example, has most alphabets and falls back to bytes for the rest."""
    words = [("<unk>", 0.0), ("\u2581", -2.0), *((f"\u2581{word}", -1.0) for word in ("a", "собака", "🐶", "на"))]
    vocabulary = [*words, *((f"<0x{byte:02X}>", -9.0) for byte in range(256))]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    encoder = torch_encoder.TorchEncoder(Checkpoint(save_checkpoint(tmp_path, "siglip")))
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")
    monkeypatch.setattr(encoder, "_tokenizer", fast)
    assert unread_words("a собака на 🐶", encoder.text_pieces, is_english=False) == []
    assert unread_words("a собака на 🦒 犬", encoder.text_pieces, is_english=False) == ["🦒", "犬"]
    assert unread_words("собака и кошка", encoder.text_pieces, is_english=False) == ["собака", "и", "кошка"]


def test_a_device_that_is_not_there_is_a_clear_error(checkpoint):
    for name in ("nonsense", "gpu", "", "cuda:", None):
        with pytest.raises(ModelError, match=r"`device` must be auto, cpu, cuda"):
            load_encoder(checkpoint, device=name)
    for name in ("xpu:99", "cuda:99"):
        with pytest.raises(
            ModelError, match=rf"^the device {name} cannot be used here: [^.]+; leave `device` out[^.]+$"
        ):
            load_encoder(checkpoint, device=name)
    if not torch.backends.mps.is_built():  # PyTorch's own words are two thousand letters
        with pytest.raises(
            ModelError, match=r"^the device mps cannot be used here: this PyTorch was built without MPS;"
        ):
            load_encoder(checkpoint, device="mps")
    with pytest.warns(ClipsearchWarning, match="'mini' runs on the CPU; it does not use the device cuda"):
        load_encoder("mini", device="cuda")


def test_the_same_weights_elsewhere_are_the_same_model(checkpoint, tmp_path):
    (tmp_path / "copy").symlink_to(checkpoint)
    first, second = load_encoder(checkpoint).spec.fingerprint, load_encoder(tmp_path / "copy").spec.fingerprint
    assert first.digest == second.digest and first.model != second.model


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared, which is not here")
def test_the_real_clip_tokenizer_and_layout(tmp_path, pictures, monkeypatch):
    tool = SHARED / "tools" / "make_clip_checkpoint.py"
    monkeypatch.setattr(sys, "argv", [str(tool), str(tmp_path / "tiny"), "--tiny"])
    runpy.run_path(str(tool), run_name="__main__")  # in this process, which has imported torch already
    encoder = load_encoder(tmp_path / "tiny")
    assert encoder.spec.context_length == 77
    model = transformers.CLIPModel.from_pretrained(tmp_path / "tiny").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "tiny")
    processor = transformers.CLIPImageProcessorPil.from_pretrained(tmp_path / "tiny")
    texts = [*TEXTS, "Ünïcödé, ÉMOJI 🐕 and punctuation!?"]
    with torch.inference_mode():
        inputs = {**tokenizer(texts, padding=True, return_tensors="pt"), **processor(pictures, return_tensors="pt")}
        expected = model(**inputs).logits_per_image.numpy()
    np.testing.assert_allclose(encoder.logits(pictures, texts), expected, atol=1e-4)


def test_the_published_logits_of_clip_large():
    """The model's own page has this example: two cats on a couch, "a photo of a cat" and "a photo of a dog"."""
    model = "openai/clip-vit-large-patch14"
    picture = PHOTOS.parent / "coco-000000039769.jpg"
    if not hub.cached_folder(model) or not picture.exists():
        pytest.skip(f"needs {model} in the local cache, and COCO's photo 39769 as data/{picture.name}")
    logits = load_encoder(model).logits([picture], ["a photo of a cat", "a photo of a dog"])
    np.testing.assert_allclose(logits, [[18.9041, 11.7159]], atol=1e-3)


def test_preprocessing_defaults_follow_the_architecture(checkpoint):
    config = json.loads((checkpoint / "preprocessor_config.json").read_text())
    assert read_pixel_spec(checkpoint).mean == tuple(config["image_mean"])
