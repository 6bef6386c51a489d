"""`match` is the probability that a hit shows what the text describes."""

import json
from dataclasses import replace

import numpy as np
import pytest

from clipsearch import load_encoder
from clipsearch.encoders.base import ModelSpec
from clipsearch.query import relevance
from clipsearch.query.relevance import FEATURES, RIVALS, TABLE, calibration, evidence, match
from clipsearch.types import Fingerprint, PixelSpec
from tests.conftest import PHOTOS

PIXELS = PixelSpec(None, (8, 8), None, 3, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
TEXTS = [
    "dog",
    "a dog",
    "a brown dog runs after a red ball",
    "one two three four five six seven eight nine ten eleven twelve 13",
]
CALIBRATED = {"mini": 27.7, "openai/clip-vit-base-patch32": 100.0}


def spec(model, scale):
    return ModelSpec(Fingerprint(model, "", "digest", 4), PIXELS, context_length=77, logit_scale=scale)


SPECS = [spec(model, scale) for model, scale in CALIBRATED.items()] + [spec("somebody/else", 100.0)]


@pytest.mark.parametrize("model", SPECS, ids=lambda known: known.fingerprint.model)
@pytest.mark.parametrize("text", TEXTS)
def test_it_is_a_probability_that_rises_with_the_score(model, text):
    scores = np.linspace(-1, 1, 201)
    for best in (scores[::-1], np.array([0.3]), np.full(500, 0.2)):
        probabilities = match(model, text, scores, best)
        assert probabilities.shape == scores.shape and probabilities.dtype == np.float64
        assert ((probabilities >= 0) & (probabilities <= 1)).all() and (np.diff(probabilities) >= 0).all()
        middle = (probabilities > 1e-12) & (probabilities < 1 - 1e-12)
        assert middle.any() and (np.diff(probabilities[middle]) > 0).all()


def test_no_hits_are_no_matches():
    assert match(SPECS[0], "a dog", np.empty(0), np.array([0.2])).shape == (0,)


def test_only_the_best_of_the_index_count_and_their_order_does_not():
    scores = np.array([0.5, 0.4])
    best = np.linspace(0.5, 0.1, RIVALS)
    expected = match(SPECS[0], "a dog", scores, best)
    np.testing.assert_array_equal(match(SPECS[0], "a dog", scores, np.append(best, np.full(50, 0.05))), expected)
    np.testing.assert_array_equal(match(SPECS[0], "a dog", scores, best[::-1]), expected)


def test_a_long_description_that_many_photos_fit_as_well_is_less_certain():
    alone, crowded = np.array([0.5] + [0.1] * 99), np.full(100, 0.5)
    text = "a brown dog jumps over a fallen tree in the snow"
    for model, score in zip(SPECS[:2], (0.5, 0.35), strict=True):
        lone = match(model, text, np.array([score]), alone - 0.5 + score)
        assert lone > match(model, text, np.array([score]), crowded - 0.5 + score)


def test_its_evidence():
    rows = evidence(10.0, "a dog", np.array([0.3, 0.2]), np.array([0.3, 0.2]))
    length, against = np.log(2) / np.log(12), np.log(np.exp(3) + np.exp(2))
    np.testing.assert_allclose(rows[0], [length, 3, length * 3, against, length * against])
    np.testing.assert_allclose(rows[1, [1, 2]], [2, length * 2])
    assert evidence(10.0, TEXTS[3], np.array([0.3]), np.array([0.3]))[0, 0] == 1
    assert evidence(10.0, "?", np.array([0.3]), np.array([0.3]))[0, 0] == 0


def test_extreme_scores_do_not_overflow():
    sharp = replace(SPECS[0], logit_scale=1e6)
    with np.errstate(all="raise", under="ignore"):
        assert match(sharp, "a dog", np.array([1.0, -1.0]), np.array([1.0, -1.0])).tolist() == [1.0, 0.0]


def test_the_table_has_what_it_needs():
    table = json.loads(TABLE.read_text())
    assert {*CALIBRATED, "others"} <= set(table)
    for entry in table.values():
        assert set(entry["weights"]) == set(FEATURES)


def test_an_unknown_model_gets_the_cautious_calibration_where_only_the_lead_counts():
    known = calibration("somebody/else")
    assert known == calibration("others") != calibration("mini")
    scores, best = np.array([0.31, 0.3]), np.linspace(0.31, 0.2, 100)
    shifted = match(SPECS[2], "a dog in the snow", scores + 0.4, best + 0.4)
    np.testing.assert_allclose(shifted, match(SPECS[2], "a dog in the snow", scores, best), rtol=1e-9)
    assert (shifted < 0.5).all()  # two equally good photos: neither has a clear lead


def test_the_calibration_is_read_once(monkeypatch, tmp_path):
    known = calibration("mini")
    monkeypatch.setattr(relevance, "TABLE", tmp_path / "gone.json")
    assert calibration("mini") is known


@pytest.fixture(scope="module")
def mini():
    encoder = load_encoder("mini")
    names = [json.loads(line)["image"] for line in (PHOTOS / "captions.jsonl").read_text().splitlines()]
    return encoder, names, encoder.encode_images([PHOTOS / name for name in names]).astype(np.float64)


def matched(mini, text):
    """The photos with a match of at least a half."""
    encoder, names, photos = mini
    scores = photos @ encoder.encode_texts([text])[0].astype(np.float64)
    probabilities = match(encoder.spec, text, scores, np.sort(scores)[::-1])
    return {names[row] for row in np.flatnonzero(probabilities >= 0.5)}


def test_mini_believes_in_what_is_there(mini):
    assert matched(mini, "a fire truck") == {"fire-engine.jpg"}
    assert matched(mini, "a cat") == {"cat.png", "kitten.jpg"}
    assert matched(mini, "a bee on a flower") == {"honeybee.jpg"}


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
def test_mini_finds_nothing_where_there_is_nothing(mini, text):
    assert matched(mini, text) == set()


def test_mini_tells_most_plain_descriptions_right(mini):
    """These photos were not used for tuning. 24 of the 31 matched photos are the right ones."""
    lines = [json.loads(line) for line in (PHOTOS / "plain_queries.jsonl").read_text().splitlines()]
    believed = [(line["image"], matched(mini, line["query"])) for line in lines]
    right, shown = sum(image in images for image, images in believed), sum(len(images) for _, images in believed)
    assert right >= 22 and right / shown >= 0.7, (right, shown)
