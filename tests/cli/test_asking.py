"""What a command line means, and what is said if the answer may surprise: signs, denied words, limits, values, two indexes."""

import io
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from clipsearch.analysis.duplicates import Copy, CopyGroup
from clipsearch.cli.albums import _table
from clipsearch.cli.duplicates import _groups_table
from clipsearch.cli.find_index import remember_index
from clipsearch.cli.progress import ProgressBar
from clipsearch.cli.start import say_what_is_next
from clipsearch.cli.status import _index_lines, _text
from clipsearch.encoders.registry import model_rows
from clipsearch.engine import SearchEngine
from clipsearch.errors import ImageError
from clipsearch.render.chart import Chart, charts_text
from clipsearch.render.index_preview import preview_text, skipped_table
from clipsearch.render.tables import LabelsTable, hits_table, models_table
from clipsearch.render.text import columns
from clipsearch.store.approximate.index import ApproximateStatus
from clipsearch.types import Hit, ImageFile, ImageInfo, ImageRecord, IndexPreview, SkippedFile
from tests.cli.running import run_here
from tests.conftest import give_facts, index_with_colours


@pytest.fixture(scope="module")
def indexed_folder(five_photos, tmp_path_factory):
    folder = shutil.copytree(five_photos, tmp_path_factory.mktemp("asking") / "photos")
    assert index_with_colours(folder).failed == 0
    return folder


@pytest.fixture
def ask(indexed_folder, encoder):
    """`clipsearch ...` in the photos' folder: (exit status, output, errors)."""

    def run(*arguments, **environment):
        status, output, errors = run_here(*arguments, cwd=indexed_folder, **environment)
        return status, output.decode(), errors

    return run


def terms_of(ask, *arguments):
    status, output, errors = ask("query", *arguments, "--json", "--explain")
    assert status == 0, errors
    return [(term["content"], term["weight"]) for term in json.loads(output)["explanation"]["terms"]]


@pytest.mark.parametrize(
    "arguments",
    [("red - 2:blue",), ("red", "-", "2:blue"), ("red", "- 2:blue"), ("--like", "red - 2:blue")],
)
def test_one_string_is_read_as_several_arguments_are(ask, arguments):
    assert terms_of(ask, *arguments) == [("red", 1.0), ("blue", -2.0)]


def test_a_text_may_begin_with_a_minus(ask):
    assert terms_of(ask, "- blue") == [("blue", -1.0)]


def test_signs_within_an_argument_are_told_with_how_to_search_for_them(ask):
    errors = ask("query", "red - blue", "-k", "1")[2]
    assert 'with "red", without "blue"' in errors and "'\"red - blue\"'" in errors and errors.count("\n") == 1
    assert terms_of(ask, '"red - blue"') == [("red - blue", 1.0)]
    assert ask("query", "red", "-", "blue", "-k", "1")[2] == ""
    assert ask("query", "red - blue", "-k", "1", "-q")[2] == ""
    assert "the quote before red - blue is not closed" in ask("query", '"red - blue', "-k", "1")[2]
    assert terms_of(ask, '"red - blue') == [("red - blue", 1.0)]
    assert terms_of(ask, '"red', "-", 'blue"') == [("red - blue", 1.0)]
    assert ask("query", '"red', "-", 'blue"', "-k", "1")[2] == ""


def test_an_argument_that_names_a_file_stays_whole(ask, indexed_folder, tmp_path):
    shutil.copy(indexed_folder / "red.jpg", tmp_path / "me - you.jpg")
    assert terms_of(ask, tmp_path / "me - you.jpg") == [(str(tmp_path / "me - you.jpg"), 1.0)]


@pytest.mark.parametrize(
    ("name", "is_picture"),
    [("picture", True), ("notes.txt", False), ("folder.jpg", False), ("gone.jpg", False), ("gone/", False)],
)
def test_similar_query_and_python_agree_on_what_is_a_picture(ask, indexed_folder, tmp_path, name, is_picture):
    refused = 1 if name == "notes.txt" else 2  # a file that is no picture does not work; no file is wrong use
    shutil.copy(indexed_folder / "red.jpg", tmp_path / "picture")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "folder.jpg").mkdir()
    path = f"{tmp_path}/{name}"
    assert [ask(command, path)[0] for command in ("similar", "query")] == [0 if is_picture else refused] * 2
    with SearchEngine.open(indexed_folder) as engine:
        if is_picture:
            assert engine.search(Path(path))
        else:
            with pytest.raises(ImageError):
                engine.search(Path(path))


