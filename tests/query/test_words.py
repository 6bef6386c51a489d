"""A single English word is searched as "a photo of a …", unless the query names a template."""

from dataclasses import replace

import pytest

from clipsearch.encoders.prompts import PHOTO, default_prompts
from clipsearch.query.embed import QueryEmbedder
from clipsearch.query.search import search
from clipsearch.render.explain import explain_text
from clipsearch.store.collection import Collection
from clipsearch.terms import Query, Term
from tests.conftest import ColourEncoder


class Recording(ColourEncoder):
    def __init__(self):
        super().__init__()
        self.spec = replace(self.spec, label_prompts=PHOTO)
        self.texts = []

    def embed_texts(self, texts):
        self.texts += texts
        return super().embed_texts(texts)


@pytest.mark.parametrize(("text", "searched"), [("dog", "a photo of a dog"), (" Snow ", "a photo of a Snow")])
def test_a_word_is_put_into_the_template(text, searched):
    encoder = Recording()
    QueryEmbedder(encoder).embed([Query((Term(text),))], store=None)
    assert encoder.texts == [searched]


@pytest.mark.parametrize("text", ["a dog", "brown dog", "Hunde", "köpek", "狗", "IMG_0004", "2024", "don't"])
def test_other_texts_are_searched_as_they_are(text):
    encoder = Recording()
    QueryEmbedder(encoder).embed([Query((Term(text),))], store=None)
    assert encoder.texts == [text]


@pytest.mark.parametrize("prompts", [("{}",), ("a drawing of a {}",)])
def test_templates_of_the_query_come_first(prompts):
    encoder = Recording()
    QueryEmbedder(encoder).embed([Query((Term("dog"), Term("red")), prompts=prompts)], store=None)
    assert encoder.texts == [prompts[0].replace("{}", word) for word in ("dog", "red")]


def test_words_of_a_composed_query_are_put_into_the_template_each():
    encoder = Recording()
    QueryEmbedder(encoder).embed([Query((Term("red"), Term("a dog"), Term("blue", -0.5)))], store=None)
    assert sorted(encoder.texts) == ["a dog", "a photo of a blue", "a photo of a red"]


def test_a_model_whose_labels_have_no_templates_has_none_for_words():
    assert default_prompts(ColourEncoder().spec, "dog") == ()


def test_explain_shows_what_was_searched(engine):
    with Collection(engine.index_folder) as collection:
        (hits,) = search(collection, QueryEmbedder(Recording()), [Query((Term("red"), Term("a dog")))], 3)
    assert hits.explain()["words"] == ["a photo of a red"]
    assert 'word     searched as "a photo of a red"' in explain_text(hits.explain())
