"""Arguments that make no sense are refused at once, in a sentence of Python, by every public method."""

from contextlib import contextmanager

import numpy as np
import pytest

from clipsearch import (
    All,
    Below,
    Client,
    ClipsearchError,
    Contains,
    Either,
    InAlbum,
    Known,
    ModelError,
    Not,
    QueryError,
    ReadLimits,
    SearchEngine,
    WalkRules,
    load_encoder,
    parse_where,
)
from clipsearch._internal.warn import warn
from tests.conftest import names

WRONG = [
    (lambda e: e.search("red", top_k="3"), "top_k must be a whole number, not '3'"),
    (lambda e: e.search("red", top_k=True), "top_k must be a whole number"),
    (lambda e: e.search("red", offset=1.5), "offset must be a whole number"),
    (lambda e: e.search(np.array(["red"])), "the array is <U3"),
    (lambda e: e.search(np.zeros((4, 4, 3))), r"the array is float64 of shape \(4, 4, 3\); an embedding is float32"),
    (lambda e: e.browse(top_k="3"), "top_k must be a whole number"),
    (lambda e: e.browse(offset=-1), "ask for at least one photo"),
    (lambda e: e.records("12"), "an id must be a whole number"),
    (lambda e: e.records(["1"]), "an id must be a whole number"),
    (lambda e: e.records(5), "ids are a list of numbers, not 5"),
    (lambda e: e.stats(["colour"]), "by must be one of 'year'"),
    (lambda e: e.stats(top=0), "top must be a whole number of at least 1, not 0"),
    (lambda e: e.count_values("year", depth=-1), "depth must be a whole number of at least 0"),
    (lambda e: e.optimize(kinds="tree"), "kinds must be one of .*, not 'tree'"),
    (lambda e: WalkRules(exclude="*.png"), r"exclude must be a tuple of names, not '\*.png'; write \('\*.png',\)"),
    (lambda e: WalkRules(hidden=1), "hidden must be True or False, not 1"),
    (lambda e: WalkRules(exclude=(3,)), r"a name in exclude must be a text \(str\), not 3"),
    (lambda e: ReadLimits(max_pixels="many"), "max_pixels must be a whole number of at least 1, not 'many'"),
    (lambda e: ReadLimits(seconds=-1), "seconds must be a number of at least 0"),
    (lambda e: Below(5), r"folder must be a text \(str\), not 5"),
    (lambda e: Contains(5), "text must be a text"),
    (lambda e: InAlbum(5), "name must be a text"),
    (lambda e: Known("colour"), "field must be one of 'name'"),
    (lambda e: All("width > 3"), "conditions must be a tuple, not 'width > 3'; parse_where"),
    (lambda e: All((None,)), "condition must be a Condition, not None"),
    (lambda e: Either(("x",)), "condition must be a Condition, not 'x'"),
    (lambda e: Not("x"), "condition must be a Condition, not 'x'"),
    (lambda e: e.vector("1"), "an id must be a whole number"),
    (lambda e: e.like(3), "a photo is an ImageRecord"),
    (lambda e: e.index(prune="x"), "prune must be True or False, not 'x'"),
    (lambda e: e.index(read_text=1), "read_text must be True or False"),
    (lambda e: e.index(settled_for=-1), "settled_for must be a number of at least 0, not -1"),
    (lambda e: e.index(jobs=0), "jobs must be None or a whole number of at least 1, not 0"),
    (lambda e: e.index(batch_size="2"), "batch_size must be None or a whole number of at least 1"),
    (lambda e: e.index(progress=True), "progress must be a function or None, not True"),
    (lambda e: e.index(limits=3), "limits must be ReadLimits, not 3"),
    (lambda e: e.index(cancel=True), "cancel must be a CancelToken or None"),
    (lambda e: e.index(["a", "b"]), "a folder must be a path .*; pass them one by one"),
    (lambda e: e.preview(None), "a folder must be a path"),
    (lambda e: e.forget(3), "a folder must be a path"),
    (lambda e: e.status(scan="no"), "scan must be True or False"),
    (lambda e: e.optimize(recall="high"), "recall must be a number"),
    (lambda e: e.optimize(kinds=["tree"]), "kinds must be one of"),
    (lambda e: e.label(3), "labels are a list of strings, not 3"),
    (lambda e: e.label([3]), "labels are a list of strings; 3 is not a string"),
    (lambda e: e.label(["red"], prompts=3), "prompts are a list of templates"),
    (lambda e: e.duplicates(least_cosine=5), "least_cosine must be a number from -1 to 1, not 5"),
    (lambda e: e.encoder.encode_images([], batch_size="2"), "batch_size must be a whole number of at least 1"),
    (lambda e: e.encoder.encode_images([], progress=True), "progress must be a function or None"),
    (lambda e: e.encoder.encode_images([None]), "a picture is a path, a PIL image"),
    (lambda e: e.encoder.encode_texts(None), "texts must be a list of strings, not None"),
    (lambda e: SearchEngine.open(None), "an index or its folder must be a path"),
    (lambda e: SearchEngine(5), r"an index or its folder must be a path \(str or Path\), not 5"),
    (lambda e: SearchEngine(b"x"), "an index or its folder must be a path"),
    (lambda e: parse_where(5), r"an expression must be a text \(str\), .* not 5"),
    (lambda e: parse_where(None), "an expression must be a text"),
    (lambda e: Client(5), "url must be the address of a server"),
    (lambda e: SearchEngine.open_many(3), "open_many takes a list of folders"),
    (lambda e: SearchEngine.open(".", model=3), "model must be a name"),
    (lambda e: load_encoder(3), "a model is a name"),
    (lambda e: e.albums.add(3, []), "an album's name must be a text"),
    (lambda e: e.albums.add("x", [3]), "photos are records or hits"),
    (lambda e: e.albums.take_out("nope", []), "there is no album 'nope'; no album was made yet"),
]