def test_similar_says_how_to_search_by_a_web_address(ask):
    errors = ask("similar", "https://example.org/a.jpg", "b.jpg", "-k", "3")[2]
    assert "clipsearch query https://example.org/a.jpg + b.jpg -k 3 --allow-url\n" in errors


def test_a_sentence_that_is_not_certain_says_why_it_is_searched_as_written(ask):
    errors = ask("query", "--smart", "not before 2010, after 2015", "-k", "1")[2]
    assert 'it is not certain whether "not" is also about "after 2015", so the text was searched as written' in errors
    assert "such as --taken and --place: `clipsearch help filters`" in errors
    assert "was found in the text" not in errors and "To subtract" not in errors


def test_a_place_that_no_photo_is_from_is_told_instead_of_that_nothing_was_found(indexed_folder, encoder, tmp_path):
    folder = shutil.copytree(indexed_folder, tmp_path / "photos")
    give_facts(folder / ".clipsearch", "red.jpg", place="FR/11/2988507")
    errors = run_here("query", "--smart", "a square in Paris, Texas", "-k", "1", cwd=folder)[2]
    assert "no photo is from Paris, Texas, United States, so the name was searched as text" in errors
    assert "was found in the text" not in errors
    errors = run_here("query", "--smart", "a square (Paris, France)", "-k", "1", cwd=folder)[2]
    assert "understood: place: Paris, \u00cele-de-France, France, looking for: a square" in errors


def test_an_index_without_failures_says_so(ask):
    assert ask("failures") == (0, "", "clipsearch: no file has failed\n")
    assert ask("failures", "--json")[2] == ask("failures", "-0")[2] == ""


def test_options_that_are_searched_as_words_are_told(ask):
    said = "searched as words, because what follows -- is text; put options before the --"
    assert f"note: -k and --name=x were {said}" in ask("query", "--", "red", "-k", "1", "--name=x")[2]
    assert "what follows --" not in ask("query", "-k", "1", "--", "-5", "degrees", "-", "red")[2]


def test_standard_input_without_a_query_is_told(ask):
    errors = ask("query", "-", given=b"\n")[2]
    assert "standard input has no query; give one a line" in errors


def test_what_a_text_denies_is_offered_and_with_smart_done(ask):
    status, output, errors = ask("query", "red without blue", "-k", "1")
    assert status == 0 and "%" not in output
    assert "`clipsearch query red - blue -k 1`, or add --smart" in errors
    status, output, errors = ask("query", "--smart", "red without blue", "-k", "1")
    assert output.endswith("red.jpg\n") and "%" in output
    assert errors == "clipsearch: understood: without: blue, looking for: red - blue\n"
    assert "understood: without: blue" in ask("query", "--smart", "red ohne blue", "-k", "1")[2]


def test_nothing_found_is_explained_and_may_fail(ask):
    status, output, errors = ask("query", "red", "--min-score", "1")
    assert (status, output) == (0, "") and "no photo was found: the best score is" in errors
    limit = errors.split("--min-score ")[1].split()[0]
    assert ask("query", "red", "--min-score", limit)[1]
    status, _, errors = ask("query", "red", "--format", "bmp", "--fail-if-none")
    assert status == 1 and "no photo has the format BMP; there are JPEG and PNG\n" in errors
    assert ask("query", "red", "--fail-if-none", "-k", "1")[0] == 0
    assert ask("query", "red", "--format", "bmp", "-q")[1:] == ("", "")
    status, output, errors = ask("query", "red", "--format", "jpgg")
    assert (status, output) == (2, "") and "--format: there is no format 'jpgg'; there are jpeg, " in errors
    status, _, errors = ask("query", "--in", "/nonexistent")
    assert status == 0 and "no photo is below /nonexistent" in errors


