"""Values of options that cannot be used: empty ones, numbers that are none, files that are none, and what is refused first."""

import json
import os
import re
import shlex
import shutil

import click
import pytest

from clipsearch.cli import cli
from clipsearch.cli.usage import explain
from clipsearch.render.text import counted
from tests.cli.running import run_here


def commands(group, path=()):
    """Every command, with the words that name it."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def refusal(command, words):
    """What is said of the words of a command; None if it takes them."""
    try:
        command.make_context("command", words)
    except click.UsageError as error:
        return explain(error)[0]
    return None


@pytest.mark.parametrize("empty", ["", " "])
def test_every_option_refuses_an_empty_value(empty):
    accepted = []
    for path, command in commands(cli):
        for option in command.get_params(click.Context(command)):
            if isinstance(option, click.Option) and not option.is_flag and not option.count:
                name = max(option.opts, key=len)
                said = refusal(command, [name, empty]) or ""
                if not (said.split(":")[0].endswith(name) and ("is empty" in said or repr(empty) in said)):
                    accepted.append((*path, name, said))
    assert accepted == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["similar", ""],
        ["forget", " "],
        ["albums", ""],
        ["models", "pull", ""],
        ["import", ""],
        ["export", ""],
        ["help", ""],
    ],
)
def test_an_empty_argument_is_named(arguments, tmp_path):
    status, output, errors = run_here(*arguments, cwd=tmp_path)
    assert (status, output) == (2, b"") and ": it is empty; give " in errors


def test_an_empty_date_is_no_search_of_all_photos(clipsearch, photos_with_mini):
    status, output, errors = clipsearch("query", "red", "--taken", "", "--copy-to", "copies", cwd=photos_with_mini)
    assert (status, output) == (2, "") and not (photos_with_mini / "copies").exists()
    assert errors.startswith("clipsearch: --taken: it is empty; give DATE[..DATE], or leave it out\n")


@pytest.mark.parametrize(
    ("status", "arguments", "message"),
    [
        (2, ["query", "red", "--index", "nowhere"], "there is no index at nowhere"),
        (2, ["status", "--index", "nowhere"], "there is no index at nowhere"),
        (2, ["query", "red", "--html", "nowhere/a.html"], "there is no folder"),
        (2, ["query", "red", "--contact-sheet", "nowhere/a.pdf"], "there is no folder"),
        *(
            (2, [*words, file], f"{file} is there already; --force replaces it")
            for words, file in (
                (["query", "red", "--html"], "old.html"),
                (["query", "red", "--contact-sheet"], "old.jpg"),
                (["similar", "red.jpg", "--contact-sheet"], "old.pdf"),
                (["label", "--label", "red", "--html"], "old.html"),
                (["duplicates", "--html"], "old.html"),
                (["stats", "--png"], "old.png"),
                (["export"], "old.csv"),
            )
        ),
        (2, ["query", "red", "--contact-sheet", "."], ". is a folder; name a file"),
        (2, ["query", "red", "--html", "/"], "/ is a folder; name a file"),
        (2, ["stats", "--png", "."], ". is a folder; name a file"),
        (2, ["forget", "Nope"], "nothing below"),
        (2, ["label", "--labels", "nowhere.txt"], "there is no file nowhere.txt"),
        (1, ["label", "--labels", "empty.txt"], "empty.txt has no labels"),
    ],
)
def test_a_wrong_place_of_a_file_is_status_2_and_wrong_content_of_a_file_status_1(
    clipsearch, status, arguments, message, photos_with_mini
):
    for name in ("empty.txt", "old.html", "old.jpg", "old.pdf", "old.png", "old.csv"):
        (photos_with_mini / name).touch()
    found, output, errors = clipsearch(*arguments, cwd=photos_with_mini)
    assert (found, output) == (status, "") and message in errors and not (photos_with_mini / "old.csv").stat().st_size


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["query", "x", "--min-score", "nan"], "--min-score: 'nan' is not a number from -1 to 1"),
        (["duplicates", "--min-cosine", "nan"], "--min-cosine: 'nan' is not a number from -1 to 1"),
        (["optimize", "--recall", "nan"], "--recall: 'nan' is not a number above 0"),
        (["index", ".", "--max-megapixels", "inf"], "--max-megapixels: 'inf' is not a number of at least 1"),
        (["push", "--store", "milvus+lite:x/y", "--wait=nan"], "--wait: 'nan' is not a number"),
        (["index", ".", "--store", "foo"], "this is not the address of a store"),
        (["index", ".", "--take-over"], "--take-over is for --store"),
        (["stats", "--png", "s.jpg"], "charts must be a .png file; rename s.jpg"),
        (["query", "--where", "()"], "--where: a field was expected here, such as taken or width, at: ( >>> )"),
        (["query", "--where", "'a' = 3"], "--where: a field was expected here"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_before_any_work(arguments, message, tmp_path):
    status, output, errors = run_here(*arguments, cwd=tmp_path)
    assert (status, output) == (2, b"") and message in errors and not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
@pytest.mark.parametrize("arguments", [["similar", "./pipe"], ["query", "./pipe"], ["import", "./pipe"]])
def test_a_pipe_is_not_called_missing(arguments, photos_with_mini):
    pipe = photos_with_mini / "pipe"
    if not pipe.exists():
        os.mkfifo(pipe)
    status, _, errors = run_here(*arguments, cwd=photos_with_mini)
    assert status == 2 and "pipe is not a regular file" in errors


def test_the_next_run_finishes_an_index_that_was_killed_as_it_began(clipsearch, tmp_path, photos_with_mini):
    folder = tmp_path / "begun"
    (folder / ".clipsearch").mkdir(parents=True)
    (folder / ".clipsearch" / "catalog.sqlite").touch()
    shutil.copy(photos_with_mini / "red.jpg", folder)
    status, _, errors = clipsearch("query", "red", cwd=folder)
    assert status == 4 and "run `clipsearch index" in errors and "repair" not in errors
    assert clipsearch("index", folder, "--model", "mini", "-q")[0] == 0
    assert clipsearch("query", "red", cwd=folder)[0] == 0


def test_a_cluster_without_ray_leaves_no_index(clipsearch, tmp_path, monkeypatch):
    monkeypatch.setattr("clipsearch.distributed.cluster.find_spec", lambda name: None)
    (tmp_path / "photos").mkdir()
    status, _, errors = clipsearch("index", tmp_path / "photos", "--ray", "local", "--model", "mini")
    assert status == 1 and "a cluster needs Ray" in errors and not list((tmp_path / "photos").iterdir())


def test_an_index_without_its_vectors_does_not_pass_for_unchanged(clipsearch, photos_with_mini):
    for segment in (photos_with_mini / ".clipsearch" / "segments").glob("*.faiss"):
        segment.unlink()
    status, output, errors = clipsearch("index", photos_with_mini, "-q")
    assert (status, output) == (4, "") and "`clipsearch repair" in errors


def test_a_photo_that_is_lost_with_its_row_is_not_said_to_be_kept(clipsearch, photos_with_mini):
    catalog = photos_with_mini / ".clipsearch" / "catalog.sqlite"
    data = bytearray(catalog.read_bytes())
    data[data.index(b".jpg") - 2] = 0x1B
    catalog.write_bytes(data)
    whole = shutil.copytree(photos_with_mini, photos_with_mini.parent / "copy")
    report = json.loads(clipsearch("repair", "--json", cwd=whole)[1])
    assert (report["lost"], report["lost_unnamed"]) == ([], 1)
    status, output, _ = clipsearch("repair", cwd=photos_with_mini)
    assert (
        status == 0 and f"kept {counted(report['kept'], 'photo')}; 1 must be embedded again: clipsearch index" in output
    )
    assert "\n  1 photo whose name was lost\nthe catalog of before is kept as " in output and "b'" not in output
    assert (photos_with_mini / ".clipsearch" / "catalog.sqlite.damaged").exists()
    assert "\x1b" not in output and "\\x1b" in output
    assert "1 added" in "".join(clipsearch("index", photos_with_mini)[1:])


def test_charts_are_said_to_be_written(clipsearch, photos_with_mini, tmp_path):
    status, _, errors = clipsearch("stats", "--png", tmp_path / "s.png", cwd=photos_with_mini)
    assert status == 0 and f"wrote {tmp_path / 's.png'}" in errors


def test_a_line_that_is_not_utf_8_is_shown_by_its_bytes(photos_with_mini):
    status, output, errors = run_here("query", "-", cwd=photos_with_mini, given=b"\xff\xfe\n")
    assert status != 0 and output.startswith(rb"# \xff\xfe") and "not UTF-8" in errors


@pytest.mark.parametrize(
    ("arguments", "flags"),
    [
        (["query", "red", "--json", "-0"], "--json and -0"),
        (["similar", "red.jpg", "--csv", "--paths"], "--csv and --paths"),
        (["label", "--label", "red", "--jsonl", "-0"], "--jsonl and -0"),
        (["duplicates", "--json", "-0"], "--json and -0"),
        (["duplicates", "--paths", "-0"], "--paths and -0"),
        (["failures", "-0", "--json"], "--json and -0"),
        (["failures", "--skipped", "-0", "--json"], "--json and -0"),
        (["albums", "-0", "--json"], "--json and -0"),
        (["albums", "Italy", "--write-rating", "4", "--json"], "--write-rating and --json"),
        (["albums", "Italy", "--rename", "Rome", "--m3u", "x.m3u"], "--rename and --m3u"),
        (["models", "--json", "pull", "mini"], "--json and pull"),
        (["models", "--measure", "pull", "mini"], "--measure and pull"),
    ],
)
def test_of_two_outputs_none_is_ignored(clipsearch, photos, arguments, flags):
    status, output, errors = clipsearch(*arguments, cwd=photos)
    assert (status, output) == (2, "") and f"{flags} exclude each other; choose one" in errors


@pytest.mark.parametrize(
    "options", [["--write-rating", "4"], ["-0"], ["--m3u", "list.m3u"], ["--rename", "a b"], ["--m3u", "x", "-0"]]
)
def test_the_advice_to_name_an_album_repeats_what_was_typed(clipsearch, options):
    status, output, errors = clipsearch("albums", *options)
    assert (status, output) == (2, "")
    (advice,) = re.findall("`(.*)`", errors)
    words = shlex.split(advice)
    assert words[:3] == ["clipsearch", "albums", "ALBUM"] and sorted(words[3:]) == sorted(options)
