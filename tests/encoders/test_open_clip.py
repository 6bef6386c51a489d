"""Checkpoints in OpenCLIP's layout: vectors, tokens and preprocessing are those of open_clip, which need not be installed."""

import json
import os
import shutil
from random import Random

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from clipsearch import load_encoder
from clipsearch.encoders.checkpoint import Checkpoint, weights_to_fetch
from clipsearch.encoders.local_encoder import LocalEncoder
from clipsearch.encoders.tokenizers.cleaning import clean
from clipsearch.errors import ClipsearchWarning, ModelError
from clipsearch.images.preprocess import resize_and_crop
from tests.encoders import open_clip_checkpoints as tiny
from tests.encoders.support import change_json, refused
from tests.encoders.test_mutated_models import mutate

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
REFERENCE = json.loads(tiny.REFERENCE.read_text())


@pytest.mark.parametrize("name", tiny.MODELS)
def test_vectors_are_those_of_open_clip(name, tmp_path, monkeypatch):
    tiny.use_tiny_towers(monkeypatch)
    folder, shapes = tiny.save_model(tmp_path / "model", name)
    assert tiny.digest_of_names(shapes) == REFERENCE[name]["names"]
    encoder = load_encoder(folder)
    assert isinstance(encoder, LocalEncoder) and not Checkpoint(folder).plan.foreign
    side = encoder.spec.pixels.output_size[0]
    np.testing.assert_allclose(encoder.encode_pixels(tiny.pixels(side)), REFERENCE[name]["images"], atol=1e-5)
    with pytest.warns(ClipsearchWarning, match="cut to the model's 12"):
        texts = encoder.encode_texts(tiny.TEXTS)
    np.testing.assert_allclose(texts, REFERENCE[name]["texts"], atol=1e-5)


@pytest.fixture
def folder(tmp_path):
    """A small checkpoint with a tokenizer like CLIP's."""
    return tiny.save_model(tmp_path / "open_clip", "clip")[0]


def change_model(folder, tower="", **values):
    """Change values of a configuration's model, or of one of its towers. They may be JSON text: Ellipsis removes one."""

    def change(config):
        part = config["model_cfg"][tower] if tower else config["model_cfg"]
        part.update(values)
        for name in [name for name, value in values.items() if value is ...]:
            del part[name]

    change_json(folder / CONFIG, change)


# -- which layout a folder is read in


@pytest.mark.parametrize("name", ["open_clip_pytorch_model.safetensors", "model.safetensors"])
def test_weights_may_have_other_names(folder, name):
    expected = load_encoder(folder).encode_texts(["dog"])
    (folder / WEIGHTS).rename(folder / name)
    np.testing.assert_array_equal(load_encoder(folder).encode_texts(["dog"]), expected)


def test_a_folder_in_both_layouts_is_read_in_that_of_transformers(folder, clip_copy):
    for name in (CONFIG, WEIGHTS):
        shutil.copy(folder / name, clip_copy / name)
    assert Checkpoint(clip_copy).model_type == "clip"
    (clip_copy / "model.safetensors").unlink()
    assert Checkpoint(clip_copy).weights_files == [clip_copy / WEIGHTS]


def test_transformers_layout_without_preprocessing_does_not_count(folder, clip_copy):
    """Apple's DFN models have both layouts, and say only in OpenCLIP's how pictures are prepared."""
    for name in (CONFIG, WEIGHTS):
        shutil.copy(folder / name, clip_copy / name)
    (clip_copy / "preprocessor_config.json").rename(clip_copy / "saved.json")
    assert Checkpoint(clip_copy).weights_files == [clip_copy / WEIGHTS]
    assert weights_to_fetch(clip_copy, {file.name for file in clip_copy.iterdir()}) == [WEIGHTS]
    processor = {"image_processor": json.loads((clip_copy / "saved.json").read_text())}
    (clip_copy / "processor_config.json").write_text(json.dumps(processor))
    assert Checkpoint(clip_copy).model_type == "clip"