@pytest.mark.parametrize("command", [["serve"], ["stats"], ["index"]])
def test_two_indexes_are_refused_and_not_the_first_one_ignored(ask, command, tmp_path):
    status, output, errors = ask(*command, "--index", tmp_path, "--index", ".")
    assert status == 2 and output == ""
    assert f"`{command[0]}` takes one --index, and here are 2. One index can hold several folders" in errors
    assert "query --index A --index B`, or `SearchEngine.open_many`" in errors


def test_an_index_from_the_environment_may_have_blanks_in_its_name(ask, indexed_folder, tmp_path):
    folder = shutil.copytree(indexed_folder, tmp_path / "my photos")
    value = json.loads(ask("status", "--quick", "--json", CLIPSEARCH_INDEX=folder)[1])
    assert value["index"] == str(folder / ".clipsearch")


@pytest.mark.parametrize("place", ["inside", "elsewhere", "there"])
def test_a_folder_without_photos_leaves_no_index(tmp_path, encoder, place):
    photos, index = tmp_path / "empty", tmp_path / "index"
    photos.mkdir()
    (photos / "notes.txt").write_text("no photo")
    if place == "there":
        index.mkdir()
        (index / "mine.txt").write_text("keep")
    before = sorted(tmp_path.rglob("*"))
    where = [] if place == "inside" else ["--index", index]
    status, output, errors = run_here("index", photos, *where, "--model", "mini", cwd=tmp_path)
    assert (status, errors) == (0, "") and b"no photos found" in output and b"no index was made\n" in output
    assert sorted(tmp_path.rglob("*")) == before
    output, errors = run_here("index", photos, *where, "--json", cwd=tmp_path)[1:]
    assert json.loads(output)["index"] is None and errors == ""  # no model is chosen, so nothing is said about models
    with SearchEngine(index) if where else SearchEngine.open(photos) as engine:
        assert engine.index(photos).no_index
    assert sorted(tmp_path.rglob("*")) == before


def test_rows_that_do_not_fit_are_summed_up(ask, indexed_folder, tmp_path):
    lines = [json.loads(line) for line in _exported(ask, tmp_path).read_text().splitlines()]
    for line in lines:
        line["path"] = str(tmp_path / "elsewhere" / line["path"].rpartition("/")[2])
    file = tmp_path / "moved.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    status, _, errors = ask("import", file)
    summary, advice = errors.splitlines()
    assert status == 3 and summary.startswith("clipsearch: 5 rows: ") and "--relative" in advice


def _exported(ask, tmp_path):
    assert ask("export", tmp_path / "photos.jsonl")[0] == 0
    return tmp_path / "photos.jsonl"


def test_without_a_command_the_next_ones_are_named(ask, indexed_folder, tmp_path):
    status, output, errors = ask()
    assert (status, errors) == (0, "") and output.startswith("5 photos in the index at ")
    assert 'clipsearch query "a dog on a beach"' in output and "clipsearch serve" in output
    status, output, _ = run_here(cwd=tmp_path)
    assert status == 0 and b"Nothing is indexed yet" in output and output.count(b"\n") == 5
    remember_index(indexed_folder / ".clipsearch")
    assert f"--index {indexed_folder}/.clipsearch" in run_here(cwd=tmp_path)[1].decode()


def lines_of_a_terminal(columns, write, monkeypatch, stream="stdout"):
    """What `write` prints if a terminal with so many columns is there."""
    taken = io.StringIO()
    taken.isatty = lambda: True
    taken.fileno = lambda: 1
    monkeypatch.setattr(sys, stream, taken)
    monkeypatch.setenv("COLUMNS", str(columns))
    write()
    return taken.getvalue()


def test_the_status_of_a_server_proposes_no_command_for_its_index(engine, photos):
    engine.index(photos)
    damaged = ApproximateStatus("cut short")
    state = replace(engine.status(scan=False), next_model="other/model", approximate=damaged)
    here, there = (str(_index_lines(state, remote=remote, is_recorded=False)) for remote in (False, True))
    assert "to go on: clipsearch index" in here and "to rebuild it: clipsearch optimize" in here
    assert "to other/model" in there and "cut short" in there and ": clipsearch " not in there


