"""Query options besides its words: filters, pages, own pictures, near-copies, cutoffs."""

import shutil
import tracemalloc
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from PIL import Image

from clipsearch import Query, Term
from clipsearch.conditions import Not, Test
from clipsearch.errors import QueryError
from clipsearch.query.embed import RIGHT, WRONG
from clipsearch.query.search import _without_near_copies
from clipsearch.store.collection import Collection
from tests.conftest import give_captions, save_photo


def names(hits):
    return [hit.record.file.name for hit in hits]


def test_filters_leave_ranking_and_scores_as_they_are(engine):
    every = engine.search("red", 10)
    png = engine.search(Query((Term("red"),), (Test("format", "=", "png"),)), 10)
    others = engine.search(Query((Term("red"),), (Not(Test("format", "=", "png")), Test("width", ">", 1))), 10)
    assert names(png) == ["grey.png"]
    assert names(others) == [name for name in names(every) if name != "grey.png"]
    assert {hit.path: hit.score for hit in [*png, *others]} == {hit.path: hit.score for hit in every}
    assert [hit.rank for hit in others] == [1, 2, 3, 4]
    assert engine.search(Query((Term("red"),), (Test("width", ">", 10_000),))) == []


def test_pages_go_on_where_the_one_before_ended(engine):
    every = engine.search("red", 5)
    pages = [engine.search(Query((Term("red"),), offset=offset), 2) for offset in (0, 2, 4, 6)]
    assert [len(page) for page in pages] == [2, 2, 1, 0]
    assert [hit for page in pages for hit in page] == list(every)
    with pytest.raises(QueryError, match="offset"):
        engine.search(Query((Term("red"),), offset=-1))


def test_a_querys_own_picture_and_its_copies_are_no_hits_unless_asked_for(engine, photos, tmp_path):
    shutil.copy(photos / "red.jpg", photos / "trip" / "copy of red.jpg")
    engine.index()
    outside = shutil.copy(photos / "red.jpg", tmp_path / "elsewhere.jpg")
    for path in (photos / "red.jpg", tmp_path / outside):
        hits = engine.search(path, 10)
        assert len(hits) == 4
        assert not [name for name in names(hits) if "red" in name]
        kept = engine.search(Query((Term(path),), keep_own=True), 10)
        assert sorted(names(kept[:2])) == ["copy of red.jpg", "red.jpg"]
        assert kept[0].score == pytest.approx(1)
    assert names(engine.search(Query((Term("red"), Term(photos / "blue.jpg", -1))), 10))[0] == "red.jpg"
    assert "blue.jpg" not in names(engine.search(Query((Term("red"), Term(photos / "blue.jpg", -1))), 10))


def test_a_picture_that_is_indexed_is_not_encoded_again(engine, photos, encoder, tmp_path):
    before = encoder.encoded
    engine.search(photos / "red.jpg")
    assert encoder.encoded == before
    engine.search(save_photo(tmp_path / "other.jpg", "red", note="other bytes"))
    assert encoder.encoded == before + 1


def test_near_copies_are_left_out_and_do_not_take_a_place(engine, photos):
    for number in range(5):
        save_photo(photos / f"red {number}.jpg", (220 - number, 20, 20))
    engine.index()
    assert sum("red" in name for name in names(engine.search("red", 6))) == 6
    diverse = engine.search(Query((Term("red"),), diverse=True), 4)
    assert len(diverse) == 4
    assert sum("red" in name for name in names(diverse)) == 1
    assert diverse[0] == engine.search("red", 1)[0]
    assert [hit.rank for hit in diverse] == [1, 2, 3, 4]
    following = engine.search(Query((Term("red"),), diverse=True, offset=1), 3)
    assert [hit.path for hit in following] == [hit.path for hit in diverse[1:]]