def test_a_configuration_of_an_unknown_type_does_not_count(folder):
    (folder / "config.json").write_text('{"model_type": "open_clip"}')
    assert Checkpoint(folder).plan
    (folder / CONFIG).unlink()
    refused(folder, "'open_clip' is not one that clipsearch runs")


def test_pickled_weights_are_not_loaded(folder):
    (folder / WEIGHTS).rename(folder / "open_clip_pytorch_model.bin")
    refused(folder, "pickled weights, which could run code")


def test_without_a_tokenizer_a_message_says_which_one_will_do(folder):
    (folder / "vocab.json").unlink()
    assert "merges.txt of openai/clip-vit-base-patch32" in refused(folder, "has no tokenizer: it needs tokenizer.json")
    change_model(folder, "text_cfg", hf_tokenizer_name="some/words")
    assert "openai" not in refused(folder, "has no tokenizer")


def test_names_of_the_text_tower_have_a_prefix_or_not(folder, tmp_path):
    weights = load_file(folder / WEIGHTS)
    custom = {name if name.startswith(("visual", "logit")) else f"text.{name}": weights[name] for name in weights}
    other = tiny.save_folder(tmp_path / "other", tiny.configuration("clip"), custom)
    np.testing.assert_array_equal(load_encoder(other).encode_texts(["dog"]), load_encoder(folder).encode_texts(["dog"]))
    save_file({**weights, **custom}, other / WEIGHTS)
    refused(other, "both with 'text.' before its name and without")


def test_a_model_is_not_taken_for_another_one_with_the_same_weights(folder):
    before = Checkpoint(folder).digest
    change_model(folder, quick_gelu=True)
    middle = Checkpoint(folder).digest
    change_json(folder / CONFIG, lambda config: config["preprocess_cfg"].update(resize_mode="shortest"))
    assert len({before, middle, Checkpoint(folder).digest}) == 3


def test_an_activation_that_only_open_clips_registry_names_is_used(folder):
    name = "timm/vit_base_patch32_clip_224.metaclip_400m"
    known, other = Checkpoint(folder, name), Checkpoint(folder, "someone/model")
    assert (known.shape.image.activation, other.shape.image.activation) == ("quick_gelu", "gelu")
    assert known.digest != other.digest
    change_model(folder, quick_gelu=False)
    assert Checkpoint(folder, name).shape.text.activation == "gelu"


# -- texts


def test_texts_are_cleaned_as_open_clip_does():
    """As `get_clean_fn` of open_clip 3.3.0 with ftfy 6.3 does."""
    for text, cleaned in [
        ("“Don\u2019t” \u2013 a dog\u2019s ﬁsh\n", "\"don't\" \u2013 a dog's fish"),
        ("\uff28\uff55\u3000x", "hu x"),
        ("A &amp; B &lt;b&gt; &amp;amp;lt;", "a & b <b> <"),
        ("<i>&eacute;", "<i>é"),
        ("e\u0301 \x1b[31mRed\x00\ufeff", "é red"),
        ("ŉ Ǆ İ", "'n dž i̇"),
        ("\x93five\x94 \x80 \x81", '"five" € \x81'),
    ]:
        assert clean(text, "lower") == cleaned
    assert clean("a_b: “C!”\tπ", "whitespace") == 'a_b: "C!" π'
    assert clean("a_b: “C!”\tΠ", "canonicalize") == "a b c π"


def test_pieces_are_those_of_the_text_as_it_is(folder):
    text = "“dog”"
    pieces = load_encoder(folder).text_pieces(text)
    assert {text[piece.start : piece.end] for piece in pieces if piece.is_unknown} == {"“", "”"}


# -- pictures


