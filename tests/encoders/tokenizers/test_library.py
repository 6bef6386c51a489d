"""All other tokenizers are the library's, read from the same files as transformers reads."""

import json

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from clipsearch.encoders.mini.encoder import FOLDER
from clipsearch.encoders.tokenizers import has_tokenizer, open_tokenizer
from clipsearch.encoders.tokenizers.clip import tokenizer_of_vocabulary
from clipsearch.encoders.tokenizers.library import LibraryTokenizer, tokenizer_of_words
from clipsearch.encoders.unread import TextPiece
from clipsearch.errors import ModelError
from tests.encoders.tokenizers.support import AnyShape
from tests.encoders.tokenizers.test_clip import FEW_MERGES, save
from tests.lazy import LazyModule

transformers = LazyModule("transformers")

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "a",
    "dog",
    "##s",
    "on",
    "the",
    "beach",
    "狗",
    "海",
    "滩",
    "Dog",
    "e",
]


@pytest.mark.parametrize("options", [{}, {"do_lower_case": False}, {"strip_accents": False}])
def test_berts_words_are_read_as_transformers_reads_them(tmp_path, options):
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "pad_token": "[PAD]", **options})
    )
    tokenizer = open_tokenizer(tmp_path, AnyShape())
    reference = transformers.BertTokenizer.from_pretrained(tmp_path)
    texts = ["A Dog on the beach", "dogs", "狗在海滩上", "é [SEP] x", ""]
    assert tokenizer.encode(texts) == reference(texts)["input_ids"]
    assert tokenizer.padding == 0


def test_an_unread_character_is_an_unknown_piece(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS), "utf-8")
    pieces = open_tokenizer(tmp_path, AnyShape()).pieces("狗在")
    assert pieces == [TextPiece(0, 1, False), TextPiece(1, 2, True)]


def sentencepieces():
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), ("</s>", 0.0), ("▁", -3.0), ("▁a", -1.0), ("dog", -2.0)], 0))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", 1)])
    return tokenizer


def test_sentencepieces_unknown_pieces_and_word_starts(tmp_path):
    tokenizer = sentencepieces()
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=9)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    opened = open_tokenizer(tmp_path, AnyShape())
    assert opened.encode(["a dog dog dog", "a"]) == [[3, 2, 4, 2, 4, 2, 4, 1], [3, 1]]
    assert opened.pieces("dog犬") == [TextPiece(0, 3, False), TextPiece(3, 4, True)]
    with pytest.raises(ModelError, match="names no token for padding"):
        _ = opened.padding


def test_the_embedded_models_tokenizer(tmp_path):
    tokenizer = open_tokenizer(FOLDER, AnyShape())
    library = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    library.no_truncation()
    library.no_padding()
    texts = ["a dog on a beach", "café 犬", "word " * 300]
    assert tokenizer.encode(texts) == [library.encode(text).ids for text in texts]


def test_files_that_can_be_read(tmp_path):
    assert not has_tokenizer(tmp_path)
    (tmp_path / "sentencepiece.bpe.model").touch()
    (tmp_path / "merges.txt").touch()
    assert not has_tokenizer(tmp_path)
    with pytest.raises(ModelError, match="no tokenizer that can be read"):
        open_tokenizer(tmp_path, AnyShape()).encode(["a"])
    (tmp_path / "vocab.json").touch()
    assert has_tokenizer(tmp_path)


@pytest.mark.parametrize("kind", ["SigLIP 2", "CLIP", "BERT", "SentencePiece"])
def test_a_text_that_the_library_cuts_keeps_its_first_tokens_and_the_last_one(kind, tmp_path, saved_gemma):
    """So the caller can cut the tokens itself."""
    if kind == "SigLIP 2":
        library = LibraryTokenizer(saved_gemma, AnyShape()).library_tokenizer
    elif kind == "CLIP":
        library = tokenizer_of_vocabulary(save(tmp_path / "model", FEW_MERGES))
    elif kind == "BERT":
        (tmp_path / "vocab.txt").write_text("\n".join(WORDS), "utf-8")
        library = tokenizer_of_words(tmp_path)
    else:
        library = sentencepieces()
    library.no_truncation()
    ids = library.encode("a dog on the beach " * 9).ids
    library.enable_truncation(8)
    assert library.encode("a dog on the beach " * 9).ids == [*ids[:7], ids[-1]]
