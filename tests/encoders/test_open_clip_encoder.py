"""Towers that OpenCLIP's own library computes. Without the library a message names the extra, and texts need none of it."""

import importlib
import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from clipsearch import load_encoder
from clipsearch.encoders import runtime
from clipsearch.encoders.checkpoint import Checkpoint
from clipsearch.errors import ModelError
from tests.encoders import open_clip_checkpoints as tiny
from tests.encoders.support import change_json
from tests.lazy import LazyModule

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
VISION = {"image_size": 64, "timm_model_name": "test_vit", "timm_pool": "avg", "timm_proj": "linear"}

torch, safetensors = LazyModule("torch"), LazyModule("safetensors.torch")


def configuration(**values):
    model = {"embed_dim": 8, "vision_cfg": VISION, "text_cfg": tiny.TEXT, **values}
    return {"model_cfg": model, "preprocess_cfg": tiny.PREPROCESSING}


@pytest.fixture
def without_image_tower(tmp_path):
    """A checkpoint with weights of its text tower only."""
    shapes = tiny.expected_shapes(configuration()["model_cfg"])
    return tiny.save_folder(tmp_path / "timm", configuration(), tiny.seeded_weights(shapes))


def test_without_the_library_texts_are_encoded_and_pictures_need_the_extra(without_image_tower, monkeypatch):
    monkeypatch.setattr(runtime, "_is_installed", lambda name: name != "open_clip")
    encoder = load_encoder(without_image_tower)
    assert encoder.encode_texts(["dog"]).shape == (1, 8)
    with pytest.raises(ModelError, match=r"pip install 'clipsearch\[open-clip\]'"):
        encoder.encode_pixels(tiny.pixels(64))


def test_int8_is_refused_before_anything_is_read(without_image_tower):
    with pytest.raises(ModelError, match="in fp32 or bf16, not in int8"):
        load_encoder(without_image_tower, precision="int8")


def test_without_a_cheaper_precision_no_photo_is_embedded_to_choose_one(without_image_tower):
    encoder = load_encoder(without_image_tower)
    encoder.settle_precision(lambda: pytest.fail("photos were decoded"))
    assert encoder.spec.fingerprint.precision == "fp32"


def test_a_gpu_needs_the_extra_for_every_model_in_this_layout(tmp_path, monkeypatch):
    folder, _ = tiny.save_model(tmp_path / "model", "clip")
    monkeypatch.setattr(runtime, "_is_installed", lambda name: name != "open_clip")
    encoder = load_encoder(folder, device="cpu")
    encoder._device = "cuda"
    with pytest.raises(ModelError, match=r"on cuda needs OpenCLIP's own library.*clipsearch\[open-clip\]"):
        encoder.encode_pixels(tiny.pixels(tiny.SIDE))


# -- with the library


@pytest.fixture(scope="session")
def library():
    """The modules open_clip and timm."""
    if not all(map(find_spec, ("open_clip", "timm", "ftfy"))):
        pytest.skip("needs open_clip: pip install --no-deps open_clip_torch timm ftfy wcwidth")
    from clipsearch.encoders.torchvision_stand_in import import_without_torchvision

    return import_without_torchvision("open_clip", "timm")


def save(library, folder, **values):
    """A checkpoint of OpenCLIP's own making with random weights. Returns the folder and the model."""
    config = configuration(**values)
    model_values = {name: value for name, value in config["model_cfg"].items() if name != "custom_text"}
    is_coca = "multimodal_cfg" in model_values
    classes = library[0].model.CustomTextCLIP, library[0].model.CLIP
    torch.manual_seed(0)
    model = (library[0].coca_model.CoCa if is_coca else classes["custom_text" not in values])(**model_values).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.logit_scale.data.fill_(2)
    tiny.save_folder(folder, config, {})
    safetensors.save_file(model.state_dict(), folder / WEIGHTS)
    return folder, model


