"""Plain texts get the same tokens as from the tokenizers library, for both file forms. Other texts go to the library."""

import gzip
import json
import string
from random import Random

import pytest

from clipsearch.encoders.tokenizers import open_tokenizer
from clipsearch.encoders.tokenizers.clip import END, START, tokenizer_of_vocabulary
from clipsearch.errors import ModelError
from tests.conftest import shared
from tests.encoders.tokenizers.support import AnyShape, opened, opened_with_cache

FEW_MERGES = [
    "t h",
    "th e</w>",
    "a n",
    "an d</w>",
    "o g</w>",
    "d og</w>",
    "! !</w>",
    "' s</w>",
    "l l",
    "ll l",
    "a a",
    "aa a</w>",
]
STANDING_FOR_BYTES = [*map(chr, range(33, 127)), *map(chr, range(161, 173)), *map(chr, range(174, 324))]


def save(folder, merges):
    folder.mkdir()
    letters = [*STANDING_FOR_BYTES, *(f"{letter}</w>" for letter in STANDING_FOR_BYTES)]
    tokens = [*letters, *(merge.replace(" ", "") for merge in merges), START, END]
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", "utf-8")
    return folder


@pytest.fixture(scope="module", params=["few merges", "CLIP's"])
def vocabulary(request, tmp_path_factory):
    """A folder with vocab.json and merges.txt."""
    merges = FEW_MERGES
    if request.param == "CLIP's":
        file = shared("data/clip_tokenizer/bpe_simple_vocab_16e6.txt.gz")
        merges = gzip.decompress(file.read_bytes()).decode().split("\n")[1:48895]
    return save(tmp_path_factory.mktemp("vocabulary") / "model", merges)


@pytest.fixture(scope="module", params=["vocab.json and merges.txt", "tokenizer.json"])
def tokenizers(request, vocabulary, tmp_path_factory):
    """The compact form of a tokenizer, of either form of the files, and the library's."""
    folder = vocabulary
    if request.param == "tokenizer.json":
        folder = tmp_path_factory.mktemp("json")
        tokenizer_of_vocabulary(vocabulary).save(str(folder / "tokenizer.json"))
    return opened_with_cache(folder, tmp_path_factory.mktemp("cache"))


def texts():
    chance = Random(3)
    signs = string.ascii_letters + string.digits + string.punctuation + " " * 9
    yield from (
        "a dog on a beach",
        "The dog's 12 llamas aren't THERE!!",
        "",
        "  two   spaces ",
        "x",
        "'",
        "''s",
        "a_b-c",
        "l'll",
    )
    yield "and the dog " * 40
    yield from ("".join(chance.choices(signs, k=chance.randint(1, 40))) for _ in range(400))
    yield from (
        " ".join(chance.choices(["the", "THEN", "dogs", "and", "sand", "123", "isn't", "'s"], k=6)) for _ in range(100)
    )


def plain(folder, text):
    """The ids that the compact form gives, or None if it leaves the text to the library."""
    compact, _ = opened(folder)
    return compact and compact.encode(text)


def test_plain_texts_have_the_tokens_of_the_library(tokenizers):
    compact, library = tokenizers
    plain_texts = [*texts(), "a" * 5000, "the" * 2000, "!" * 999]
    for text, ids in zip(plain_texts, library.encode(plain_texts), strict=True):
        assert compact.encode(text) == (None if "<|" in text else ids), text


@pytest.mark.parametrize("text", ["café", "犬", "a\tb", "a\nb", f"a {END} b", "İstanbul", "a\x00b", "\u212a"])
def test_other_texts_are_left_to_the_library(tokenizers, text):
    compact, _ = tokenizers
    assert compact.encode(text) is None


def test_texts_that_are_not_plain_have_the_tokens_of_the_library(tmp_path):
    folder = save(tmp_path / "model", FEW_MERGES)
    for number in range(2):  # the first time, the library is loaded to compare the tables with it
        tokenizer, mixed = open_tokenizer(folder, AnyShape()), ["the dog", "the café", "a\nb"]
        assert tokenizer.encode(mixed) == [tokenizer_of_vocabulary(folder).encode(text).ids for text in mixed], number


@pytest.mark.parametrize(
    "change",
    [
        lambda tokenizer: tokenizer["model"].update(dropout=0.1),
        lambda tokenizer: tokenizer["normalizer"]["normalizers"].pop(),
        lambda tokenizer: tokenizer["pre_tokenizer"]["pretokenizers"].pop(),
        lambda tokenizer: tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"].update(Regex="."),
        lambda tokenizer: tokenizer.update(post_processor=None),
        lambda tokenizer: tokenizer["post_processor"]["cls"].__setitem__(1, 0),
        lambda tokenizer: tokenizer["added_tokens"].append({"content": "dog"}),
        lambda tokenizer: tokenizer["model"].update(end_of_word_suffix=""),
        lambda tokenizer: tokenizer["model"]["merges"].append(["t", "q"]),
        lambda tokenizer: tokenizer["model"]["merges"].append(tokenizer["model"]["merges"][0]),
        lambda tokenizer: tokenizer["model"]["vocab"].update(dog="1"),
        lambda tokenizer: tokenizer.pop("model"),
    ],
)
def test_a_tokenizer_that_does_other_things_is_not_taken_for_clips(tmp_path, change):
    vocabulary = save(tmp_path / "model", FEW_MERGES)
    tokenizer = json.loads(tokenizer_of_vocabulary(vocabulary).to_str())
    (vocabulary / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert plain(vocabulary, "the dog")
    change(tokenizer)
    (vocabulary / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert plain(vocabulary, "the dog") is None


def test_files_that_are_broken_or_missing_are_left_to_the_library(tmp_path):
    for text in ("", "{", "[]", "null", '{"model": 1}', '"BPE"', '{"model": "BPE"}', '["BPE", ' + "[" * 100_000):
        (tmp_path / "tokenizer.json").write_text(text)
        assert plain(tmp_path, "a dog") is None
        with pytest.raises(ModelError, match="cannot load its tokenizer"):
            open_tokenizer(tmp_path, AnyShape()).encode(["a dog"])
    assert plain(tmp_path / "nowhere", "a dog") is None
    with pytest.raises(ModelError, match="no tokenizer that can be read"):
        open_tokenizer(tmp_path / "nowhere", AnyShape()).encode(["a dog"])
