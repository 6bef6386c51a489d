"""Arguments that make no sense are refused at once, in a sentence of Python, by every public method."""

import functools
import json
import math
import shutil
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image

from clipsearch import (
    All,
    Among,
    Below,
    Client,
    ClipsearchError,
    CollectionNotFound,
    Contains,
    Either,
    ImageError,
    InAlbum,
    Known,
    Located,
    Near,
    Not,
    Query,
    QueryError,
    ReadLimits,
    RuleChanges,
    SearchEngine,
    Term,
    Test,
    WalkRules,
    load_encoder,
    parse_where,
)
from clipsearch._internal.warn import warn
from clipsearch.query.json_form import request_body
from tests.conftest import names

WRONG = [
    (
        lambda e: e.search("red", format="jpgg"),
        "^format: there is no format 'jpgg'; there are jpeg, .*did you mean jpg",
    ),
    (lambda e: e.search(format=["jpeg", "banana"]), "^format: there is no format 'banana'; there are jpeg"),
    (lambda e: e.search("nan:red"), "the weight nan makes no sense"),
    (lambda e: e.search("red", top_k="3"), "top_k must be a whole number, not '3'"),
    (lambda e: e.search("red", top_k=True), "top_k must be a whole number"),
    (lambda e: e.search("red", offset=1.5), "offset must be a whole number"),
    (lambda e: e.search(np.array(["red"])), "the array is <U3"),
    (lambda e: e.search(np.zeros((4, 4, 3))), r"the array is float64 of shape \(4, 4, 3\); an embedding is float32"),
    (lambda e: e.browse(top_k="3"), "top_k must be a whole number"),
    (lambda e: e.browse(offset=-1), "ask for at least one photo"),
    (lambda e: e.browse(offset=2**70), "give at most 9223372036854775807"),
    (
        lambda e: e.search("red", where=functools.reduce(lambda inner, _: Not(inner), range(5000), Known("taken"))),
        "too many",
    ),
    (lambda e: e.search(Path("a\ud800b")), "the path .* has characters that no file's name has here"),
    (lambda e: e.forget("a\ud800b"), "a folder must be a path, and .* has characters that no path has here"),
    (lambda e: e.search(Path("a\0b")), "the path .* has a null character, so no file has it"),
    (lambda e: e.index("a\0b"), "a folder must be a path, and .* has a null character"),
    (lambda e: e.forget(), "name at least one folder or photo"),
    (lambda e: e.optimize(kinds=[]), "kinds is empty; name at least one of"),
    (lambda e: SearchEngine(e.index_folder.parent / "new").index(), "has no folders yet; name one: clipsearch index"),
    (lambda e: SearchEngine.open("s3://bucket/x"), "is an address, and an index is a folder on this machine"),
    (lambda e: e.export("a\0b.csv"), "out must be a path, and .* has a null character"),
    (lambda e: Among((True,)), "and True is not one of them"),
    (lambda e: e.records("12"), "ids are a list of numbers or hits, not '12'"),
    (lambda e: e.placeholders(b"12"), "ids are a list of numbers or hits, not b'12'"),
    (lambda e: e.records(["1"]), r"a photo must be an id \(int\), a hit or a record"),
    (lambda e: e.records(5), "ids are a list of numbers or hits, not 5"),
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
    (lambda e: Below(""), "folder must be an absolute path, not ''"),
    (lambda e: Below("photos"), "folder must be an absolute path, not 'photos'; os.path.abspath makes it one"),
    (lambda e: Known("colour"), "field must be one of 'name'"),
    (lambda e: Test("taken", "<", "july"), "'july' is not a time; give 2024-07-15T12:30:00 or a beginning of that"),
    (lambda e: Test("taken", ">", date(2024, 7, 1)), r"taken is compared with a text, .*; give '2024-07-01'$"),
    (lambda e: Test("taken", "=", "2024-13"), "'2024-13' is not a time"),
    (lambda e: Test("width", "=", None), "width must be a number, not None"),
    (lambda e: Test("width", "<", math.nan), "width must be a number, not nan"),
    (lambda e: Test("size", "<", [3]), r"size must be a number, not \[3\]"),
    (lambda e: Among(5), "ids must be a tuple of whole numbers, not 5"),
    (lambda e: Among(("1",)), "ids must be a tuple of whole numbers, and '1' is not one of them"),
    (lambda e: Located("FR"), "codes must be a tuple of codes of the gazetteer, not 'FR'"),
    (lambda e: Term("dog", literal="no"), "literal must be True or False"),
    (lambda e: Query.parse(None), "a query must be a text"),
    (lambda e: All("width > 3"), "conditions must be a tuple, not 'width > 3'; parse_where"),
    (lambda e: All((None,)), "condition must be a Condition, not None"),
    (lambda e: Either(("x",)), "condition must be a Condition, not 'x'"),
    (lambda e: Not("x"), "condition must be a Condition, not 'x'"),
    (lambda e: e.positions("width > 3"), "condition must be a Condition, not 'width > 3'; parse_where"),
    (lambda e: e.positions(most="2"), "most must be a whole number, not '2'"),
    (lambda e: e.count_values("year", "width > 3"), "condition must be a Condition"),
    (lambda e: e.among([3]), "photos are records or hits, such as those of a search; 3 is not one"),
    (lambda e: e.among("red.jpg"), "photos are a list of records or hits, not 'red.jpg'"),
    (lambda e: e.understand("dog", today="monday"), "today must be a date or None, not 'monday'"),
    (lambda e: e.search_many(b"dog"), "queries must be a list"),
    (lambda e: e.search_many(["dog", 3]), r"^queries\[1\]: a query is a text"),
    (lambda e: e.stats(np.array(["year", "colour"])), "by must be one of"),
    (lambda e: e.push(5), r"the address of a store must be a text \(str\), not 5"),
    (lambda e: e.pull(None), "the address of a store must be a text"),
    (lambda e: e.export("q.csv", format="foo"), "format must be one of 'npy', 'parquet', 'csv' or 'jsonl', not 'foo'"),
    (lambda e: e.export(5), "out must be a path"),
    (lambda e: e.export(""), "out must be a path, not an empty text$"),
    (lambda e: e.export("q.csv", relative_to=""), "relative_to must be a path, not an empty text"),
    (lambda e: e.import_embeddings(3), "file must be a path"),
    (lambda e: e.import_embeddings("q.npy", folder=[]), "folder must be a path"),
    (lambda e: e.vector("1"), r"a photo must be an id \(int\), a hit or a record"),
    (lambda e: e.like(3), "a photo is an ImageRecord"),
    (lambda e: e.index(prune="x"), "prune must be True or False, not 'x'"),
    (lambda e: e.index(read_text=1), "read_text must be True or False"),
    (lambda e: e.index(keep_empty="no"), "keep_empty must be True or False"),
    (lambda e: e.index(""), "a folder must be a path, not an empty text; for the current folder, give '.'"),
    (lambda e: e.preview(""), "a folder must be a path, not an empty text"),
    (lambda e: e.forget(" "), "a folder must be a path, not an empty text"),
    (lambda e: e.index_on_cluster(""), "a source must be a path, not an empty text"),
    (lambda e: e.index(settled_for=None), "settled_for must be a number of at least 0, not None"),
    (lambda e: e.index(settled_for=-1), "settled_for must be a number of at least 0, not -1"),
    (lambda e: e.index(jobs=0), "jobs must be None or a whole number of at least 1, not 0"),
    (lambda e: e.index(batch_size="2"), "batch_size must be None or a whole number of at least 1"),
    (lambda e: e.index(progress=True), "progress must be a function or None, not True"),
    (lambda e: e.index(limits=3), "limits must be ReadLimits, not 3"),
    (lambda e: e.preview(limits={}), "limits must be ReadLimits, not {}"),
    (lambda e: e.index(cancel=True), "cancel must be a CancelToken or None"),
    (lambda e: e.index(["a", "b"]), "a folder must be a path .*; pass them one by one"),
    (lambda e: e.preview(None), "a folder must be a path"),
    (lambda e: e.forget(3), "a folder must be a path"),
    (lambda e: e.status(scan="no"), "scan must be True or False"),
    (lambda e: e.optimize(recall="high"), "recall must be a number above 0 and at most 1, not 'high'"),
    (lambda e: e.optimize(recall=2), "recall must be a number above 0 and at most 1, not 2"),
    (lambda e: e.optimize(recall=0), "recall must be a number above 0 and at most 1, not 0"),
    (lambda e: e.optimize(max_milliseconds=0), "max_milliseconds must be a number above 0, not 0"),
    (lambda e: e.index(rules="x"), "rules must be WalkRules or RuleChanges, not 'x'"),
    (
        lambda e: e.search("red", right=[5], wrong=[5]),
        "^the photo 5 is both right and wrong; it can only be one of them$",
    ),
    (lambda e: e.search(np.zeros((0, 0, 3), np.uint8)), r"^the picture is empty \(0 x 0\)$"),
    (lambda e: e.search(np.zeros((0, 7), np.uint8)), r"^the picture is empty \(7 x 0\)$"),
    (lambda e: Client("localhost").search(np.zeros((0, 0, 3), np.uint8)), r"^the picture is empty \(0 x 0\)$"),
    (lambda e: e.optimize(kinds=["tree"]), "kinds must be one of"),
    (lambda e: e.label(3), "labels are a list of strings, not 3"),
    (lambda e: e.label([3]), "labels are a list of strings; 3 is not a string"),
    (lambda e: e.label(["red"], prompts=3), "prompts are a list of templates"),
    (lambda e: e.duplicates(least_cosine=5), "least_cosine must be a number from -1 to 1, not 5"),
    (lambda e: e.encoder.encode_images([], batch_size="2"), "batch_size must be a whole number of at least 1"),
    (lambda e: e.encoder.encode_images([], progress=True), "progress must be a function or None"),
    (lambda e: e.encoder.encode_images([None]), "a picture is a path, a PIL image"),
    (lambda e: e.encoder.encode_images([Image.new("RGB", (0, 0))]), r"images\[0\]: the picture is empty \(0 x 0\)"),
    (lambda e: e.encoder.encode_images([""]), r"^images\[0\]: "),
    (lambda e: next(e.label(["red"])).best(-1), "count must be a whole number of at least 0, not -1"),
    (lambda e: next(e.label(["red"])).best("2"), "count must be a whole number of at least 0, not '2'"),
    (lambda e: next(e.label(["red"])).best(2, math.nan), "min_match must be a number, not nan"),
    (lambda e: e.encoder.encode_texts(b"red"), "texts must be a list of strings, not b'red'"),
    (lambda e: e.encoder.encode_texts(None), "texts must be a list of strings, not None"),
    (lambda e: SearchEngine.open(None), "an index or its folder must be a path"),
    (lambda e: SearchEngine.open(""), "an index or its folder must be a path, not an empty text; .* give '.'"),
    (lambda e: SearchEngine(""), "an index or its folder must be a path, not an empty text"),
    (lambda e: SearchEngine.open_many([""]), "an index or its folder must be a path, not an empty text"),
    (lambda e: SearchEngine.open(".", model=""), r"model must be a name \(str\) or the path of a folder, not ''"),
    (lambda e: SearchEngine.open(".", text_model=""), "text_model must be a name"),
    (lambda e: SearchEngine(5), r"an index or its folder must be a path \(str or Path\), not 5"),
    (lambda e: SearchEngine(b"x"), "an index or its folder must be a path"),
    (lambda e: parse_where(5), r"an expression must be a text \(str\), .* not 5"),
    (lambda e: parse_where(None), "an expression must be a text"),
    (lambda e: Client(5), "url must be the address of a server"),
    (lambda e: Client("foo bar"), "^http://foo bar is not the address of a server .*no host has ' ' in its name"),
    (lambda e: Client("http://lo\ncal\x01"), r"^http://lo\\ncal\\x01 is not the address of a server"),
    (lambda e: Client("http://[::1"), "is not the address of a server .*Invalid IPv6"),
    (lambda e: Client("http://$(HOST):8100"), "no host has .* in its name"),
    (lambda e: Client("http://a..b"), "a part of the host's name is empty, too long or impossible"),
    (lambda e: Client("http://" + "\u00fc" * 80), "a part of the host's name is empty, too long or impossible"),
    (
        lambda e: Client("http://" + "a." * 2000),
        r"^.{77}\.\.\. is not the address of a server .*more than 2,000 characters",
    ),
    (
        lambda e: Client("http://me:secret@host?token=hidden"),
        r"^http://host is not the .*a server has a token\); [^@]*$",
    ),
    (lambda e: Client("http://localhost:0"), "port 0"),
    (lambda e: Client("http://localhost:x1"), "is not the address of a server"),
    (lambda e: Client("localhost", 5), r"token must be a text \(str\) or None, not 5"),
    (lambda e: Client("localhost", timeout=-1), "timeout must be a number from 0.001 to 86400, not -1"),
    (lambda e: Client("localhost", timeout="5"), "timeout must be a number from 0.001"),
    (lambda e: Client("localhost").similar("red.jpg"), "an image is an id .* not 'red.jpg'"),
    (lambda e: Client("localhost").images("width > 3"), "filters must be a tuple of Conditions, not 'width > 3'"),
    (lambda e: Client("localhost").facets(Known("taken")), "filters must be a tuple of Conditions"),
    (lambda e: Client("localhost").search("dog", "3"), "top_k must be a whole number, not '3'"),
    (lambda e: Client("localhost").search(), "the query is empty"),
    (lambda e: e.search(relevant=True), "the query is empty"),
    (lambda e: e.search("red", right=[10**30]), f"no photo has the id {10**30}; ids are from 1 to "),
    (lambda e: e.search("red", wrong=[2**63]), f"no photo has the id {2**63}; ids are from 1 to "),
    (lambda e: Client("localhost").similar(1, b"3"), "top_k must be a whole number, not b'3'"),
    (lambda e: Client("localhost").images(sort="best"), "sort must be one of 'date', 'oldest' or 'name', not 'best'"),
    (lambda e: Client("localhost").images(offset=-1), "offset must be a whole number of at least 0, not -1"),
    (lambda e: Client("localhost").download([1], "tar"), "kind must be one of 'zip', 'gallery' or 'sheet', not 'tar'"),
    (lambda e: Client("localhost").download([]), "there are no ids"),
    (lambda e: Client("localhost").thumbnail(1, 100), "size must be one of 256, 512 or 1024, not 100"),
    (lambda e: Client("localhost").rename_album("x", None), "an album's name must be a text"),
    (lambda e: Client("localhost").change_album(""), "an album's name has 1 to 200 letters, in one line"),
    (lambda e: Client("localhost").change_album("a\nb"), "an album's name has 1 to 200 letters, in one line"),
    (lambda e: Client("localhost").change_album("a" * 201), "an album's name has 1 to 200 letters, in one line"),
    (lambda e: Client("localhost").rename_album("a", "\ud800"), "an album's name has 1 to 200 letters, in one line"),
    (lambda e: e.albums.add("a\nb", []), "an album's name has 1 to 200 letters, in one line"),
    (lambda e: Client("localhost").duplicates(exact_only="no"), "exact_only must be True or False"),
    (lambda e: Client("localhost").file("../1"), r"a photo must be an id \(int\), a hit or a record, not '../1'"),
    (lambda e: Client("localhost").download("12"), "ids are a list of numbers or hits"),
    (lambda e: Client("localhost").change_album("x", add=["1"]), r"a photo must be an id \(int\), a hit or a record"),
    (lambda e: Client("localhost").rename_album(3, "x"), "an album's name must be a text"),
    (lambda e: Client("localhost").start_index("photos"), "folders are a list of paths"),
    (lambda e: Client("localhost").start_index([3]), r"a folder must be a path \(str or Path\), not 3"),
    (lambda e: SearchEngine.open_many(3), "open_many takes a list of folders"),
    (lambda e: SearchEngine.open(".", model=3), "model must be a name"),
    (lambda e: load_encoder(3), "a model is a name"),
    (lambda e: load_encoder(""), "the model's name is empty; for a checkpoint in the current folder, give '.'"),
    (lambda e: load_encoder(" "), "the model's name is empty"),
    (lambda e: e.albums.add(3, []), "an album's name must be a text"),
    (lambda e: e.albums.add("x", ""), "photos are a list of records or hits, not ''"),
    (lambda e: e.albums.members(["x"]), "an album's name must be a text"),
    (lambda e: e.albums.remove(None), "an album's name must be a text"),
    (lambda e: e.albums.add("x", [3]), "photos are records or hits"),
    (lambda e: e.albums.take_out("nope", []), "there is no album 'nope'; no album was made yet"),
    (
        lambda e: SearchEngine.open("nowhere").albums.take_out("x", []),
        "there is no index at .*, so there are no albums",
    ),
    (lambda e: SearchEngine.open("nowhere").albums.rename("x", "y"), "there is no index at .*, so there are no albums"),
    (lambda e: SearchEngine.open("nowhere").albums.remove("x"), "there is no index at .*, so there are no albums"),
]


