"""The command line as users run it, with the embedded model."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clipsearch import SearchEngine
from clipsearch._internal.cancel import CancelToken
from clipsearch.cli import cli
from clipsearch.cli.exit_status import ExitStatus
from clipsearch.cli.index import _summary
from tests.cli.running import run_here
from tests.conftest import ROOT, ColourEncoder, save_photo


@pytest.fixture
def indexed(photos_with_mini):
    return photos_with_mini


def test_index_then_query(clipsearch_process, photos):
    assert "5 added" in clipsearch_process("index", photos, "--model", "mini")[1]
    status, output, errors = clipsearch_process("query", "the colour red", "-k", "2", cwd=photos)
    assert (status, errors) == (0, "")
    rows = [line.split() for line in output.splitlines()]
    assert [row[0] for row in rows] == ["1", "2"]
    assert all(-1 <= float(row[1]) <= 1 and row[2].endswith("%") and os.path.exists(photos / row[3]) for row in rows)


def test_json_is_one_object_with_the_agreed_keys(clipsearch, indexed):
    _, output, _ = clipsearch("query", "red", "--json", "-k", "1", cwd=indexed)
    value = json.loads(output)
    assert list(value) == ["query", "model", "index", "hits"]
    assert (value["query"], value["model"], value["index"]) == ("red", "mini", str(indexed / ".clipsearch"))
    assert list(value["hits"][0])[:5] == ["rank", "score", "match", "id", "path"]


def test_paths_come_bare_or_with_nul_for_any_name(clipsearch, photos, tmp_path):
    odd = "a\n'\"\x1b $(x)\u202e.jpg"
    save_photo(photos / odd, "red", note="odd")
    clipsearch("index", photos, "--model", "mini")
    _, output, _ = clipsearch("query", "red", "-0", cwd=photos)
    assert str(photos / odd) in output.split("\0")
    _, output, _ = clipsearch("query", "red", cwd=photos)
    assert "\x1b" not in output and len(output.splitlines()) == 6
    _, output, _ = clipsearch("query", "red", "--paths", "-k", "1", cwd=photos)
    assert output.count("\n") == 1 or odd in output


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are Unicode there")
def test_names_that_are_not_utf8_survive_every_output(clipsearch, photos):
    name = os.fsencode(photos) + b"/caf\xe9.jpg"
    os.rename(photos / "red.jpg", name)
    assert clipsearch("index", photos, "--model", "mini")[0] == 0
    _, output, _ = clipsearch("query", "red", "--json", cwd=photos)
    assert os.fsdecode(name) in [hit["path"] for hit in json.loads(output)["hits"]]
    assert "caf\\xe9.jpg" in clipsearch("query", "red", cwd=photos)[1]
    assert "caf\\xe9.jpg" in clipsearch("query", "red", "--csv", cwd=photos)[1]
    assert name in run_here("query", "red", "-0", cwd=photos)[1].split(b"\0")


def test_an_image_file_is_a_query(clipsearch, indexed):
    _, output, _ = clipsearch("query", indexed / "blue.jpg", "-k", "1", "--json", "--keep-own", cwd=indexed)
    hit = json.loads(output)["hits"][0]
    assert hit["path"] == str(indexed / "blue.jpg") and hit["score"] > 0.999
    for command in ("query", "similar"):
        _, output, _ = clipsearch(command, indexed / "blue.jpg", "--paths", cwd=indexed)
        assert len(output.splitlines()) == 4 and str(indexed / "blue.jpg") not in output


def test_an_image_file_that_is_not_there_is_not_taken_for_words(clipsearch, indexed):
    status, _, errors = clipsearch("query", "nowhere.jpg", cwd=indexed)
    assert status == 2 and "no file nowhere.jpg" in errors


def test_queries_from_standard_input_are_answered_one_after_another(indexed):
    red = str(indexed / "red.jpg").encode()

    def ask(lines, *flags):
        return run_here("query", "-", "-k", "1", *flags, cwd=indexed, given=lines)

    status, output, _ = ask(b"something red\n\n" + red + b"\nblue", "--json")
    answers = [json.loads(line) for line in output.splitlines()]
    assert status == 0 and [answer["query"] for answer in answers] == ["something red", red.decode(), "blue"]
    assert answers[1]["hits"][0]["path"] not in ("", red.decode()) and answers[1]["hits"][0]["match"] is None
    status, output, errors = ask(b"nothing.jpg\nthe colour red -blue\n")
    assert status == 1 and "there is no file nothing.jpg" in errors
    proposed = ["`clipsearch query -k 1 --name nothing.jpg`", '`clipsearch query "the colour red" - blue -k 1`']
    assert all(line in errors for line in proposed), errors
    assert [line[:1] for line in output.splitlines()] == [b"#", b"#", b"1"]


def test_a_line_of_marks_asks_the_last_query_again(indexed):
    lines = b"red\n-1 +2\n-1\nred\n+9\n"
    status, output, errors = run_here("query", "-", "--json", cwd=indexed, given=lines)
    assert status == 1 and "there is no hit 9 to mark" in errors
    first, second, third, fresh = ([hit["id"] for hit in json.loads(line)["hits"]] for line in output.splitlines())
    assert sorted(second) == sorted(set(first) - {first[0]}) and fresh == first
    assert sorted(third) == sorted(set(second) - {second[0]})


def test_photos_are_marked_right_and_wrong_by_path_or_id(clipsearch, indexed, tmp_path):
    def asked(*marks):
        return json.loads(clipsearch("query", "red", *marks, "--json", cwd=indexed)[1])["hits"]

    number = {Path(hit["path"]).name: hit["id"] for hit in asked()}
    marked = asked("--right", "blue.jpg", "--wrong", indexed / "red.jpg")
    assert marked == asked("--right", number["blue.jpg"], "--wrong", number["red.jpg"])
    copy = shutil.copy(indexed / "blue.jpg", tmp_path / "elsewhere.jpg")
    assert marked == asked("--right", copy, "--wrong", "red.jpg")
    assert {Path(hit["path"]).name for hit in marked} == number.keys() - {"red.jpg"}
    status, _, errors = clipsearch("query", "red", "--right", "gone.jpg", cwd=indexed)
    assert status == 2 and "gone.jpg is not in the index; --right and --wrong take" in errors
    status, _, errors = clipsearch("query", "red", "--right", "red.jpg", "--wrong", number["red.jpg"], cwd=indexed)
    assert (status, errors) == (2, "clipsearch: red.jpg is both --right and --wrong; it can only be one of them\n")


def test_an_answer_comes_before_the_next_question(indexed):
    command = [sys.executable, "-m", "clipsearch", "query", "-", "--json"]
    with subprocess.Popen(command, cwd=indexed, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for text in (b"red\n", b"blue\n"):
            process.stdin.write(text)
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["query"] == text.decode().strip()
        process.stdin.close()
    assert process.returncode == 0


def test_words_need_no_quotes(clipsearch, indexed):
    assert json.loads(clipsearch("query", "a", "red", "car", "--json", cwd=indexed)[1])["query"] == "a red car"


def test_the_index_is_found_by_flag_environment_folder_and_last_use(clipsearch, indexed, tmp_path):
    for arguments, folder, environment in [
        (["--index", indexed / ".clipsearch"], tmp_path, {}),
        (["--index", indexed], tmp_path, {}),
        ([], tmp_path, {"CLIPSEARCH_INDEX": str(indexed)}),
        ([], indexed / "trip", {}),
        ([], tmp_path, {}),
    ]:
        assert clipsearch("query", "red", *arguments, cwd=folder, **environment)[0] == 0


def test_status_and_failures_and_exit_status_3(clipsearch, indexed):
    (indexed / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    status, output, _ = clipsearch("index", indexed)
    assert status == 3 and "1 could not be read; see: clipsearch failures" in output
    status, output, _ = clipsearch("index", indexed)
    assert status == 0 and "1 failed earlier; see: clipsearch failures" in output  # nothing has failed in this run
    assert clipsearch("index", indexed, "--retry")[0] == 3
    assert "broken.jpg\t" in clipsearch("failures", cwd=indexed)[1]
    assert json.loads(clipsearch("failures", "--json", cwd=indexed)[1])["failures"][0]["path"].endswith("broken.jpg")
    assert clipsearch("failures", "-0", cwd=indexed)[1].endswith("broken.jpg\0")
    output = clipsearch("status", cwd=indexed)[1]
    assert "photos   5" in output and "failed   1" in output and "up to date" in output and "mini" in output
    save_photo(indexed / "new.jpg", "red", note="new")
    assert "1 new" in clipsearch("status", cwd=indexed)[1]
    assert json.loads(clipsearch("status", "--json", cwd=indexed)[1])["stale"] == 1


def test_forget(clipsearch, indexed):
    _, output, errors = clipsearch("forget", indexed / "trip", cwd=indexed)
    assert output == "forgot 1 photo\n"
    assert f"adds {indexed / 'trip'} again; to keep it out: clipsearch index {indexed} --exclude trip\n" in errors
    assert clipsearch("forget", indexed / "trip", cwd=indexed)[0] == 2


def test_index_json_and_quiet(clipsearch, photos):
    value = json.loads(clipsearch("index", photos, "--model", "mini", "--json")[1])
    assert (value["added"], value["model"]) == (5, "mini")
    assert clipsearch("index", photos, "--quiet")[1:] == ("", "")


def test_walk_flags(clipsearch, photos):
    save_photo(photos / ".hidden" / "h.jpg", "red", note="h")
    save_photo(photos / "node_modules" / "n.jpg", "red", note="n")
    assert json.loads(clipsearch("index", photos, "--model", "mini", "--json", "--exclude", "*.png")[1])["added"] == 4
    assert json.loads(clipsearch("index", photos, "--json", "--hidden", "--no-default-excludes")[1])["added"] == 2
    report = json.loads(clipsearch("index", photos, "--json", "--exclude", ".hidden")[1])
    assert (report["removed"], report["exclude"]) == (1, ["*.png", ".hidden"])
    assert (report["excluded"], report["excluded_folders"]) == ({".png": 1}, {".hidden": 1})
    _, output, _ = clipsearch("index", photos, "--no-exclude", "*.png")
    assert "not excluded any more: '*.png'\nskipped the folder .hidden: --exclude .hidden (remembered; " in output
    assert output.startswith("1 added, 5 unchanged")
    for dry_run in ((), ("--dry-run",)):
        status, output, errors = clipsearch("index", photos, "--no-exclude", ".hiden", *dry_run)
        assert status == 0 and "not excluded any more" not in output
        assert "note: .hiden was not excluded, so nothing changes; what is excluded is: .hidden; did you mean" in errors
    assert json.loads(clipsearch("index", photos, "--json", "--default-excludes")[1])["removed"] == 1
    for wrong in ("priv/x", "/"):
        assert clipsearch("index", photos, "--exclude", wrong)[0] == 2


def test_eval(clipsearch, photos):
    lines = [{"image": f"{colour}.jpg", "captions": [f"the colour {colour}"]} for colour in ("red", "blue")]
    (photos / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    command = ["eval", photos / "captions.jsonl", "--images", photos, "--model", "mini"]
    assert "recall@1" in clipsearch(*command)[1]
    assert json.loads(clipsearch(*command, "--json")[1])["images"] == 2


@pytest.mark.parametrize(
    ("line", "options"), [({"captions": ["red"]}, ()), ({"label": "red"}, ("--zero-shot",))], ids=["captions", "labels"]
)
def test_ctrl_c_asks_eval_to_stop(clipsearch, photos, monkeypatch, line, options):
    asked = []

    def interrupted(*arguments, cancel, **others):
        signal.raise_signal(signal.SIGINT)
        asked.append(cancel.cancelled)
        cancel.check()

    monkeypatch.setattr("clipsearch.analysis.evaluation.embed_files", interrupted)
    monkeypatch.setattr("threading.active_count", lambda: 1)  # otherwise this process, with its threads, would end
    (photos / "examples.jsonl").write_text(json.dumps({"image": "red.jpg", **line}))
    command = ["eval", photos / "examples.jsonl", "--images", photos, "--model", "mini", *options]
    assert clipsearch(*command)[0] == ExitStatus.INTERRUPTED and asked == [True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["query"], "describe the photo"),
        (["query", "a", "+"], "nothing after the +"),
        (["query", "a", "--where", "colour = red"], "--where: there is no field 'colour'"),
        (["query", "a", "--where", "widht > 3"], "'widht'; did you mean width? at: >>> widht > 3"),
        (["query", "a", "--where", "width > 3 and taken > x"], "or 2024-07-15T12:30, at: width > 3 and taken > >>> x"),
        (["query", "a", "--taken", "x"], "--taken: 'x' is not a date"),
        (["query", "a", "--taken", "July 2018"], "--taken: 'July 2018' is not a date"),
        (["query", "https://example.org/a.jpg"], "--allow-url"),
        (
            ["similar", "missing.jpg", "-k", "3"],
            "there is no file missing.jpg; to find indexed photos of this name: "
            "`clipsearch query -k 3 --name missing.jpg`",
        ),
        (
            ["similar", "a cat"],
            'there is no file a cat; to search for these words: `clipsearch query "a cat"`',
        ),
        (
            ["similar", "a", "cat", "photos/red.jpg"],
            'to search for these words: `clipsearch query photos/red.jpg + "a cat"`',
        ),
        (["similar", "photos/nowhere"], "there is no file photos/nowhere\n"),
        (["query", "x", "-k", "0"], "-k/--top-k: 0 is not a whole number of at least 1"),
        (["index", ".", "--device", "banana"], "--device must be auto, cpu, cuda"),
        (["query", " "], "empty"),
        (["index", "nowhere"], "there is no folder"),
        (["index", "photos", "photos/nowhere"], "there is no folder"),
        (["index", ".", "--wait", "nowhere"], "there is no folder"),
        (["index", ".", "photos/red.jpg"], "red.jpg is not a folder"),
        (
            ["help", "index", "query"],
            "`clipsearch index` has no command 'query'; ask for one at a time: clipsearch help query",
        ),
        (["help", "albums", "filters"], "ask for one at a time: clipsearch help filters"),
        (["index", "photos/red.jpg"], "red.jpg is not a folder"),
        (["index", ".", "--model", "no-such"], "there is no model"),
        (["models", "pull", "ViT-B-32@none"], "OpenCLIP's ViT-B-32@none"),
        (["eval", "missing.jsonl", "--images", "."], "CAPTIONS.jsonl: there is no file missing.jsonl"),
        (["frobnicate"], "there is no command"),
        (["query", "x", "--index", "nowhere"], "there is no index at nowhere: the folder "),
        (["query", "x"], "clipsearch index FOLDER"),
        (["index"], "there is no index"),
        (["status"], "there is no index"),
    ],
)
def test_wrong_use_is_status_2_and_one_clear_message(clipsearch, arguments, message, photos, tmp_path):
    status, output, errors = clipsearch(*arguments)
    assert status == 2
    assert message in errors and output == ""
    assert {path.name for path in tmp_path.iterdir()} <= {"photos"}  # no unfinished files remain


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["query", "x", "-k"], "-k needs a value: -k N\nsee 'clipsearch query --help'"),
        (["query", "x", "--json=3"], "--json takes no value; write --json alone\nsee 'clipsearch query --help'"),
        (["query", "x", "--min-widht", "3"], "there is no option --min-widht; did you mean --min-width?\nsee"),
        (["stats", "--by", "yaer"], "--by: there is no 'yaer'; did you mean year?\nsee 'clipsearch stats --help'"),
        (["completion", "ksh"], "SHELL: there is no 'ksh'; give bash, zsh, fish or powershell\nsee"),
        (["similar"], "IMAGE... is missing; usage: clipsearch similar IMAGE...\nsee 'clipsearch similar --help'"),
        (["eval", "photos"], "CAPTIONS.jsonl: photos is a folder; give a file\nsee 'clipsearch eval --help'"),
        (["eval", "missing.jsonl"], "CAPTIONS.jsonl: there is no file missing.jsonl\nsee"),
        (["index", "photos", "--max-seconds", "0"], "--max-seconds: 0.0 is not a number of at least 0.1\nsee"),
        (["optimize", "--recall", "x"], "--recall: 'x' is not a number above 0, and at most 1\nsee"),
        (
            ["models", "pul"],
            "`clipsearch models` has no command 'pul'; did you mean pull?\nsee 'clipsearch models --help'",
        ),
        (["completion", "bash", "zsh"], "`completion` does not take 'zsh' as an argument\nsee"),
    ],
)
def test_what_click_refuses_is_said_in_the_style_of_all_messages(clipsearch, arguments, message, photos):
    status, _, errors = clipsearch(*arguments)
    assert status == 2 and errors.startswith(f"clipsearch: {message}") and errors.count("\n") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve", "--token", "abc"], "a token is 16 to 256"),
        (["serve", "--map-tiles", "x"], "is not an address of map tiles"),
        (["query", "x", "--contact-sheet", "s.docx"], "a contact sheet must be"),
        (["query", "x", "--html", "s.docx"], "a gallery must be"),
        (["push", "--store", "x"], "this is not the address of a store"),
        (["query", "x", "--server", "ftp://x"], "is not the address of a server"),
        (["query", "x", "--server", "http://my server:8100"], "my server:8100 is not the address of a server (no host"),
        (["query", "x", "--store", "milvus://my server:19530/x"], "this is not the address of a store"),
    ],
)
def test_a_value_that_makes_no_sense_is_wrong_use(clipsearch, arguments, message, photos_with_mini):
    status, output, errors = clipsearch(*arguments, cwd=photos_with_mini)
    assert status == 2 and message in errors and output == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["similar", "-dash.jpg"], "there is no option -dash.jpg; for the file of that name, write ./-dash.jpg"),
        (["query", "-dash.jpg", "+", "snow"], "there is no option -dash.jpg; for the file of that name, write ./-dash"),
        (["similar", "--dash.jpg"], "there is no option --dash.jpg; for the file of that name, write ./--dash.jpg"),
        (["index", "-folder"], "there is no option -folder; for the folder of that name, write ./-folder"),
        (["-dash.jpg"], "there is no option -dash.jpg; for the file of that name, write ./-dash.jpg"),
        (
            ["similar", "-kitten.jpg"],
            "not a whole number of at least 1; for the file of that name, write ./-kitten.jpg",
        ),
        (["similar", "-vacation.jpg"], "there is no option -vacation.jpg; for the file of that name, write"),
        (["similar", "-unknown.jpg"], "there is no option -unknown.jpg\n"),
        (["similar", "-vague.jpg"], "there is no option -a (in -vague.jpg)\n"),
        (["similar", "--in", "-dash.jpg", "-d"], "there is no option -d\n"),
        (
            ["query", "a", "-plain.jpg"],
            "To leave plain.jpg out, put a space after the minus: clipsearch query a - plain.jpg",
        ),
    ],
)
def test_a_name_that_begins_with_a_dash_is_told_as_typed(arguments, message, tmp_path):
    (tmp_path / "-folder").mkdir()
    for name in ("-dash.jpg", "--dash.jpg", "-kitten.jpg", "-vacation.jpg", "plain.jpg"):
        (tmp_path / name).touch()
    status, output, errors = run_here(*arguments, cwd=tmp_path)
    assert status == 2 and message in errors and output == b""


def test_a_variable_with_a_wrong_value_is_named(tmp_path):
    status, _, errors = run_here("status", cwd=tmp_path, CLIPSEARCH_INDEX=" ")
    assert status == 2 and errors.startswith("clipsearch: $CLIPSEARCH_INDEX: it is empty")


def test_help_and_version(clipsearch):
    status, output, _ = clipsearch("--help")
    assert status == 0 and 'clipsearch query "a dog on a beach"' in output
    assert clipsearch("--version")[1].startswith("clipsearch 0.")
    for command in cli.list_commands(None):
        assert f"\n  clipsearch {command}" in clipsearch(command, "--help")[1]


def test_models_lists_mini_and_the_default(clipsearch):
    output = clipsearch("models")[1]
    assert "mini" in output and "google/siglip2-base-patch32-256" in output
    rows = {row["model"]: row for row in json.loads(clipsearch("models", "--json")[1])["models"]}
    assert rows["mini"]["available"] and not rows["google/siglip2-base-patch32-256"]["available"]
    assert all(row["source"] and row["licence"] for row in rows.values())


def test_a_second_writer_is_told_who_is_first(clipsearch_process, indexed):
    from clipsearch.store.writer import CollectionWriter

    with CollectionWriter(indexed / ".clipsearch"):
        status, _, errors = clipsearch_process("index", indexed)
        assert status == 1 and f"pid {os.getpid()}" in errors
        assert clipsearch_process("query", "red", cwd=indexed)[0] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
def test_ctrl_c_while_the_command_line_is_imported_is_one_line(tmp_path):
    lost = "class Held:\n    def __del__(self):\n        os.kill(os.getpid(), signal.SIGINT)\n        sum(range(9))\n"
    for at_import in (
        "os.kill(os.getpid(), signal.SIGINT)",
        f"{lost}Held()\nraise SystemExit",
    ):  # no exception leaves __del__
        (tmp_path / "click.py").write_text(f"import os, signal\n{at_import}\n")
        result = subprocess.run(
            [sys.executable, "-m", "clipsearch", "stats"],
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))},
        )
        assert (result.returncode, result.stdout, result.stderr) == (130, "", "clipsearch: interrupted\n")
    code = """
