"""The output of commands, in any encoding of the stream, and if the stream is full."""

import ast
import errno
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import clipsearch.cli
from clipsearch.cli import cli
from clipsearch.cli.exit_status import ExitStatus
from clipsearch.cli.find_index import remember_index
from tests.cli.running import run_here
from tests.conftest import give_captions, index_with_colours, save_photo

NAMES = (
    "caf\u00e9 \u20ac.jpg", "cafe\u0301.jpg", "\u041c\u043e\u0441\u043a\u0432\u0430.jpg", "\u03b1\u03b2\u03b3.jpg",
    "\u96ea\u306e\u5c71.jpg", "\u0645\u062f\u064a\u0646\u0629.jpg", "\u05e9\u05dc\u05d5\u05dd.jpg", "\ud55c\uad6d.jpg",
    "\U0001f431.jpg", "\uff3c~\u2015\u00a5.jpg",
)  # fmt: skip
ENCODINGS = ("cp1252", "ascii", "cp932")
LABELS = ("--label", "\u8d64 red", "--label", "\U0001f535 blue", "--label", "z\u00f6ld green")
HOSTED = {
    "albums": "tests/cli/test_albums_command.py",
    "browse": "needs a terminal; its screen is not written through these streams",
    "serve": "runs until it is stopped: tests/server",
    "mcp": "speaks a protocol of its own: tests/test_assistant.py",
    "push": "needs a store: below, and tests/stores",
    "pull": "needs a store: below, and tests/stores",
}
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="has no such files")


@pytest.fixture(scope="module")
def photos_of_many_scripts(tmp_path_factory):
    """Photos and a broken file, two of the same bytes, with names and captions in many scripts, indexed."""
    folder = tmp_path_factory.mktemp("scripts") / "\u041f\u0430\u043f\u043a\u0430 \U0001f4f7"
    for number, name in enumerate(NAMES):
        save_photo(folder / name, ("red", "green", "blue")[number % 3], note=name)
    shutil.copy(folder / NAMES[0], folder / f"\u00fc{NAMES[0]}")
    (folder / "\u043f\u043b\u043e\u0445\u043e\u0439.jpg").write_bytes(b"\xff\xd8\xff")
    assert index_with_colours(folder).failed == 1
    give_captions(folder / ".clipsearch", {name: f"{name} \u2603" for name in NAMES})
    captions = [{"image": name, "captions": [f"{name} red"]} for name in NAMES]
    (folder / "captions.jsonl").write_text("\n".join(map(json.dumps, captions)), encoding="utf-8")
    return folder


@pytest.fixture
def photos(photos_of_many_scripts, encoder, tmp_path):
    """A copy of the photos. Its index is the one used last."""
    folder = shutil.copytree(photos_of_many_scripts, tmp_path / photos_of_many_scripts.name)
    remember_index(folder / ".clipsearch")
    return folder


