"""The flags that decide how hits are printed, copied or opened, tested without an index."""

import csv
import io
import json
import os
import subprocess
import sys
import textwrap

import click
import pytest
from click.testing import CliRunner

from clipsearch._internal.file_names import safe_name
from clipsearch.cli import files
from clipsearch.cli.files import put_into
from clipsearch.cli.players import note_film
from clipsearch.cli.results import result_options, show
from clipsearch.types import Moment
from tests.conftest import save_pages, save_photo
from tests.render.support import ANOTHER_DAY, answer, hit


@pytest.fixture
def run(photos, tmp_path, monkeypatch):
    """Show three hits with some flags; click's result. The exit status is that of `show`."""
    hits = answer(
        hit(1, photos / "red.jpg", 0.3, 0.9, ANOTHER_DAY),
        hit(2, photos / "trip" / "grey.png", 0.2, 0.1),
        hit(3, photos / "gone.jpg"),
    )
    monkeypatch.chdir(photos)

    def run(*arguments, hits=hits):
        @click.command()
        @result_options
        def command(results):
            click.get_current_context().exit(show(hits, results, "a query"))

        return CliRunner().invoke(command, list(map(str, arguments)))

    return run


def test_the_default_is_a_table_without_escape_sequences(run):
    result = run()
    assert result.exit_code == 0
    assert result.stderr.startswith("clipsearch: gone.jpg is not there any more, or its drive is not connected.")
    assert result.stdout.splitlines()[0] == "1   0.3000  90%  2024-07-15  red.jpg"
    assert "\x1b" not in result.stdout


def test_machines_get_what_they_ask_for(run, photos):
    value = json.loads(run("--json", "--explain", "--group-by", "folder").stdout)
    assert list(value) == ["query", "model", "index", "hits", "explanation"]
    assert (value["query"], value["model"], value["index"]) == ("a query", "mini", "/photos/.clipsearch")
    assert value["hits"][1]["group"] == str(photos / "trip")
    assert [json.loads(line)["rank"] for line in run("--jsonl").stdout.splitlines()] == [1, 2, 3]
    assert next(csv.DictReader(io.StringIO(run("--csv").stdout)))["path"] == str(photos / "red.jpg")
    assert run("--paths").stdout.splitlines()[0] == str(photos / "red.jpg")
    assert run("-0").stdout.split("\0")[2:] == [str(photos / "gone.jpg"), ""]


@pytest.mark.parametrize("form", ["--json", "--jsonl", "--csv", "--paths", "-0"])
def test_everything_but_results_goes_to_standard_error(run, form, tmp_path):
    plain = run(form).stdout
    result = run(
        form, "--contact-sheet", tmp_path / "s.jpg", "--copy-to", tmp_path / "d", *(["--explain"] * (form != "--json"))
    )
    assert result.stdout == plain and "copied 2 photos" in result.stderr and "wrote" in result.stderr
    assert form == "--json" or "encode 12.1 ms" in result.stderr


def test_formats_exclude_each_other(run):
    result = run("--json", "--csv", "--paths")
    assert result.exit_code != 0 and "--json and --csv and --paths exclude each other" in result.stderr
    assert result.stdout == ""


def test_nothing_found_is_said_on_standard_error(run):
    result = run("--json", hits=answer())
    assert json.loads(result.stdout)["hits"] == [] and result.stderr == "clipsearch: no photo was found\n"


def test_copies_are_numbered_and_what_fails_is_status_3(run, photos, tmp_path):
    result = run("--copy-to", tmp_path / "new" / "copies")
    assert result.exit_code == 3
    assert result.stderr.count("gone.jpg") == 1 and "clipsearch: gone.jpg is not there any more" in result.stderr
    copies = tmp_path / "new" / "copies"
    assert sorted(os.listdir(copies)) == ["0001-red.jpg", "0002-grey.png"]
    assert (copies / "0001-red.jpg").read_bytes() == (photos / "red.jpg").read_bytes()
    assert not (copies / "0001-red.jpg").is_symlink()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--copy-to", "out"], ["--link-to", "out"], ["--copy-to", "out", "--link-to", "out", "--open"], ["--open"],
        ["--open", "--json"], ["--copy-to", "out", "--paths"], ["--preview=blocks"], ["--contact-sheet", "out.jpg"],
        ["--html", "out.html"],
    ],
)  # fmt: skip
def test_photos_of_a_folder_that_is_away_are_told_once_and_leave_no_folder(run, photos, arguments):
    away = answer(hit(1, photos / "drive" / "a.jpg"), hit(2, photos / "drive" / "b.jpg"))
    result = run(*arguments, hits=away)
    assert result.exit_code == 3 and not (photos / "out").exists()
    away_line = "a.jpg is not there, nor is 1 more, since the folder drive is away; mount its drive\n"
    assert result.stderr.count("a.jpg") == 1 and away_line in result.stderr
    assert "No such file" not in result.stderr and "gone" not in result.stderr


