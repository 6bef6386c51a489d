"""An engine that several threads and coroutines use."""

import asyncio
import copy
import pickle
import threading

import numpy as np
import pytest

import clipsearch
from clipsearch import Query, SearchEngine
from clipsearch.errors import ClipsearchError, ModelError, QueryError
from tests.conftest import COLOURS, names


def test_searches_can_be_awaited(engine):
    async def ask():
        hits, many, *others = await asyncio.gather(
            engine.asearch("red", 1, name="*.jpg"),
            engine.asearch_many(["green", Query.parse("blue")], 1),
            *(engine.asearch(colour, 1) for colour in COLOURS),
        )
        return hits, many, others

    hits, many, others = asyncio.run(ask())
    assert names(hits) == ["red.jpg"] and list(map(names, many)) == [["green.jpg"], ["blue.jpg"]]
    assert [names(hits)[0].partition(".")[0] for hits in others] == list(COLOURS)
    with pytest.raises(QueryError, match="empty"):
        asyncio.run(engine.asearch(""))


def test_an_engine_that_is_sent_to_another_process_says_what_to_do(engine, indexed_photos):
    opened = engine.search("red", 1)
    for sent in (engine, SearchEngine.open(indexed_photos), engine.search, engine.albums):
        for send in (pickle.dumps, copy.deepcopy):
            with pytest.raises(ClipsearchError, match=r"^a SearchEngine cannot be .*; open one there, and send its f"):
                send(sent)
    with pytest.raises(ClipsearchError, match=r"^a Client cannot be .*; make one there, and send its url$"):
        pickle.dumps(clipsearch.Client("localhost"))
    assert names(pickle.loads(pickle.dumps(opened))) == ["red.jpg"]


def held(engine, monkeypatch):
    """Make searches wait. Returns two events: a search has begun, and searches may go on."""
    begun, go_on = threading.Event(), threading.Event()
    answers = engine._searched

    def slow(*arguments):
        begun.set()
        assert go_on.wait(10)
        return answers(*arguments)

    monkeypatch.setattr(engine, "_searched", slow)
    return begun, go_on


def test_the_event_loop_goes_on_while_a_search_runs(engine, monkeypatch):
    begun, go_on = held(engine, monkeypatch)

    async def ask():
        search = asyncio.ensure_future(engine.asearch("red", 1))
        while not begun.is_set():
            await asyncio.sleep(0.001)  # the loop is free
        go_on.set()
        return await search

    assert names(asyncio.run(ask())) == ["red.jpg"]


def test_an_engine_closed_with_searches_waiting_cancels_them(indexed_photos, encoder, monkeypatch):
    engine = SearchEngine.open(indexed_photos)
    begun, go_on = held(engine, monkeypatch)

    async def ask():
        first, second = (asyncio.ensure_future(engine.asearch("red", 1)) for _ in range(2))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        closing = asyncio.ensure_future(asyncio.to_thread(engine.close))
        while not second.done():
            await asyncio.sleep(0.001)
        go_on.set()
        await closing
        return await asyncio.gather(first, second, return_exceptions=True)

    first, second = asyncio.run(ask())
    assert names(first) == ["red.jpg"] and isinstance(second, asyncio.CancelledError)
    assert names(engine.search("red", 1)) == ["red.jpg"]  # it opens again
    engine.close()


@pytest.mark.parametrize("is_closed_meanwhile", [False, True])
def test_threads_share_an_engine(indexed_photos, encoder, is_closed_meanwhile):
    """Eight threads search, list and index through one engine; a lock would be missed as errors of SQLite or wrong answers."""
    wrong = []

    def use(engine, number):
        try:
            for turn in range(6):
                colour = list(COLOURS)[(number + turn) % len(COLOURS)]
                if not names(engine.search(colour, 1))[0].startswith(colour):
                    wrong.append(colour)
                if number == 0 and turn % 3 == 0 and engine.index().unchanged != 5:
                    wrong.append("index")
                if engine.browse()[1] != 5:
                    wrong.append("list")
                if is_closed_meanwhile and number == 1 and turn == 3:
                    engine.close()  # the others open it again
                if (
                    not is_closed_meanwhile and len(list(engine.label(["red", "blue"]))) != 5
                ):  # it is read before `close`
                    wrong.append("label")
        except Exception as error:
            wrong.append(repr(error))

    with SearchEngine.open(indexed_photos) as engine:
        threads = [threading.Thread(target=use, args=(engine, number)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert wrong == []


def test_wrong_values_fail_when_the_engine_is_made(tmp_path):
    with pytest.raises(ModelError, match=r"precision must be one of 'auto', 'fp32', 'bf16' or 'int8', not 'fp64'"):
        SearchEngine.open(tmp_path, precision="fp64")
    with pytest.raises(QueryError, match="top_k must be a whole number"):
        SearchEngine.open(tmp_path).search("red", "5")
    with pytest.raises(QueryError, match="sort must be one of 'date', 'oldest' or 'name'"):
        SearchEngine.open(tmp_path).browse(sort="score")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda engine: engine.browse("width > 3"),
            r"condition must be a Condition, not 'width > 3'; parse_where\(text\)",
        ),
        (lambda engine: engine.stats(condition="width > 3"), "condition must be a Condition"),
        (lambda engine: engine.label(["red"], condition="width > 3"), "condition must be a Condition"),
        (lambda engine: engine.duplicates("width > 3"), "condition must be a Condition"),
        (lambda engine: engine.export("x.npy", condition="width > 3"), "condition must be a Condition"),
        (lambda engine: engine.stats(by=["colour"]), "by must be one of 'year', .*, not 'colour'"),
        (lambda engine: engine.search_many(3), "queries must be a list of queries"),
        (lambda engine: engine.index(rules="*.jpg"), r"rules must be WalkRules or RuleChanges, not '\*.jpg'"),
    ],
)
def test_wrong_values_are_refused_in_words_of_python(engine, ask, message):
    with pytest.raises(ClipsearchError, match=message):
        ask(engine)