def every_command(photos, outside):
    """(arguments, exit status) of every command, in all the ways that it prints."""
    of_hits = (
        [],
        ["--json"],
        ["--jsonl"],
        ["--csv"],
        ["--explain"],
        ["--preview=blocks"],
        ["--group-by", "folder"],
        ["-0"],
    )
    image = str(photos / NAMES[2])
    export = str(outside / "\u96ea.jsonl")
    return [
        *((["query", "\u8d64 red", *how], 0) for how in of_hits),
        (["query", "\u8d64", "--where", "\u5024 = 1"], 2),
        (["similar", image], 0),
        *(
            (["label", *LABELS, *how], 0)
            for how in ([], ["--json"], ["--jsonl"], ["-0"], ["--html", outside / "l\u00e9.html"])
        ),
        (["label", *LABELS, "--write-sidecar"], 0),
        *(
            (["duplicates", "--exact", *how], 0)
            for how in ([], ["--json"], ["--paths"], ["--html", outside / "d\u00e9.html"])
        ),
        *((["stats", *how], 0) for how in ([], ["--json"], ["--by", "folder"])),
        *((["status", *how], 0) for how in ([], ["--json"])),
        *((["failures", *how], 0) for how in ([], ["--json"], ["-0"])),
        (["export", export], 0),
        (["export", export, "--force", "--json"], 0),
        (["import", export], 0),
        (["import", export, "--json"], 0),
        *((["index", *how], 0) for how in ([], ["--json"])),  # what could not be read before has not changed
        *((["optimize", "--remove", *how], 0) for how in ([], ["--json"])),
        *((["verify", *how], 0) for how in ([], ["--json"])),
        *((["repair", *how], 0) for how in ([], ["--json"])),
        (["doctor"], 0),
        (["doctor", "--json"], 0),
        *((["models", *how], 0) for how in ([], ["--json"])),
        (["eval", photos / "captions.jsonl", "--images", photos, "--model", "mini"], 0),
        (["forget", photos / NAMES[1]], 0),
        (["forget", photos / "\u043d\u0435\u0442"], 2),
        (["help"], 0),
        (["help", "filters"], 0),
        (["completion", "bash"], 0),
        (["version"], 0),
        (["\u0438\u0441\u043a\u0430\u0442\u044c"], 2),
    ]


@pytest.mark.parametrize("encoding", ENCODINGS[:2])  # others differ only in which letters they lack
def test_every_command_prints_in_any_encoding(photos, encoding, tmp_path):
    runs = every_command(photos, tmp_path)
    assert set(cli.list_commands(None)) <= {str(run[0][0]) for run in runs} | set(HOSTED)
    for arguments, expected in runs:
        status, output, errors = run_here(*arguments, cwd=photos, encoding=encoding)
        assert status == expected, (arguments, errors)
        if "--json" in arguments:
            assert isinstance(json.loads(output.decode(encoding)), dict)
        elif "--jsonl" in arguments:
            assert len([json.loads(line) for line in output.decode(encoding).splitlines()]) >= 10
        elif not {"-0", "--paths", "--csv"} & set(arguments):
            output.decode(encoding)


def test_json_says_the_same_in_every_encoding(photos):
    answers = [
        json.loads(run_here("query", "red", "--json", cwd=photos, encoding=encoding)[1].decode(encoding))
        for encoding in ("utf-8", *ENCODINGS)
    ]
    assert {str(photos / name) for name in NAMES} & {hit["path"] for hit in answers[0]["hits"]}
    assert all(answer == answers[0] for answer in answers)


def test_what_an_encoding_lacks_is_escaped_and_the_rest_is_not(photos):
    output = run_here("query", "red", "-k", "20", cwd=photos, encoding="cp1252")[1].decode("cp1252")
    assert "caf\u00e9 \u20ac.jpg" in output and "\\u041c\\u043e\\u0441\\u043a\\u0432\\u0430.jpg" in output


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are Unicode there")
def test_paths_keep_the_bytes_of_names_in_every_encoding(photos):
    name = os.fsencode(photos) + b"/gr\xfcn.jpg"
    os.rename(photos / NAMES[1], name)
    run_here("index", cwd=photos)
    for encoding in ("utf-8", *ENCODINGS):
        for how, end in (("-0", b"\0"), ("--paths", b"\n")):
            assert name in run_here("query", "red", "-k", "20", how, cwd=photos, encoding=encoding)[1].split(end)
        assert run_here("query", "red", cwd=photos, encoding=encoding)[0] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="has no such names")