import signal
from clipsearch._internal.early_interrupt import answer_at_once
from clipsearch.cli import main, stats

class Named:
    def __set_name__(self, owner, name):
        raise KeyboardInterrupt  # as by Ctrl-C while a command's classes are made; Python 3.11 makes it the cause of an error

def make(*_, **__):
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a command can keep what it has done
        REACT

stats.stats.callback = make
answer_at_once()
main(["stats"])
"""
    for reaction in ('type("Made", (), {"name": Named()})', "signal.raise_signal(signal.SIGINT)"):
        script = code.replace("REACT", reaction)
        result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert (result.returncode, result.stderr) == (130, "clipsearch: interrupted\n")
    code = (
        "import sys; before = set(sys.modules); import clipsearch.__main__; print(*sorted(set(sys.modules) - before))"
    )
    result = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert "clipsearch.__main__" in result.stdout.split() and "typing" not in result.stdout.split()
    assert 'clipsearch = "clipsearch.__main__:main"' in (ROOT / "pyproject.toml").read_text("utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
def test_ctrl_c_says_how_to_go_on_and_keeps_what_is_done(photos, tmp_path):
    for number in range(60):
        save_photo(photos / f"{number:03}.jpg", (number, number // 2, 90), size=(600, 400), note=str(number))
    command = [sys.executable, "-m", "clipsearch", "index", str(photos), "--model", "mini"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    catalog = photos / ".clipsearch" / "catalog.sqlite"
    while not catalog.exists() and process.poll() is None:
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    if " added in " in output and "to go on" not in output:
        assert process.returncode in (0, -signal.SIGINT)  # Python no longer listens to Ctrl-C when it ends
        pytest.skip("this machine indexed everything before Ctrl-C came")
    assert process.returncode == 130
    result = subprocess.run([*command, "--json"], capture_output=True, text=True)
    report = json.loads(result.stdout)
    assert report["added"] + report["unchanged"] == 65


def test_duplicates_say_once_that_a_whole_folder_is_not_there(photos, encoder, tmp_path):
    index = tmp_path / "an index"
    for name in ("1.jpg", "2.jpg", "trip/3.jpg"):
        shutil.copy(photos / "red.jpg", photos / name)
    assert run_here("index", photos, "--index", index, cwd=tmp_path)[0] == 0
    photos.rename(tmp_path / "away")
    status, _, errors = run_here("duplicates", "--exact", "--index", index, cwd=tmp_path)
    assert status == ExitStatus.SOME_FAILED
    first, *others = errors.splitlines()
    assert f"the folder {photos} is not there, so 4 photos in it could not be compared" in first
    assert "to update the index" not in errors and len(others) == 1
    save_photo(tmp_path / "drive" / "x.jpg", "green", note="1")
    assert run_here("index", tmp_path / "drive", "--index", index, cwd=tmp_path)[0] == 0
    (tmp_path / "drive").rename(tmp_path / "unplugged")
    errors = run_here("duplicates", "--exact", "--index", index, cwd=tmp_path)[2]
    assert (
        f"the folder {tmp_path / 'drive'} is not there. As far as the index knows, 1 photo in it is no copy of another"
        in errors
    )
    errors = run_here("duplicates", "--exact", "--in", photos, "--index", index, cwd=tmp_path)[2]
    assert f"{tmp_path / 'drive'}" not in errors


def test_known_content_is_counted_behind_what_is_added_and_updated(clipsearch, photos_of_colours, photos):
    shutil.copytree(photos_of_colours / ".clipsearch", photos / ".clipsearch")

    def summary():
        return clipsearch("index", cwd=photos)[1].partition(" in ")[0]

    summary()
    shutil.copy(photos / "red.jpg", photos / "copy.jpg")
    assert summary() == "1 added (1 with content known already), 5 unchanged"
    os.utime(photos / "copy.jpg", (1, 1))
    assert summary() == "1 updated (1 with content known already), 5 unchanged"
    shutil.copy(photos / "red.jpg", photos / "another copy.jpg")
    os.utime(photos / "copy.jpg", (2, 2))
    assert summary() == "1 added, 1 updated (2 of these with content known already), 5 unchanged"


def test_the_model_of_an_index_is_changed_and_changed_back(clipsearch, photos_of_colours, photos, monkeypatch):
    encoders = {name: ColourEncoder(name) for name in ("colours", "others")}
    monkeypatch.setattr("clipsearch.query.index_model.load_encoder", lambda name, **options: encoders[name])
    monkeypatch.setattr("clipsearch.query.index_model.require_trusted_model", lambda *_: None)
    shutil.copytree(photos_of_colours / ".clipsearch", photos / ".clipsearch")

    def run(*words, status=ExitStatus.OK):
        ended, output, errors = clipsearch(*words, cwd=photos)
        assert ended == status, errors
        return output, errors

    _, errors = run("index", "--model", "others", "--dry-run")
    assert "would change from colours to others, so all photos are embedded again" in errors
    _, errors = run("query", "red", "--model", "others", status=ExitStatus.ERROR)
    assert "change the model of the index: `clipsearch index --model others`" in errors
    _, errors = run("index", "--model", "others", "--ray", "local", status=ExitStatus.WRONG_USE)
    assert "--ray cannot change that" in errors
    assert "--keep-old is for --model" in run("index", "--keep-old", status=ExitStatus.WRONG_USE)[1]

    cancel = CancelToken()
    cancel.cancel()
    with SearchEngine.open(photos, model="others") as engine:
        report = engine.index(change_model=True, cancel=cancel)
        shown = _summary(report, engine, "colours", "others")
    assert shown.endswith("to go on: clipsearch index --model others\n")
    output, _ = run("index")
    assert f"to finish that: clipsearch index --model others. To drop it, delete {photos}/.clipsearch/next\n" in output
    output, _ = run("status")
    assert "change   to others, 0 of 5 photos so far; to go on: clipsearch index --model others\n" in output
    output, errors = run("index", "--model", "others", "--keep-old")
    assert "changes from colours to others: all photos are embedded again" in errors and "are free" in errors
    assert "the index has changed its model; before, it was colours\n" in output
    kept = photos / ".clipsearch" / "previous"
    assert f"to go back: clipsearch index --model colours. To free its room, delete {kept}\n" in output
    assert f"before   the index of colours is kept in {kept}\n" in run("status")[0]
    output, _ = run("index", "--model", "colours", "--json")
    report = json.loads(output)
    assert (report["model"], report["former_model"], report["unchanged"]) == ("colours", "others", 5)
    assert encoders["colours"].encoded == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", "-", "--format", "csv"],
        ["import", "-"],
        ["query", "red", "--html", "-"],
        ["query", "red", "--contact-sheet", "-"],
        ["query", "red", "--copy-to", "-"],
        ["query", "red", "--link-to", "-"],
        ["stats", "--png", "-"],
        ["albums", "Favourites", "--m3u", "-"],
        ["label", "--labels", "-"],
        ["eval", "-", "--images", "."],
        ["index", "-"],
        ["index", ".", "--index", "-"],
        ["index", ".", "--ray", "local", "--parts", "-"],
        ["forget", "-"],
        ["similar", "-"],
        ["query", "red", "--in", "-"],
        ["query", "red", "--right", "-"],
        ["export", "a.csv", "--in", "-"],
        ["status", "--index", "-"],
        ["pull", "--store", "milvus://127.0.0.1:1/x", "--index", "-"],
        ["serve", "--allow-below", "-"],
    ],
)
def test_a_dash_is_no_file_and_no_folder(arguments, tmp_path):
    status, output, errors = run_here(*arguments, cwd=tmp_path)
    assert (status, output, list(tmp_path.iterdir())) == (2, b"", [])
    assert "- is neither standard input nor output here; give a name, or ./- for" in errors
