"""SigLIP 2's tokenizer from tables gives the tokens and pieces of the tokenizers library. Texts it cannot know go there."""

import json
import unicodedata

import pytest

from clipsearch.encoders.tokenizers import open_tokenizer
from clipsearch.errors import ModelError
from tests.encoders.support import change_json
from tests.encoders.tokenizers.support import AnyShape, opened, varied_texts
from tests.lazy import LazyModule

transformers = LazyModule("transformers")

LANGUAGES = [
    "a dog on a beach",
    "Zwei Hündinnen am Strand",
    "собака на пляже",
    "σκύλος στην παραλία",
    "كلب على الشاطئ",
    "כלב על החוף",
    "समुद्र तट पर कुत्ता",
    "สุนัขบนชายหาด",
    "狗在海滩上",
    "ビーチの犬",
    "해변의 개",
    "İstanbul'da bir köpek 🐶🪿",
]


def test_texts_of_every_kind_have_the_tokens_and_pieces_of_the_library(gemma, table):
    compact, library = opened(gemma)
    texts = [*LANGUAGES, *varied_texts(3000)]
    left = 0
    for text, ids in zip(texts, library.encode(texts), strict=True):
        own = compact.encode(text)
        left += own is None
        assert own in (None, ids), text
        assert compact.pieces(text) in (None, library.pieces(text)), text
    assert left < len(texts) / 3


@pytest.mark.parametrize("text", LANGUAGES)
def test_no_language_waits_for_the_library(gemma, table, text):
    tokenizer = open_tokenizer(gemma, AnyShape())
    assert tokenizer.encode([text]) and tokenizer.pieces(text)
    assert not tokenizer._library.is_loaded


def test_a_character_without_a_meaning_yet_is_left_to_the_library(gemma, table):
    unassigned = next(chr(point) for point in range(0x10800, 0x11000) if unicodedata.category(chr(point)) == "Cn")
    compact, library = opened(gemma)
    assert compact.encode(f"a {unassigned}") is None and compact.pieces(unassigned) is None
    assert open_tokenizer(gemma, AnyShape()).encode([f"A {unassigned}"]) == library.encode([f"A {unassigned}"])


def test_texts_are_lower_cased_and_have_the_end_token_only(gemma, table):
    tokenizer = open_tokenizer(gemma, AnyShape())
    upper, lower = tokenizer.encode(["A DOG ON THE BEACH", "a dog on the beach"])
    assert upper == lower
    assert lower[-1] == 1 and 2 not in lower
    assert tokenizer.padding == 0


def test_special_tokens_in_a_text_are_found_before_it_is_lower_cased(gemma, table):
    tokenizer = open_tokenizer(gemma, AnyShape())
    small, large, cut = tokenizer.encode(["<eos>", "<EOS>", "<eos"])
    assert small == [1, 1]
    assert large[0] != 1 and cut[0] != 1


def test_many_or_long_texts_are_the_librarys(gemma, table):
    tokenizer = open_tokenizer(gemma, AnyShape())
    many = ["a dog"] * 5000
    assert tokenizer.encode(many) == tokenizer.encode(["a dog"]) * 5000
    assert tokenizer._library.is_loaded


def test_tokens_are_those_of_transformers(gemma, table):
    reference = transformers.Siglip2Tokenizer.from_pretrained(gemma)
    texts = [*LANGUAGES, "", " a  b ", "<eos>a<EOS>"]
    assert open_tokenizer(gemma, AnyShape()).encode(texts) == reference(texts, truncation=False)["input_ids"]


@pytest.mark.parametrize(("start", "end"), [(True, False), (True, True), (False, False), (None, True)])
def test_the_configuration_overrules_the_special_tokens_of_the_tokenizer(gemma, start, end):
    change_json(gemma / "tokenizer_config.json", lambda values: values.update(add_bos_token=start, add_eos_token=end))
    compact, library = opened(gemma)
    ids = compact.encode("a dog")
    assert library.encode(["a dog"]) == [ids]
    assert (ids[0] == 2, ids[-1] == 1) == (bool(start), end)