def test_a_name_with_line_breaks_stays_on_one_line_in_every_message(photos, tmp_path):
    name = "a\nclipsearch: all photos were deleted\r\x1b[2J.jpg"
    broken, gone = photos / name, photos / f"gone {name}"
    broken.write_bytes(b"\xff\xd8\xff")
    shutil.copy(photos / NAMES[0], gone)
    run_here("index", cwd=photos)
    gone.unlink()
    files = tmp_path / name
    for arguments in (
        ["similar", broken],
        ["similar", gone],
        ["query", gone],
        ["query", "red", "-k", "20", "--copy-to", files],
        ["query", "red", "-k", "20", "--contact-sheet", f"{files}.txt"],
        ["query", "red", "--in", broken],
        ["query", "red", "--index", files],
        ["query", "red", name],
        ["index", gone],
        ["index", photos, "--index", broken],
        ["forget", gone],
        ["label", "--labels", gone],
        ["export", f"{files}.txt"],
        ["export", f"{files}.npy"],
        ["import", gone],
        ["eval", gone, "--images", photos],
        ["models", "pull", name],
        ["albums", name],
        ["failures"],
        ["status"],
        [name],
        [f"--{name}"],
    ):
        _, output, errors = run_here(*arguments, cwd=photos)
        text = output.decode("utf-8", "surrogateescape") + errors
        assert not any(sign in text for sign in ("\nclipsearch: all", "\x1b", "\r")), (arguments, text)


@pytest.mark.parametrize(
    "encoding", [*(pytest.param(name, marks=pytest.mark.long) for name in ENCODINGS[:2]), ENCODINGS[2]]
)
def test_a_process_prints_in_the_encoding_that_it_is_told(encoding, tmp_path):
    (tmp_path / "\u96ea \u00e9 \u041c.jpg").write_bytes(b"\xff\xd8\xff")
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    for command in (["index", ".", "--model", "mini"], ["failures"], ["query", "\u8d64"], ["version"]):
        done = subprocess.run(
            [sys.executable, "-m", "clipsearch", *command],
            cwd=tmp_path,
            capture_output=True,
            env=environment,
            timeout=120,
        )
        assert done.returncode in (0, 3) and b"Traceback" not in done.stderr + done.stdout
        done.stdout.decode(encoding)


class _Full(io.RawIOBase):
    """A stream that takes a number of bytes and then raises an error."""

    def __init__(self, room, error=errno.ENOSPC):
        self.room, self.error, self.refused = room, error, 0

    def writable(self):
        return True

    def write(self, data):
        if self.room <= 0:
            self.refused += 1
            raise OSError(self.error, os.strerror(self.error))
        self.room -= len(data)
        return len(data)


@pytest.mark.parametrize(("code", "expected"), [(errno.ENOSPC, ExitStatus.OUTPUT_FAILED), (errno.EPIPE, ExitStatus.OK)])
def test_sidecars_are_all_written_though_the_output_takes_no_more(photos, code, expected):
    output = io.TextIOWrapper(io.BufferedWriter(_Full(1, code)), "utf-8")
    status, _, errors = run_here("label", *LABELS, "--write-sidecar", "--all", cwd=photos, output=output)
    assert status == expected and ("standard output" in errors) == (expected != ExitStatus.OK)
    assert "11 sidecars written" in errors and "not finished" not in errors
    assert len(list(photos.glob("*.xmp"))) == 11


def test_a_reader_that_has_ended_ends_a_command_without_a_word(photos):
    def run(*arguments, room=0):
        pipe = _Full(room, errno.EPIPE)
        outcome = run_here(*arguments, cwd=photos, output=io.TextIOWrapper(io.BufferedWriter(pipe), "utf-8"))
        return outcome[0], outcome[2], pipe.refused

    status, errors, refused = run("label", *LABELS, "--all", "--jsonl", room=1)
    assert (status, errors) == (0, "") and refused <= 2, "photos are labelled that nobody reads"
    for how in ([], ["--json"], ["--csv"], ["-0"], ["--explain"]):
        status, errors, refused = run("query", "red", *how)
        assert status == 0 and "standard output" not in errors and refused
    (photos / NAMES[0]).unlink()
    assert run("duplicates", "--exact", "--json")[0] == ExitStatus.SOME_FAILED  # what went wrong still counts


