"""Prompts put each text in each template. The mean of the unit vectors is normalised again."""

import numpy as np
import pytest

from clipsearch.encoders import load_encoder
from clipsearch.encoders.prompts import ENSEMBLE, PHOTO, check_prompts, embed_with_prompts
from clipsearch.errors import QueryError
from tests.conftest import ColourEncoder
from tests.encoders.support import save_checkpoint


class SentenceEncoder(ColourEncoder):
    """An encoder with a random direction for each sentence. It records the sentences."""

    def __init__(self):
        super().__init__()
        self.encoded = []

    def embed_texts(self, texts):
        self.encoded += texts
        seeds = [sum(ord(c) * (i + 1) for i, c in enumerate(text)) for text in texts]
        return np.array([np.random.default_rng(seed).normal(size=4) for seed in seeds], np.float32)


def test_the_mean_of_the_unit_vectors_is_normalised_again():
    encoder = SentenceEncoder()
    result = embed_with_prompts(encoder, ["cat", "dog"], ["a photo of a {}", "{} in the snow", "{}"])
    for word, vector in zip(["cat", "dog"], result, strict=True):
        sentences = encoder.encode_texts([f"a photo of a {word}", f"{word} in the snow", word]).astype(np.float64)
        mean = sentences.mean(axis=0)
        assert np.allclose(vector, mean / np.linalg.norm(mean), atol=1e-6)
    assert result.dtype == np.float32 and np.allclose(np.linalg.norm(result, axis=1), 1, atol=1e-6)


def test_without_prompts_texts_are_what_they_always_were():
    encoder = SentenceEncoder()
    assert np.array_equal(embed_with_prompts(encoder, ["cat", " dog "], ()), encoder.encode_texts(["cat", "dog"]))


def test_many_texts_go_in_batches_and_progress_counts_sentences():
    encoder, told = SentenceEncoder(), []
    texts = [f"text {number}" for number in range(150)]
    result = embed_with_prompts(encoder, texts, ["{}", "a {}"], told.append)
    assert sum(told) == 300 and max(told) < 150
    assert np.allclose(result[149], embed_with_prompts(encoder, texts[149:], ["{}", "a {}"])[0], atol=1e-6)
    assert embed_with_prompts(encoder, [], ["{}"]).shape == (0, 4)


def test_braces_in_a_text_are_only_text():
    encoder = SentenceEncoder()
    embed_with_prompts(encoder, ["{0} {x} {}"], ["a {}", "100 % {}"])
    assert encoder.encoded == ["a {0} {x} {}", "100 % {0} {x} {}"]


@pytest.mark.parametrize(
    ("prompt", "message"), [("a photo", "has no {}"), ("{} and {}", "has 2 {}"), ("a {0}", "has no"), ("", "has no")]
)
def test_a_prompt_has_one_place_for_the_text(prompt, message):
    with pytest.raises(QueryError, match=message):
        embed_with_prompts(SentenceEncoder(), ["cat"], ["{}", prompt])


def test_an_empty_text_is_refused_in_a_template_too():
    with pytest.raises(QueryError, match="empty"):
        embed_with_prompts(SentenceEncoder(), ["cat", " "], ["a photo of a {}"])
    with pytest.raises(TypeError, match="list"):
        embed_with_prompts(SentenceEncoder(), "cat", ["a photo of a {}"])
    with pytest.raises(TypeError, match="list"):
        check_prompts("a photo of a {}")


def test_each_model_has_its_prompts_for_labels(tmp_path):
    check_prompts([*PHOTO, *ENSEMBLE])
    assert load_encoder("mini").spec.label_prompts == PHOTO
    save_checkpoint(tmp_path)
    assert load_encoder(str(tmp_path)).spec.label_prompts == ENSEMBLE