def test_every_wrong_argument_is_refused_in_a_sentence(engine):
    for call, sentence in WRONG:
        with pytest.raises((ClipsearchError, TypeError, ValueError), match=sentence) as raised:
            call(engine)
        assert raised.type is not ClipsearchError, sentence  # it is wrong use, also of the command line
    assert engine.albums.names() == []


def test_an_array_is_a_picture_and_numbers_of_numpy_are_numbers(engine):
    pixels = np.zeros((24, 32, 3), np.uint8) + np.array([0, 0, 255], np.uint8)
    hits = engine.search(pixels, np.int64(1))
    assert names(hits) == ["blue.jpg"]
    assert hits.explain()["terms"] == [{"kind": "image", "content": "32 x 24 pixels", "weight": 1.0}]
    assert names(engine.search(pixels, 1, offset=np.int64(0), unlike="red")) == ["blue.jpg"]
    assert len(engine.browse(top_k=np.int32(2))[0]) == 2
    assert (
        len(engine.search(where=Test("width", ">", np.float32(3)))) == 5 == engine.browse(Test("size", "<", 10**30))[1]
    )
    assert engine.positions(most=2**70) == []
    terms, filters = (Term("red", np.float32(2)),), (Among((np.int64(1),)), Near(np.float32(1), 2, np.int8(3)))
    query = Query(terms, filters, offset=np.int64(1), min_match=np.float64(0.5), right=(np.int32(1),))
    json.dumps(request_body(query, 1, str))  # as a client does


