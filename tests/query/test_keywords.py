"""The keywords of a search in Python."""

import warnings
from datetime import date, datetime, timezone
from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image

from clipsearch import ClipsearchWarning, Hits, Query, SearchKeywords, Term
from clipsearch.cli import cli
from clipsearch.cli.command import LOOK_FOR, ORDER, WHICH_PHOTOS
from clipsearch.conditions import All, Near, Test
from clipsearch.errors import QueryError
from clipsearch.query.filters import chosen, parse_where, taken_in
from clipsearch.query.keywords import make_query
from tests.conftest import names


def conditions(**keywords):
    return make_query(None, keywords).filters


def test_a_search_takes_filters_limits_and_order(engine, photos):
    assert names(engine.search("red", where="format = png")) == ["grey.png"]
    assert names(engine.search("red", in_=photos / "trip")) == ["grey.png"]
    assert names(engine.search("red", name=["blue*", "green*"], sort="name")) == ["blue.jpg", "green.jpg"]
    assert len(engine.search("red", min_score=0.99)) == 1
    assert names(engine.search("red", 1, offset=1)) != names(engine.search("red", 1))
    assert names(engine.search(like=photos / "red.jpg", keep_own=True, top_k=1)) == ["red.jpg"]
    assert names(engine.search("yellow", unlike="red", top_k=1)) == ["green.jpg"]
    assert names(engine.search("yellow - red", 1)) == ["green.jpg"]


def test_without_a_query_the_filters_list_photos(engine):
    assert names(engine.search(name="*.png")) == ["grey.png"]
    with pytest.raises(QueryError, match="empty"):
        engine.search()


def test_search_many_takes_all_that_search_does(engine, photos):
    queries = ["red", Query((Term("green"),)), photos / "blue.jpg"]
    answers = engine.search_many(queries, 1, name="*.jpg", keep_own=True)
    assert [names(hits) for hits in answers] == [["red.jpg"], ["green.jpg"], ["blue.jpg"]]
    with pytest.raises(QueryError, match="list of queries"):
        engine.search_many("red")


def test_hits_that_were_right_and_wrong_are_marks(engine):
    hits = engine.search("red", 2)
    again = engine.search("red", 5, right=hits[:1], wrong=[hits[1]])
    assert hits[1].path not in [hit.path for hit in again] and again[0].path == hits[0].path
    assert again.query.right == (hits[0].record.image_id,)


def test_a_query_is_parsed_with_keywords():
    query = Query.parse("a dog - people", sort="date", min_match=0.5, where="width > 300")
    assert query.terms == (Term("a dog"), Term("people", -1.0))
    assert (query.sort, query.min_match, query.filters) == ("date", 0.5, (Test("width", ">", 300.0),))
    more = make_query(query, {"orientation": "square", "relevant": True})
    assert more.filters == (*query.filters, Test("orientation", "=", "square")) and more.min_match == 0.5
    assert Query.parse("dog", text="beach").filters == chosen(text="beach")  # the keyword, not the parameter
    assert make_query("dog", {"where": None, "min_match": None}) == Query.parse("dog")