def test_sidecars_that_ctrl_c_prevents_are_told(photos, monkeypatch):
    from clipsearch.images import xmp

    add, written = xmp.add_keywords, []

    def interrupted(path, keywords):
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(path)
        return add(path, keywords)

    monkeypatch.setattr(xmp, "add_keywords", interrupted)
    monkeypatch.setattr("threading.active_count", lambda: 1)  # otherwise this process, with its threads, would end
    status, _, errors = run_here("label", *LABELS, "--write-sidecar", "--all", cwd=photos)
    assert status == 130 and "3 sidecars written" in errors and "not finished: to go on" in errors


def test_what_is_made_of_hits_is_made_though_the_output_takes_no_more(photos, tmp_path):
    output = io.TextIOWrapper(io.BufferedWriter(_Full(0)), "utf-8")
    status, _, errors = run_here(
        *("query", "red", "-k", "3", "--copy-to", tmp_path / "copies", "--html", tmp_path / "h.html"),
        cwd=photos,
        output=output,
    )
    assert status == ExitStatus.OUTPUT_FAILED and "copied 3 photos" in errors
    assert len(list((tmp_path / "copies").iterdir())) == 3 and (tmp_path / "h.html").exists()


@POSIX
@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("clipsearch models > /dev/full", "No space left on device"),
        ("clipsearch models --json > /dev/full", "No space left on device"),
        ("clipsearch --help > /dev/full", "No space left on device"),
        ("clipsearch version > /dev/full", "No space left on device"),
        ("clipsearch models >&-", "it is closed"),
        ("clipsearch --help >&-", "it is closed"),
        ("clipsearch doctor >&- <&-", "it is closed"),
    ],
)
def test_an_output_that_takes_nothing_is_one_line_and_a_status(command, reason, tmp_path):
    if "/dev/full" in command and not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here")
    done = subprocess.run(
        ["sh", "-c", command.replace("clipsearch", f"'{sys.executable}' -m clipsearch")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(clipsearch.__file__).parents[1])},
    )
    assert done.returncode == ExitStatus.OUTPUT_FAILED, done.stderr
    assert done.stderr.count("\n") == 1 and reason in done.stderr and done.stderr.startswith("clipsearch: the answer")


@POSIX
@pytest.mark.parametrize("line", ["models", "--help"])
def test_a_pipe_that_is_not_read_is_no_error(line, tmp_path):
    command = f"(sleep 1; '{sys.executable}' -m clipsearch {line}; echo $? > status) | true; exit $(cat status)"
    environment = {**os.environ, "PYTHONPATH": str(Path(clipsearch.__file__).parents[1])}
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")


@POSIX
def test_a_closed_output_can_still_be_asked_whether_it_is_a_terminal():
    script = (
        "from clipsearch.cli.output import prepare_streams, finish_output as end; end(prepare_streams()); import sys"
    )
    done = subprocess.run(
        ["sh", "-c", f"'{sys.executable}' -c '{script}; sys.exit(sys.stdout.isatty())' >&-"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(clipsearch.__file__).parents[1])},
    )
    assert (done.returncode, done.stderr) == (0, "")


@POSIX
def test_errors_that_cannot_be_told_change_no_status(tmp_path):
    def run(command):
        line = command.replace("clipsearch", f"'{sys.executable}' -m clipsearch")
        done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, timeout=120)
        return done.returncode, done.stdout

    assert run("clipsearch version 2>&-")[0] == 0
    assert run("clipsearch nonsense 2>&-") == (2, b"")
    if os.path.exists("/dev/full"):
        assert run("clipsearch nonsense 2> /dev/full") == (2, b"")


def test_only_the_module_of_outputs_writes_to_the_streams():
    wrong = []
    for path in Path(clipsearch.cli.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if path.name == "output.py" or not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            writes = called in ("print", "click.echo", "click.secho", "echo", "click.echo_via_pager")
            if writes or called.startswith(
                ("sys.stdout.write", "sys.stderr.write", "sys.stdout.buffer", "sys.stderr.buffer")
            ):
                wrong.append(f"{path.name}:{node.lineno}: {called}")
    assert not wrong