def test_small_numbers_of_numpy_do_not_overflow_and_reach_every_search(engine):
    for query in ("red", "red - blue", engine.vector(1)):
        for keywords in ({}, {"right": [1]}, {"offset": np.uint8(100)}, {"hybrid": True}):
            hits = engine.search(query, top_k=np.uint8(200), **keywords)
            assert hits == engine.search(query, 200, **{**keywords, "offset": int(keywords.get("offset", 0))})
    assert engine.browse(top_k=np.uint8(200), offset=np.uint8(100)) == engine.browse(top_k=200, offset=100)


def test_flags_of_numpy_are_flags(engine):
    query = Query.parse("red", diverse=np.True_, keep_own=np.bool_(False), relevant=np.True_)
    assert query == Query.parse("red", diverse=True, min_match=0.5)
    json.dumps(request_body(query, 1, str))
    assert Term("red", literal=np.True_) == Term("red", literal=True)
    assert json.dumps(WalkRules(hidden=np.True_).to_json()) == json.dumps(WalkRules(hidden=True).to_json())
    assert RuleChanges(hidden=np.True_).hidden is True
    assert engine.outline(one_per_shot=np.True_) == engine.outline(one_per_shot=True)
    assert engine.duplicates(exact_only=np.True_) == engine.duplicates(exact_only=True)
    with pytest.raises(QueryError, match=r"^diverse must be True or False, not array\(\[ True\]\)$"):
        engine.search("red", diverse=np.array([True]))


