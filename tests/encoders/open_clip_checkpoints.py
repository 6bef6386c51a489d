"""Small checkpoints in OpenCLIP's layout, with weights that any machine makes alike, and what open_clip computes with them.

`tools/open_clip_reference.py --write` computes the vectors in open_clip_reference.json.
"""

import hashlib
import json
import zlib
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from clipsearch.encoders.families import plan_of, timm_siglip
from clipsearch.encoders.open_clip_config import OPEN_CLIP, TEXT_MODELS, open_clip_shape
from tests.encoders.support import WORDS as OTHER_WORDS
from tests.encoders.tokenizers.test_clip import FEW_MERGES
from tests.encoders.tokenizers.test_clip import save as save_vocabulary

REFERENCE = Path(__file__).with_name("open_clip_reference.json")
TEXTS = ["a photo of a dog", "“Two  people's” &amp; a_RED Cat!", "the dog and the river " * 9]
WORDS = {**OTHER_WORDS, "[UNK]": 0, "[PAD]": 1}  # RoBERTa counts positions from behind its padding
SIDE, WIDTH = 32, 16
CLIP_TOKENS = 2 * 256 + len(FEW_MERGES) + 2
TINY_SIGLIP = (2, 2, WIDTH, 2 * WIDTH)
TINY_ROBERTA = {"layers": 2, "width": WIDTH, "heads": 2, "vocab_size": len(WORDS)}

VISION = {"image_size": SIDE, "patch_size": 16, "layers": 2, "width": WIDTH, "head_width": 8, "mlp_ratio": 2.0}
TEXT = {"context_length": 12, "vocab_size": CLIP_TOKENS, "layers": 2, "width": WIDTH, "heads": 2, "mlp_ratio": 2.0}
WORDS_TEXT = {**TEXT, "vocab_size": len(WORDS), "hf_tokenizer_name": "some/words"}
SIGLIP_TEXT = {
    **WORDS_TEXT, "no_causal_mask": True, "pool_type": "last", "proj_bias": True, "norm_kwargs": {"eps": 1e-6},
    "act_kwargs": {"approximate": "tanh"}, "tokenizer_kwargs": {"clean": "canonicalize"},
}  # fmt: skip
SIGLIP_VISION = {"image_size": SIDE, "timm_pool": "map", "timm_proj": "none"}
ROBERTA_TEXT = {"context_length": 12, "hf_model_name": "xlm-roberta-base", "hf_tokenizer_name": "xlm-roberta-base"}

MODELS = {
    "clip": {"vision_cfg": VISION, "text_cfg": TEXT},
    "quick gelu": {"vision_cfg": VISION, "text_cfg": TEXT, "quick_gelu": True, "custom_text": True},
    "mean after norm": {
        "vision_cfg": {**VISION, "pool_type": "avg", "head_width": 4},
        "text_cfg": {**WORDS_TEXT, "pool_type": "eos", "eos_id": 3, "act_kwargs": {"approximate": "tanh"}},
    },
    "mean before norm": {
        "vision_cfg": {**VISION, "pool_type": "avg", "final_ln_after_pool": True, "no_ln_pre": True},
        "text_cfg": {
            **WORDS_TEXT, "no_causal_mask": True, "pool_type": "last", "tokenizer_kwargs": {"strip_sep_token": True}
        },
    },
    "padded with zeros": {"vision_cfg": VISION, "text_cfg": {**TEXT, "no_causal_mask": True}, "custom_text": True},
    "siglip": {
        "vision_cfg": {**SIGLIP_VISION, "timm_model_name": "vit_base_patch16_siglip_224"},
        "text_cfg": SIGLIP_TEXT, "init_logit_bias": -10, "custom_text": True, "embed_dim": WIDTH,
    },
    "siglip 2": {
        "vision_cfg": {**SIGLIP_VISION, "timm_model_name": "vit_base_patch32_siglip_256", "image_size": 64},
        "text_cfg": SIGLIP_TEXT, "init_logit_bias": -10, "custom_text": True, "embed_dim": WIDTH,
    },
    "roberta": {"vision_cfg": VISION, "text_cfg": ROBERTA_TEXT},
    "roberta, linear": {"vision_cfg": VISION, "text_cfg": {**ROBERTA_TEXT, "hf_proj_type": "linear"}},
}  # fmt: skip
PREPROCESSING = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}


def configuration(name):
    return {"model_cfg": {"embed_dim": 8, **MODELS[name]}, "preprocess_cfg": PREPROCESSING}


def use_tiny_towers(monkeypatch):
    """Make the towers that a configuration only names small ones."""
    monkeypatch.setitem(timm_siglip.SHAPES, "base", TINY_SIGLIP)
    monkeypatch.setitem(TEXT_MODELS, "xlm-roberta-base", TINY_ROBERTA)


def seeded_weights(shapes):
    """Name → float32 array, from the tensors' names and shapes alone."""
    weights = {}
    for name, shape in shapes.items():
        noise = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
        middle = name.endswith("weight") or name == "logit_scale"
        weights[name] = np.asarray(0.2 * noise + middle if len(shape) < 2 else noise / np.sqrt(WIDTH), np.float32)
    return weights


def digest_of_names(shapes):
    """A sha256 of the tensors' names and shapes. A single number may have any shape."""
    lines = sorted(f"{name} {tuple(shape) if np.prod(shape) != 1 else ()}" for name, shape in shapes.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def pixels(side):
    return np.random.RandomState(1).standard_normal((2, 3, side, side)).astype(np.float32)


def save_folder(folder, config, weights):
    """A checkpoint folder with a small tokenizer."""
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    if weights:
        save_file(weights, folder / "open_clip_model.safetensors")
    if config["model_cfg"]["text_cfg"].get("hf_tokenizer_name"):
        save_words(folder)
    else:
        for file in save_vocabulary(folder / "vocabulary", FEW_MERGES).iterdir():
            file.rename(folder / file.name)
        (folder / "vocabulary").rmdir()
    return folder


def save_words(folder):
    """A tokenizer of few words, with padding."""
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("[BOS] $A [EOS]", None, [("[BOS]", 2), ("[EOS]", 3)])
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[BOS]", "[EOS]"])
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "sep_token": "[EOS]", "model_max_length": 999}
    (folder / "tokenizer_config.json").write_text(json.dumps({**special, "tokenizer_class": "PreTrainedTokenizerFast"}))


def save_model(folder, name):
    """A small checkpoint with weights of the names that clipsearch expects. Returns the folder, and the names with shapes."""
    shapes = expected_shapes(configuration(name)["model_cfg"])
    return save_folder(folder, configuration(name), seeded_weights(shapes)), shapes


def expected_shapes(model):
    """The names and shapes of the tensors that our towers need, as open_clip would store them."""
    is_custom = model.get("custom_text") or model["text_cfg"].get("hf_model_name")
    shapes = {}
    for tensor in plan_of(OPEN_CLIP, model, open_clip_shape(model, Path())).tensors.values():
        is_text = not tensor.name.startswith(("visual.", "logit_"))
        shapes[f"text.{tensor.name}" if is_text and is_custom else tensor.name] = tensor.stored_shape
    return shapes
