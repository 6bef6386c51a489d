"""Zero-shot labels: probabilities against CLIP's formula, labels from files, and memory that does not grow."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from clipsearch._internal.cancel import CancelToken
from clipsearch.analysis import labels as module
from clipsearch.analysis.labels import LabelledImage, check_labels, read_labels, shares
from clipsearch.conditions import Below
from clipsearch.encoders.unread import TextPiece
from clipsearch.engine import SearchEngine
from clipsearch.errors import Cancelled, ClipsearchError, ClipsearchWarning, CollectionNotFound, QueryError
from clipsearch.terms import Query, Term
from tests.conftest import save_pages

COLOURS = ["red", "green", "blue", "yellow", "grey"]


def by_name(labelled):
    return {image.record.file.name.split(".")[0]: image for image in labelled}


def test_every_photo_has_the_label_of_its_colour_and_shares_sum_to_1(engine):
    labelled = by_name(engine.label(COLOURS))
    assert set(labelled) == set(COLOURS)
    for name, image in labelled.items():
        assert COLOURS[image.shares.argmax()] == name
        assert image.shares.dtype == np.float64 and math.isclose(image.shares.sum(), 1, abs_tol=1e-12)


def test_shares_are_the_softmax_of_clips_logits(engine, encoder):
    prompts = ["a photo of something {}", "{}"]
    image = by_name(engine.label(["red", "blue"], prompts=prompts))["red"]
    logits = encoder.logits([image.record.file.path], ["red", "blue"]).astype(np.float64)[
        0
    ]  # the encoder reads only the last word
    assert np.allclose(image.shares, np.exp(logits) / np.exp(logits).sum(), atol=1e-4)


@pytest.mark.parametrize("folder", [False, True])
def test_a_match_is_that_of_a_query_also_among_some_photos(engine, photos, folder):
    condition = Below(str(photos / "trip")) if folder else None
    labelled = by_name(engine.label(["red", "grey"], condition=condition))
    for position, label in enumerate(["red", "grey"]):
        hits = engine.search(Query((Term(label),), filters=(condition,) if condition else ()))
        matches = {hit.record.file.name.split(".")[0]: hit.match for hit in hits}
        assert {name: image.matches[position] for name, image in labelled.items()} == pytest.approx(matches)


def test_a_photo_of_none_of_the_labels_has_a_share_of_all_and_no_match(engine):
    labelled = by_name(engine.label(["red"]))
    assert {name: image.shares.tolist() for name, image in labelled.items()} == {name: [1.0] for name in COLOURS}
    assert labelled["red"].matches[0] > labelled["blue"].matches[0]


def test_a_label_that_the_model_cannot_read_is_named_and_suits_no_photo(engine, encoder):
    encoder.text_pieces = lambda word: [TextPiece(0, len(word), not word.isascii())]
    with pytest.warns(ClipsearchWarning, match='the model colours cannot read "犬", so no photo gets such a label'):
        labelled = by_name(engine.label(["犬", "red"]))
    assert all(math.isnan(image.matches[0]) for image in labelled.values())
    assert [label.position for label in labelled["red"].best(5)] == [1]


def test_words_of_a_label_that_the_model_cannot_read_are_named(engine, encoder, monkeypatch):
    encoder.text_pieces = lambda word: [TextPiece(0, len(word), not word.isascii())]
    message = 'the model colours cannot read "犬" in some labels; it reads only their other words'
    with pytest.warns(ClipsearchWarning, match=message):
        assert not any(math.isnan(image.matches[0]) for image in engine.label(["red 犬", "blue"]))
    monkeypatch.setattr("clipsearch.analysis.labels.languages_of", lambda model: "English")
    message = 'the model colours reads English only, and "ein roter Hund" is not English: write labels in English'
    with pytest.warns(ClipsearchWarning, match=message):
        list(engine.label(["ein roter Hund", "a blue house"]))


def test_large_scales_do_not_overflow():
    softmax = shares(np.float32([[1, -1, 0]]), 1000.0)
    assert np.isfinite(softmax).all() and math.isclose(softmax.sum(), 1)


def test_best_is_in_order_of_the_match():
    image = LabelledImage(None, np.array([0.1, 0.45, 0.45]), np.array([0.6, 0.1, 0.3]))
    assert image.best(5) == [(1, 0.45, 0.1), (2, 0.45, 0.3), (0, 0.1, 0.6)]
    assert [label.position for label in image.best(1)] == [1]
    assert [label.position for label in image.best(5, min_match=0.2)] == [1, 2]
    assert image.best(5, min_match=0.5) == []


def test_a_condition_limits_the_photos(engine, photos):
    assert set(by_name(engine.label(COLOURS, condition=Below(str(photos / "trip"))))) == {"grey"}


def test_blocks_shrink_as_labels_grow_so_that_memory_does_not(engine, monkeypatch):
    whole = {name: image.matches for name, image in by_name(engine.label(COLOURS)).items()}
    monkeypatch.setattr(module, "_MAX_LOGITS", 2 * len(COLOURS))
    blocks, collection = [], engine._collection()
    monkeypatch.setattr(
        collection,
        "scan",
        lambda condition, block: blocks.append(block) or type(collection).scan(collection, condition, block),
    )
    parts = by_name(engine.label(COLOURS))
    assert blocks == [2] and all(np.allclose(parts[name].matches, whole[name], atol=1e-12) for name in COLOURS)


def test_a_thousand_labels(engine):
    labels = [f"number {number}" for number in range(999)] + ["blue"]
    image = by_name(engine.label(labels))["blue"]
    assert image.best(1)[0].position == 999 and math.isclose(image.shares.sum(), 1, abs_tol=1e-9)


def test_an_index_without_photos_has_nothing_to_label_but_still_reads_the_labels(engine, photos, tmp_path):
    engine.forget(photos)
    assert list(engine.label(["red"])) == []
    with pytest.raises(QueryError, match="no labels"):
        engine.label([])
    with pytest.raises(CollectionNotFound):
        SearchEngine.open(tmp_path / "nowhere").label(["red"])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "no labels"),
        (["dog", " "], "a label is empty"),
        (["a dog", "cat", "a  dog "], "'a dog' is given twice"),
        (["dog\x07"], "control characters"),
        (["caf\udce9"], "not UTF-8"),
    ],
)
def test_labels_that_cannot_be_told_apart_or_read_are_refused(labels, message):
    with pytest.raises(QueryError, match=message):
        check_labels(labels)


def test_labels_of_any_language_and_joined_emoji_are_fine():
    assert check_labels(["می‌خواهم", "👩‍🚀", " un  chien "]) == ["می‌خواهم", "👩‍🚀", "un chien"]
    with pytest.raises(TypeError, match="list"):
        check_labels("dog")


def test_a_file_of_labels_as_people_write_them(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes("\ufeff# animals\r\ncat\r\n\r\n  golden   retriever \r\n# dog\r\nÉléphant\r\n".encode())
    assert read_labels(path) == ["cat", "golden retriever", "Éléphant"]


def test_a_label_twice_in_a_file_counts_once_and_is_told(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("crane\ncat\ncrane")
    with pytest.warns(ClipsearchWarning, match="line 3: 'crane' is in line 1 too"):
        assert read_labels(path) == ["crane", "cat"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no labels"),
        (b"# only\n\n", "has no labels"),
        (b"cat\ncaf\xe9\n", "line 2: not UTF-8"),
        ("cat\ndog".encode("utf-16"), "line 1: not UTF-8"),
        (b"cat\nd\x00og\n", "line 2: .* control characters"),
    ],
)
def test_bad_files_of_labels_say_where(tmp_path, content, message):
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(ClipsearchError, match=message):
        read_labels(path)
    with pytest.raises(ClipsearchError, match="cannot be read"):
        read_labels(tmp_path / "nowhere.txt")


@pytest.fixture(scope="module")
def sample(index_of_data):
    """The repository's own photos, indexed with the embedded model."""
    with SearchEngine(index_of_data) as engine:
        yield SimpleNamespace(engine=engine)


