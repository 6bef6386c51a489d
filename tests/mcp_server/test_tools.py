"""`clipsearch mcp` as a process. The protocol's own client asks it through pipes."""

import asyncio
import base64
import io
import json
import os
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase

import pytest
from anyio.from_thread import start_blocking_portal
from PIL import Image, ImageChops, ImageStat

from clipsearch import SearchEngine
from tests.cli.running import run_here
from tests.conftest import PHOTOS, give_facts
from tests.lazy import LazyModule, require_library

require_library("mcp", reason="needs mcp: pip install 'clipsearch[mcp]'")
mcp = LazyModule("mcp")


@pytest.fixture(scope="module")
def index(index_of_data, tmp_path_factory):
    """An index of the repository's 47 photos in another folder, with the model mini."""
    return shutil.copytree(index_of_data, tmp_path_factory.mktemp("index") / "index")


def server_of(index, **environment):
    """A connection to the command that an assistant starts.

    The protocol's library takes `sys.stderr` as it is when the library is imported. In the middle of a test that can be
    a capture without a file number, which no process can be given.
    """
    command = ["-m", "clipsearch", "mcp", "--index", str(index)]
    program = mcp.StdioServerParameters(command=sys.executable, args=command, env={**os.environ, **environment})
    return mcp.stdio_client(program, errlog=sys.__stderr__)


@pytest.fixture(scope="module")
def connected(index, tmp_path_factory):
    """An event loop in its own thread, with a client that is connected to a server. Most tests share this process."""
    home = tmp_path_factory.mktemp("home")
    variables = ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "HF_HOME")
    server = server_of(index, HF_HUB_OFFLINE="1", **{name: str(home / name) for name in variables})
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(mcp.Client(server)) as client:
        yield portal, client


@pytest.fixture
def ask(connected):
    """Call a coroutine function with the connected client."""
    portal, client = connected
    return lambda questions: portal.call(questions, client)


@pytest.fixture
def ask_in_the_legacy_mode(index):
    """Call a coroutine function with a client that opens the connection as the protocol's first versions did."""

    async def run(questions):
        async with mcp.Client(server_of(index), mode="legacy") as client:
            return await questions(client)

    return lambda questions: asyncio.run(run(questions))


def test_it_offers_four_tools_that_only_read_and_a_resource(ask):
    async def questions(client):
        return (await client.list_tools()).tools, (await client.list_resource_templates()).resource_templates

    tools, templates = ask(questions)
    assert {tool.name for tool in tools} == {"search", "similar", "counts", "status"}
    for tool in tools:
        assert tool.input_schema["additionalProperties"] is False, tool.name
        assert tool.annotations.read_only_hint and tool.description and tool.output_schema["type"] == "object"
    (search,) = [tool for tool in tools if tool.name == "search"]
    assert search.input_schema["required"] == ["query"] and search.input_schema["properties"]["top_k"]["maximum"] == 50
    assert all(
        "description" in about for name, about in search.input_schema["properties"].items() if name != "orientation"
    )
    assert [template.uri_template for template in templates] == ["clipsearch://thumbnails/{id}"]


@pytest.mark.parametrize("asking", ["ask", "ask_in_the_legacy_mode"])  # both handshakes of the protocol
def test_a_search_gives_what_the_engine_does(request, index, asking):
    async def questions(client):
        return await client.call_tool("search", {"query": "a cup of coffee", "top_k": 3})

    answer = request.getfixturevalue(asking)(questions)
    with SearchEngine(index) as engine:
        hits = engine.search("a cup of coffee", top_k=3)
    result = answer.structured_content
    assert not answer.is_error and (result["images"], result["considered"]) == (47, 47)
    assert [(hit["id"], hit["path"], hit["score"]) for hit in result["hits"]] == [
        (hit.record.image_id, hit.path, round(hit.score, 6)) for hit in hits
    ]
    assert json.loads(answer.content[0].text) == result  # for clients that read only text