UNUSUAL = {**tiny.VISION, "qk_norm": True, "scale_heads": True, "ls_init_value": 0.5}
RESNET = {"layers": [1, 1, 1, 1], "width": 8, "head_width": 8, "image_size": 64, "patch_size": None}
COCA = {
    "vision_cfg": {**tiny.VISION, "attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
    "text_cfg": {**tiny.TEXT, "embed_cls": True, "output_tokens": True},
    "multimodal_cfg": {"vocab_size": tiny.CLIP_TOKENS, "layers": 1, "heads": 2, "width": 16, "attn_pooler_heads": 2},
    "custom_text": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("values", "foreign"),
    [
        ({}, {"image"}),
        ({"vision_cfg": {**VISION, "timm_model_name": "test_convnext"}, "custom_text": True}, {"image"}),
        ({"vision_cfg": RESNET}, {"image"}),
        ({"vision_cfg": UNUSUAL, "text_cfg": {**tiny.TEXT, "scale_attn": True, "no_causal_mask": True}}, {"image", "text"}),
        (COCA, {"image", "text"}),
    ],
)  # fmt: skip
def test_vectors_are_those_of_open_clip(library, values, foreign, tmp_path):
    folder, model = save(library, tmp_path / "model", **values)
    assert Checkpoint(folder).plan.foreign == foreign
    encoder = load_encoder(folder)
    pixels = tiny.pixels(encoder.spec.pixels.output_size[0])
    ids = encoder._text.tokens(["a dog", "the dogs and A CAT"], stacklevel=1)
    tokens = torch.tensor([row + [0] * (tiny.TEXT["context_length"] - len(row)) for row in ids])
    with torch.inference_mode():
        images, texts = model.encode_image(torch.from_numpy(pixels), normalize=True), model.encode_text(tokens)
    np.testing.assert_allclose(encoder.encode_pixels(pixels), images.numpy(), atol=1e-5)
    theirs = torch.nn.functional.normalize(texts, dim=-1).numpy()
    np.testing.assert_allclose(encoder.encode_texts(["a dog", "the dogs and A CAT"]), theirs, atol=1e-5)


def test_the_stand_in_for_torchvision_leaves_no_trace(library):
    assert "TOKENIZERS_PARALLELISM" not in os.environ
    assert not any(type(finder).__module__.startswith("clipsearch") for finder in sys.meta_path)
    assert all(type(sys.modules[name]).__name__ != "_EmptyModule" for name in sys.modules if "torchvision" in name)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"timm_model_name": "hf-hub:someone/model"}, "timm_model_name .* which no model has"),
        ({"timm_model_name": "no_such_model"}, "the installed timm has no model 'no_such_model'"),
        ({"timm_pool": 10**9}, "timm_pool"),
        ({"timm_pool": "none_such"}, "cannot build the image tower"),
        ({"timm_model_name": None, "layers": [10**9] * 4}, "layers"),
        ({"timm_model_name": None, "layers": [1] * 5}, "layers"),
        ({"timm_model_name": "vit_giant_patch14_clip_224"}, "tensors are missing"),
        ({"timm_proj": "none"}, "tensors are missing"),
    ],
)
def test_towers_that_do_not_exist_or_fit_are_refused_without_a_download(library, values, match, tmp_path):
    folder, _ = save(library, tmp_path / "model")
    change_json(folder / CONFIG, lambda config: config["model_cfg"]["vision_cfg"].update(values))
    with pytest.raises(ModelError, match=match):
        load_encoder(folder).encode_pixels(tiny.pixels(64))


def test_a_header_that_only_clipsearch_can_read_is_refused(library, tmp_path):
    folder, _ = save(library, tmp_path / "model")
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(re.sub(rb'("visual[^{]*{"dtype":")F32', rb"\1F99", data, count=1))
    with pytest.raises(ModelError, match="cannot be read: Error while deserializing header"):
        load_encoder(folder).encode_pixels(tiny.pixels(64))


def test_a_tensor_of_another_shape_is_refused(library, tmp_path):
    folder, _ = save(library, tmp_path / "model")
    weights = load_file(folder / WEIGHTS)
    weights["visual.head.proj.weight"] = weights["visual.head.proj.weight"][:, :-1].copy()
    save_file(weights, folder / WEIGHTS)
    with pytest.raises(ModelError, match="has the shape"):
        load_encoder(folder).encode_pixels(tiny.pixels(64))


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # a text is cut
@pytest.mark.parametrize(
    "name",
    ["ViT-B-32-256", "ViT-L-14", "ViT-H-14", "ViT-B-32-SigLIP2-256", "MobileCLIP2-S0", "xlm-roberta-base-ViT-B-32"],
)
def test_real_shapes_with_few_layers_are_computed_as_open_clip_does(library, name, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "tools")
    compare = importlib.import_module("open_clip_reference").compare
    assert compare(library[0], name, most_layers=2) == 0
