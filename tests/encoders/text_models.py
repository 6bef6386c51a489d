"""A small text model in the layout of sentence-transformers, and a table that knows it."""

import json

from clipsearch._internal.checksums import file_sha256
from clipsearch.encoders import text_models
from tests.lazy import LazyModule

safetensors, torch, transformers = LazyModule("safetensors.torch"), LazyModule("torch"), LazyModule("transformers")

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
GERMAN_AND_ENGLISH = ["a", "Hund", "hund", "am", "Strand", "dog", "on", "the", "beach", "##e", "##s"]
WORDS = [*SPECIAL, *GERMAN_AND_ENGLISH, "狗", "собака", "на", "!", ","]
DIM, WIDTH = 24, 32  # DIM is that of the small CLIP checkpoint


def save_text_model(folder, *, transformer="", bias=False, dim=DIM):
    """Save a small DistilBERT with a linear layer, both with random but fixed weights. `transformer` is its subfolder."""
    torch.manual_seed(1)
    parts = [(transformer, "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense")]
    for name, _ in parts:
        (folder / name).mkdir(parents=True, exist_ok=True)
    config = transformers.DistilBertConfig(
        vocab_size=len(WORDS), dim=WIDTH, hidden_dim=64, n_layers=2, n_heads=2, max_position_embeddings=40
    )
    transformers.DistilBertModel(config).save_pretrained(folder / transformer)
    (folder / transformer / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    _write(folder / transformer / "tokenizer_config.json", {"do_lower_case": False, "pad_token": "[PAD]"})
    _write(folder / transformer / "sentence_bert_config.json", {"max_seq_length": 16, "do_lower_case": False})
    modules = [
        {"idx": number, "name": str(number), "path": name, "type": f"sentence_transformers.models.{kind}"}
        for number, (name, kind) in enumerate(parts)
    ]
    _write(folder / "modules.json", modules)
    _write(folder / "1_Pooling" / "config.json", {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False})
    identity = "torch.nn.modules.linear.Identity"
    dense = {"in_features": WIDTH, "out_features": dim, "bias": bias, "activation_function": identity}
    _write(folder / "2_Dense" / "config.json", dense)
    layer = torch.nn.Linear(WIDTH, dim, bias=bias)
    tensors = {f"linear.{name}": value.detach() for name, value in layer.named_parameters()}
    safetensors.save_file(tensors, folder / "2_Dense" / "model.safetensors")
    return folder


def make_known(monkeypatch, text_model, image_models, *, name="team/texts"):
    """Put a text model into the table, under a hub id. Its pictures are those of `image_models`: hub ids, or folders."""
    entry = text_models.TextModelEntry(
        model=name,
        revision="0" * 40,
        dense_file="2_Dense/model.safetensors",
        dense_sha256=file_sha256(text_model / "2_Dense" / "model.safetensors"),
        image_models={
            str(model): frozenset({file_sha256(model / "model.safetensors")} if hasattr(model, "joinpath") else ())
            for model in image_models
        },
        languages=50,
        licence="MIT",
    )
    monkeypatch.setattr(text_models, "TEXT_MODELS", (entry,))
    return entry


def reference_vectors(folder, texts, *, transformer=""):
    """Raw vectors by transformers and torch alone: each text by itself, cut to 16 tokens."""
    model = transformers.DistilBertModel.from_pretrained(folder / transformer).eval()
    tokenizer = transformers.BertTokenizer.from_pretrained(folder / transformer)
    dense = safetensors.load_file(folder / "2_Dense" / "model.safetensors")
    rows = []
    with torch.inference_mode():
        for text in texts:
            inputs = tokenizer(text, truncation=True, max_length=16, return_tensors="pt")
            mean = model(input_ids=inputs["input_ids"]).last_hidden_state.mean(dim=1)
            rows.append(torch.nn.functional.linear(mean, dense["linear.weight"], dense.get("linear.bias")))
    return torch.cat(rows).numpy()


def _write(path, values):
    path.write_text(json.dumps(values))