def test_facts_filter_and_are_told_and_words_find_texts(index, ask):
    facts = {
        "title": "Lunch",
        "keywords": ("Coffee Break",),
        "people": ("Anna",),
        "rating": 4,
        "text": "CAFÉ CENTRAL",
        "label": "Red",
    }
    give_facts(index, "coffee.jpg", **facts, taken_from="name")

    async def questions(client):
        return [
            (await client.call_tool("search", arguments)).structured_content
            for arguments in (
                {"query": "", "keyword": ["coffee break"], "person": ["anna"], "rating": "4..", "text": '"cafe cen*"'},
                {"query": "cafe central", "hybrid": True, "top_k": 20},
                {"query": "a cup of coffee in 1999", "smart": True},
                {"query": "", "sort": "date", "top_k": 2},
            )
        ]

    listed, by_words, smart, everything = ask(questions)
    assert len(everything["hits"]) == 2 and everything["considered"] > 2
    (photo,) = listed["hits"]
    assert {name: photo[name] for name in (*facts, "taken_from")} == {
        **facts, "keywords": ["Coffee Break"], "people": ["Anna"], "taken_from": "name"
    }  # fmt: skip
    assert by_words["hits"][0]["id"] == photo["id"] and "text" in by_words["hits"][0]["found_by"]
    assert photo["found_in"] == {"field": "text", "excerpt": "CAFÉ CENTRAL"}
    assert by_words["understood"] is None and by_words["hits"][-1]["found_by"] == ["meaning"]
    assert smart["understood"] == "taken: 1999, looking for: a cup of coffee" and smart["considered"] == 0


def test_counts_tell_which_values_there_are(index, ask):
    give_facts(index, "cat.png", keywords=("Cat",), people=("Bo", "Cy"), rating=2)

    async def questions(client):
        return [
            (await client.call_tool("counts", arguments)).structured_content
            for arguments in ({}, {"by": ["person"], "where": "keyword = cat", "top": 1})
        ]

    every, some = ask(questions)
    assert every["images"] == 47 and {"value": "Cat", "images": 1} in every["counts"]["keyword"]
    assert {"year", "place", "person", "rating"} < set(every["counts"])
    assert some == {"images": 1, "counts": {"person": [{"value": "Bo", "images": 1}]}}


def test_photos_that_are_marked_wrong_are_left_out(ask):
    async def questions(client):
        first = (await client.call_tool("search", {"query": "water", "top_k": 5})).structured_content["hits"]
        right, wrong = first[0]["id"], first[1]["id"]
        marked = await client.call_tool("search", {"query": "water", "top_k": 5, "right": [right], "wrong": [wrong]})
        return wrong, first, marked.structured_content["hits"]

    wrong, first, marked = ask(questions)
    assert wrong not in [hit["id"] for hit in marked]
    assert [hit["score"] for hit in marked] != [hit["score"] for hit in first]


def test_filters_alone_list_photos_and_notes_name_the_parameter_that_helps(ask):
    async def questions(client):
        search = client.call_tool
        return [
            (await search("search", {"query": query, **more})).structured_content
            for query, more in (("", {"name": "c*.png"}), ("cat.png", {}), ("a cat -snow", {}), ("собака", {}))
        ]

    listed, name, minus, unread = ask(questions)
    assert [os.path.basename(hit["path"]) for hit in listed["hits"]] == ["cat.png"]
    assert (listed["hits"][0]["score"], listed["considered"], listed["notes"]) == (None, 1, [])
    assert "1 photo has such a name. Try name=" in name["notes"][0] and name["notes"][0].endswith('"cat.png"')
    assert minus["notes"][0].endswith('Try query="a cat - snow"')
    assert 'the model mini cannot read "собака"' in unread["notes"][0] and "Try" not in unread["notes"][0]


def test_filters_signs_and_pages(ask):
    async def questions(client):
        search = client.call_tool
        return [
            (await search("search", {"query": "a cat + 2:snow - people", **more})).structured_content
            for more in ({"where": "format = png"}, {"top_k": 5}, {"top_k": 2, "offset": 3}, {"folder": "/nowhere"})
        ]

    pngs, first, page, nowhere = ask(questions)
    assert pngs["hits"] and {hit["format"] for hit in pngs["hits"]} == {"PNG"} and pngs["considered"] < 47
    assert [hit["id"] for hit in page["hits"]] == [hit["id"] for hit in first["hits"][3:5]]
    assert nowhere["hits"] == [] and nowhere["considered"] == 0