@pytest.mark.parametrize(
    ("keywords", "same"),
    [
        ({"taken": 2024}, {"taken": "2024"}),
        ({"taken": (2019, "2024-05")}, {"taken": "2019..2024-05"}),
        ({"taken": date(2024, 7, 15)}, {"taken": "2024-07-15"}),
        ({"after": datetime(2024, 7, 15, 12, 30)}, {"after": "2024-07-15T12:30:00"}),
        ({"before": 2020, "camera": "Canon"}, {"camera": "Canon", "before": "2020"}),
        ({"near": (48.2, 16.4)}, {"near": "48.2,16.4"}),
        ({"near": (48.2, 16.4, 5)}, {"near": "48.2,16.4,5"}),
        ({"near": [48.2, 16.4]}, {"near": "48.2,16.4"}),
        ({"near": np.array([48.25, 16.5, 5])}, {"near": "48.25,16.5,5"}),
        ({"near": np.array([[48.25, 16.5]])}, {"near": "48.25,16.5"}),
        ({"within": (48, 16, 49, 17)}, {"within": "48,16,49,17"}),
        ({"within": np.array([48, 16, 49, 17])}, {"within": "48,16,49,17"}),
        ({"taken": np.int64(2024)}, {"taken": "2024"}),
        ({"taken": np.datetime64("2024-07")}, {"taken": "2024-07"}),
        ({"after": np.datetime64("2024-07-15T12:30", "ns")}, {"after": "2024-07-15T12:30:00"}),
        ({"rating": np.array([4])}, {"rating": "4"}),
        ({"rating": range(3, 5)}, {"rating": ["3", "4"]}),
        ({"near": pandas.Series([48.25, 16.5])}, {"near": "48.25,16.5"}),
        ({"near": iter([48.25, 16.5])}, {"near": "48.25,16.5"}),
        ({"taken": pandas.Series(["2019", "2024"])}, {"taken": ["2019", "2024"]}),
        ({"in_": iter(["/a", "/b"])}, {"folders": ["/a", "/b"]}),
        ({"person": {"Ada": 1}.keys()}, {"people": ["Ada"]}),
        ({"where": pandas.Series(["width > 3"])}, {"where": "width > 3"}),
        ({"name": np.array(["*.jpg"])}, {"names": ["*.jpg"]}),
        ({"rating": 4}, {"rating": "4"}),
        ({"rating": np.float64(4)}, {"rating": "4"}),
        ({"rating": (2, 4)}, {"rating": "2..4"}),
        ({"in_": Path("/a")}, {"folders": ["/a"]}),
        ({"in_": ["/a", Path("/b")]}, {"folders": ["/a", "/b"]}),
        ({"name": "*.jpg", "place": "Paris"}, {"names": ["*.jpg"], "places": ["Paris"]}),
        ({"keyword": ["a", "b"], "person": "Ada"}, {"keywords": ["a", "b"], "people": ["Ada"]}),
        ({"min_width": 800, "min_height": 600}, {"min_width": 800, "min_height": 600}),
        ({"format": "raw", "orientation": "Portrait"}, {"format": "raw", "orientation": "Portrait"}),
    ],
)
def test_values_may_be_what_python_has_for_them(keywords, same):
    assert set(conditions(**keywords)) == set(chosen(**same))


def test_where_takes_a_condition():
    condition = All((Test("width", ">", 1), Near(1.0, 2.0, 3.0)))
    assert conditions(where=condition) == (condition,)
    assert conditions(where="taken = 2024") == (taken_in("2024"),)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"sort": "size"}, r"sort must be one of 'score', 'likely', 'date', 'oldest' or 'name', not 'size'"),
        ({"min_width": -5}, "min_width: it must be a number of at least 1, not -5"),
        ({"rating": 4.5}, r"rating: it must be a whole number of stars or a text such as '4\.\.', not 4.5"),
        ({"taken": 24}, "taken: '24' is not a date"),
        ({"rating": (3, 2)}, "rating: '3..2' ends before it begins"),
        ({"camera": ""}, "camera: the camera is empty"),
        ({"taken": ""}, "taken: it is empty; give one value, or a range"),
        ({"taken": []}, "taken: the list is empty; give at least one value, or None"),
        ({"place": []}, "place: the list is empty"),
        ({"in_": ()}, "in_: the list is empty"),
        ({"album": set()}, "album: the list is empty"),
        ({"min_match": 3}, "min_match must be a number from 0 to 1, not 3"),
        ({"min_match": "50%"}, "min_match must be a number from 0 to 1, not '50%'; 50% is 0.5"),
        ({"min_match": "high"}, "min_match must be a number from 0 to 1, not 'high'"),
        ({"min_score": True}, "min_score must be a number"),
        ({"diverse": "yes"}, "diverse must be True or False, not 'yes'"),
        ({"relevant": 1}, "relevant must be True or False"),
        ({"taken": "soon"}, "taken: 'soon' is not a date"),
        ({"taken": 2024.5}, r"taken: it must be a year \(int\), a date, .* not 2024.5"),
        ({"after": datetime(2024, 7, 15, tzinfo=timezone.utc)}, "after: a time with a zone .* give it without tzinfo"),
        ({"taken": (2019, pandas.Timestamp("2024-07", tz="UTC"))}, "taken: a time with a zone cannot be compared"),
        ({"taken": (1, 2, 3)}, "taken: it must be one value, or the first and the last"),
        ({"near": (91, 0)}, "near: '91.0,0.0' is not coordinates"),
        ({"near": "Paris"}, "near: 'Paris' is not coordinates; for a name use `place=Paris`"),
        (
            {"after": 2015, "before": date(2014, 1, 1)},
            "the time from `after=2015` to `before=2014-01-01` ends before it",
        ),
        ({"near": ("a", "b")}, "near: each of latitude, longitude and km must be a number"),
        ({"where": "widht > 3"}, r"where: there is no field 'widht'; did you mean width\?"),
        (
            {"near": 48.1},
            r"near: it must be latitude, longitude and km, such as \(48.1, 11.5, 50\), or a text .* not 48.1",
        ),
        ({"near": {48.1, 11.5}}, "near: it must be latitude, longitude and km"),
        ({"within": 5}, "within: it must be south, west, north and east, such as"),
        (
            {"where": 5},
            r"where: it must be an expression \(str\) such as 'size > 5MB', a Condition, or a list .* not 5",
        ),
        ({"where": np.array([5])}, "where: it must be an expression"),
        ({"like": 3}, r"like: a query is a text \(str\), a picture"),
        ({"unlike": ["a", 3]}, r"unlike: a query is a text \(str\), a picture"),
        ({"sort": np.array(["name", "date"])}, "sort must be one of"),
        ({"min_width": "wide"}, "min_width: it must be a number"),
        ({"orientation": "diagonal"}, "orientation: 'diagonal' is not an orientation"),
        ({"in_": 5}, r"in_: it must be a folder \(str or Path\) or a list of folders, not 5"),
        ({"keyword": [5]}, r"keyword: it must be a text \(str\) or a list of texts, not 5"),
        ({"right": ["a.jpg"]}, r"a photo in right must be an id \(int\), a hit or a record, not 'a.jpg'"),
        ({"prompt": 5}, "prompt must be a text"),
        ({"offset": "2"}, "offset must be a whole number"),
    ],
)
def test_wrong_values_fail_at_once_in_words_of_python(keywords, message):
    with pytest.raises(QueryError, match=message) as raised:
        Query.parse("dog", **keywords)
    assert "--" not in str(raised.value)