def test_numbers_go_on_where_a_folder_has_some(photos, tmp_path):
    (tmp_path / "0041-mine.jpg").write_text("mine")
    (tmp_path / "12345678901234-red.jpg").write_text("a phone's number")
    for link in (False, True):
        assert put_into(str(tmp_path), [str(photos / "red.jpg")], link=link) == (1, 0, [])
    assert {"0041-mine.jpg", "0042-red.jpg", "0043-red.jpg"} < set(os.listdir(tmp_path))
    assert (tmp_path / "0041-mine.jpg").read_text() == "mine"


def test_nothing_is_overwritten_even_if_it_comes_meanwhile(photos, tmp_path, monkeypatch):
    (tmp_path / "0001-red.jpg").write_text("mine")
    os.symlink(tmp_path / "elsewhere", tmp_path / "0002-red.jpg")
    monkeypatch.setattr(files, "_highest_number", lambda names: 0)
    done, _, failures = put_into(str(tmp_path), [str(photos / "red.jpg")] * 2, link=False)
    assert done == 0 and [reason for _, reason in failures] == ["File exists"] * 2
    assert (tmp_path / "0001-red.jpg").read_text() == "mine" and not (tmp_path / "elsewhere").exists()


def test_a_copy_that_fails_half_way_is_taken_away(photos, tmp_path, monkeypatch):
    def fail(reader, writer, _):
        writer.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.shutil, "copyfileobj", fail)
    done, _, failures = put_into(str(tmp_path / "d"), [str(photos / "red.jpg")], link=False)
    assert (done, failures[0][1], os.listdir(tmp_path / "d")) == (0, "No space left on device", [])


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")
def test_links_are_absolute(run, photos, tmp_path, monkeypatch):
    assert run("--link-to", "links").exit_code == 3  # the third photo is gone
    assert os.readlink(photos / "links" / "0002-grey.png") == str(photos / "trip" / "grey.png")
    assert len(os.listdir(photos / "links")) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such pipes")
def test_a_pipe_in_a_photos_place_does_not_stop_the_run(tmp_path):
    os.mkfifo(tmp_path / "photo.jpg")
    assert put_into(str(tmp_path / "d"), [str(tmp_path / "photo.jpg")], link=False)[2][0][1] == "not a regular file"


def test_a_folder_that_cannot_be_made_is_one_clear_error(photos, run):
    assert "cannot put photos into" in str(run("--copy-to", photos / "red.jpg" / "x").exception)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a.jpg", "a.jpg"), ("a:b|c?.jpg", "a_b_c_.jpg"), ("a\n\x1b\u202e.jpg", "a___.jpg"), ("caf\udce9.jpg", "caf_.jpg"),
        ("東京.jpg", "東京.jpg"), ("x. .", "x"), (".jpg", ".jpg"), ("...", "photo"),
    ],
)  # fmt: skip
def test_safe_names(name, safe):
    assert safe_name("/photos/" + name) == safe


