"""XLM-R's and BERT's tokenizers from tables: the tokens and pieces are the library's."""

import json

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from clipsearch.encoders.prompts import query_bank
from clipsearch.encoders.tokenizers import open_tokenizer
from clipsearch.encoders.tokenizers.library import LibraryTokenizer
from clipsearch.encoders.tokenizers.word_pieces import PieceTokenizer
from tests.encoders.support import change_json
from tests.encoders.tokenizers.support import AnyShape, opened, varied_texts

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SENTENCES = [
    *query_bank(),
    "Zwei Hündinnen im Grünen; œuvre, naïve façade",
    "собака на пляже и ребёнок ест мороженое",
    "σκύλος στην παραλία, ΟΔΟΣ ΣΑΣ",
    "كلب على الشاطئ כלב על החוף",
    "狗在海滩上\uff0cビーチの犬。해변의 개",
    "สุนัขบนชายหาด कुत्ता समुद्र तट पर",
]


def save_unigram(folder, normalizer=None, pre_tokenizer=None):
    """Save a small tokenizer that works as XLM-R's does."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizer or normalizers.NFKC()
    metaspace = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
    tokenizer.pre_tokenizer = pre_tokenizer or pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace])
    trainer = trainers.UnigramTrainer(
        vocab_size=900, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False, max_piece_length=12
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", None, [("<s>", 0), ("</s>", 2)])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def save_bert(folder, **options):
    """Save a vocabulary of words, parts of words and characters, as BERT has it."""
    words = dict.fromkeys(BERT)
    for word in " ".join(SENTENCES).split():
        for form in (word, word.lower()):
            words |= dict.fromkeys(
                [form[:4], f"##{form[4:]}" if form[4:] else form, *form, *(f"##{c}" for c in form[1:])]
            )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": "[PAD]", **options}))
    return folder


@pytest.fixture(scope="module")
def unigram(tmp_path_factory):
    return save_unigram(tmp_path_factory.mktemp("unigram"))


def assert_same(folder, least):
    """The compact form gives the library's tokens and pieces, and leaves few of the usual texts to it."""
    compact, library = opened(folder)
    assert isinstance(compact, PieceTokenizer)
    texts = [*SENTENCES, *varied_texts(1500, seed=6), "a<s>b", "[SEP] a", "a  b", " a", "x" * 300, "dogs犬犬犬"]
    encoded = [compact.encode(text) for text in texts]
    for text, ids, expected in zip(texts, encoded, library.encode(texts), strict=True):
        assert ids in (None, expected), text
    words = sorted({word for text in texts for word in text.split()})
    for word in words:
        assert compact.pieces(word) in (None, library.pieces(word)), word
    assert sum(ids is not None for ids in encoded[: len(SENTENCES)]) >= least
    assert sum(compact.pieces(word) is not None for word in words) > len(words) / 10


def test_xlm_rs_tokens_and_pieces_are_the_librarys(unigram):
    assert_same(unigram, len(SENTENCES) - 1)


def test_a_layout_without_a_split_at_spaces(tmp_path):
    metaspace = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
    assert_same(save_unigram(tmp_path / "model", pre_tokenizer=metaspace), len(SENTENCES) - 1)


def test_sentencepieces_own_normalisation(tmp_path):
    """XLM-R's tokenizer.json has a table of it."""
    pytest.importorskip("sentencepiece", reason="needs sentencepiece: pip install 'clipsearch[siglip]'")
    pb = pytest.importorskip("sentencepiece.sentencepiece_model_pb2", reason="needs protobuf")
    import io

    import sentencepiece

    data = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES), model_writer=data, vocab_size=300, hard_vocab_limit=False, minloglevel=2
    )
    charsmap = pb.ModelProto.FromString(data.getvalue()).normalizer_spec.precompiled_charsmap
    assert_same(save_unigram(tmp_path / "model", normalizers.Precompiled(charsmap)), len(SENTENCES) - 1)


@pytest.mark.parametrize(
    "options",
    [
        {"do_lower_case": False},
        {},
        {"do_lower_case": False, "strip_accents": True},
        {"strip_accents": False},
        {"tokenize_chinese_chars": False},
    ],
)
def test_berts_tokens_and_pieces_are_the_librarys(options, tmp_path):
    assert_same(save_bert(tmp_path / "model", **options), len(SENTENCES) - 3)


def test_a_short_text_does_not_wait_for_the_library(unigram, tmp_path, monkeypatch):
    for folder in (unigram, save_bert(tmp_path / "bert")):
        expected = open_tokenizer(folder, AnyShape()).encode(["a dog on a beach"])
        with monkeypatch.context() as patch:
            patch.setattr(LibraryTokenizer, "_load", lambda self: pytest.fail("the library was loaded"))
            assert open_tokenizer(folder, AnyShape()).encode(["a dog on a beach"]) == expected


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values["model"].update(byte_fallback=True),
        lambda values: values["model"]["vocab"].append(["x" * 70, -3.0]),
        lambda values: values["pre_tokenizer"]["pretokenizers"][1].update(prepend_scheme="never"),
        lambda values: values["pre_tokenizer"]["pretokenizers"].pop(0) and values["pre_tokenizer"].update(
            pretokenizers=[{"type": "Digits", "individual_digits": True}, *values["pre_tokenizer"]["pretokenizers"]]
        ),
    ],
)  # fmt: skip
def test_another_tokenizer_is_left_to_the_library(change, tmp_path):
    folder = save_unigram(tmp_path / "model")
    change_json(folder / "tokenizer.json", change)
    assert opened(folder)[0] is None
    assert open_tokenizer(folder, AnyShape()).encode(["a dog"]) == LibraryTokenizer(folder, AnyShape()).encode(
        ["a dog"]
    )