def test_every_wrong_argument_is_refused_in_a_sentence(engine):
    for call, sentence in WRONG:
        with pytest.raises((ClipsearchError, TypeError, ValueError, ModelError, QueryError), match=sentence):
            call(engine)
    assert engine.albums.names() == []


def test_an_array_is_a_picture_and_numbers_of_numpy_are_numbers(engine):
    pixels = np.zeros((24, 32, 3), np.uint8) + np.array([0, 0, 255], np.uint8)
    hits = engine.search(pixels, np.int64(1))
    assert names(hits) == ["blue.jpg"]
    assert hits.explain()["terms"] == [{"kind": "image", "content": "32 x 24 pixels", "weight": 1.0}]
    assert names(engine.search(pixels, 1, offset=np.int64(0), unlike="red")) == ["blue.jpg"]
    assert len(engine.browse(top_k=np.int32(2))[0]) == 2


def test_hits_can_be_put_into_an_album_and_taken_out(engine):
    hits = engine.search("red", 2)
    assert engine.albums.add("Reds", hits) == 2 and engine.albums.take_out("Reds", hits[:1]) == 1


def test_warnings_name_the_line_of_the_caller(engine):
    with pytest.warns(match="runs on the CPU") as issued:
        encoder = load_encoder("mini", device="cuda")
    with pytest.warns(match="text of 202 tokens") as cut:
        encoder.encode_texts(["cat " * 200])
    assert {issued[0].filename, cut[0].filename} == {__file__}
    inside = {"__name__": "clipsearch.somewhere", "contextmanager": contextmanager, "warn": warn}
    exec("@contextmanager\ndef writing():\n    warn('from a with block')\n    yield\n", inside)  # by way of contextlib
    with pytest.warns(match="from a with block") as wrapped, inside["writing"]():
        pass
    assert wrapped[0].filename == __file__


def test_one_property_to_count_by_needs_no_list(engine):
    assert engine.stats("format") == engine.stats(["format"])
