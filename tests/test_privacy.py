"""clipsearch and its libraries send nothing over the network, and write only to their own folders.

`tools/observe.py` watches every process and library with strace. It also compares an empty home before and after.
Without strace, it compares only the files, and the other tests are skipped.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest

from clipsearch import SearchEngine
from clipsearch.encoders.recommended import DEFAULT_MODEL, MODELS
from tests.cli.running import run_here
from tests.conftest import PHOTOS, ROOT, save_photo
from tests.encoders.hub_stand_in import sha256_of
from tests.encoders.support import make_need_torch, save_checkpoint
from tests.encoders.test_hub import checkpoint, fake_hub, pickled  # noqa: F401

if sys.platform != "linux":
    pytest.skip("strace and the compared folders exist on Linux only", allow_module_level=True)

sys.path.insert(0, str(ROOT / "tools"))
import observe

CLIPSEARCH = (sys.executable, "-m", "clipsearch")
NEEDS_STRACE = "the files are as expected; strace, which would show connections, is missing or not allowed"


@pytest.fixture(scope="module")
def indexed(tmp_path_factory):
    """Four photos, indexed by mini."""
    folder = tmp_path_factory.mktemp("indexed")
    for name in ("cat.png", "coffee.jpg", "giraffe.jpg"):
        shutil.copy(PHOTOS / name, folder)
    save_photo(folder / "trip" / "red.jpg")
    with SearchEngine.open(folder, model="mini") as engine:
        engine.index()
    return folder


@pytest.fixture
def room(tmp_path):
    """An observed environment whose commands may write to the index of `photos` and to `out`."""
    photos, out = tmp_path / "photos", tmp_path / "out"
    for place in (out, tmp_path / "room"):
        place.mkdir()
    return observe.Room(tmp_path / "room", [photos / ".clipsearch", out])


@pytest.fixture
def index(indexed, tmp_path):
    """The index of the four photos, in `photos`."""
    return shutil.copytree(indexed, tmp_path / "photos") / ".clipsearch"


@pytest.fixture
def photos(index):
    """The four photos without an index."""
    shutil.rmtree(index)
    return index.parent


@pytest.fixture
def watched(room, tmp_path):
    """Run `clipsearch` commands. Require that they make no connections and write nothing outside the room's folders."""

    def run(*commands, status=0):
        runs = [room.run(*CLIPSEARCH, *map(str, command)) for command in commands]
        for command, observed in zip(commands, runs, strict=True):
            assert observed.status == status, (command, observed.errors)
        require_private(*runs)

    return run