def test_tables_fit_a_narrow_terminal():
    rows = model_rows()
    ids = {row["model"] for row in rows}
    lines = models_table(rows, 40).splitlines()
    assert all(len(line) <= 40 or line in ids for line in lines) and ids <= set(lines)
    table = LabelsTable(["cat", "a cup of coffee"], 2, "/photos", 40)
    labels = [{"label": "cat", "match": 0.9}, {"label": "a cup of coffee", "match": 0.1}]
    photo = {"path": "/photos/a/long/way/to/this/one/and/on/photo.jpg", "labels": labels}
    assert table.heading() == "" and [len(line) <= 40 for line in table.line(photo).splitlines()] == [True, True]
    wide = LabelsTable(["cat"], 1, "/photos", 100)
    assert wide.heading() == "label  match  photo\n"  # a column is as wide as its heading
    assert wide.line({"path": "/photos/a.jpg", "labels": labels[:1]}) == "cat      90%  a.jpg\n"
    narrow = LabelsTable(["cat"], 1, "/photos", 40).line({**photo, "labels": labels[:1]})
    assert narrow.startswith("cat      90%  a/lon…") and narrow.endswith("photo.jpg\n") and len(narrow) == 41


def test_tables_of_photos_with_long_names_fit_a_narrow_terminal():
    name = "a folder whose name is long/another one in it/日本の写真 that goes on and on.jpg"
    record = ImageRecord(1, ImageFile(f"/{name}", 12_345, 1), ImageInfo(4000, 3000, "JPEG", "0" * 64))
    group = CopyGroup(record, (Copy(record, True), Copy(record, False, 0.9876, 9)))
    skipped = SkippedFile(f"/{name}", "default", "made by clipsearch: use `defaults=False`, or move it somewhere else")
    nothing = dict.fromkeys(("changed", "again", "gone", "left_out", "unreadable"), ())
    preview = IndexPreview(
        new=(f"/{name}",), skipped=(skipped,), unchanged=0, known_failures=0, refusal=None, **nothing
    )
    shown = [columns(line) for line in preview_text(preview, "/", 40).splitlines()[:-1]]  # the summary is broken later
    assert len(shown) > 3 and max(shown) <= 40 and name in preview_text(preview, "/")
    for width in (40, 60, 80):
        assert max(map(columns, _groups_table([group], width).splitlines())) <= width
        assert max(map(columns, _table({name: 1, "Favourites": 12}, width).splitlines())) <= width
    assert "4000 x 3000" in _groups_table([group], 60) and "0.9876" in _groups_table([group], 40)
    assert _groups_table([group], None).count(f"12.3 kB  /{name}\n") == 3
    assert columns(max(skipped_table((skipped,), "/", 40).splitlines()[1:], key=columns)) <= 40


def test_two_lines_of_a_narrow_table_never_read_the_same():
    names = [f"holidays of 2019/{day}/1002674143_1b742ab4b8.jpg" for day in ("a beach", "the mountains", "way home")]
    records = [
        ImageRecord(n, ImageFile(f"/{name}", 12_345, 1), ImageInfo(4000, 3000, "JPEG", "0" * 64))
        for n, name in enumerate(names)
    ]
    hits = [Hit(1, 0.5, record, 0.9) for record in records]
    groups = ([CopyGroup(record, ()) for record in records], [CopyGroup(records[0], (Copy(records[1], True),))])
    nothing = dict.fromkeys(("changed", "again", "gone", "left_out", "unreadable", "skipped"), ())
    preview = IndexPreview(
        new=tuple(f"/{name}" for name in names), unchanged=0, known_failures=0, refusal=None, **nothing
    )
    for width in (30, 40, 60):
        labels = LabelsTable(["dog"], 1, "/", width)
        for text in (
            *(_groups_table(several, width).replace("best", "same").replace("\n\n", "\n") for several in groups),
            preview_text(preview, "/", width),
            "".join(labels.line({"path": f"/{name}", "labels": [{"label": "dog", "match": 0.9}]}) for name in names),
            _table(dict.fromkeys(names, 1), width),
            hits_table(hits, "/", width=width),
            charts_text([Chart("folders", tuple((name, 1) for name in names))], width),
        ):
            lines = text.splitlines()
            assert len(lines) > 1 and len(set(lines)) == len(lines), (width, text)
        by_folder = hits_table(hits, "/", width=width, group_by="folder").splitlines()
        assert len(set(by_folder)) == 4  # three folders, and the name that is in each of them