def test_one_file_of_each_shot_is_a_hit_and_names_the_others(engine, photos):
    for name in ("IMG_0001.jpg", "IMG_0001.png", "IMG_0001-edited.jpg", "IMG_0002.jpg"):
        save_photo(photos / "trip" / name, "red", note=name)
    engine.index()
    every = engine.search("red", 20)
    shots = engine.search(Query((Term("red"),), one_per_shot=True), 20)
    first = next(hit for hit in shots if hit.record.file.name.startswith("IMG_0001"))
    files = [hit.record for hit in every if hit.record.file.name.startswith("IMG_0001")]
    assert [first.record, *first.others] == files and len(files) == 3
    assert [hit.record for hit in shots] == [hit.record for hit in every if hit.record not in files[1:]]
    assert [hit.rank for hit in shots] == list(range(1, len(every) - 1))
    assert {hit.path: hit.score for hit in shots}.items() <= {hit.path: hit.score for hit in every}.items()
    assert not any(hit.others for hit in every)
    png = engine.search(Query((Term("red"),), (Test("format", "=", "png"),), one_per_shot=True))
    assert names(png) == ["IMG_0001.png", "grey.png"] and not any(hit.others for hit in png)


def test_a_long_burst_does_not_shorten_a_page(engine, photos):
    for number in range(130):  # more photos than the first ranking holds
        save_photo(photos / f"IMG_20240101_120000_BURST{number:03}.jpg", "red", note=str(number))
    engine.index()
    shots = engine.search(Query((Term("red"),), one_per_shot=True), 3)
    assert len(shots) == 3
    assert sorted(len(hit.others) for hit in shots) == [0, 0, 129]
    following = engine.search(Query((Term("red"),), one_per_shot=True, offset=2), 20)
    assert following[0] == shots[2]
    assert len(following) == 4  # red.jpg, three other photos and the burst are six shots


