"""The tokenizer's pieces show which words a model cannot read."""

import gzip

import pytest

from clipsearch.encoders.mini.encoder import MiniEncoder
from clipsearch.encoders.tokenizers.clip import tokenizer_of_vocabulary
from clipsearch.encoders.unread import TextPiece, text_pieces, unread_words
from tests.conftest import shared
from tests.encoders.tokenizers.test_clip import save

RUSSIAN, CHINESE, THAI = "собака на пляже", "狗在海滩上", "สุนัขบนชายหาด"
READ = [
    "a dog on a beach",
    "“a dog” — on a beach…",
    "dog\u2019s ball, 20 °C, ½ cup, x² ≥ 5 €",
    "café jalapeño naïve smörgåsbord",
    "ein Hund über grünem Gras",
]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A function that splits a text into CLIP's pieces: bytes, and letters that were frequent in its training."""
    file = shared("data/clip_tokenizer/bpe_simple_vocab_16e6.txt.gz")
    merges = gzip.decompress(file.read_bytes()).decode().split("\n")[1:48895]
    tokenizer = tokenizer_of_vocabulary(save(tmp_path_factory.mktemp("clip") / "model", merges))

    def pieces(text):
        offsets = tokenizer.encode(text, add_special_tokens=False).offsets
        return text_pieces(offsets, [False] * len(offsets))

    return pieces


@pytest.fixture(scope="module")
def mini():
    return MiniEncoder().text_pieces


@pytest.mark.parametrize("text", READ)
def test_accents_quotes_and_signs_are_read(clip, mini, text):
    assert unread_words(text, clip, is_english=False) == []
    assert unread_words(text, mini, is_english=True) == []


@pytest.mark.parametrize(
    "text", [RUSSIAN, CHINESE, THAI, "σκύλος στην παραλία", "כלב על החוף", "كلب على الشاطئ", "해변의 개", "мама"]
)
def test_other_alphabets_are_not_read_by_clip_and_mini(clip, mini, text):
    for pieces, is_english in ((clip, False), (mini, True)):
        assert unread_words(text, pieces, is_english=is_english) == text.split()


def test_emoji_are_read_by_a_model_whose_vocabulary_has_them(clip, mini):
    text = "a dog 🐶 on a beach 🏖️"
    assert unread_words(text, clip, is_english=False) == ["🏖️"]
    assert unread_words(text, mini, is_english=True) == ["🐶", "🏖️"]


def test_words_of_a_text_that_are_read_are_not_named(clip):
    assert unread_words(f"a dog, {RUSSIAN.split()[0]} and a café", clip, is_english=False) == ["собака"]


def test_an_alphabet_of_which_some_words_are_unread_is_unread(mini):
    """A tokenizer may have every letter of a short word, but not the whole alphabet."""
    assert unread_words("на", mini, is_english=False) == []
    assert unread_words("на пляже", mini, is_english=False) == ["на", "пляже"]


def test_a_chinese_model_reads_characters_one_by_one():
    one_by_one = [TextPiece(place, place + 1, False) for place in range(len(CHINESE))]
    assert unread_words(CHINESE, lambda word: one_by_one, is_english=False) == []
    spelled = [TextPiece(place, place + 1, False) for place in range(6)]
    assert unread_words("собака", lambda word: spelled, is_english=False) == ["собака"]


def test_a_model_that_does_not_tell_reads_all():
    assert unread_words(RUSSIAN, lambda word: [], is_english=False) == []


def test_tokens_that_share_a_character_are_parts_of_it():
    pieces = text_pieces([(0, 1), (0, 1), (1, 3), (3, 3), (2, 4)], [False] * 5)
    assert [(piece.start, piece.end, piece.is_unknown) for piece in pieces] == [
        (0, 1, True),
        (0, 1, True),
        (1, 3, True),
        (2, 4, True),
    ]