@pytest.mark.parametrize("several", [list, np.array, pandas.Series, iter])
def test_several_values_may_be_a_list_an_array_a_series_or_a_generator(engine, several):
    assert Among(several([1, 2])) == Among((1, 2)) and Query((), right=several([1])) == Query((), right=(1,))
    assert Located(several(["FR"])) == Located(("FR",)) and All(several([Known("taken")])) == All((Known("taken"),))
    assert WalkRules(exclude=several(["a"])) == WalkRules(exclude=("a",))
    assert RuleChanges(exclude=several(["a"])) == RuleChanges(exclude=("a",))
    assert engine.stats(several(["format"])) == engine.stats("format")
    assert engine.records(several([1, 2])).keys() == {1, 2}
    picture = engine.browse()[0][0].file.path
    assert engine.encoder.encode_images(several([picture])).shape[0] == 1
    with pytest.raises(TypeError, match=r"a folder must be a path .*; pass them one by one"):
        engine.index(several(["a", "b"]))


def test_a_value_in_a_message_is_one_line():
    with pytest.raises(QueryError, match=r"^sort must be one of .*, not 0 +date [^\n]*$"):
        Query((), sort=pandas.Series(["date"]))


def test_a_hit_or_a_record_stands_for_its_id(engine):
    hits = engine.search("red", 2)
    hit, ids = hits[0], [hit.record.image_id for hit in hits]
    assert engine.records(hits) == engine.records(ids) == engine.records(hit.record for hit in hits)
    assert engine.placeholders(hits) == engine.placeholders(ids)
    assert np.array_equal(engine.vector(hit), engine.vector(ids[0]))
    assert engine.like(hit) == engine.like(hit.record)