def test_without_a_configuration_the_tokenizer_tells_its_special_tokens(gemma):
    (gemma / "tokenizer_config.json").unlink()
    compact, library = opened(gemma)
    assert library.encode(["a dog"]) == [compact.encode("a dog")]
    assert compact.encode("a dog")[-1] == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda tokenizer: tokenizer["model"].update(dropout=0.1),
        lambda tokenizer: tokenizer["model"].update(ignore_merges=True),
        lambda tokenizer: tokenizer["model"].update(end_of_word_suffix="</w>"),
        lambda tokenizer: tokenizer["model"]["vocab"].pop("<0xE2>"),
        lambda tokenizer: tokenizer["model"]["merges"].append(tokenizer["model"]["merges"][0]),
        lambda tokenizer: tokenizer.update(normalizer=None),
        lambda tokenizer: tokenizer.update(normalizer={"type": "NFKC"}),
        lambda tokenizer: tokenizer.update(pre_tokenizer={"type": "Whitespace"}),
        lambda tokenizer: tokenizer["added_tokens"][10].update(lstrip=True),
        lambda tokenizer: tokenizer["added_tokens"][10].update(normalized=True),
        lambda tokenizer: tokenizer["added_tokens"][10].update(content="dog days", id=2500),
        lambda tokenizer: tokenizer["added_tokens"].append(tokenizer["added_tokens"][0]),
    ],
)
def test_a_tokenizer_that_does_other_things_is_left_to_the_library(gemma, change):
    change_json(gemma / "tokenizer.json", change)
    compact, library = opened(gemma)
    assert compact is None
    texts = ["A dog", "犬", " x "]
    assert open_tokenizer(gemma, AnyShape()).encode(texts) == library.encode(texts)


@pytest.mark.parametrize(
    "normalizer",
    [
        {
            "type": "Sequence",
            "normalizers": [{"type": "Lowercase"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}],
        },
        {"type": "Sequence", "normalizers": [{"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
    ],
)
def test_a_tokenizer_that_says_that_it_lower_cases_works_as_well(gemma, normalizer):
    change_json(gemma / "tokenizer.json", lambda values: values.update(normalizer=normalizer))
    compact, library = opened(gemma)
    assert library.encode(["A DOG ΟΔΟΣ"]) == [compact.encode("A DOG ΟΔΟΣ")] == [compact.encode("a dog οδοσ")]


@pytest.mark.parametrize("merge", [["a", "nowhere"], ["a"], "a", "a b c", 5, None, [1, 2]])
def test_merges_that_make_no_sense_are_refused_by_the_library(gemma, merge):
    change_json(gemma / "tokenizer.json", lambda values: values["model"]["merges"].append(merge))
    with pytest.raises(ModelError, match="cannot load its tokenizer"):
        open_tokenizer(gemma, AnyShape()).encode(["a dog"])


@pytest.mark.parametrize("number", [-1, 2**40, 1.5, "1", None, True])
def test_ids_that_make_no_sense_are_refused(gemma, number):
    change_json(gemma / "tokenizer.json", lambda values: values["model"]["vocab"].update(dog=number))
    with pytest.raises(ModelError, match="tokenizer"):
        open_tokenizer(gemma, AnyShape()).encode(["a dog"])


def test_a_tokenizer_without_its_merges_is_an_error(gemma):
    change_json(gemma / "tokenizer.json", lambda values: values["model"].update(merges=[]))
    with pytest.raises(ModelError, match=r"tokens and only 0 merges, so it is incomplete"):
        open_tokenizer(gemma, AnyShape()).encode(["a dog"])


def test_older_files_write_a_merge_as_one_text(gemma, table):
    expected = opened(gemma)[0].encode("a dog on the beach")
    values = json.loads((gemma / "tokenizer.json").read_text("utf-8"))
    values["model"]["merges"] = [" ".join(merge) for merge in values["model"]["merges"]]
    (gemma / "tokenizer.json").write_text(json.dumps(values))
    compact, library = opened(gemma)
    assert compact.encode("a dog on the beach") == expected == library.encode(["a dog on the beach"])[0]
