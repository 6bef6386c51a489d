"""Compare clipsearch with open_clip itself, on random weights in OpenCLIP's layout.

    python tools/open_clip_reference.py            # real shapes: the largest differences of embeddings and logits
    python tools/open_clip_reference.py ViT-H-14   # these models of open_clip's model_configs/
    python tools/open_clip_reference.py --write    # the vectors that tests/encoders/test_open_clip.py compares with

It needs open_clip_torch, timm and ftfy. torchvision is not needed: pip install --no-deps open_clip_torch timm ftfy wcwidth.
Weights come from a seed, and nothing is downloaded. Exit status 1 if a difference is too large.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parents[1]))

from clipsearch import load_encoder
from clipsearch.encoders.checkpoint import Checkpoint
from clipsearch.encoders.torchvision_stand_in import import_without_torchvision
from tests.encoders import open_clip_checkpoints as tiny
from tests.encoders.tokenizers.test_clip import FEW_MERGES
from tests.encoders.tokenizers.test_clip import save as save_vocabulary

REAL = (
    "ViT-B-32-256", "ViT-B-16", "ViT-L-14", "ViT-H-14", "ViT-B-16-SigLIP", "ViT-B-32-SigLIP2-256", "MobileCLIP2-S0",
    "PE-Core-S-16-384", "xlm-roberta-base-ViT-B-32", "EVA02-B-16", "convnext_base", "RN50", "coca_ViT-B-32",
    "ViT-L-14-CLIPA",
)  # fmt: skip
_WORST_EMBEDDING, _WORST_LOGIT = 1e-5, 1e-3
_ROBERTA_EPSILON = 1e-5  # of xlm-roberta-base on the hub; the default of transformers is another one
_NOISE = 0.02
_TEXTS = ["a photo of a dog", "Two people walk along the river", "“RED” cats &amp; dogs, a_b!", "the dog " * 60]


def main() -> int:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=REAL)
    parser.add_argument("--layers", type=int, help="at most so many layers a tower, if memory is short")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    library, timm = import_without_torchvision("open_clip", "timm")
    if arguments.write:
        write(library, timm)
        return 0
    return max([compare(library, name, arguments.layers) for name in arguments.models])


def write(library: Any, timm: Any) -> None:
    """Write what open_clip computes with the small checkpoints of the tests."""
    reference = {}
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as temporary:
        tiny.use_tiny_towers(patch)
        for name in tiny.MODELS:
            config = tiny.configuration(name)
            model = tiny_model(library, timm, config["model_cfg"])
            shapes = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
            weights = tiny.seeded_weights(shapes)
            model.load_state_dict({key: torch.from_numpy(values) for key, values in weights.items()})
            folder = tiny.save_folder(Path(temporary) / name, config, weights)
            tokens = tokenizer(library, folder, config["model_cfg"], FEW_MERGES)(tiny.TEXTS)
            side = config["model_cfg"]["vision_cfg"]["image_size"]
            images, texts = vectors(model, tiny.pixels(side), tokens)
            reference[name] = {
                "names": tiny.digest_of_names(shapes),
                "images": np.round(images, 8).tolist(),
                "texts": np.round(texts, 8).tolist(),
            }
    lines = [f"{json.dumps(name)}: {json.dumps(values)}" for name, values in reference.items()]
    tiny.REFERENCE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def tiny_model(library: Any, timm: Any, config: dict[str, Any]) -> Any:
    """open_clip's model of a configuration. A tower of another library is made anew with fewer layers and values."""
    config = json.loads(json.dumps(config))
    vision, text = config["vision_cfg"], config["text_cfg"]
    name, text_name = vision.pop("timm_model_name", None), text.pop("hf_model_name", None)
    projection = text.pop("hf_proj_type", "mlp")
    is_custom = config.pop("custom_text", False) or text_name
    text.pop("hf_tokenizer_name", None)
    model = (library.model.CustomTextCLIP if is_custom else library.model.CLIP)(**config)
    if name:
        layers, heads, width, mlp_width = tiny.TINY_SIGLIP
        with torch.device("meta"):
            original = timm.create_model(name, num_classes=0, global_pool="map")
        trunk = timm.models.vision_transformer.VisionTransformer(
            img_size=vision["image_size"],
            patch_size=int(name.split("patch")[1][:2]),
            embed_dim=width,
            depth=layers,
            num_heads=heads,
            mlp_ratio=mlp_width / width,
            class_token=False,
            global_pool="map",
            act_layer=type(original.blocks[0].mlp.act),
            num_classes=0,
        )
        model.visual = torch.nn.Sequential(OrderedDict(trunk=trunk))
    if text_name:
        model.text = tiny_roberta(library, config["embed_dim"], projection)
    return model.eval()


def tiny_roberta(library: Any, dim: int, projection: str) -> Any:
    """open_clip's text tower around an XLM-RoBERTa."""
    import transformers

    sizes = tiny.TINY_ROBERTA
    config = transformers.XLMRobertaConfig(
        vocab_size=sizes["vocab_size"],
        hidden_size=sizes["width"],
        num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"],
        intermediate_size=4 * sizes["width"],
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=1,
        layer_norm_eps=_ROBERTA_EPSILON,
    )
    tower = library.hf_model.HFTextEncoder("", dim, config, "mean_pooler", projection)
    tower.transformer = transformers.XLMRobertaModel(config, add_pooling_layer=False)
    return tower