def test_summaries_fit_a_narrow_terminal(ask, monkeypatch, tmp_path):
    monkeypatch.setattr(io, "BytesIO", type("Terminal", (io.BytesIO,), {"isatty": lambda self: True}))
    head = ("5 photos, 2.9 kB, 2011-01-01 to 2015-12-31", "80% with a date, 20% with a place, 40% with text")
    monkeypatch.setattr("clipsearch.cli.stats._headline", lambda report: head)
    for arguments in (
        *(
            ["query", "red", "-k1", "--explain"],
            ["index"],
            ["duplicates", "--exact"],
            ["stats"],
            ["verify"],
            ["repair"],
        ),
        *(["index", "--dry-run"], ["failures", "--skipped"], ["albums"], ["export", tmp_path / "x.npy"]),
    ):
        status, output, errors = ask(*arguments, COLUMNS="40", NO_COLOR="1")
        lines = [line.rpartition("\r")[2] for line in (output + errors).splitlines()]
        too_long = [line for line in lines if len(line) > 40 and not (len(line.split()) <= 2 and "/" in line)]
        assert status == 0 and not too_long, too_long  # but for paths, which stay whole


def test_the_first_page_fits_a_narrow_terminal(engine, photos, monkeypatch):
    engine.index(photos)
    monkeypatch.chdir(photos)
    monkeypatch.setattr("clipsearch.cli.hints._index", None)  # and so again after the test
    wide = lines_of_a_terminal(80, say_what_is_next, monkeypatch).splitlines()
    narrow = lines_of_a_terminal(40, say_what_is_next, monkeypatch).splitlines()
    assert wide[2].split() == ["clipsearch", "serve", "the", "same", "in", "the", "browser"] and len(wide) == 5
    assert narrow[3:5] == ["  clipsearch serve", "      the same in the browser"]
    assert max(map(len, narrow[1:])) <= 40  # the first line has the folder


def test_status_keeps_paths_and_commands_whole_on_a_narrow_terminal(monkeypatch):
    text = "/a/path/that/is/longer/than/a/terminal/of/forty/columns/.clipsearch (264 kB, 2 segments)"
    printed = lines_of_a_terminal(40, lambda: sys.stdout.write(_text([("index", text), ("photos", "5")])), monkeypatch)
    assert text.split()[0] in printed and "\n         (264 kB, 2 segments)\nphotos   5\n" in printed


def test_progress_on_a_narrow_terminal_fits_and_does_not_count_the_loading_of_the_model(monkeypatch):
    def write():
        with ProgressBar() as bar:
            bar.show(0, 10_000)
            bar._bar.start_t -= 3600  # it took an hour until the first photo was done
            bar.show(1, 10_000)
            now = bar._bar.start_t + 1
            monkeypatch.setattr(bar._bar, "_time", lambda: now)
            bar._bar.last_print_t = 0
            bar.show(101, 10_000, failed=3)

    printed = lines_of_a_terminal(40, write, monkeypatch, "stderr")
    drawn = [line for line in printed.split("\r") if "/" in line]
    assert drawn[-1].strip() == "1% 101/10000, 01:38 left, failed=3"
    assert max(map(len, drawn)) <= 40


def test_a_bar_is_taken_off_the_screen_also_if_it_ends_with_its_second_step(monkeypatch):
    def write():
        with ProgressBar(unit_scale=True) as bar:
            bar.show(0, 318, stage="grouping")
            bar.show(318, 318, stage="grouping")

    *_, last, end = lines_of_a_terminal(80, write, monkeypatch, "stderr").split("\r")
    assert not last.strip() and not end
    assert " 0/318 " in lines_of_a_terminal(80, write, monkeypatch, "stderr")


def test_in_a_pipe_progress_is_a_line_every_half_minute(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("clipsearch.cli.progress.time.monotonic", lambda: now[0])
    with ProgressBar() as bar:
        for second in range(100):
            now[0] = float(second)
            bar.show(20 * second, 20_000)
    assert capsys.readouterr().err == (
        "clipsearch: 600 of 20,000 photos, about 16 min left\n"
        "clipsearch: 1,200 of 20,000 photos, about 16 min left\n"
        "clipsearch: 1,800 of 20,000 photos, about 15 min left\n"
    )
