"""`match` is the probability that a hit shows what the text describes, whatever the model."""

import json

import numpy as np
import pytest

from clipsearch import load_encoder
from clipsearch.encoders.prompts import everyday_texts
from clipsearch.query import relevance
from clipsearch.query.null_scores import NullScores, measure
from clipsearch.query.relevance import FEATURES, REACH, TABLE, calibration, evidence, match
from tests.conftest import PHOTOS

NULL = NullScores(0.0, 0.1, (-3.0, 0.0, 0.7, 1.1, 1.5, 1.9, 2.2))
TEXTS = ["dog", "a dog", "a brown dog runs after a red ball", "one two three four five six seven eight nine ten eleven"]


@pytest.mark.parametrize("text", TEXTS)
def test_it_is_a_probability_that_never_falls_where_the_score_rises(text):
    scores = np.linspace(-1, 1, 201)
    for best in (scores[::-1], np.array([0.3]), np.full(500, 0.2), np.r_[np.full(300, 0.3), 0.1]):
        probabilities = match(NULL, 1000, text, scores, best)
        assert probabilities.shape == scores.shape and probabilities.dtype == np.float64
        assert ((probabilities >= 0) & (probabilities <= 1)).all() and (np.diff(probabilities) >= 0).all()
        assert probabilities[0] < 0.1 and probabilities[-1] > 0.5


def test_no_hits_are_no_matches():
    assert match(NULL, 5, "a dog", np.empty(0), np.array([0.2])).shape == (0,)


def test_the_order_of_the_best_does_not_count():
    scores, best = np.array([0.5, 0.4]), np.linspace(0.5, 0.1, REACH)
    forward, backward = (match(NULL, 5000, "a dog", scores, order) for order in (best, best[::-1]))
    np.testing.assert_array_equal(forward, backward)


def test_a_match_depends_on_the_index_and_not_on_the_other_hits_of_the_page():
    best = np.linspace(0.5, 0.1, 200)
    whole = match(NULL, 5000, "a dog", best, best)
    np.testing.assert_allclose(match(NULL, 5000, "a dog", best[7:9], best), whole[7:9])


def test_a_word_that_many_photos_fit_is_likelier_and_a_long_description_less_likely():
    alone, many = np.array([0.35] + [0.0] * 99), np.full(100, 0.35)
    for text, is_likelier in (("dog", True), (TEXTS[3], False)):
        one, hundred = (match(NULL, 1000, text, np.array([0.35]), best)[0] for best in (alone, many))
        assert (hundred > one) == is_likelier


def test_only_the_rivals_of_a_description_depend_on_the_filters():
    """The photos that reach a score are counted in the whole index, so a word has the same match inside a folder."""
    best = np.full(100, 0.35)
    for text, is_higher in (("dog", False), (TEXTS[3], True)):
        whole, folder = (match(NULL, 1000, text, np.array([0.35]), best, rivals)[0] for rivals in (best, best[:3]))
        assert folder > whole if is_higher else folder == whole


def test_its_evidence():
    rows = evidence(NULL, 100, "a brown dog", np.array([0.3, 0.2]), np.array([0.3, 0.2]))
    long = np.log(2) / np.log(10)
    expected = 100 * np.exp(NULL.log_share(np.array([3.0, 2.0])))
    reached = np.log([1, 2]) - np.log1p(expected)
    rivals = np.log(np.exp(3) + np.exp(2))
    np.testing.assert_allclose(rows[0], [long, 3, 3 * long, max(reached), long * max(reached), long * rivals])
    np.testing.assert_allclose(rows[1], [long, 2, 2 * long, reached[1], long * reached[1], long * rivals])
    assert evidence(NULL, 9, TEXTS[3], np.array([0.3]), np.array([0.3]))[0, 0] == 1
    assert evidence(NULL, 9, "?", np.array([0.3]), np.array([0.3]))[0, 0] == 0


def test_extreme_scores_do_not_overflow():
    sharp = NullScores(0.0, 1e-6, (0.0, 1.0))
    with np.errstate(all="raise", under="ignore"):
        assert match(sharp, 10, "a dog", np.array([1.0, -1.0]), np.array([1.0, -1.0])).tolist() == [1.0, 0.0]


def test_the_table_has_what_it_needs_and_is_read_once(monkeypatch, tmp_path):
    assert set(json.loads(TABLE.read_text())["weights"]) == set(FEATURES)
    known = calibration()
    monkeypatch.setattr(relevance, "TABLE", tmp_path / "gone.json")
    assert calibration() is known


@pytest.fixture(scope="module")
def mini():
    encoder = load_encoder("mini")
    names = [json.loads(line)["image"] for line in (PHOTOS / "captions.jsonl").read_text().splitlines()]
    return encoder, names, encoder.encode_images([PHOTOS / name for name in names]).astype(np.float64)


@pytest.fixture(scope="module")
def null(mini):
    encoder, _, photos = mini
    return measure(encoder.encode_texts(everyday_texts()) @ photos.T)


def matched(mini, null, text):
    """The photos with a match of at least a half."""
    encoder, names, photos = mini
    scores = photos @ encoder.encode_texts([text])[0].astype(np.float64)
    probabilities = match(null, len(names), text, scores, np.sort(scores)[::-1])
    return {names[row] for row in np.flatnonzero(probabilities >= 0.5)}


def test_mini_believes_in_what_is_there(mini, null):
    assert matched(mini, null, "a fire truck") == {"fire-engine.jpg"}
    assert matched(mini, null, "a cat") == {"cat.png", "kitten.jpg"}
    assert matched(mini, null, "a bee on a flower") == {"honeybee.jpg"}


@pytest.mark.parametrize(
    "text",
    [
        "an elephant",
        "a penguin",
        "a wedding cake",
        "a submarine",
        "people playing football",
        "a screenshot of a spreadsheet",
    ],
)
def test_mini_finds_nothing_where_there_is_nothing(mini, null, text):
    assert matched(mini, null, text) == set()


def test_mini_tells_most_plain_descriptions_right(mini, null):
    """These photos were not used for tuning. 17 of the 19 matched photos are the right ones."""
    lines = [json.loads(line) for line in (PHOTOS / "plain_queries.jsonl").read_text().splitlines()]
    believed = [(line["image"], matched(mini, null, line["query"])) for line in lines]
    right, shown = sum(image in images for image, images in believed), sum(len(images) for _, images in believed)
    assert right >= 16 and right / shown >= 0.8, (right, shown)


def test_a_model_with_other_levels_of_scores_has_the_same_matches(mini):
    """Cosines of another offset and scale, as models have them: CLIP ViT-B/32's are near 0.2 and differ little."""
    encoder, _, photos = mini
    everyday = encoder.encode_texts(everyday_texts()).astype(np.float64) @ photos.T
    scores = photos @ encoder.encode_texts(["a cat"])[0].astype(np.float64)
    best = np.sort(scores)[::-1]
    usual = match(measure(everyday), len(scores), "a cat", scores, best)
    shifted = match(measure(0.2 + 0.15 * everyday), len(scores), "a cat", 0.2 + 0.15 * scores, 0.2 + 0.15 * best)
    np.testing.assert_allclose(shifted, usual, atol=1e-3)
