"""Hybrid queries: the ranking by meaning and the ranking by words as one."""

import pytest

from clipsearch import Query, Term
from clipsearch.conditions import Test
from clipsearch.errors import QueryError
from clipsearch.milvus.store import MilvusStore
from clipsearch.query import hybrid
from clipsearch.query.hybrid import searched_words
from clipsearch.query.language import parse_terms, split_words
from clipsearch.store.collection import Collection
from tests.conftest import give_facts, save_pages


def hybrid_query(text, **fields):
    return Query(parse_terms(split_words(text)), hybrid=True, **fields)


def names(hits):
    return [hit.record.file.name for hit in hits]


@pytest.fixture
def described(engine):
    """The five photos, two of them with words about a ticket."""
    for record in engine.browse(top_k=5)[0]:
        give_facts(engine.index_folder, record.file.name, description=None)
    give_facts(engine.index_folder, "green.jpg", title="Train ticket to Rome")
    give_facts(engine.index_folder, "yellow.jpg", keywords=("ticket",))
    return engine


def test_the_order_is_that_of_reciprocal_ranks_and_scores_stay_cosines(described):
    plain = described.search("red ticket", 5)
    by_meaning, by_text = names(plain), ["yellow.jpg", "green.jpg"]
    values = {name: 1 / (61 + by_meaning.index(name)) for name in by_meaning}
    for rank, name in enumerate(by_text, 1):
        values[name] += 1 / (60 + rank)
    hits = described.search(hybrid_query("red ticket"), 5)
    assert names(hits) == sorted(values, key=values.__getitem__, reverse=True)
    assert names(hits)[:3] != by_meaning[:3]
    assert {hit.path: hit.score for hit in hits} == {hit.path: hit.score for hit in plain}
    assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5]
    assert all(hit.match is not None for hit in hits)


def test_words_find_a_photo_whose_texts_have_half_of_them(described):
    hits = described.search(hybrid_query("a ticket for the red tram"), 5)  # of its words, ticket, red and tram count
    assert {hit.record.file.name: hit.found_by for hit in hits} == dict.fromkeys(names(hits), ("meaning",))
    assert names(hits) == names(described.search("a ticket for the red tram", 5))
    found = {
        hit.record.file.name: hit.found_by for hit in described.search(hybrid_query("train ticket in a red tram"), 5)
    }
    assert "text" in found["green.jpg"] and "text" not in found["yellow.jpg"]


def test_each_hit_says_what_has_found_it(described, monkeypatch):
    monkeypatch.setattr(hybrid, "NEAR", 1)
    give_facts(described.index_folder, "red.jpg", title="Red")
    give_facts(described.index_folder, "blue.jpg", title="Red")
    found = {hit.record.file.name: hit.found_by for hit in described.search(hybrid_query("red"), 5)}
    assert found["red.jpg"] == ("meaning", "text") and found["blue.jpg"] == ("text",)
    assert found["green.jpg"] == ("meaning",)
    assert {hit.found_by for hit in described.search("red", 5)} == {()}


def test_a_photo_that_only_words_reach_has_its_exact_cosine(described, monkeypatch):
    plain = described.search("red", 5)
    last = plain[-1]
    give_facts(described.index_folder, last.record.file.name, title="Red")
    monkeypatch.setattr(hybrid, "DEPTH", 2)
    (hit,) = [hit for hit in described.search(hybrid_query("red"), 3) if hit.path == last.path]
    assert hit.found_by == ("text",) and hit.score == last.score


def test_filters_hold_for_both_rankings_and_pages_go_on(described):
    no_yellow = (Test("name", "!=", "yellow.jpg"),)
    every = described.search(hybrid_query("red ticket", filters=no_yellow), 5)
    assert len(every) == 4 and "yellow.jpg" not in names(every)
    pages = [described.search(hybrid_query("red ticket", filters=no_yellow, offset=offset), 2) for offset in (0, 2, 4)]
    assert [hit for page in pages for hit in page] == list(every)