def test_texts_of_an_encoder_are_strings(encoder):
    with pytest.raises(TypeError, match="texts must be a list of strings; 3 is not a string"):
        encoder.encode_texts(["a", 3])


def test_an_engine_and_an_encoder_say_what_they_are(tmp_path, encoder):
    assert repr(SearchEngine.open(tmp_path)) == f"<SearchEngine of {tmp_path / '.clipsearch'}>"
    many = SearchEngine.open_many([tmp_path, tmp_path / "b"], model="mini")
    assert " and " in repr(many) and repr(many).endswith(", model='mini'>")
    assert repr(encoder) == "<ColourEncoder of colours: 4 dimensions>"


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda engine: engine.index(jobs=0), QueryError, "jobs must be None or a whole number of at least 1, not 0"),
        (lambda engine: engine.index(jobs=2.5), QueryError, "jobs must be None or a whole number .*, not 2.5"),
        (lambda engine: engine.index(batch_size="x"), QueryError, "batch_size must be None or a whole .*, not 'x'"),
        (lambda engine: engine.index(prune="x"), QueryError, "prune must be True or False, not 'x'"),
        (
            lambda engine: engine.duplicates(jobs=-1),
            QueryError,
            "jobs must be None or a whole number of at least 1, not -1",
        ),
        (lambda engine: engine.label([1, 2]), TypeError, "labels are a list of strings; 1 is not a string"),
        (lambda engine: list(engine.label(["a"], prompts=[1])), TypeError, "prompts are .*; 1 is not a text"),
        (lambda engine: engine.vector("a"), QueryError, r"a photo must be an id \(int\), a hit or a record, not 'a'"),
        (lambda engine: engine.vector(1.5), QueryError, r"a photo must be an id \(int\), a hit or a record, not 1.5"),
        (lambda engine: engine.vector(10**30), KeyError, "1000"),
        (
            lambda engine: engine.records(["a"]),
            QueryError,
            r"a photo must be an id \(int\), a hit or a record, not 'a'",
        ),
        (lambda engine: engine.same_content("zz"), QueryError, "content_hash must be a SHA-256 .*, not 'zz'"),
        (lambda engine: engine.search("red", "5"), QueryError, "top_k must be a whole number, not '5'"),
        (lambda engine: engine.browse(top_k="5"), QueryError, "top_k must be a whole number, not '5'"),
    ],
)
def test_a_value_of_another_kind_is_named_in_a_sentence(engine, call, kind, message):
    with pytest.raises(kind, match=message):
        call(engine)


def test_ids_may_be_numbers_of_numpy(engine):
    hit = engine.search("red", 1)[0]
    number = np.int64(hit.record.image_id)
    assert engine.records([number, 10**30]) == {hit.record.image_id: hit.record}
    assert engine.vector(number).shape == (engine.encoder.spec.dim,)


def test_every_public_object_says_what_it_is(engine):
    classes = [value for name in clipsearch.__all__ if isinstance(value := getattr(clipsearch, name), type)]
    assert [kind.__name__ for kind in classes if kind.__repr__ is object.__repr__] == []
    assert repr(engine.albums) == f"<Albums in {engine.index_folder / 'albums.json'}>"
    assert repr(clipsearch.Client("http://127.0.0.1:1?token=secret")) == "<Client of http://127.0.0.1:1>"