def test_a_hit_in_place_of_a_picture_or_a_path_is_refused_with_what_to_give(engine):
    hits = engine.search("red", 2)
    for call, advice in (
        (lambda: engine.search(hits[0]), r"the picture of a hit is Path\(hit.path\), and Client.similar takes the hit"),
        (lambda: engine.search(like=hits), r"the picture of a hit is Path\(hit.path\)"),
        (lambda: Client("localhost").search(hits[0].record), "Client.similar takes the hit itself"),
        (lambda: engine.search(["red", "blue"]), "search_many takes several queries"),
        (lambda: engine.forget(hits[0]), "a folder must be a path .*; give its `path`"),
        (lambda: engine.encoder.encode_images(hits), "not Hit; give its `path`"),
        (lambda: Among(hits), r"; SearchEngine.among\(hits\) makes one of hits"),
        (lambda: engine.search("red", wrong=["red.jpg"]), "^a photo in wrong must be an id"),
    ):
        with pytest.raises((QueryError, TypeError), match=advice):
            call()


def test_a_generator_is_a_list(engine):
    ids = [1, 2]
    assert engine.records(number for number in ids) == engine.records(ids)
    assert engine.placeholders(number for number in ids) == engine.placeholders(ids)
    whole = next(engine.label(["red", "blue"], prompts=["a {}", "the {}"]))
    same = next(engine.label((label for label in ["red", "blue"]), prompts=(prompt for prompt in ["a {}", "the {}"])))
    assert same.matches.tolist() == whole.matches.tolist()


