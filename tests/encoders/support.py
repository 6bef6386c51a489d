"""Small checkpoints with random weights, and helpers that change them and check refusals."""

import json
import warnings

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from clipsearch import load_encoder
from clipsearch.errors import ModelError
from tests.lazy import LazyModule

safetensors, torch, transformers = LazyModule("safetensors.torch"), LazyModule("torch"), LazyModule("transformers")

TEXTS = ["a photo of a cat", "a photo of a dog", "red", "two people walk along the river"]
SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
WORDS = {"[PAD]": 0, "[UNK]": 1, "[BOS]": 2, "[EOS]": 3} | {
    word: number for number, word in enumerate(sorted({word for text in TEXTS for word in text.split()}), 4)
}

IDS = {
    "vocab_size": len(WORDS),
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "max_position_embeddings": 16,
}


def save_tokenizer(folder, context, **options):
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("[BOS] $A [EOS]", None, [("[BOS]", 2), ("[EOS]", 3)])
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        bos_token="[BOS]",
        eos_token="[EOS]",
        model_max_length=context,
        **options,
    ).save_pretrained(folder)


def make_clip(folder):
    config = transformers.CLIPConfig(
        text_config={**SMALL, **IDS}, vision_config={**SMALL, "image_size": 64, "patch_size": 16}, projection_dim=24
    )
    transformers.CLIPModel(config).save_pretrained(folder)
    transformers.CLIPImageProcessorPil(
        size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64}
    ).save_pretrained(folder)
    save_tokenizer(folder, 16)


def make_siglip(folder):
    config = transformers.SiglipConfig(
        text_config={**SMALL, **IDS, "projection_size": 32}, vision_config={**SMALL, "image_size": 64, "patch_size": 16}
    )
    model = transformers.SiglipModel(config)
    model.logit_scale.data.fill_(1.3)
    model.logit_bias.data.fill_(-2.5)
    model.save_pretrained(folder)
    transformers.SiglipImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)
    save_tokenizer(folder, 16, model_input_names=["input_ids"])


def make_chinese_clip(folder):
    config = transformers.ChineseCLIPConfig(
        text_config={**SMALL, "vocab_size": len(WORDS), "pad_token_id": 0, "max_position_embeddings": 16},
        vision_config={**SMALL, "image_size": 64, "patch_size": 16},
        projection_dim=24,
    )
    transformers.ChineseCLIPModel(config).save_pretrained(folder)
    transformers.ChineseCLIPImageProcessorPil(size={"height": 64, "width": 64}, do_center_crop=False).save_pretrained(
        folder
    )
    save_tokenizer(folder, 16)


def make_metaclip_2(folder):
    """The configuration's end token is 3; the highest one is another."""
    config = transformers.MetaClip2Config(
        text_config={**SMALL, **IDS}, vision_config={**SMALL, "image_size": 64, "patch_size": 16}, projection_dim=24
    )
    transformers.MetaClip2Model(config).save_pretrained(folder)
    transformers.CLIPImageProcessorPil(
        size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64}
    ).save_pretrained(folder)
    save_tokenizer(folder, 16)


MAKERS = {"clip": make_clip, "siglip": make_siglip, "chinese_clip": make_chinese_clip}
"""One of each kind of text tower."""


def save_checkpoint(folder, kind="clip"):
    """Save a small checkpoint of this kind with random but fixed weights, and return its folder."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (MAKERS | {"metaclip_2": make_metaclip_2})[kind](folder)
    return folder


def change_weights(folder, change):
    weights = safetensors.load_file(folder / "model.safetensors")
    change(weights)
    safetensors.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def change_json(path, change):
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def make_need_torch(folder):
    """Give a checkpoint an activation that only torch computes."""
    change_json(folder / "config.json", lambda config: config["text_config"].update(hidden_act="relu"))
    return folder


def refused(folder, match):
    with pytest.raises(ModelError, match=match) as error:
        load_encoder(folder)
    assert "\n" not in str(error.value) and len(str(error.value)) < 700
    return str(error.value)