@pytest.mark.parametrize("size", [(300, 201), (201, 300), (455, 256), (64, 64), (20, 90), (1, 200)])
@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
def test_pictures_have_the_size_of_the_model(folder, size, mode):
    change_json(folder / CONFIG, lambda config: config["preprocess_cfg"].update(resize_mode=mode, fill_color=9))
    picture = resize_and_crop(Image.new("RGB", size, "white"), Checkpoint(folder).pixels)
    assert picture.size == (tiny.SIDE, tiny.SIDE)
    filled = (np.asarray(picture) == 9).all(axis=2)
    width, height = (round(side * tiny.SIDE / max(size)) or 1 for side in size)
    assert filled.sum() == (tiny.SIDE**2 - width * height if mode == "longest" else 0)


def test_padding_goes_to_both_sides_and_crops_round_halves_to_even_numbers(folder):
    """As center_crop_or_pad of open_clip, and CenterCrop of torchvision."""
    change_json(folder / CONFIG, lambda config: config["preprocess_cfg"].update(resize_mode="longest"))
    picture = resize_and_crop(Image.new("RGB", (32, 27), "white"), Checkpoint(folder).pixels)
    assert np.flatnonzero(np.asarray(picture)[:, 0, 0]).tolist() == list(range(2, 29))
    change_json(folder / CONFIG, lambda config: config["preprocess_cfg"].update(resize_mode="shortest"))
    for width, start in [(33, 0), (35, 2), (37, 2), (39, 4)]:
        columns = Image.fromarray(np.tile(np.arange(width, dtype=np.uint8)[None, :, None], (32, 1, 3)))
        assert resize_and_crop(columns, Checkpoint(folder).pixels).getpixel((0, 0)) == (start,) * 3


def test_preprocessing_has_open_clips_defaults(folder):
    change_json(folder / CONFIG, lambda config: config.pop("preprocess_cfg"))
    pixels = Checkpoint(folder).pixels
    assert (pixels.shortest_edge, pixels.resample, round(pixels.mean[0], 3)) == (tiny.SIDE, 3, 0.481)
    values = {"mean": 0.25, "interpolation": "bilinear"}
    change_json(folder / CONFIG, lambda config: config.update(preprocess_cfg=values))
    assert (Checkpoint(folder).pixels.resample, Checkpoint(folder).pixels.mean) == (2, (0.25,) * 3)


@pytest.mark.parametrize(
    "values",
    [
        {"resize_mode": "crop"}, {"resize_mode": [1]}, {"interpolation": "lanczos"}, {"mean": [1]}, {"std": [0, 0, 0]},
        {"mean": 10**400}, {"fill_color": 256, "resize_mode": "longest"}, {"fill_color": "x", "resize_mode": "longest"},
    ],
)  # fmt: skip
def test_preprocessing_that_makes_no_sense_is_refused(folder, values):
    change_json(folder / CONFIG, lambda config: config["preprocess_cfg"].update(values))
    refused(folder, "preprocessing")


# -- hostile configurations and weights


@pytest.mark.parametrize(
    ("tower", "name", "value"),
    [
        ("vision_cfg", "layers", 10**8), ("vision_cfg", "layers", True), ("vision_cfg", "width", 0),
        ("vision_cfg", "width", 2**40), ("vision_cfg", "head_width", None),
        ("vision_cfg", "patch_size", 64), ("vision_cfg", "image_size", [32, 64]), ("vision_cfg", "mlp_ratio", -1),
        ("vision_cfg", "mlp_ratio", 1e308), ("vision_cfg", "mlp_ratio", "4"), ("vision_cfg", "norm_kwargs", [1]),
        ("vision_cfg", "norm_kwargs", {"eps": "x"}), ("vision_cfg", "pool_type", "none"), ("vision_cfg", "pool_type", [1]),
        ("text_cfg", "layers", "2"), ("text_cfg", "heads", 3), ("text_cfg", "vocab_size", 2**50),
        ("text_cfg", "context_length", 1), ("text_cfg", "pool_type", "none"), ("text_cfg", "pool_type", {}),
        ("text_cfg", "tokenizer_mode", "x"),
        ("text_cfg", "tokenizer_kwargs", {"clean": "x"}), ("text_cfg", "tokenizer_kwargs", [1]), ("", "embed_dim", 0),
        ("", "embed_dim", ...), ("", "vision_cfg", [1]), ("", "text_cfg", None),
    ],
)  # fmt: skip
def test_values_that_no_model_has_are_refused(folder, tower, name, value):
    change_model(folder, tower, **{name: value})
    assert CONFIG in refused(folder, name)