def test_an_unknown_keyword_is_named_with_the_known_ones(engine):
    with pytest.raises(TypeError, match="no keyword colour; it has like, unlike"):
        engine.search("dog", colour="red")
    with pytest.raises(TypeError, match=r"no keyword topk; did you mean top_k\?"):
        engine.search("dog", topk=3)
    with pytest.raises(TypeError, match="a query has no keyword top_k; give it to `search`"):
        Query.parse("dog", top_k=3)


@pytest.mark.parametrize("content", [5, b"\xff\xd8", ["a", "dog"], {"text": "a dog"}])
def test_what_is_no_query_is_refused(engine, content):
    with pytest.raises(QueryError, match=r"a query is a text \(str\), a picture"):
        engine.search(content)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"terms": "dog"}, r"terms must be a tuple of Terms, not 'dog'; Query.parse\(text\)"),
        (
            {"terms": (), "filters": ("width > 3",)},
            r"filters must be a tuple of Conditions, and 'width > 3' .*parse_where",
        ),
        ({"terms": ("dog",)}, r"terms must be a tuple of Terms, and 'dog' is not one of them; Query.parse"),
        ({"terms": (), "right": ("a.jpg",)}, "right must be a tuple"),
        ({"terms": (), "sort": "best"}, "sort must be one of"),
    ],
)
def test_a_query_with_a_wrong_field_is_not_made(fields, message):
    with pytest.raises(QueryError, match=message):
        Query(**fields)


def test_lists_of_a_query_become_tuples():
    assert Query([Term("dog")], [Test("width", ">", 3)]) == Query((Term("dog"),), (Test("width", ">", 3),))


def test_conditions_that_make_no_sense_are_not_made():
    with pytest.raises(QueryError, match=r"field must be one of 'name', .*, not 'widht'"):
        Test("widht", ">", 3)
    with pytest.raises(QueryError, match="width is compared with a number"):
        Test("width", ">", "3")
    with pytest.raises(QueryError, match="latitude must be a number from -90 to 90"):
        Near(100, 0, 1)