def test_what_labels_give_after_the_engine_was_closed_is_an_error_in_a_sentence(engine):
    not_begun, begun = engine.label(["red"]), engine.label(["red"])
    next(begun)
    engine.close()
    for labelled in (not_begun, begun):
        with pytest.raises(ClipsearchError, match="the engine was closed before the generator was read"):
            next(labelled)


def test_an_index_that_was_removed_since_is_not_made_again_to_forget_or_push(engine):
    engine.search("red")
    photos = engine.index_folder.parent
    shutil.rmtree(engine.index_folder)
    for call in (lambda: engine.forget(photos), lambda: engine.push("milvus://localhost:1/photos")):
        with pytest.raises(CollectionNotFound):
            call()
    assert not engine.index_folder.exists()


def test_a_closed_picture_is_an_image_error(engine):
    picture = Image.open(engine.browse()[0][0].file.path)
    picture.close()
    for search in (engine.search, Client("localhost").search, lambda closed: engine.search(like=closed)):
        with pytest.raises(ImageError, match="closed"):
            search(picture)


def test_folders_may_be_relative_or_of_another_system(engine, tmp_path, monkeypatch):
    assert [Below(folder).folder[1:3] for folder in ("C:\\photos", "\\\\nas\\photos", "s3://x")] == [":\\", "\\n", "3:"]
    photos = engine.index_folder.parent
    monkeypatch.chdir(photos.parent)
    assert engine.export(tmp_path / "out.csv", relative_to=photos.name).images == 5
    assert Located(["FR"]) == Located(("FR",)) and Among([1]) == Among((1,))


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