def test_an_end_of_text_that_no_text_has_is_refused(folder):
    change_model(folder, "text_cfg", pool_type="eos", eos_id=10**6)
    refused(folder, "eos_id")
    change_model(folder, "text_cfg", eos_id=5)
    with pytest.raises(ModelError, match="does not end a text as the model expects"):
        load_encoder(folder).encode_texts(["dog"])


def test_a_width_that_the_heads_do_not_divide_is_refused(folder):
    change_model(folder, "vision_cfg", head_width=5)
    refused(folder, "width in open_clip_config.json is 16, which its 3 heads do not divide")


@pytest.mark.parametrize("name", ["google/mt5-base", "../../etc", "https://example.org/x", [1]])
def test_a_text_model_that_is_not_run_here_is_refused_without_looking_for_it(folder, name):
    change_model(folder, "text_cfg", hf_model_name=name)
    refused(folder, "clipsearch runs only xlm-roberta-base")


@pytest.mark.parametrize("pooling", ["cls_pooler", "max_pooler", 1])
def test_an_unknown_pooling_of_a_text_model_is_refused(folder, pooling):
    change_model(folder, "text_cfg", hf_model_name="roberta-base", hf_pooler_type=pooling)
    refused(folder, "does not run the pooling")


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 60 + "1" + "}" * 60, "[]", '{"model_cfg": 1}', "{}"])
def test_a_configuration_that_is_none_is_refused(folder, content):
    (folder / CONFIG).write_text(content)
    refused(folder, "cannot be read: it is nested|JSON object|does not describe a model")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_pipe_in_place_of_a_file_does_not_hang(folder, name):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    refused(folder, "pipe|not a file")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda weights: weights.pop("visual.proj"), "incomplete: 1 of the model's tensors are missing.*visual.proj"),
        (lambda weights: weights.pop("text_projection"), "missing"),
        (lambda weights: weights.update(extra=np.zeros(2, np.float32)), "have 1 tensors that a model .* does not have"),
        (lambda weights: weights.update({"visual.proj": weights["visual.proj"].T.copy()}), "has the shape"),
        (lambda weights: weights.update(logit_scale=np.float32(100).reshape(1)), "logit_scale is 100"),
    ],
)
def test_weights_that_are_not_the_models_are_refused(folder, change, match):
    weights = load_file(folder / WEIGHTS)
    change(weights)
    save_file(weights, folder / WEIGHTS)
    refused(folder, match)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.filterwarnings("ignore")  # truncated texts
def test_a_mutated_checkpoint_is_loaded_or_refused(seed, tmp_path, monkeypatch):
    tiny.use_tiny_towers(monkeypatch)
    chance = Random(seed)
    folder, _ = tiny.save_model(tmp_path / "model", chance.choice(["mean after norm", "siglip", "roberta"]))
    for number in range(4):
        copy = shutil.copytree(folder, tmp_path / str(number))
        mutate(copy, chance)
        try:
            encoder = load_encoder(copy)
            encoder.encode_texts(["a photo of a cat", "red"])
            encoder.encode_pixels(tiny.pixels(encoder.spec.pixels.output_size[0]))
        except ModelError as error:
            assert str(error).isprintable() and len(str(error)) < 700


def test_tensors_that_no_forward_pass_needs_may_be_there(folder):
    """OpenAI's own checkpoints have such numbers."""
    expected = load_encoder(folder).encode_texts(["dog"])
    weights = load_file(folder / WEIGHTS)
    save_file({**weights, "input_resolution": np.array(224), "text.attn_mask": np.zeros(3, bool)}, folder / WEIGHTS)
    np.testing.assert_array_equal(load_encoder(folder).encode_texts(["dog"]), expected)