def clusters(rows):
    """Vectors around a fifth as many directions: (rows, 16)."""
    chance = np.random.default_rng(0)
    centres = chance.standard_normal((max(1, rows // 5), 16))
    vectors = centres[chance.integers(len(centres), size=rows)] + 0.1 * chance.standard_normal((rows, 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_near_copies_are_those_that_comparing_each_with_each_tells():
    vectors = clusters(1500)
    rows = np.random.default_rng(1).permutation(1500)[:1300].tolist()
    close = vectors @ vectors.T >= 0.95
    expected = []
    for row in rows:
        if not close[row, expected].any():
            expected.append(row)
    assert 250 < len(expected) < 1000
    for most in (1, 100, 256, 257, len(expected), 5000):
        assert _without_near_copies(vectors, rows, 0.95, most) == expected[:most]
    assert _without_near_copies(vectors, [], 0.95, 10) == []


def test_leaving_out_near_copies_takes_little_memory():
    vectors = clusters(6000)
    tracemalloc.start()
    try:
        kept = _without_near_copies(vectors, list(range(6000)), 0.95, 2000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(kept) > 900
    assert peak < 10e6  # comparing each with each takes 144 MB


def test_pages_of_chosen_hits_do_not_go_on_for_ever(engine):
    for query in (
        Query((Term("red"),), diverse=True, offset=10_001),
        Query((Term("red"),), min_match=0.1, offset=10**9),
    ):
        with pytest.raises(QueryError, match="10,000 at most"):
            engine.search(query)
    assert engine.search(Query((Term("red"),), diverse=True, offset=10_000)) == []
    assert engine.search(Query((Term("red"),), offset=10_001)) == []


def test_a_score_below_the_least_is_no_hit(engine):
    every = engine.search("red", 5)
    least = every[2].score
    assert engine.search(Query((Term("red"),), min_score=least), 5) == every[:3]
    assert engine.search(Query((Term("red"),), min_score=1.0), 5) == []


def test_sorting_orders_the_hits_and_chooses_none(engine, photos):
    for number, colour in enumerate(("red", "yellow")):
        image = Image.new("RGB", (9, 9), (200 + number, 10, 10))
        exif = image.getexif()
        exif.get_ifd(0x8769)[0x9003] = f"2024:0{number + 1}:01 10:00:00"
        image.save(photos / f"dated {colour}.jpg", exif=exif)
    engine.index()
    best = engine.search("red", 3)
    by_name = engine.search(Query((Term("red"),), sort="name"), 3)
    assert names(by_name) == sorted(names(best))
    assert {hit.path: hit.rank for hit in by_name} == {hit.path: hit.rank for hit in best}
    by_date = engine.search(Query((Term("red"),), sort="date"), 3)
    assert [hit.record.info.taken_at for hit in by_date] == [datetime(2024, 2, 1, 10), datetime(2024, 1, 1, 10), None]
    oldest = engine.search(Query((Term("red"),), sort="oldest"), 3)
    assert [hit.record.info.taken_at for hit in oldest] == [datetime(2024, 1, 1, 10), datetime(2024, 2, 1, 10), None]
    listed = engine.search(Query((), (Test("width", ">", 1),), sort="oldest"), 3)
    assert names(listed[:2]) == ["dated red.jpg", "dated yellow.jpg"] and listed[2].record.info.taken_at is None
    assert [record.file.name for record in engine.browse(sort="oldest", top_k=2)[0]] == names(listed[:2])


def test_prompts_are_put_around_texts_and_their_mean_counts(engine, encoder):
    single = engine.search(Query((Term("red"),), prompts=("a photo that is {}",)), 1)[0]
    assert single.score == pytest.approx(engine.search("red", 1)[0].score)
    both = engine.search(Query((Term("x"),), prompts=("{} red", "{} green")), 2)
    vectors = encoder.encode_texts(["red", "green"]).astype(np.float64)
    mean = vectors.sum(axis=0) / np.linalg.norm(vectors.sum(axis=0))
    expected = {hit.path: hit.score for hit in engine.search(mean.astype(np.float32), 5)}
    assert {hit.path: hit.score for hit in both} == pytest.approx(
        {hit.path: expected[hit.path] for hit in both}, abs=1e-6
    )
    for wrong in ("no place", "{} and {}"):
        with pytest.raises(QueryError, match=r"\{\}"):
            engine.search(Query((Term("red"),), prompts=(wrong,)))


def test_a_match_is_a_probability_told_for_texts_only(engine, photos):
    hits = engine.search("red", 5)
    assert all(hit.match is not None and 0 <= hit.match <= 1 for hit in hits)
    assert [hit.match for hit in engine.search(photos / "red.jpg", 5)] == [None] * 4
    least = sorted(hit.match for hit in hits)[2]
    matching = engine.search(Query((Term("red"),), min_match=least), 5)
    assert [hit.path for hit in matching] == [hit.path for hit in hits if hit.match >= least]
    with pytest.raises(QueryError, match="only texts have a match"):
        engine.search(Query((Term(photos / "red.jpg"),), min_match=0.5))
    without = engine.search(Query((Term("red"), Term("green", -1))), 5)
    assert all(hit.match <= of.match for hit in without for of in hits if of.path == hit.path)


def test_a_query_that_only_leaves_something_out_has_no_match(engine):
    """Almost every photo lacks a thing, so a probability near 1 for each would say nothing."""
    only_without = (Term("people", -1), Term("dogs", -0.5))
    assert [hit.match for hit in engine.search(Query(only_without), 5)] == [None] * 5
    assert all(hit.match is not None for hit in engine.search(Query((Term("red"), *only_without)), 5))
    with pytest.raises(QueryError, match="only says what to leave out"):
        engine.search(Query(only_without, min_match=0.5))


DESCRIPTION = "a red picture with nothing else in it than red from edge to edge"


def test_under_filters_photos_that_do_not_meet_them_are_no_rivals(engine):
    png = (Test("format", "=", "png"),)
    for text, is_higher in ((DESCRIPTION, True), ("red", False)):
        term = Term(text)
        inside = engine.search(Query((term,), png), 5)[0]
        outside = next(hit for hit in engine.search(Query((term,)), 5) if hit.path == inside.path)
        assert inside.match > outside.match if is_higher else inside.match == outside.match
        both = engine.search(Query((term, Term("blue", -1)), png), 5)[0]
        assert both.match == pytest.approx(inside.match * (1 - engine.search(Query((Term("blue"),), png))[0].match))


def ids_of(engine):
    return {record.file.name: record.image_id for record in engine.browse()[0]}


def test_marks_move_a_query_by_rocchios_formula(engine):
    number = ids_of(engine)
    text = engine.encoder.encode_texts(["red"])[0].astype(np.float64)
    green, blue, grey = (engine.vector(number[f"{name}"]) for name in ("green.jpg", "blue.jpg", "grey.png"))
    moved = text + RIGHT * (green.astype(np.float64) + blue) / 2 - WRONG * grey
    right, wrong = (number["green.jpg"], number["blue.jpg"]), (number["grey.png"],)
    hits = engine.search(Query((Term("red"),), right=right, wrong=wrong), 10)
    assert "grey.png" not in names(hits) and {"green.jpg", "blue.jpg"} < set(names(hits)) and len(hits) == 4
    for hit in hits:
        vector = engine.vector(hit.record.image_id).astype(np.float64)
        assert hit.score == pytest.approx(vector @ moved / np.linalg.norm(moved), abs=1e-6)
    assert "grey.png" not in names(engine.search(Query((Term("red"),), wrong=wrong, keep_own=True), 10))


def test_a_match_after_marks_is_that_of_the_text(engine):
    number, term = ids_of(engine), Term("red")
    plain = {hit.path: hit.match for hit in engine.search(Query((term,)), 10)}
    marked = engine.search(Query((term,), right=(number["blue.jpg"],)), 10)
    assert {hit.path: pytest.approx(hit.match) for hit in marked} == plain
    assert names(marked) != names(engine.search(Query((term,)), 10))


def test_marks_of_photos_that_are_gone_do_not_count_and_are_told(engine):
    hits = engine.search(Query((Term("red"),), right=(999,), wrong=(998,)), 10)
    assert list(hits) == list(engine.search(Query((Term("red"),)), 10))
    assert [(note.code, note.message) for note in hits.explanation.notes] == [
        ("marks", "2 marked photos are not in the index any more, and did not count")
    ]


def test_a_photo_marked_wrong_is_not_found_by_its_words_either(engine, photos):
    give_captions(photos / ".clipsearch", {"blue.jpg": "red like a fire"})
    query = Query((Term("red"),), hybrid=True)
    assert "blue.jpg" in names(engine.search(query, 2))
    assert "blue.jpg" not in names(engine.search(replace(query, wrong=(ids_of(engine)["blue.jpg"],)), 10))


def test_marks_need_something_to_look_for(engine):
    with pytest.raises(QueryError, match="say what to look for, too"):
        engine.search(Query((), (Test("width", ">", 1),), right=(1,)))


def test_a_text_without_filters_takes_one_scan(engine, monkeypatch):
    scans = []
    for name in ("search", "search_with_best", "best_scores"):
        scan = getattr(Collection, name)
        monkeypatch.setattr(
            Collection, name, lambda *given, _s=scan, _n=name, **more: scans.append(_n) or _s(*given, **more)
        )
    engine.search(Query((Term("red"),)), 5)
    assert scans == ["search_with_best"]
    engine.search(Query((Term("red"),), (Test("format", "=", "png"),)), 5)
    assert scans[1:] == ["search_with_best", "best_scores"]


def test_weights_count_by_their_proportion_however_large_they_are(engine):
    once = engine.search(Query((Term("red"), Term("green", 0.5))), 5)
    for factor in (1e-40, 1e-9, 1e41, 1e307):
        hits = engine.search(Query((Term("red", factor), Term("green", factor / 2))), 5)
        assert names(hits) == names(once)
        assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in once])
    assert names(engine.search(f"{'9' * 42}:red", 1)) == ["red.jpg"]
    for weight in (0.0, float("inf"), float("nan")):
        with pytest.raises(QueryError, match=r"makes no sense|must be a number"):
            engine.search(Query((Term("red", weight),)), 5)


def test_the_answer_says_how_it_came_about(engine, photos):
    hits = engine.search(Query((Term("red"),), (Test("format", "=", "JPEG"),)), 2)
    explanation = hits.explanation
    assert (explanation.model, explanation.index, explanation.images, explanation.considered) == (
        "colours",
        str(photos / ".clipsearch"),
        5,
        4,
    )
    assert explanation.bytes_scanned == 5 * 4 * 4
    assert set(explanation.seconds) == {"encode", "filter", "search", "choose"}
    assert hits.query.filters == (Test("format", "=", "JPEG"),)


def test_many_queries_find_what_each_finds_alone(engine, photos):
    queries = [
        Query((Term("red"),)),
        Query((Term("green"), Term("blue", -0.5))),
        Query((Term("yellow"),), (Test("format", "=", "png"),)),
        Query((Term("blue"),), offset=1),
        Query((Term(photos / "red.jpg"),)),
        Query((Term("grey"),), sort="name"),
        Query((Term("red"),), min_match=0.0, diverse=True),
        Query((Term("red"),), one_per_shot=True),
    ]
    together = engine.search_many(queries, 3)
    assert [hits.query for hits in together] == queries
    for query, hits in zip(queries, together, strict=True):
        alone = engine.search(query, 3)
        assert [(hit.rank, hit.path) for hit in hits] == [(hit.rank, hit.path) for hit in alone]
        assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in alone])
        assert hits.explanation.considered == alone.explanation.considered
    assert engine.search_many([], 3) == []


def test_a_text_is_encoded_once_however_often_it_is_asked_for(engine, encoder, monkeypatch):
    batches = []
    encode = encoder.encode_texts
    monkeypatch.setattr(encoder, "encode_texts", lambda texts: batches.append(list(texts)) or encode(texts))
    engine.search("red")
    engine.search_many([Query((Term("red"),)), Query((Term("blue"), Term("red", -0.5))), Query((Term("blue"),))])
    engine.search(Query((Term("red"),), prompts=("a {} thing",)))
    assert batches == [["red"], ["blue"], ["a red thing"]]


def test_the_texts_of_a_query_are_encoded_alone_and_those_of_many_together(engine, encoder, monkeypatch):
    """A BLAS rounds otherwise for another number of texts, so a score would depend on what was asked before."""
    batches = []
    encode = encoder.encode_texts
    monkeypatch.setattr(encoder, "encode_texts", lambda texts: batches.append(list(texts)) or encode(texts))
    engine.search("red - blue - green + yellow")
    assert batches == [["red"], ["blue"], ["green"], ["yellow"]]
    engine.search_many(["grey", "white", "black", "pink", "brown"])
    assert batches[4:] == [["grey", "white", "black", "pink", "brown"]]


def test_the_vectors_of_the_texts_asked_for_last_are_kept(engine, encoder, monkeypatch):
    monkeypatch.setattr("clipsearch.query.embed._MOST_KEPT", 2)
    for text in ("red", "blue", "red", "green"):
        engine.search(text)
    batches = []
    encode = encoder.encode_texts
    monkeypatch.setattr(encoder, "encode_texts", lambda texts: batches.append(list(texts)) or encode(texts))
    engine.search_many([Query((Term(text),)) for text in ("red", "green", "blue")])
    assert batches == [["blue"]]


def test_photos_can_be_looked_through_without_a_query(engine, photos):
    by_name = [record.file.name for record in engine.browse(sort="name")[0]]
    assert by_name == ["blue.jpg", "green.jpg", "grey.png", "red.jpg", "yellow.jpg"]
    assert [record.file.name for record in engine.browse(sort="name", offset=3, top_k=1)[0]] == ["red.jpg"]
    png = Test("format", "=", "png")
    assert [record.file.name for record in engine.browse(png)[0]] == ["grey.png"]
    assert (engine.browse(png)[1], engine.browse(top_k=1)[1]) == (1, 5)
    for name, year in (("red.jpg", "2023"), ("blue.jpg", "2024")):
        dated = Image.open(photos / name)
        exif = dated.getexif()
        exif.get_ifd(0x8769)[0x9003] = f"{year}:07:01 10:00:00"
        dated.save(photos / name, exif=exif)
    engine.index()
    newest = [record.file.name for record in engine.browse()[0]]
    assert newest == ["blue.jpg", "red.jpg", "green.jpg", "yellow.jpg", "grey.png"]
    with pytest.raises(QueryError, match="at least one photo"):
        engine.browse(top_k=0)