def require_private(*runs):
    assert [observed.written for observed in runs] == [[]] * len(runs)
    if any(observed.called is None for observed in runs):
        pytest.skip(NEEDS_STRACE)
    assert [observed.called for observed in runs] == [[]] * len(runs)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """A folder with a small checkpoint for each runtime."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for runtime in ("clip", "torch"):
        (folder / runtime).mkdir()
        save_checkpoint(folder / runtime)
    make_need_torch(folder / "torch")
    return folder


# -- the observer itself

LOOKS_UP = "import socket\ntry: socket.getaddrinfo('reports.invalid', 443)\nexcept OSError: pass"
CONNECTS = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 9))"
SENDS = "import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.sendto(b'', ('2001:db8::1', 9))"
LISTENS = "import socket; socket.socket().bind(('0.0.0.0', 0))"
IN_A_CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {LOOKS_UP!r}])"


@pytest.mark.skipif(observe.strace_options() is None, reason="needs strace, and the right to use it")
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (LOOKS_UP, "port 53$|/run/systemd/resolve/"),
        (IN_A_CHILD, "port 53$|/run/systemd/resolve/"),
        (CONNECTS, "connect AF_INET 192.0.2.1 port 9"),
        (SENDS, "sendto AF_INET6 2001:db8::1 port 9"),
        (LISTENS, "bind AF_INET 0.0.0.0 port 0"),
    ],
)
def test_the_watcher_sees_every_connection(room, code, expected):
    called = room.run(sys.executable, "-c", code).called
    assert any(re.search(expected, call) for call in called), called


def test_the_watcher_allows_connections_to_this_machine(room):
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname())"
    seen = room.run(sys.executable, "-c", code)
    assert seen.status == 0, seen.errors
    require_private(seen)


@pytest.mark.parametrize("with_strace", [True, False])
@pytest.mark.parametrize("variable", ["HOME", "TMPDIR"])
def test_the_watcher_sees_a_file_that_is_left(room, monkeypatch, variable, with_strace):
    if not with_strace:
        monkeypatch.setattr(observe, "strace_options", lambda: None)
    code = f"import os, pathlib; pathlib.Path(os.environ[{variable!r}], 'something').touch()"
    left = Path(room.environment[variable], "something")
    assert room.run(sys.executable, "-c", code).written == [str(left)]
    assert room.run(sys.executable, "-c", "").written == []  # the file existed before this run
    left.unlink()


@pytest.mark.skipif(observe.strace_options() is None, reason="needs strace, and the right to use it")
def test_the_watcher_sees_a_file_elsewhere_even_if_it_is_removed_again(room, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    code = f"import os; os.mkdir({str(elsewhere)!r}); os.rmdir({str(elsewhere)!r})"
    assert room.run(sys.executable, "-c", code).written == [str(elsewhere)]


# -- clipsearch and its libraries


def test_telemetry_is_switched_off_whatever_the_environment_says():
    variables = {
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DISABLE_SAFETENSORS_CONVERSION": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    code = (
        "import clipsearch, json, os, sys; print(json.dumps([dict(os.environ), 'openvino_telemetry' in sys.modules]))"
    )
    opposite = {**os.environ, **{name: "10"[int(value)] for name, value in variables.items()}}
    output = subprocess.run(
        [sys.executable, "-c", code], env=opposite, check=True, capture_output=True, text=True
    ).stdout
    environment, is_blocked = json.loads(output)
    assert {name: environment[name] for name in variables} == variables and is_blocked


def test_no_command_sends_traces(monkeypatch, tmp_path):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "false")
    run_here("--version", cwd=tmp_path)
    assert os.environ["OTEL_SDK_DISABLED"] == "true"


def test_mini(watched, photos, tmp_path):
    out = tmp_path / "out"
    here = ("--index", photos / ".clipsearch")
    watched(
        ("index", photos, "--model", "mini"),
        ("query", "a cat", *here, "--html", out / "cats.html", "--contact-sheet", out / "cats.pdf"),
        ("label", "--label", "cat", "--label", "mountains", *here),
        ("duplicates", *here),
        ("export", out / "photos.npy", *here),
        ("status", *here),
    )


def test_reading_text_in_pictures(watched, photos):
    pytest.importorskip("rapidocr", reason="needs the extra `ocr`: pip install -e '.[ocr]'")
    for photo in (photos / "cat.png", photos / "giraffe.jpg"):
        photo.unlink()  # reading two takes seconds less than four
    watched(("index", photos, "--model", "mini", "--ocr"))


def test_clip_without_torch(room, watched, checkpoints, photos, tmp_path):
    """The default model comes from the cache, although the machine is not offline."""
    revision = next(entry.revision for entry in MODELS if entry.model == DEFAULT_MODEL)
    snapshots = tmp_path / "hub" / f"models--{DEFAULT_MODEL.replace('/', '--')}" / "snapshots"
    shutil.copytree(checkpoints / "clip", snapshots / revision)
    room.environment["HF_HUB_CACHE"] = str(tmp_path / "hub")
    watched(("index", photos), ("query", "a cat", "--index", photos / ".clipsearch"), ("models", "pull", DEFAULT_MODEL))


def test_torch(room, checkpoints):
    code = "import sys, clipsearch as c; e = c.load_encoder(sys.argv[1]); e.encode_texts(['a']); e.encode_images(sys.argv[2:])"
    seen = room.run(sys.executable, "-c", code, str(checkpoints / "torch"), str(PHOTOS / "cat.png"))
    assert seen.status == 0, seen.errors
    require_private(seen)


def test_doctor_and_the_list_of_models(watched):
    """`doctor` loads every runtime in a separate process."""
    watched(("doctor",), ("models",))


def test_a_new_index_asks_only_the_hub_even_if_it_cannot_be_reached(room, watched, photos):
    room.environment["HF_ENDPOINT"] = "http://127.0.0.1:9"
    watched(("index", photos))


def test_a_download_asks_the_hub_only_for_the_model(room, watched, fake_hub, tmp_path):
    room.environment |= {"HF_ENDPOINT": fake_hub.address, "HF_HOME": str(tmp_path / "out")}
    watched(("models", "pull", "team/tiny"))
    others = {request.path for request in fake_hub.requests if "team/tiny" not in request.path}
    weights = f"/lfs/{sha256_of(fake_hub.repositories['team/tiny']['main'] / 'model.safetensors')}"
    assert others == {"/api/models", weights}  # the first asks whether the hub can be reached


def test_the_server(room, index):
    pytest.importorskip("uvicorn", reason="needs the extra: pip install 'clipsearch[web]'")
    with room.running(*CLIPSEARCH, "serve", "--index", str(index), "--port", "0", "--no-open") as (process, seen):
        address = process.stdout.readline().strip()
        assert address, process.communicate(timeout=60)[1]
        for path in ("", "api/search?q=a+cat", "api/thumbnails/1", "api/facets", "api/status", "metrics"):
            with urllib.request.urlopen(address + path) as answer:
                assert answer.status == 200
        query = room.run(*CLIPSEARCH, "query", "a cat", "--server", address)
    assert (seen.status, query.status) == (0, 0), seen.errors + query.errors
    require_private(seen, query)


def test_the_assistants_tools(room, index):
    pytest.importorskip("mcp", reason="needs the extra: pip install 'clipsearch[mcp]'")
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    search = {"name": "search", "arguments": {"query": "a cat"}}
    with room.running(*CLIPSEARCH, "mcp", "--index", str(index)) as (process, seen):
        for number, (method, parameters) in enumerate([("initialize", hello), ("tools/call", search)]):
            request = {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
            process.stdin.write(json.dumps(request) + "\n")
            answer = json.loads(process.stdout.readline())
            assert "result" in answer, answer
            if not number:
                process.stdin.write('{"jsonrpc": "2.0", "method": "notifications/initialized"}\n')
        assert "cat.png" in json.dumps(answer)
        process.communicate(timeout=60)
    assert seen.status == 0
    require_private(seen)


@pytest.mark.long
def test_the_other_commands(watched, index, tmp_path):
    photos, out, here = index.parent, tmp_path / "out", ("--index", index)
    watched(
        ("export", out / "photos.npy", *here),
        ("import", out / "photos.npy", "--index", out / "copy", "--in", photos, "--model", "mini"),
        ("optimize", "--force", "--kind", "ivf-sq8", *here),
        ("query", "a cat", *here),
        ("similar", photos / "cat.png", *here),
        ("failures", *here),
        ("verify", *here),
        ("repair", *here),
        ("stats", "--png", out / "stats.png", *here),
        ("forget", photos / "trip", *here),
    )


@pytest.mark.long
@pytest.mark.parametrize("model", ["mini", "clip"])
def test_the_readmes_commands(tmp_path, checkpoints, model):
    session = list(
        observe.readme_session(observe.Room(tmp_path), "mini" if model == "mini" else str(checkpoints / model))
    )
    assert len(session) > 40
    done = {
        command: seen
        for command, seen in session
        if seen
        and " pull " not in command
        and ("--ray" not in command or find_spec("ray"))
        and (model == "mini" or "--model mini" not in command)
    }  # `pull` is meant to download
    failed = {command: seen.errors for command, seen in done.items() if seen.status}
    assert all(observe.ENDLESS.search(command) for command in failed), failed  # they end by Ctrl-C or need a terminal
    require_private(*done.values())


@pytest.mark.long
@pytest.mark.skipif(not find_spec("milvus_lite"), reason="needs Milvus Lite: pip install milvus-lite")
def test_a_store(watched, index, tmp_path):
    out = tmp_path / "out"
    store = ("--store", f"milvus+lite:{out / 'store.db'}/photos")
    watched(
        ("push", "--index", index, *store),
        ("query", "a cat", *store),
        ("pull", "--index", out / "copy", *store),
    )


@pytest.mark.long
@pytest.mark.skipif(not find_spec("ray"), reason="needs Ray: pip install 'clipsearch[ray]'")
def test_a_cluster_of_one_machine(photos):
    """Ray's processes only talk to each other at 127.0.0.1."""
    short = Path(tempfile.mkdtemp(prefix="cs-", dir="/tmp"))  # paths of Ray's sockets must be short
    try:
        room = observe.Room(short, [photos / ".clipsearch", Path("/dev/shm")])  # Ray's processes share memory there
        seen = room.run(*CLIPSEARCH, "index", str(photos), "--model", "mini", "--ray", "local")
    finally:
        shutil.rmtree(short)
    assert seen.status == 0, seen.errors
    require_private(seen)