def test_a_least_match_keeps_photos_that_have_all_of_the_words(described):
    (hit,) = described.search(hybrid_query("train ticket", min_match=1.0), 5)
    assert hit.record.file.name == "green.jpg" and hit.match < 1
    assert described.search(hybrid_query("plane ticket", min_match=1.0), 5) == []


def test_likely_matches_come_first_if_they_are_asked_for(described):
    plain = described.search(hybrid_query("red ticket"), 5)
    assert plain.explanation.likely == 0
    give_facts(described.index_folder, "yellow.jpg", title="A red ticket")
    give_facts(described.index_folder, "green.jpg", title="Red red red")
    best = names(described.search(hybrid_query("red ticket", offset=0), 5))
    hits = described.search(hybrid_query("red ticket", sort="likely"), 5)
    assert names(hits) == ["yellow.jpg", *(name for name in best if name != "yellow.jpg")]
    assert hits.explanation.likely == 1 and [hit.rank for hit in hits] == [1, 2, 3, 4, 5]
    pages = [described.search(hybrid_query("red ticket", sort="likely", offset=at), 2) for at in (0, 2, 4)]
    assert [name for page in pages for name in names(page)] == names(hits)


def test_a_least_score_holds_for_every_hit(described):
    least = described.search("red", 1)[0].score
    give_facts(described.index_folder, "blue.jpg", title="Red")
    assert names(described.search(hybrid_query("red", min_score=least), 5)) == ["red.jpg"]


def test_a_file_with_several_pictures_is_one_hit_by_its_best(engine, photos):
    save_pages(photos / "pages.tif", "blue", "red", "green")
    engine.index()
    give_facts(engine.index_folder, "pages.tif", title="Red")
    hits = engine.search(hybrid_query("red"), 10)
    assert names(hits).count("pages.tif") == 1 and hits[0].record.file.name == "pages.tif"
    assert hits[0].record.moment.at == 2
    every = engine.search(hybrid_query("red", all_moments=True), 10)
    assert names(every).count("pages.tif") == 3 and every[0].record.moment.at == 2


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a dog on the beach", "dog beach"),
        ("Hund am Strand + 2:Café - people", "hund strand cafe"),
        ("to the", "to the"),
        ("un perro en la playa", "perro playa"),
    ],
)
def test_words_of_wanted_texts_are_looked_for_without_function_words(text, wanted):
    assert searched_words(hybrid_query(text)) == wanted


def test_a_picture_alone_is_searched_by_meaning(described, photos):
    picture = Query((Term(photos / "red.jpg"),), hybrid=True)
    hits = described.search(picture, 5)
    assert names(hits) == names(described.search(photos / "red.jpg", 5))
    assert {hit.found_by for hit in hits} == {("meaning",)}


def test_words_beside_a_picture_do_not_bring_back_the_querys_own_picture(described, photos):
    query = Query((Term(photos / "green.jpg"), Term("ticket")), hybrid=True)
    assert "green.jpg" not in names(described.search(query, 5))


def test_words_that_no_photo_has_leave_the_ranking_as_it_is(engine):
    assert names(engine.search(hybrid_query("plane"), 5)) == names(engine.search("plane", 5))


def test_only_a_query_whose_words_a_photo_has_reads_a_deep_ranking(described, monkeypatch):
    depths, search = [], Collection.search_with_best

    def noting(self, queries, top_k, *more, **options):
        depths.append(top_k)
        return search(self, queries, top_k, *more, **options)

    monkeypatch.setattr(Collection, "search_with_best", noting)
    described.search(hybrid_query("plane"), 5)
    described.search(hybrid_query("ticket"), 5)
    assert depths == [5, hybrid.DEPTH]


def test_the_explanation_names_the_words(described):
    assert described.search(hybrid_query("a red ticket"), 1).explain()["text_words"] == "red ticket"


def test_a_vector_database_says_that_it_has_no_words():
    with pytest.raises(QueryError, match="leave `hybrid` out"):
        object.__new__(MilvusStore).text_search(None, "ticket", None, 10)
