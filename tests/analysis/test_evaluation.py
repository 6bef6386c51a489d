"""Retrieval metrics against cases worked out by hand."""

import json

import numpy as np
import pytest

from clipsearch._internal.cancel import CancelToken
from clipsearch.analysis.evaluation import (
    LabelledExample,
    evaluate_retrieval,
    evaluate_zero_shot,
    rank_answers,
    read_captions,
)
from clipsearch.errors import Cancelled, ClipsearchError
from tests.conftest import ColourEncoder


def unit(*rows):
    array = np.array(rows, np.float32)
    return array / np.linalg.norm(array, axis=1, keepdims=True)


def test_rank_counts_the_wrong_answers_scored_higher():
    queries, answers = unit([1, 0], [0, 1]), unit([1, 0], [1, 1], [0, 1])
    own = np.array([0, 1])
    assert rank_answers(queries, own, answers, np.array([0, 1, 2])).tolist() == [1, 2]
    assert rank_answers(queries, own, answers, np.array([2, 1, 0])).tolist() == [3, 2]


def test_the_best_of_several_right_answers_counts():
    queries, answers = unit([1, 0]), unit([0, 1], [1, 0.1], [1, 1])
    assert rank_answers(queries, np.array([7]), answers, np.array([7, 7, 8])).tolist() == [1]


def test_ties_cost_half_so_that_a_constant_model_scores_chance():
    same = np.ones((11, 2), np.float32)
    assert rank_answers(same, np.arange(11), same, np.arange(11)).tolist() == [6] * 11


@pytest.fixture
def captions(photos):
    path = photos / "captions.jsonl"
    lines = [
        {"image": "red.jpg", "captions": ["a red", "very red"], "split": "test"},
        {"image": "blue.jpg", "captions": ["a blue"], "split": "test"},
        {"image": "green.jpg", "captions": ["a blue"], "split": "train"},
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n")
    return path


def test_a_model_that_knows_is_perfect_and_one_that_errs_is_not(captions, photos):
    perfect = evaluate_retrieval(ColourEncoder(), read_captions(captions, "test"), photos, jobs=1)
    assert (perfect.images, perfect.captions) == (2, 3)
    assert perfect.text_to_image.recall == {1: 1.0, 5: 1.0, 10: 1.0}
    assert (perfect.image_to_text.median_rank, perfect.image_to_text.mrr) == (1, 1)
    flawed = evaluate_retrieval(ColourEncoder(), read_captions(captions), photos, jobs=1)
    assert flawed.text_to_image.recall[1] == 0.75
    assert flawed.text_to_image.recall[5] == 1


def test_the_json_has_the_agreed_keys(captions, photos):
    result = evaluate_retrieval(ColourEncoder(), read_captions(captions), photos, jobs=1).to_json()
    assert set(result) >= {"model", "images", "captions", "text_to_image", "image_to_text"}
    assert set(result["text_to_image"]) == {"recall@1", "recall@5", "recall@10", "median_rank", "mrr"}


def test_a_photo_that_cannot_be_read_is_left_out_and_listed(captions, photos):
    (photos / "green.jpg").write_bytes(b"")
    result = evaluate_retrieval(ColourEncoder(), read_captions(captions), photos, jobs=1)
    assert (result.images, [failure.reason for failure in result.failures]) == (2, ["empty file"])


@pytest.mark.parametrize(
    ("content", "split", "message"),
    [
        ("", None, "has no captions"),
        ('{"image": "a", "captions": ["b"], "split": "dev"}', "test", "has no captions in split 'test'; it has dev"),
        ("nonsense", None, "line 1: not JSON"),
        ('{"image": "a", "captions": []}', None, "line 1: expected"),
        ('{"image": "a", "captions": "b"}', None, "line 1: expected"),
        ('["a"]', None, "line 1: expected"),
        ('{"captions": ["b"]}', None, "line 1: expected"),
    ],
)
def test_bad_caption_files_say_where(tmp_path, content, split, message):
    path = tmp_path / "captions.jsonl"
    path.write_text(content)
    with pytest.raises(ClipsearchError, match=message):
        read_captions(path, split)


def test_a_wrong_image_folder_is_a_clear_error(captions, tmp_path):
    with pytest.raises(ClipsearchError, match="check `images`"):
        evaluate_retrieval(ColourEncoder(), read_captions(captions), tmp_path / "empty", jobs=1)


@pytest.mark.parametrize("evaluate", [evaluate_retrieval, evaluate_zero_shot])
def test_an_evaluation_can_be_cancelled(captions, photos, evaluate):
    labelled = evaluate is evaluate_zero_shot
    examples = [LabelledExample("red.jpg", "red")] if labelled else read_captions(captions)
    cancel = CancelToken()
    with pytest.raises(Cancelled):
        evaluate(ColourEncoder(), examples, photos, jobs=1, progress=lambda done: cancel.cancel(), cancel=cancel)