@pytest.mark.parametrize("character", ["x", "東"])
def test_long_names_keep_their_suffix(character):
    name = "0001-" + safe_name("/photos/" + character * 300 + ".jpeg")
    assert len(name.encode()) <= 255 and name.endswith(character + ".jpeg")


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """A system whose opener only records its arguments; returns a function that reads them."""
    if sys.platform == "win32":
        pytest.skip("os.startfile cannot be replaced by a script")
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("xdg-open", "open"):
        (folder / name).write_text(f'#!/bin/sh\n[ $# = 1 ] || exit 9\nprintf %s "$1" > {tmp_path}/opened\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return lambda: (tmp_path / "opened").read_text()


def test_open_shows_the_first_photo_or_the_contact_sheet(run, opened, photos):
    assert run("--open").exit_code == 0 and opened() == str(photos / "red.jpg")
    assert run("--open", "--contact-sheet", "s.jpg").exit_code == 3 and opened() == str(photos / "s.jpg")


def test_photos_that_a_contact_sheet_lacks_are_told_with_exit_status_3(run, photos):
    (photos / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    gone, bad = hit(1, photos / "gone.jpg"), hit(2, photos / "bad.jpg")
    result = run("--contact-sheet", "s.pdf", "--copy-to", "copies", hits=answer(hit(1, photos / "red.jpg"), bad))
    assert result.exit_code == 3 and "wrote s.pdf" in result.stderr and "copied 2 photos" in result.stderr
    assert f"1 of 2 photos could not be read for s.pdf; {photos / 'bad.jpg'}: not a picture" in result.stderr
    result = run("--contact-sheet", "s.jpg", hits=answer(gone, bad))
    assert result.exit_code == 3 and f"read for s.jpg; one is {photos / 'bad.jpg'}: not a picture" in result.stderr
    assert run("--contact-sheet", "good.jpg", hits=answer(hit(1, photos / "red.jpg"))).exit_code == 0


def test_open_goes_through_no_shell(run, opened, photos):
    odd = save_photo(photos / "-a $(touch x); 'b\".jpg")
    assert run("--open", hits=answer(hit(1, odd))).exit_code == 0
    assert opened() == str(odd) and not (photos / "x").exists()


def test_open_says_what_is_in_its_way(run, opened, photos, tmp_path, monkeypatch):
    gone = run("--open", hits=answer(hit(1, photos / "gone.jpg")))
    assert gone.exit_code == 3 and gone.stderr.count("gone.jpg is not there any more") == 1
    script = photos / "run.desktop"
    script.write_bytes((photos / "red.jpg").read_bytes())
    assert "its name does not say so" in str(run("--open", hits=answer(hit(1, script))).exception)
    for name in ("xdg-open", "open"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\nexit 3\n")
    assert "exit status is 3" in str(run("--open").exception)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "there is no" in str(run("--open").exception)


def film_at(photos, second=42.104):
    (photos / "a film; $(x).mp4").write_bytes(b"film")
    return answer(hit(1, photos / "a film; $(x).mp4", moment=Moment("second", second)))


def save_program(tmp_path, name, lines):
    (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{lines}\n")
    (tmp_path / "bin" / name).chmod(0o755)


def test_open_starts_a_film_at_its_moment_with_the_systems_choice_or_the_best_player(run, opened, photos, tmp_path):
    for name in ("mpv", "vlc", "ffplay"):
        save_program(tmp_path, name, f'printf "%s|" {name} "$@" > {tmp_path}/opened')
    film = photos / "a film; $(x).mp4"
    assert run("--open", hits=film_at(photos)).stderr == ""
    assert opened() == f"mpv|--start=42.104|--force-window|{film}|"
    save_program(tmp_path, "xdg-mime", "echo org.videolan.vlc.desktop")
    run("--open", hits=film_at(photos))
    assert opened() == f"vlc|--start-time=42.104|{film}|"
    save_program(tmp_path, "xdg-mime", "echo org.gnome.Totem.desktop")
    for name in ("mpv", "vlc"):
        save_program(tmp_path, name, "exit 1")  # as without a display
    run("--open", hits=film_at(photos))
    assert opened() == f"ffplay|-ss|42.104|{film}|"


def test_without_a_player_the_film_is_opened_and_its_moment_named(run, opened, photos, monkeypatch):
    monkeypatch.setattr("clipsearch.cli.players._VLC_FOLDERS", {})
    result = run("--open", hits=film_at(photos))
    assert opened() == str(photos / "a film; $(x).mp4")
    assert "open from its beginning; the moment is at 0:42" in result.stderr
    scan = save_pages(photos / "scan.tif", "red", "blue")
    assert "the photo is on page 2" in run("--open", hits=answer(hit(1, scan, moment=Moment("page", 2)))).stderr
    assert run("--open", hits=answer(hit(1, scan, moment=Moment("page", 1)))).stderr == ""


def test_a_film_is_copied_once_however_many_of_its_moments_are_hits(run, photos, tmp_path):
    film = film_at(photos)[0]
    result = run("--copy-to", tmp_path / "copies", hits=answer(film, film_at(photos, 50)[0]))
    assert "copied 1 photo to" in result.stderr and len(os.listdir(tmp_path / "copies")) == 1


@pytest.mark.parametrize("flag", ["--copy-to", "--link-to"])
def test_photos_that_are_in_the_folder_already_do_not_come_again(run, photos, tmp_path, flag):
    folder, preposition = tmp_path / "chosen", "to" if flag == "--copy-to" else "in"
    hits = answer(hit(1, photos / "red.jpg"))
    assert f"1 photo {preposition} {folder}" in run(flag, folder, hits=hits).stderr
    again = run(flag, folder, hits=hits).stderr
    nothing = "copied nothing" if flag == "--copy-to" else "made no links"
    assert f"{nothing} {preposition} {folder}: the photo was there already\n" in again and len(os.listdir(folder)) == 1
    assert f"{nothing} {preposition} {folder}\n" in run(flag, folder, hits=answer(hit(1, photos / "gone.jpg"))).stderr
    (folder / os.listdir(folder)[0]).unlink()
    assert f"1 photo {preposition} {folder}" in run(flag, folder, hits=hits).stderr
    both = answer(*hits, hit(2, photos / "gone.jpg"))
    assert f"{nothing} {preposition} {folder}; 1 was there already\n" in run(flag, folder, hits=both).stderr


def test_a_contact_sheet_is_refused_before_a_search(photos, monkeypatch):
    monkeypatch.chdir(photos)

    @click.command()
    @result_options
    def command(results):
        raise AssertionError("this would search")

    (photos / "mine.jpg").write_bytes(b"a text")
    assert "force=True" in str(CliRunner().invoke(command, ["--contact-sheet", "mine.jpg"]).exception)
    refused = CliRunner().invoke(command, ["--contact-sheet", "red.jpg", "--force"])
    assert "is a photo, or another picture" in str(refused.exception)


def test_flags_become_one_argument(tmp_path, monkeypatch):
    @click.command()
    @click.option("-k", type=int)
    @result_options
    def command(k, results):
        click.echo(f"{k} {results.format} {results.group_by} {results.open} {results.link_to} {results.copy_to}")

    output = CliRunner().invoke(command, ["-k", "3", "--csv", "--open", "--link-to", "d", "--group-by", "day"]).stdout
    assert output == "3 csv day True d None\n"


SCRIPT = """
    import sys
    import click
    from clipsearch.cli.results import result_options, show
    from tests.render.support import answer, hit

    @click.command()
    @result_options
    def command(results):
        show(answer(hit(1, "/photos/" + "x" * 200 + ".jpg", match=0.5)), results, "q")

    command([], standalone_mode=False)
    unwanted = {"PIL", "pandas"} & set(sys.modules)
    assert not unwanted, unwanted
"""


def on_a_terminal(**environment):
    """The output on a terminal of 60 columns."""
    pty = pytest.importorskip("pty", reason="Windows has none")
    ours, theirs = pty.openpty()
    environment = {
        "TERM": "xterm",
        "COLUMNS": "60",
        **{k: v for k, v in os.environ.items() if k != "NO_COLOR"},
        **environment,
    }
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT)]
    result = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, env=environment, timeout=60)
    assert result.returncode == 0, result.stderr
    output = os.read(ours, 10_000).decode()
    os.close(theirs)
    os.close(ours)
    return output


def test_a_terminal_gets_colours_a_heading_and_lines_that_fit():
    output = on_a_terminal()
    assert "\x1b[" in output
    plain = on_a_terminal(NO_COLOR="1", COLUMNS="60").replace("\r\n", "\n")
    heading, line = plain.splitlines()
    assert "\x1b" not in plain and heading.split() == ["#", "score", "match", "photo"]
    assert len(line) == 60 and "…" in line and line.endswith("x.jpg")


def test_a_dumb_terminal_and_an_empty_no_color():
    assert "\x1b" not in on_a_terminal(TERM="dumb")
    assert "\x1b" in on_a_terminal(NO_COLOR="")  # as https://no-color.org specifies


def test_a_film_to_search_by_is_searched_by_its_first_picture_and_that_is_said(capsys):
    note_film("trip/film.mp4")
    assert "trip/film.mp4 is a film: its first picture is searched" in capsys.readouterr().err
    note_film("trip/photo.jpg")
    assert capsys.readouterr().err == ""


def test_if_nothing_is_found_nothing_is_written_or_opened(run, opened, tmp_path):
    targets = {flag: tmp_path / name for flag, name in (("--copy-to", "c"), ("--link-to", "l"), ("--html", "h.html"))}
    targets["--contact-sheet"] = tmp_path / "s.jpg"
    for flag, target in targets.items():
        result = run(flag, target, "--open", hits=answer())
        assert result.exit_code == 0 and result.stderr.endswith(f"; nothing was written to {target}\n")
    assert not any(target.exists() for target in targets.values())
