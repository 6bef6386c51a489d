"""The first SigLIP's tokenizer is transformers.SiglipTokenizer, and its models run without torch."""

import io
import sys
import warnings

import numpy as np
import pytest

from clipsearch import load_encoder
from clipsearch.encoders.checkpoint import Checkpoint
from clipsearch.encoders.local_encoder import LocalEncoder
from clipsearch.encoders.prompts import query_bank
from clipsearch.encoders.tokenizers import open_tokenizer
from clipsearch.encoders.unread import unread_words
from clipsearch.errors import ModelError
from tests.encoders.support import IDS, SMALL, change_json
from tests.encoders.tokenizers.support import AnyShape, varied_texts
from tests.lazy import LazyModule

sentencepiece = pytest.importorskip("sentencepiece", reason="needs sentencepiece: pip install 'clipsearch[siglip]'")
torch, transformers = LazyModule("torch"), LazyModule("transformers")
torch_encoder = LazyModule("clipsearch.encoders.torch_encoder")

AWKWARD = [
    "A Dog's RED-and_blue (ball)!",
    "a </s> dog",
    "</s>dog",
    "dog </s>",
    "</s></s>",
    "<unk>",
    "a<unk> b",
    "\u2581",
    "x \u2581</s>",
    "!!!",
    "",
    " a\t\n b ",
    "İSTANBUL ΟΔΟΣ",
    "犬 🐕",
]


@pytest.fixture(scope="module")
def spiece():
    """A vocabulary of English words, with special tokens as SigLIP's has them."""
    data = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(query_bank()),
        model_writer=data,
        vocab_size=400,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    return data.getvalue()


@pytest.fixture
def folder(spiece, tmp_path):
    (tmp_path / "spiece.model").write_bytes(spiece)
    transformers.SiglipTokenizer(str(tmp_path / "spiece.model")).save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize("lower", [True, False])
def test_it_is_transformers_tokenizer(folder, lower):
    change_json(folder / "tokenizer_config.json", lambda values: values.update(do_lower_case=lower))
    texts = [*AWKWARD, *query_bank(), *varied_texts(1000, seed=4)]
    ours, reference = open_tokenizer(folder, AnyShape()), transformers.SiglipTokenizer.from_pretrained(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a text that ends with </s>
        expected = [reference(text, verbose=False)["input_ids"] for text in texts]
    assert ours.encode(texts) == expected
    assert ours.padding == reference.pad_token_id == 1


def test_words_that_it_cannot_read(folder):
    pieces = open_tokenizer(folder, AnyShape()).pieces
    assert unread_words("A dog, собака! in Café 🐕", pieces, is_english=False) == ["собака!", "Café", "🐕"]
    assert "".join("A dog's"[piece.start : piece.end] for piece in pieces("A dog's")) == "Adogs"


def test_a_model_runs_without_torch_as_with_it(folder):
    (folder / "tokenizer_config.json").unlink()
    tokens = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spiece.model")).get_piece_size()
    torch.manual_seed(0)
    config = transformers.SiglipConfig(
        text_config={**SMALL, **IDS, "vocab_size": tokens, "projection_size": 32},
        vision_config={**SMALL, "image_size": 64, "patch_size": 16},
    )
    transformers.SiglipModel(config).save_pretrained(folder)
    transformers.SiglipImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)
    transformers.SiglipTokenizer(str(folder / "spiece.model")).save_pretrained(folder)
    encoder, reference = load_encoder(folder), torch_encoder.TorchEncoder(Checkpoint(folder))
    assert isinstance(encoder, LocalEncoder)
    texts = ["A dog on a beach!", "two people", "犬"]
    np.testing.assert_allclose(encoder.encode_texts(texts), reference.encode_texts(texts), atol=1e-5)


def test_without_sentencepiece_a_message_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(ModelError, match=r"pip install 'clipsearch\[siglip\]'"):
        open_tokenizer(folder, AnyShape()).encode(["a"])


@pytest.mark.parametrize("damage", [b"", b"\xff" * 100])
def test_a_damaged_file_is_a_clear_error(folder, spiece, damage):
    (folder / "spiece.model").write_bytes(damage)
    with pytest.raises(ModelError, match="fetch the checkpoint again"):
        open_tokenizer(folder, AnyShape()).encode(["a"])


def test_a_huge_file_is_refused(folder):
    with (folder / "spiece.model").open("r+b") as stream:
        stream.truncate(200_000_000)
    with pytest.raises(ModelError, match=r"spiece\.model cannot be read: it is larger"):
        open_tokenizer(folder, AnyShape()).encode(["a"])