def tokenizer(library: Any, folder: Path, config: dict[str, Any], merges: list[str] | None = None) -> Any:
    """open_clip's tokenizer for a folder; its own one with these merges, if the configuration names none."""
    if merges is None or config["text_cfg"].get("hf_tokenizer_name"):
        return library.get_tokenizer(f"local-dir:{folder}")
    with tempfile.NamedTemporaryFile(suffix=".gz") as file:
        Path(file.name).write_bytes(gzip.compress("\n".join(["", *merges]).encode()))
        return library.tokenizer.SimpleTokenizer(file.name, context_length=config["text_cfg"]["context_length"])


@torch.inference_mode()
def vectors(model: Any, pixels: np.ndarray, tokens: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of pictures and texts."""
    images = model.encode_image(torch.from_numpy(pixels), normalize=True)
    return images.numpy(), model.encode_text(tokens, normalize=True).numpy()


def compare(library: Any, name: str, most_layers: int | None) -> int:
    """Compare one model of open_clip's registry. Returns the exit status."""
    config = library.get_model_config(name)
    for tower in ("vision_cfg", "text_cfg"):
        if most_layers and isinstance(config[tower].get("layers"), int):
            config[tower]["layers"] = min(config[tower]["layers"], most_layers)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        model = real_model(library, config, folder)
        start = time.perf_counter()
        encoder = load_encoder(folder)
        foreign = Checkpoint(folder).plan.foreign
        side = encoder.spec.pixels.output_size[0]
        tokens = library.get_tokenizer(f"local-dir:{folder}")(_TEXTS)
        images, texts = vectors(model, tiny.pixels(side), tokens)
        our_images, our_texts = encoder.encode_pixels(tiny.pixels(side)), encoder.encode_texts(_TEXTS)
        scale, bias = model.logit_scale.exp().item(), model.logit_bias.item() if model.logit_bias is not None else 0.0
        logits = scale * images @ texts.T + bias
        our_logits = encoder.spec.logit_scale * our_images @ our_texts.T + encoder.spec.logit_bias
        seconds = time.perf_counter() - start
    differences = [float(abs(a - b).max()) for a, b in ((our_images, images), (our_texts, texts), (our_logits, logits))]
    how = f"open_clip computes the {' and '.join(sorted(foreign))}" if foreign else "own towers"
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    print(
        f"{name:28} {millions:7.1f} M  image {differences[0]:.1e}  text {differences[1]:.1e}  logit {differences[2]:.1e}  "
        f"{seconds:5.1f} s  {how}",
        flush=True,
    )
    return int(max(differences[:2]) > _WORST_EMBEDDING or differences[2] > _WORST_LOGIT)


def real_model(library: Any, config: dict[str, Any], folder: Path) -> Any:
    """A model with random weights, saved in a folder as in a repository on the hub."""
    folder.mkdir()
    preprocessing = {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocessing}))
    if config["text_cfg"].get("hf_tokenizer_name"):
        tiny.save_words(folder)
    else:
        data = gzip.decompress(Path(library.tokenizer.default_bpe()).read_bytes()).decode().split("\n")[1:48895]
        for file in save_vocabulary(folder / "vocabulary", data).iterdir():
            file.rename(folder / file.name)
    torch.manual_seed(0)
    model = registry_model(library, config)
    with torch.no_grad():
        for parameter in model.parameters():  # biases and class tokens begin at zero
            parameter.add_(_NOISE * torch.randn_like(parameter))
    model.logit_scale.data.fill_(4.6)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return model


def registry_model(library: Any, config: dict[str, Any]) -> Any:
    """A model as `open_clip.create_model` makes it, without asking the hub for the configuration of a text tower."""
    config = json.loads(json.dumps(config))
    text_name, is_custom = config["text_cfg"].get("hf_model_name"), config.pop("custom_text", False)
    if "multimodal_cfg" in config:
        return library.coca_model.CoCa(**config).eval()
    if not text_name:
        return (library.model.CustomTextCLIP if is_custom else library.model.CLIP)(**config).eval()
    import transformers

    text = {**config["text_cfg"], "hf_model_name": None}
    model = library.model.CustomTextCLIP(**{**config, "text_cfg": text})
    sizes = transformers.XLMRobertaConfig(
        vocab_size=250002,
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=1,
        layer_norm_eps=_ROBERTA_EPSILON,
    )
    projection = config["text_cfg"].get("hf_proj_type", "mlp")
    tower = library.hf_model.HFTextEncoder("", config["embed_dim"], sizes, "mean_pooler", projection)
    tower.transformer = transformers.XLMRobertaModel(sizes, add_pooling_layer=False)
    model.text = tower
    return model.eval()


if __name__ == "__main__":
    sys.exit(main())
