"""The search thread batches queries, keeps their errors apart, and drops cancelled queries."""

import asyncio
import threading

import pytest

from clipsearch import Query, Term
from clipsearch.engine import SearchEngine
from clipsearch.errors import QueryError
from clipsearch.server.workers import SearchTask, SearchThread


@pytest.fixture
def batches():
    return []


@pytest.fixture
def thread(engine, batches):
    """A SearchThread that waits until `thread.go` is set. Until then, queries collect."""
    thread = SearchThread(
        lambda: SearchEngine(engine.index_folder), lambda size, seconds: batches.append((size, seconds))
    )
    thread.go = threading.Event()
    thread.busy = thread.submit(lambda engine: thread.go.wait(10))
    yield thread
    thread.go.set()
    thread.close()
    assert "clipsearch-search" not in [running.name for running in threading.enumerate()]


def wish(*texts, top_k=3, **options):
    query = Query(tuple(Term(text) for text in texts), **options)
    return SearchTask(lambda engine: query, top_k)


def test_questions_that_wait_are_answered_together(thread, batches, engine, encoder):
    colours = ("red", "green", "blue", "yellow")
    futures = [thread.submit(wish(colour)) for colour in colours]
    other = thread.submit(wish("red", top_k=5))
    thread.go.set()
    for colour, future in zip(colours, futures, strict=True):
        assert list(future.result(10)) == list(engine.search(colour, 3))
    assert len(other.result(10)) == 5
    assert [size for size, _ in batches] == [4, 1]


def test_an_error_of_one_is_no_answer_to_the_others(thread):
    good, bad = thread.submit(wish("red")), thread.submit(wish("red", "red", prompts=("no place for it",)))
    worse = thread.submit(SearchTask(lambda engine: 1 / 0, 3))
    thread.go.set()
    assert len(good.result(10)) == 3
    with pytest.raises(QueryError, match="exactly one"):
        bad.result(10)
    with pytest.raises(ZeroDivisionError):
        worse.result(10)


def test_what_nobody_waits_for_is_never_asked(thread, batches):
    calls = []

    async def leave():
        question = asyncio.ensure_future(thread.run(lambda engine: calls.append(1)))
        await asyncio.sleep(0.01)
        question.cancel()

    asyncio.run(leave())
    last = thread.submit(lambda engine: calls.append(2))
    thread.go.set()
    last.result(10)
    assert calls == [2]


def test_what_waits_when_it_closes_is_dropped(engine):
    thread = SearchThread(lambda: SearchEngine(engine.index_folder), lambda size, seconds: None)
    go, begun = threading.Event(), threading.Event()

    def hold(engine):
        begun.set()
        return go.wait(10)

    thread.submit(hold)
    begun.wait(10)
    waiting = thread.submit(wish("red"))
    threading.Timer(0.1, go.set).start()
    thread.close()
    assert waiting.cancelled()


def test_a_client_that_has_gone_drops_its_query(service, engine):
    """The test speaks ASGI: it sends a request, then ends the connection while the thread is busy."""
    from clipsearch.server.app import make_app

    app = make_app(service, host="127.0.0.1", port=8100)
    go, made = threading.Event(), []
    original = SearchEngine.search_many
    scope = {
        "type": "http", "method": "GET", "path": "/api/search", "raw_path": b"/api/search", "query_string": b"q=red",
        "headers": [(b"host", b"127.0.0.1:8100")], "http_version": "1.1", "scheme": "http", "root_path": "",
        "server": ("127.0.0.1", 8100), "client": ("127.0.0.1", 1),
    }  # fmt: skip

    async def ask():
        service.searches.submit(lambda engine: go.wait(10))
        messages = [{"type": "http.request", "body": b"", "more_body": False}]
        sent = []

        async def receive():
            if messages:
                return messages.pop()
            await asyncio.sleep(0.05)
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        await app(scope, receive, send)
        go.set()
        return sent

    def counted(self, queries, top_k=10):
        made.append(queries)
        return original(self, queries, top_k)

    SearchEngine.search_many = counted
    try:
        sent = asyncio.run(ask())
        service.searches.submit(lambda engine: None).result(10)
    finally:
        SearchEngine.search_many = original
    assert made == [] and sent[0]["status"] == 499