def test_mini_tells_the_photos_of_this_repository_apart(sample):
    words = ["cat", "cup of coffee", "clock", "giraffe", "astronaut", "canyon"]
    labelled = by_name(sample.engine.label(words))
    assert len(labelled) == 47
    for name, word in [("cat", "cat"), ("kitten", "cat"), ("coffee", "cup of coffee")]:
        assert words[labelled[name].best(1, min_match=0.5)[0].position] == word
    likely = {name for name, image in labelled.items() if image.best(1, min_match=0.5)}
    assert len(likely) <= 8  # most photos show none of them, though each has a likeliest label
    assert "red-panda" not in likely and by_name(sample.engine.label(["cat"]))["red-panda"].best(1, min_match=0.5) == []


def test_labelling_can_be_cancelled_at_once_and_while_photos_are_read(engine, monkeypatch):
    monkeypatch.setattr(module, "_MAX_LOGITS", 1)  # one photo a block
    cancel = CancelToken()
    with pytest.raises(Cancelled):
        engine.label(COLOURS, progress=lambda sentences: cancel.cancel(), cancel=cancel)
    cancel = CancelToken()
    images = engine.label(COLOURS, cancel=cancel)
    assert next(images).matches.max() > 0
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(images)


def test_a_file_with_pages_is_labelled_once_and_as_a_whole(engine, photos):
    save_pages(photos / "scan.tif", "blue", "red")
    engine.index()
    (scan,) = (image for image in engine.label(COLOURS) if image.record.file.name == "scan.tif")
    assert scan.record.moment is None and COLOURS[scan.best(1)[0].position] == "blue"
