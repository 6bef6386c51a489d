"""The client. `--server` prints the same bytes as the command line without it."""

import contextlib
import json
import os
import re
import shutil
import socket
import threading
import warnings
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from clipsearch import Query, SearchEngine, Term, load_encoder, parse_where
from clipsearch.cli import cli
from clipsearch.client import Client
from clipsearch.conditions import All, Among, Below, Either, Known, Located, Near, Not, Test, Within
from clipsearch.errors import ClipsearchError, ClipsearchWarning, ImageError, QueryError, UnknownAlbum
from clipsearch.query.filters import chosen
from tests.cli.running import run_here
from tests.conftest import PHOTOS, give_captions, save_pages, save_photo
from tests.server.conftest import serving


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """An index of the repository's 47 photos and some with awkward names, with the model mini."""
    folder = tmp_path_factory.mktemp("index")
    odd = tmp_path_factory.mktemp("odd")
    save_photo(odd / "=a\n'\"\x1b.jpg", "red")
    if os.name == "posix":
        save_photo(odd / "plain.jpg", "blue")
        with contextlib.suppress(OSError):  # some systems allow only Unicode names
            os.rename(odd / "plain.jpg", os.fsencode(odd) + b"/caf\xe9.jpg")
    (odd / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    save_pages(odd / "pages.tif", "red", "blue", "green")
    with SearchEngine(folder, model="mini") as engine:
        engine.index(PHOTOS, odd)
        give_captions(
            engine.index_folder, {"coffee.jpg": 'Coffee, two "cups"', "cat.png": "=1+1", "giraffe.jpg": "ünï"}
        )
    return folder


@pytest.fixture(scope="module")
def server(index, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    places = {name: str(home / name) for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
    with serving(index, **places) as (_, address):
        yield address


@pytest.fixture(scope="module")
def mini():
    return load_encoder("mini")


@pytest.fixture(autouse=True)
def loaded_once(mini, monkeypatch):
    """Load the model once, because each query in this process would load it again."""
    monkeypatch.setattr("clipsearch.query.index_model.load_encoder", lambda name, **options: mini)


def printed(*arguments, stdin=None):
    result = CliRunner().invoke(cli, list(map(str, arguments)), input=stdin)
    return result.exit_code, result.stdout_bytes, result.stderr_bytes


GIRAFFE, CAT = str(PHOTOS / "giraffe.jpg"), str(PHOTOS / "cat.png")


@pytest.mark.parametrize(
    "arguments",
    [
        ["query", "a cup of coffee"],
        ["query", "a", "red", "car"],
        ["query", "a cat", "+", "2:on a sofa", "-", "people"],
        ["query", '"salt + pepper"', "-", "0.125:snow"],
        ["query", 'a sign that says "open"'],
        ["query", "salt + pepper"],
        ["query", GIRAFFE, "-k", "5"],
        ["query", "a dog", "+", f"0.5:{CAT}", "-", f"2:{GIRAFFE}"],
        ["query", "--like", CAT, "--unlike", "a dog", "--diverse", "--keep-own"],
        ["query", "a cat", "--right", CAT, "--right", "3", "--wrong", GIRAFFE],
        ["query", "water", "--relevant", "--sort", "name", "--page", "2", "-k", "3"],
        ["query", "water", "--min-score", "0.1", "--sort", "date", "--offset", "2"],
        ["query", "a drawing", "--ensemble", "--prompt", "a sketch of a {}"],
        ["query", "snow since 2010", "+", '"salt in 2019"', "--smart"],
        ["query", "coffee cups", "--hybrid", "--relevant"],
        ["query", "snow", "--where", "width > 800 and (format = jpeg or not camera is known)"],
        [
            "query",
            "snow",
            "--in",
            str(PHOTOS),
            "--name",
            "*c*",
            "--name",
            "*g*",
            "--min-width",
            "300",
            "--format",
            "jpg",
        ],
        ["query", "snow", "--after", "2001", "--camera", "c[a]*n", "--orientation", "landscape"],
        ["query", "snow", "--near", "48.14,11.58,20000"],
        ["query", "snow", "--where", "caption ~ '*CUPS*' or not caption is known and format = png"],
        ["query", "red", "-k", "100", "--group-by", "folder"],
        ["query", "nothing", "--in", "/nowhere"],
        ["similar", CAT],
        ["similar", CAT, GIRAFFE, "-k", "3", "--diverse"],
        ["query", "red", "--every-file"],
        ["query", "red", "--one-per-shot", "-k", "100"],
        ["query", "red", "--all-moments", "-k", "100"],
    ],
    ids=lambda arguments: " ".join(arguments)[:60],
)
def test_a_server_prints_what_the_index_does(index, server, arguments):
    for flags in ([], ["--json"]):
        own = printed(*arguments, *flags, "--index", index)
        assert printed(*arguments, *flags, "--server", server) == own
        assert own[0] == 0


@pytest.mark.parametrize("flag", ["--jsonl", "--csv", "--paths", "-0"])
def test_a_server_prints_each_form_as_the_index_does(index, server, flag):
    for arguments in (
        ["query", "water", "--relevant"],
        ["similar", CAT, "-k", "100"],
        ["query", "red", "--every-file"],
    ):
        own = printed(*arguments, flag, "--index", index)
        assert printed(*arguments, flag, "--server", server) == own
        assert own[0] == 0


def test_the_limits_of_a_server_are_told_in_the_words_of_the_command_line(server, tmp_path):
    for arguments, message in (
        (
            ["dog", "--page", "99999"],
            "this would skip the first 999,980 photos; a server skips at most 100,000",
        ),
        (["x" * 3000], "is too long; a server takes at most 2,000 characters"),
    ):
        status, output, errors = run_here("query", *arguments, "--server", server, cwd=tmp_path)
        assert (status, output) == (2, b"") and message in errors


@pytest.mark.parametrize(
    "arguments",
    [
        ["red"],
        ["red", "--offset", "3", "-k", "40"],
        ["red", "-k", "20"],
        ["red", "--sort", "date"],
        ["red", "--sort", "name", "--all-moments"],
        ["red", "--every-file", "--sort", "likely"],
        ["red", "--min-match", "0.05"],
        ["coffee", "--diverse", "--hybrid"],
        ["--format", "jpeg"],
        ["--format", "jpeg", "--sort", "name", "--every-file"],
    ],
    ids=" ".join,
)
def test_more_photos_than_a_server_gives_at_once_come_page_by_page(index, server, monkeypatch, arguments):
    own = printed("query", "-k", "5000", *arguments, "--json", "--index", index)
    monkeypatch.setattr("clipsearch.client.MOST_HITS", 10)
    pages = count_requests(monkeypatch)
    assert printed("query", "-k", "5000", *arguments, "--json", "--server", server) == own
    assert own[0] == 0 and len(pages) > 1 and max(pages) == 10


def count_requests(monkeypatch, change=lambda body: None):
    """The `top_k` of each search that a client sends from now on, once `change` has had its body."""
    pages, ask = [], Client._page

    def page(client, query, body):
        pages.append(body["top_k"])
        change(body)
        return ask(client, query, body)

    monkeypatch.setattr(Client, "_page", page)
    return pages


def test_no_photo_comes_twice_if_others_are_added_between_two_pages(server, monkeypatch):
    monkeypatch.setattr("clipsearch.client.MOST_HITS", 10)

    def shift(body):  # as if two photos had come before those of the first page
        if body.get("offset"):
            body["offset"] -= 2

    with Client(server) as client:
        number = client.search("red", 1)[0].record.image_id
        expected = [hit.path for hit in client.similar(number, 28)]
        assert len(expected) == 28
        count_requests(monkeypatch, shift)
        assert [hit.path for hit in client.similar(number, 30)] == expected


def test_a_query_for_more_photos_than_a_server_ever_gives_says_how_many_it_gives(server, monkeypatch, tmp_path):
    monkeypatch.setattr("clipsearch.client.MOST_HITS", 10)
    monkeypatch.setattr("clipsearch.client.FARTHEST", 15)
    status, output, errors = run_here("query", "red", "-k", "5000", "--server", server, cwd=tmp_path)
    assert (status, output) == (2, b"")
    assert "--top-k is 5000; of this query, a server gives at most the first 20 photos\n" in errors


def test_an_explanation_is_the_same_but_for_the_time(index, server):
    answers = []
    for where in (["--index", index], ["--server", server]):
        status, output, _ = printed("query", "a dog", "+", CAT, "--after", "2001", "--json", "--explain", *where)
        answers.append(json.loads(output))
        assert set(answers[-1]["explanation"].pop("seconds")) and status == 0
    assert answers[0] == answers[1]


def test_lines_of_standard_input_are_answered_one_by_one(index, server):
    lines = f"a dog\n\n{GIRAFFE}\nnowhere.jpg\na +\n".encode()
    for flags in ([], ["--json"], ["--csv"]):
        own = printed("query", "-", *flags, "--index", index, stdin=lines)
        assert own[0] == 1 and b"no file nowhere.jpg" in own[2]
        asked = printed("query", "-", *flags, "--server", server, stdin=lines)
        proposed = own[2].replace(f"--index {index}".encode(), f"--server {server}".encode())  # typed so
        assert asked == (own[0], own[1], proposed)


def test_status_is_that_of_quick(index, server):
    for flags in ([], ["--json"]):
        status, here, errors = printed("status", "--quick", *flags, "--index", index)
        here = re.sub(rb"; see: clipsearch failures.*", b"", here)  # that command needs the index itself
        assert printed("status", *flags, "--server", server) == (status, here, errors)


def test_no_note_on_an_answer_of_a_server_proposes_to_change_another_index(server, tmp_path):
    errors = run_here("query", "ein Hund am Strand", "--server", server, cwd=tmp_path)[2]
    assert (
        "; to use it, change the model of the index where it is kept\n" in errors and "clipsearch index" not in errors
    )
    errors = run_here("query", "--text", "ticket", "--server", server, cwd=tmp_path)[2]
    assert "; index --ocr (where the index is kept) reads it\n" in errors and "clipsearch index" not in errors


def test_the_environment_names_a_server_and_flags_win(index, server, monkeypatch):
    monkeypatch.setenv("CLIPSEARCH_SERVER", server)
    assert json.loads(printed("query", "a dog", "--json")[1])["index"] == str(index)
    status, _, errors = printed("query", "a dog", "--index", "/nowhere")
    assert status != 0 and b"unexpected" not in errors


def test_a_photo_that_cannot_be_read_is_told_as_without_a_server(index, server, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xffnothing")
    arguments = ["query", tmp_path / "broken.jpg"]
    own = CliRunner().invoke(cli, [*map(str, arguments), "--index", str(index)])
    through = CliRunner().invoke(cli, [*map(str, arguments), "--server", server])
    assert isinstance(own.exception, ImageError) and str(through.exception) == str(own.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["query", "a", "--index", "x"], "--index cannot be chosen for a server"),
        (["query", "a", "--model", "mini", "--device", "cpu"], "--model and --device cannot be chosen"),
    ],
)
def test_flags_that_make_no_sense_are_refused(server, arguments, message):
    status, _, errors = printed(*arguments, "--server", server)
    assert status != 0 and message in errors.decode()


def test_files_of_a_far_server_are_not_here():
    result = CliRunner().invoke(cli, ["query", "a", "--copy-to", "x", "--open", "--server", "http://192.0.2.1:8100"])
    assert result.exit_code == 2 and "--open and --copy-to cannot be done here" in result.output


def test_nobody_answers():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # the port is taken, but not listening
        address = f"http://127.0.0.1:{held.getsockname()[1]}"
        with Client(address) as client, pytest.raises(ClipsearchError, match="start one with: `clipsearch serve`"):
            client.status()


@pytest.mark.parametrize(
    "address", ["ftp://127.0.0.1", "http://", "http://user:secret@127.0.0.1", "http://127.0.0.1:x"]
)
def test_what_is_no_address_is_told(address):
    with pytest.raises(ClipsearchError, match="not the address of a server"):
        Client(address)


@contextlib.contextmanager
def client_of(handler):
    """Yield a client of a local server that answers with this handler."""
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            with Client(f"http://127.0.0.1:{server.server_port}") as client:
                yield client
        finally:
            server.shutdown()
            thread.join()


def test_another_server_is_not_taken_for_ours():
    class Other(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"hi")

        def log_message(self, *arguments):
            pass

    with (
        client_of(Other) as client,
        pytest.raises(ClipsearchError, match="is not a clipsearch server"),
    ):
        client.status()


def test_a_token_is_sent_and_told_of_where_others_could_read_it(index, tmp_path):
    token = "a-token-of-some-length"
    with serving(index, "--token", token, XDG_STATE_HOME=str(tmp_path)) as (process, address):
        with Client(address) as client, pytest.raises(ClipsearchError, match="needs its token"):
            client.status()
        for client in (Client(address, token), Client(f"{address}?token={token}")):
            with client:
                assert client.status().images >= 48
        for token_given, status in ((token, 0), ("another-one-that-is-wrong", 1)):
            result = CliRunner(env={"CLIPSEARCH_TOKEN": token_given}).invoke(
                cli, ["query", "a dog", "--server", address]
            )
            assert result.exit_code == status
            here = address.rstrip("/")
            wrong = f"the token is wrong: it is not that of the server at {here}; check CLIPSEARCH_TOKEN"
            assert status == 0 or str(result.exception).startswith(wrong)
        result = CliRunner().invoke(cli, ["query", "a dog", "--server", address])
        needed = "needs its token: set CLIPSEARCH_TOKEN, or in Python use Client(url, token=...)"
        assert result.exit_code == 1 and needed in str(result.exception)
        encrypted = here.replace("http:", "https:")
        with (
            Client(encrypted) as client,
            pytest.raises(ClipsearchError, match=f"not speak https; try {here}$"),
        ):
            client.status()
        process.terminate()
        assert "Invalid HTTP" not in process.stderr.read()  # uvicorn's words for what came in https
    with pytest.warns(ClipsearchWarning, match="unencrypted"):
        Client("http://192.0.2.1:8100", token)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Client("https://192.0.2.1:8100", token)


def _values(hit):
    """What the client tells of a hit: all but the file's time, and the moments of its other pictures."""
    record = hit.record
    info = replace(record.info, moments=())
    return hit.rank, hit.score, hit.match, record.image_id, hit.path, record.moment, info


def test_the_client_finds_what_the_engine_does(index, server):
    wanted = Query((Term("a dog"), Term("snow", -0.3)), filters=(parse_where("width > 300"),), diverse=True)
    moments = Query((Term("red"),), filters=(parse_where("name = pages.tif"),), all_moments=True)
    with SearchEngine(index) as engine, Client(server) as client:
        for query in ("a cup of coffee", PHOTOS / "giraffe.jpg", wanted, moments):
            own, through = engine.search(query, top_k=7), client.search(query, top_k=7)
            assert [_values(hit) for hit in through] == [_values(hit) for hit in own]
        assert sorted(hit.record.moment.at for hit in through) == [1, 2, 3]
        with Image.open(CAT) as picture:
            assert client.search(picture.convert("RGB"), 1)[0].path == CAT  # other bytes, so CAT is not left out
            assert client.search(np.asarray(picture.convert("RGB")), 1)[0].path == CAT
        (first,) = client.search("a fire truck", 1)
        number = first.record.image_id
        assert number not in [hit.record.image_id for hit in client.similar(number, 5)]
        records, considered = client.images((parse_where("format = jpeg"),), sort="name", top_k=2)
        assert len(records) == 2 < considered and client.image(number) == first.record
        assert client.similar(first, 5) == client.similar(first.record, 5) == client.similar(number, 5)
        assert client.image(first) == first.record and client.thumbnail(first) == client.thumbnail(number)
        assert client.file(first) == client.file(number) == (PHOTOS / first.record.file.name).read_bytes()
        assert client.duplicates(exact_only=True)["groups"] == []
        assert client.original(number) == client.file(number)
        assert client.download([first])[:4] == b"PK\x03\x04" and client.download([number], "sheet")[:4] == b"%PDF"
        assert client.thumbnail(number)[:4] in (b"RIFF", b"\xff\xd8\xff\xe0")
        (giraffe,), _ = client.images((parse_where("caption = ÜNÏ"),))
        assert (giraffe.file.name, giraffe.info.caption, first.record.info.caption) == ("giraffe.jpg", "ünï", None)
        (failure,) = client.failures()
        assert failure.file.name == "broken.jpg" and failure.reason
        assert sum(client.facets()["format"].values()) == client.status().images == engine.status(scan=False).images
        assert client.index_job()["state"] in ("idle", "done")
        with pytest.raises(ClipsearchError, match="no photo 9999"):
            client.image(9999)
        with pytest.raises(ClipsearchError, match="there is no photo 9998, 9999 in the index"):
            client.download([9998, number, 9999])
        for search in (engine.search, client.search):
            with pytest.raises(UnknownAlbum, match="there is no album 'nope'"):
                search("a dog", album="nope")
            with pytest.raises(QueryError, match=r"^format: there is no format 'jpgg'; .* did you mean jpg"):
                search("a dog", format="jpgg")
        with pytest.raises(QueryError, match="describe the photo"):
            client.search()
        for wrong, message in (
            (
                lambda: client.search("a" * 5000),
                "^the text 'aaa.* is too long; a server takes at most 2,000 characters",
            ),
            (lambda: client.search("a", top_k=0), "^top_k is 0; ask for at least one result"),
            (lambda: client.search("a", offset=10**6), "^this would skip the first 1,000,000 photos"),
            (lambda: client.search("a", right=list(range(1, 200))), "^there are 199 right; a server takes at most 100"),
            (
                lambda: client.search("a", where=Among(tuple(range(1, 100_002)))),
                r"^filters\.0\.among: there are too many",
            ),
        ):
            with pytest.raises(QueryError, match=message):
                wrong()


@pytest.mark.parametrize(
    "ask",
    [
        lambda client, photo: client.image(photo),
        lambda client, photo: client.file(photo),
        lambda client, photo: client.original(photo),
        lambda client, photo: client.thumbnail(photo),
        lambda client, photo: client.similar(photo),
        lambda client, photo: client.download([photo]),
        lambda client, photo: client.change_album("Trip", add=iter([photo])),
        lambda client, photo: client.change_album("Trip", remove=[photo]),
        lambda client, photo: client.search("a dog", right=iter([photo])),
        lambda client, photo: client.search("a dog", wrong=[photo]),
    ],
    ids=["image", "file", "original", "thumbnail", "similar", "download", "add", "remove", "right", "wrong"],
)
def test_a_photo_of_another_index_is_not_taken_for_the_one_with_its_id(server, ask):
    with Client(server) as client:
        (hit,) = client.search("a fire truck", 1)
        file = replace(hit.record.file, path="/elsewhere/a.jpg")
        moved, number = replace(hit.record, file=file), hit.record.image_id  # a copy: its content is the same
        assert client.image(moved) == client.image(number)
        other = replace(hit, record=replace(moved, info=replace(moved.info, content_hash="0" * 64)))
        with pytest.raises(QueryError, match=rf"^/elsewhere/a\.jpg is not the photo {number} of the server's index"):
            ask(client, other)


def test_lists_notes_and_own_photos_travel(index, server, tmp_path):
    listing = Query((), chosen(names=("c*",)), sort="name", offset=1)
    copy = shutil.copy(PHOTOS / "coffee.jpg", tmp_path / "sent.jpg")
    with SearchEngine(index) as engine, Client(server) as client:
        own, through = engine.search(listing, 3), client.search(listing, 3)
        assert [(hit.rank, hit.path) for hit in through] == [(hit.rank, hit.path) for hit in own] and len(own) == 3
        assert (
            all(np.isnan(hit.score) for hit in through) and through.explanation.considered == own.explanation.considered
        )
        notes = engine.search("cat.png").explanation.notes
        assert client.search("cat.png").explanation.notes == notes and notes[0].value == "cat.png"
        (photo,) = client.search(Path(copy), 3).explanation.own_photos
        assert photo.image_id == engine.search(Path(copy), 3).explanation.own_photos[0].image_id
        assert photo.file.name == "coffee.jpg"


def test_keys_of_a_newer_server_are_passed_over(server, monkeypatch):
    with Client(server) as client:
        ask = client._json

        def newer(method, path, *arguments, **options):
            answer = ask(method, path, *arguments, **options)
            if path == "/api/search":
                answer["explanation"] |= {"novel": 1, "notes": [{"code": "x", "message": "m", "value": "", "novel": 1}]}
                return answer
            roots = [{**root, "novel": 1} for root in answer["roots"]]
            return answer | {"novel": 1, "roots": roots, "model": answer["model"] | {"novel": 1}}

        status, hits = client.status(), client.search("a dog", 2)
        monkeypatch.setattr(client, "_json", newer)
        assert client.status() == status and status.roots
        assert list(client.search("a dog", 2)) == list(hits)


def test_a_client_outlives_the_server_s_patience(server):
    with Client(server) as client:
        client.status()
        client._connection.sock.shutdown(socket.SHUT_RDWR)  # a server does this to an idle connection
        assert client.status().images


def same_answers(engine, client, query):
    """Check that server and index give the same hits. The last digits depend on how many threads multiply matrices."""
    own, through = engine.search(query, 20), client.search(query, 20)
    assert [hit.path for hit in through] == [hit.path for hit in own]
    for hit, other in zip(through, own, strict=True):
        assert (hit.score, hit.match) == (pytest.approx(other.score, abs=1e-6), pytest.approx(other.match, abs=1e-6))
    assert through.explanation.considered == own.explanation.considered
    return own


@pytest.mark.parametrize(
    "filters",
    [
        chosen(folders=("/a", str(PHOTOS)), names=("*.jpg",), taken="1990..2030", near="1e-7,-3.5,20000"),
        chosen(after="2000", before="2030-07-15", min_width=1, min_height=2, orientation="Square", format="jpg"),
        (parse_where('not (size > 2.5MB or taken = 2024) and not camera ~ "*\'s*" and latitude is not known'),),
        (All((Test("width", ">", 2.0),)), Not(Either((Test("name", "=", "x"), Test("height", ">", 1e20))))),
        (Either(()),),
        (Not(Located(("FR/11", "US"))),),
        (Not(Below(str(PHOTOS))),),
        (Either((Below(str(PHOTOS)), Known("caption"))), Near(1, 2, 20000), Near(1, 3, 20000)),
        (Not(Within(-20, 170, 20, -170)), *chosen(within="-90,-180,90,180")),
        (Not(Among((1, 2, 99))),),
        (Not(Test("camera", "=", "both ' and \"")),),
        (Test("taken", "<", "2024"),),
        (Not(Below("/caf\udce9")), Test("name", "~", "*\udce9*")),
    ],
)
def test_filters_travel_and_mean_the_same(index, server, filters):
    with SearchEngine(index) as engine, Client(server) as client:
        hits = same_answers(engine, client, Query((Term("a dog"),), filters))
        _, considered = client.images(filters)
        assert considered == hits.explanation.considered == sum(client.facets(filters)["format"].values())


@pytest.mark.parametrize(
    "query",
    [
        "a dog",
        'a "b" c',
        "2:a + .5:b - c",
        '"a  b" - "2:1"',
        "12:30",
        Query((Term('a "b" + c'), Term("'+ -", -0.25))),
        Query((Term("red"), Term(PHOTOS / "giraffe.jpg"), Term("blue", -1))),
        Query((Term("a dog"),), prompts=("a photo of a {}", "{}"), min_score=0.05, exact=True),
        Query((Term("a dog"),), min_match=0.1, diverse=True, sort="name", offset=1),
    ],
    ids=str,
)
def test_a_query_is_answered_as_by_the_engine(index, server, query):
    with SearchEngine(index) as engine, Client(server) as client:
        same_answers(engine, client, query)


def test_an_embedding_is_a_query_and_its_own_photos_are_none_of_its_hits(index, server, mini):
    with SearchEngine(index) as engine, Client(server) as client:
        same_answers(engine, client, mini.encode_texts(["a dog"])[0])
        (giraffe,) = engine.search("a giraffe", 1)
        term, own = engine.like(giraffe.record)
        assert giraffe.path not in [hit.path for hit in same_answers(engine, client, Query((term,), own=own))]
        for wrong in (np.zeros(3, np.float32), np.full(term.content.size, np.nan, np.float32)):
            with pytest.raises(QueryError):
                client.search(wrong)


def test_an_older_server_is_told_from_a_wrong_question():
    class Older(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(405)
            self.send_header("Clipsearch-Api", "1")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with (
        client_of(Older) as client,
        pytest.raises(ClipsearchError, match=r"older than this client .* upgrade the server"),
    ):
        client.search("a dog")