def test_similar_takes_an_id_or_a_path_and_leaves_the_photo_out(ask):
    async def questions(client):
        path = str(PHOTOS / "giraffe.jpg")
        by_path = await client.call_tool("similar", {"photo": path, "top_k": 5})
        answer = await client.call_tool("search", {"query": "a giraffe", "top_k": 1, "name": "giraffe.jpg"})
        return by_path, await client.call_tool(
            "similar", {"photo": answer.structured_content["hits"][0]["id"], "top_k": 5}
        )

    by_path, by_id = ask(questions)
    assert by_path.structured_content == by_id.structured_content
    hits = by_path.structured_content["hits"]
    assert [hit["rank"] for hit in hits] == [1, 2, 3, 4, 5]
    assert not any(hit["path"].endswith("giraffe.jpg") for hit in hits)


def test_thumbnails_come_with_an_answer_and_as_a_resource(ask):
    async def questions(client):
        answer = await client.call_tool("search", {"query": "a giraffe", "top_k": 2, "thumbnails": True})
        first = answer.structured_content["hits"][0]
        return answer, (await client.read_resource(f"clipsearch://thumbnails/{first['id']}")).contents

    answer, (thumbnail,) = ask(questions)
    pictures = [part for part in answer.content if part.type == "image"]
    assert len(pictures) == 2 and thumbnail.mime_type == "image/jpeg"
    for data, side in ((pictures[0].data, 256), (thumbnail.blob, 512)):
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert picture.format == "JPEG" and max(picture.size) == side


def test_pages_are_named_and_shown_and_all_of_them_if_that_is_wanted(tmp_path):
    first, second = (
        Image.open(PHOTOS / name).convert("RGB").resize((320, 240)) for name in ("rocket.jpg", "coffee.jpg")
    )
    first.save(tmp_path / "scan.tif", save_all=True, append_images=[second])
    with SearchEngine.open(tmp_path, model="mini") as engine:
        engine.index()

    async def questions():
        async with mcp.Client(server_of(tmp_path)) as client:
            wanted = {"query": "a cup of coffee", "thumbnails": True}
            best = await client.call_tool("search", wanted)
            every = await client.call_tool("search", {**wanted, "all_moments": True})
            alike = await client.call_tool("similar", {"photo": 1, "all_moments": True})
            return best, every, alike

    best, every, alike = asyncio.run(questions())
    (hit,) = best.structured_content["hits"]
    assert hit["moment"] == {"unit": "page", "at": 2}
    assert best.content[1].text.endswith("scan.tif (page 2)")
    shown = [Image.open(io.BytesIO(base64.b64decode(block.data))) for block in every.content if block.type == "image"]
    for picture, original in zip(shown, (second, first), strict=True):
        difference = ImageChops.difference(picture, original.resize(picture.size))
        assert max(ImageStat.Stat(difference).mean) < 30
    assert alike.structured_content["hits"] == []  # all pages are of the file itself


def test_what_goes_wrong_is_a_sentence(ask):
    wrong = [
        ("search", {"query": "a", "where": "colour = red"}, "there is no field 'colour'"),
        ("search", {"query": "a", "taken": "soon"}, "'soon' is not a date"),
        ("search", {"query": "a", "top_k": 51}, "top_k: give at most 50, not 51"),
        ("search", {"query": "a", "top_k": 50, "thumbnails": True}, "at most 20"),
        ("search", {"query": "", "where": "width > 1", "diverse": True}, "leave min_score and diverse out"),
        ("search", {"query": "a", "folder": "photos"}, "not an absolute path"),
        ("similar", {"photo": 9999}, "no photo with the id 9999"),
        ("similar", {"photo": "/etc/passwd"}, "is not in the index"),
    ]

    async def questions(client):
        answers = [await client.call_tool(tool, arguments) for tool, arguments, _ in wrong]
        with pytest.raises(mcp.MCPError, match="no photo with the id 9999"):
            await client.read_resource("clipsearch://thumbnails/9999")
        return answers

    for answer, (_, arguments, message) in zip(ask(questions), wrong, strict=True):
        assert answer.is_error and message in answer.content[0].text, arguments


