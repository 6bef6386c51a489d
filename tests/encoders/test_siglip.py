"""SigLIP 2 without torch: tokens, vectors, logits and rankings are the reference's, in many languages."""

import shutil

import numpy as np
import pytest
from PIL import Image
from tokenizers import Tokenizer

from clipsearch import SearchEngine, load_encoder
from clipsearch.encoders.checkpoint import Checkpoint
from clipsearch.encoders.local_encoder import LocalEncoder
from clipsearch.errors import ClipsearchWarning
from tests.encoders.support import SMALL, change_json
from tests.lazy import LazyModule

torch, transformers = LazyModule("torch"), LazyModule("transformers")
torch_encoder = LazyModule("clipsearch.encoders.torch_encoder")

TEXTS = ["Hund am Strand", "A DOG on a Beach!", "собака на пляже", "σκύλος ΣΑΣ", "كلب على الشاطئ", "狗在海滩上", "x"]
SIDE = 64


@pytest.fixture(scope="module", params=["siglip", "siglip2"])
def folder(request, saved_gemma, tmp_path_factory):
    """A small checkpoint with a tokenizer like SigLIP 2's; "siglip2" is the name of its NaFlex models."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp(request.param) / "model"
    is_naflex = request.param == "siglip2"
    tokens = Tokenizer.from_file(str(saved_gemma / "tokenizer.json")).get_vocab_size()
    text = {**SMALL, "vocab_size": tokens, "max_position_embeddings": 64, "projection_size": 32}
    shape = {"num_patches": 16} if is_naflex else {"image_size": SIDE}
    prefix = "Siglip2" if is_naflex else "Siglip"
    config = getattr(transformers, f"{prefix}Config")(
        text_config=text, vision_config={**SMALL, "patch_size": 16, **shape}
    )
    model = getattr(transformers, f"{prefix}Model")(config)
    model.logit_scale.data.fill_(1.3)
    model.logit_bias.data.fill_(-2.5)
    model.vision_model.head.probe.data.normal_()
    model.save_pretrained(folder)
    if is_naflex:
        transformers.Siglip2ImageProcessorPil(patch_size=16, max_num_patches=16).save_pretrained(folder)
    else:
        transformers.SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    for file in saved_gemma.iterdir():
        shutil.copy(file, folder / file.name)
    return folder


@pytest.fixture(scope="module")
def squares():
    noise = np.random.default_rng(0)
    return [Image.fromarray(noise.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)) for _ in range(3)]


def forward(folder, pictures, texts):
    """`model(**inputs).logits_per_image`, by transformers alone: texts padded to 64 on the right, and nothing masked."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.Siglip2Tokenizer.from_pretrained(folder)
    ids = tokenizer(texts, padding="max_length", padding_side="right", max_length=64, truncation=True)["input_ids"]
    name = "Siglip2ImageProcessorPil" if model.config.model_type == "siglip2" else "SiglipImageProcessorPil"
    processed = getattr(transformers, name).from_pretrained(folder)(pictures, return_tensors="pt")
    with torch.inference_mode():
        return model(input_ids=torch.tensor(ids), **processed).logits_per_image.numpy()


def test_logits_are_those_of_the_models_own_forward(folder, squares):
    encoder = load_encoder(folder)
    assert isinstance(encoder, LocalEncoder) and encoder.spec.logit_bias == -2.5
    np.testing.assert_allclose(encoder.logits(squares, TEXTS), forward(folder, squares, TEXTS), atol=1e-4)


def test_vectors_are_those_of_torch(folder):
    encoder, reference = load_encoder(folder), torch_encoder.TorchEncoder(Checkpoint(folder))
    ours, theirs = encoder.spec, reference.spec
    assert (ours.fingerprint.digest, ours.dim, ours.context_length) == (
        theirs.fingerprint.digest,
        theirs.dim,
        theirs.context_length,
    )
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), reference.encode_texts(TEXTS), atol=1e-5)
    pixels = np.random.default_rng(1).standard_normal((5, 3, SIDE, SIDE)).astype(np.float32)
    np.testing.assert_allclose(encoder.encode_pixels(pixels), reference.encode_pixels(pixels), atol=1e-5)


@pytest.mark.parametrize("values", [{"padding_side": "left"}, {"padding_side": "right", "model_max_length": 10**30}])
def test_a_tokenizers_own_padding_does_not_count(folder, values, tmp_path, squares):
    copy = shutil.copytree(folder, tmp_path / "copy")
    change_json(copy / "tokenizer_config.json", lambda config: config.update(values))
    np.testing.assert_array_equal(load_encoder(copy).encode_texts(TEXTS), load_encoder(folder).encode_texts(TEXTS))
    reference = torch_encoder.TorchEncoder(Checkpoint(copy))
    np.testing.assert_allclose(reference.encode_texts(TEXTS), load_encoder(folder).encode_texts(TEXTS), atol=1e-5)


def test_a_long_text_keeps_its_end(folder, squares):
    text = "Hunde am Strand und Katzen im Schnee " * 20
    with pytest.warns(ClipsearchWarning, match="cut to the model's 64"):
        ours = load_encoder(folder).logits(squares, [text])
    np.testing.assert_allclose(ours, forward(folder, squares, [text]), atol=1e-4)


def test_a_query_in_german_ranks_as_the_reference_does(folder, tmp_path):
    """From tokenizer to hits: an index is searched with a German query, and no part of it uses torch."""
    noise = np.random.default_rng(2)
    for number in range(12):
        picture = Image.fromarray(noise.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
        picture.save(tmp_path / f"{number}.png")
    with SearchEngine(tmp_path / "index", model=str(folder)) as engine:
        engine.index(tmp_path)
        hits = engine.search("Hund am Strand", top_k=12)
    pictures = {path.name: Image.open(path) for path in sorted(tmp_path.glob("*.png"))}
    logits = forward(folder, list(pictures.values()), ["Hund am Strand"])[:, 0]
    expected = [name for _, name in sorted(zip(-logits, pictures, strict=True))]
    assert [hit.path.rsplit("/", 1)[-1] for hit in hits] == expected
