"""--html and --preview, on the command line."""

import os
import re
import shutil
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from clipsearch.cli.command import Command
from clipsearch.cli.duplicates import duplicates
from clipsearch.cli.results import result_options, show
from clipsearch.engine import SearchEngine
from clipsearch.errors import ClipsearchError, QueryError
from tests.conftest import PHOTOS
from tests.render.support import ANOTHER_DAY, answer, hit


@pytest.fixture
def run(photos, monkeypatch):
    """Show three hits with some flags; click's result."""
    hits = answer(
        hit(1, photos / "red.jpg", 0.3, 0.9, ANOTHER_DAY), hit(2, photos / "blue.jpg", 0.2), hit(3, photos / "gone.jpg")
    )
    monkeypatch.chdir(photos)

    def run(*arguments):
        @click.command(cls=Command)
        @click.argument("words", nargs=-1)
        @result_options
        def command(words, results):
            click.get_current_context().exit(show(hits, results, " ".join(words)))

        return CliRunner().invoke(command, list(map(str, arguments)))

    return run


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_a_page_comes_on_top_of_the_table_and_is_opened(run, photos, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("clipsearch.cli.results.open_in_viewer", opened.append)
    result = run("a query", "--html", "page.html", "--open")
    assert result.stdout.startswith("1   0.3000") and opened == ["page.html"]
    assert "wrote page.html" in result.stderr
    assert result.exit_code == 3 and "1 of 3 photos could not be read for page.html\n" in result.stderr
    text = (photos / "page.html").read_text("utf-8")
    assert "<title>a query</title>" in text and text.count("data:image/jpeg") == 2 and "cannot be read" in text


def test_a_page_is_refused_before_a_search_and_replaced_by_force(run, photos):
    (photos / "page.html").write_text("mine")
    for flags, message in (
        (["--html", "page.html"], "`force=True` replaces it"),
        (["--html", "page.txt"], "an .html file"),
        (["--html", "."], ". is a folder; name a file"),
        (["--contact-sheet", "."], ". is a folder; name a file"),
    ):
        error = run("a query", *flags).exception
        assert isinstance(error, QueryError) and message in str(error)  # exit status 2
    assert (photos / "page.html").read_text() == "mine"
    assert run("a query", "--html", "page.html", "--force").exit_code == 3  # one photo is gone
    assert "a query" in (photos / "page.html").read_text("utf-8")


@pytest.mark.parametrize("where", [("--preview", "a dog"), ("a dog", "--preview")])
def test_in_a_pipe_a_preview_is_the_table_and_says_so(run, where):
    result = run(*where)
    assert result.stdout == run("a dog").stdout and "--preview=blocks draws everywhere" in result.stderr


def test_what_follows_a_preview_is_no_value_of_it(run):
    assert run("--preview", "a dog").stdout == run("a dog").stdout
    assert "'nothing' is not one of 'auto', 'kitty'" in run("--preview=nothing", "a dog").stderr
    assert run("--", "--preview").exit_code == 0


def test_a_way_to_show_photos_without_its_equals_sign_is_not_searched_for(run):
    result = run("a dog", "--preview", "kitty")
    assert result.exit_code != 0 and "write --preview=kitty" in result.stderr and result.stdout == ""
    assert run("kitty", "--preview").exit_code == 0


@pytest.mark.parametrize("how", ["kitty", "iterm2", "sixel", "blocks"])
def test_a_chosen_protocol_goes_into_a_pipe_too(run, how):
    result = run(f"--preview={how}", "a dog")
    output = result.stdout
    mark = {"kitty": "\x1b_Ga=T", "iterm2": "\x1b]1337;File=", "sixel": "\x1bP0;1;0q", "blocks": "▀"}[how]
    assert mark in output and "1  0.3000  90%" in output and "red.jpg" in output and "3  cannot be read" in output
    assert result.exit_code == 3  # as with --html and --contact-sheet


def test_groups_have_titles_in_a_preview(run):
    lines = plain(run("--preview=blocks", "--group-by", "day", "a dog").stdout).splitlines()
    assert [line for line in lines if line in ("2024-07-15", "no date")] == ["2024-07-15", "no date"]


def test_a_preview_and_json_exclude_each_other(run):
    assert "--preview is for people, and --json for programs" in run("--preview", "--json", "a dog").stderr


@pytest.fixture(scope="module")
def indexed(tmp_path_factory):
    """Two photos and a smaller copy of one, indexed by mini."""
    folder = tmp_path_factory.mktemp("looking") / "photos"
    folder.mkdir()
    for name in ("cat.png", "coffee.jpg"):
        shutil.copy(PHOTOS / name, folder)
    shutil.copy(PHOTOS / "coffee.jpg", folder / "a longer name.jpg")
    with SearchEngine.open(folder, model="mini") as engine:
        engine.index()
    return folder


def test_copies_side_by_side(indexed, monkeypatch, tmp_path):
    monkeypatch.chdir(indexed)
    result = CliRunner().invoke(duplicates, ["--html", str(tmp_path / "copies.html"), "--exact"])
    assert result.exit_code == 0, result.stderr
    text = (tmp_path / "copies.html").read_text("utf-8")
    assert "1 copy, " in text and "best: the oldest file" in text and "the same bytes as the best" in text
    assert text.count('<span class="badge">best</span>') == 1 and text.index("coffee.jpg</span>") < text.index(
        "a longer name.jpg</span>"
    )
    again = CliRunner().invoke(duplicates, ["--html", str(tmp_path / "copies.html")])
    assert isinstance(again.exception, ClipsearchError) and again.stdout == ""


def test_labels_in_groups(clipsearch, indexed, tmp_path):
    flags = ("--label", "a cup of coffee", "--label", "cat", "--html", tmp_path / "labels.html", "--min-match", "20%")
    status, output, errors = clipsearch("label", *flags, cwd=indexed)
    assert status == 0 and len(output.splitlines()) == 3 and "wrote" in errors
    text = (tmp_path / "labels.html").read_text("utf-8")
    titles = re.findall(r"<h2 id=\"section-\d\">([^<]*) <small>([^<]*)</small>", text)
    assert titles == [("a cup of coffee", "2 photos"), ("cat", "1 photo")]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("term", "drawn"), [("linux", True), ("dumb", False)])
def test_on_a_terminal_photos_are_drawn(indexed, term, drawn):
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": term, "COLUMNS": "90", "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "clipsearch", "similar", "cat.png", "--preview", "--keep-own", "-k", "1"]
    process = subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, cwd=indexed, env=environment)
    os.close(theirs)
    output = b""
    try:
        while chunk := os.read(ours, 65536):
            output += chunk
    except OSError:  # Linux reports this when the other end is closed
        pass
    os.close(ours)
    assert (process.communicate()[1] == b"") == drawn and process.returncode == 0
    assert ("▀" in output.decode()) == drawn and "cat.png" in output.decode()


def test_standard_input_has_no_page(clipsearch, indexed):
    status, _, errors = clipsearch("query", "-", "--html", "x.html", cwd=indexed)
    assert status == 2 and "are for one query" in errors