def test_a_text_that_is_the_name_of_a_file_is_warned_about(engine, photos, monkeypatch):
    monkeypatch.chdir(photos)
    for ask in (
        lambda: engine.search("red.jpg"),
        lambda: engine.search_many(["red.jpg"]),
        lambda: Query.parse("red.jpg"),
    ):
        with pytest.warns(ClipsearchWarning, match=r"pass pathlib.Path\('red.jpg'\)") as warned:
            ask()
        assert warned[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        engine.search(Path("red.jpg"))
        engine.search("red")


def test_the_keywords_are_the_options_of_the_command_line():
    """Every option that says what to look for, which photos count, and in which order, and no other."""
    options = [parameter for parameter in cli.get_command(None, "query").params if hasattr(parameter, "heading")]
    about = [option for option in options if option.heading in (LOOK_FOR, WHICH_PHOTOS, ORDER)]
    names = {name.removeprefix("--").replace("-", "_") for option in about for name in option.opts if name[:2] == "--"}
    only_there = {"allow_url", "every_file", "page", "group_by", "top_k"}
    assert names - only_there | {"exact"} == {name.rstrip("_") for name in SearchKeywords.__annotations__}


def test_a_query_shows_what_is_not_usual():
    assert repr(Query.parse("dog", sort="date")) == "Query((Term('dog'),), sort='date')"
    assert repr(Term(np.zeros(4, np.float32), -1.0)) == "Term(<ndarray (4,)>, weight=-1.0)"
    assert repr(Term(Path("a.jpg"))) == f"Term({Path('a.jpg')!r})"


def test_a_term_has_words():
    for empty in (lambda: Term(""), lambda: Term(" \n", -1.0)):
        with pytest.raises(QueryError, match="the text is empty; describe the photo you are looking for"):
            empty()


def test_hits_say_what_they_are_and_a_part_of_them_is_hits(engine):
    hits = engine.search("red", 5)
    assert repr(hits).startswith("<Hits: 5 for 'red': red.jpg 1.000, ") and repr(hits).endswith(", ...>")
    assert repr(engine.search("red", where="format = png")) == "<Hits: 1 for 'red' and format = PNG: grey.png 0.681>"
    assert isinstance(hits[:3], Hits) and len(hits[:3]) == 3 and hits[:3].query is hits.query
    assert isinstance(hits[::-1], Hits) and hits[-1] is hits[::-1][0]
    unlike = engine.search("2:red - green", unlike="a dog", near=(0, 0))
    assert repr(unlike) == "<Hits: 0 for 2:'red' - 'green' - 'a dog' and within 1 km of 0,0>"
    assert repr(engine.search(where="format = png")) == "<Hits: 1 for format = PNG: grey.png>"
    picture = Path(hits[0].path)
    assert repr(engine.search(picture, where="format = png")).startswith(
        "<Hits: 1 for the picture 'red.jpg' and format"
    )
    with Image.open(picture) as image:
        assert " for a picture of 32 x 24: " in repr(engine.search(image, 1))
        assert " for a picture of 32 x 24: " in repr(engine.search(np.asarray(image), 1))
    assert " for 2:an embedding of 4 values: " in repr(engine.search(Query((Term(np.ones(4, np.float32), 2.0),)), 1))
    assert "score" not in repr(engine.search(where="format = png")[0])
    assert repr(hits[0]).startswith(f"<Hit 1: {hits[0].path}, score=1.000, match=")
    assert hits[:2].explain()["images"] == 5 and "<figure" in hits[:2]._repr_html_()


def test_parse_where_says_what_is_wrong_without_a_flag():
    with pytest.raises(QueryError) as raised:
        parse_where("widht > 3")
    assert str(raised.value).startswith("there is no field 'widht'")


def test_a_list_is_any_of_several_and_a_tuple_is_a_range_that_may_be_open():
    filters = Query.parse("a", taken=[2019, 2024], camera=["nikon", "canon"], rating=(4, None)).filters
    assert filters == chosen(taken=["2019", "2024"], camera=["nikon", "canon"], rating="4..")
    for name, values in (
        ("camera", ["nikon", "canon"]),
        ("text", ["a", "b"]),
        ("format", ["png"]),
        ("album", ["x", "y"]),
    ):
        assert Query.parse("a", **{name: tuple(values)}) == Query.parse("a", **{name: values})
    assert Query.parse("a", where=("rating = 4",)) == Query.parse("a", where="rating = 4")
    assert Query.parse("a", near=[48, 11]).filters == chosen(near="48,11")