def test_every_wrong_argument_is_named_in_a_sentence(ask):
    long = "x" * 5000
    wrong = [
        ("search", {"query": "a", "after": "2023"}, ["search has no argument 'after'; its arguments are query, top_k, *"]),
        ("similar", {"photo": 1, "query": "a"}, ["similar has no argument 'query'; its arguments are photo, top_k, *"]),
        ("counts", {"filter": "a"}, ["counts has no argument 'filter'; its arguments are by, where, top"]),
        ("status", {"index": "/"}, ["status has no argument 'index'; it takes no arguments"]),
        ("search", {"top_k": 0, "nonsense": 1}, ["query is missing", "top_k: give at least 1, not 0", "search has no *"]),
        ("search", {"query": None, "offset": "far"}, ["query: give text, not null", 'offset: give a whole number, not "far"']),
        ("search", {"query": "a", "keyword": "snow"}, ['keyword: give a list, not "snow"']),
        ("search", {"query": "a", "right": [1, "b", "c"]}, ['right[1]: give a whole number, not "b"']),
        ("search", {"query": "a", "sort": "best"}, ["sort: there is no 'best'; choose 'score', 'likely', *"]),
        ("search", {"query": "a", "sort": 5}, ["sort: choose 'score', *"]),
        ("search", {"query": long, "hybrid": "maybe"}, ["query: it is too long; *", 'hybrid: give true or false, not "maybe"']),
        ("similar", {"photo": {"id": 1}}, ["photo: give a whole number or text"]),
        ("counts", {"by": ["colour"]}, ["by[0]: there is no 'colour'; choose 'year', *"]),
        ("status", dict.fromkeys("abcdefg"), [*(f"status has no argument '{name}'*" for name in "abcde"), "2 more *"]),
    ]  # fmt: skip

    async def questions(client):
        return [await client.call_tool(tool, arguments) for tool, arguments, _ in wrong]

    for answer, (_, _, sentences) in zip(ask(questions), wrong, strict=True):
        lines = answer.content[0].text.splitlines()
        assert answer.is_error and len(lines) == len(sentences), lines
        assert all(fnmatchcase(line, glob.replace("[", "[[]")) for line, glob in zip(lines, sentences, strict=True)), (
            lines
        )
        assert all(len(line) < 400 for line in lines) and "pydantic" not in answer.content[0].text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"query": "a\ud800"}, 'query: give text, not "a'),
        ({"query": "a", "\ud800": 1}, "the arguments: give text, not "),
    ],
)
def test_a_name_or_a_text_that_is_not_unicode_is_a_wrong_argument(arguments, message):
    from clipsearch.mcp_server.tools import Assistant

    server = Assistant(lambda: pytest.fail("the index was opened")).server()
    with pytest.raises(Exception, match=message) as failure:
        asyncio.run(server.call_tool("search", arguments))
    assert type(failure.value).__name__ == "ToolError" and str(failure.value).encode()  # it can be sent


def test_status(ask, index):
    async def questions(client):
        return await client.call_tool("status")

    state = ask(questions).structured_content
    assert (state["index"], state["model"], state["images"]) == (str(index), "mini", 47)
    assert state["folders"] == [{"path": str(PHOTOS), "present": True}]


def test_a_folder_without_an_index_is_told(tmp_path):
    status, output, errors = run_here("mcp", cwd=tmp_path)
    assert status == 2 and output == b"" and "there is no index" in errors


def test_without_the_library_the_extra_is_named(clipsearch_process, tmp_path):
    (tmp_path / "mcp.py").write_text("raise ModuleNotFoundError('no mcp', name='mcp')")
    status, _, errors = clipsearch_process("mcp", PYTHONPATH=str(tmp_path))
    assert status == 1 and "clipsearch[mcp]" in errors


@pytest.fixture
def clipsearch_process(tmp_path):
    def run(*arguments, **environment):
        result = subprocess.run(
            [sys.executable, "-m", "clipsearch", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environment},
        )
        return result.returncode, result.stdout, result.stderr

    return run
