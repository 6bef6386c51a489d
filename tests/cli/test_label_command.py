"""`label` and `eval --zero-shot` as users run them. Most run in this process, with an encoder that knows colours."""

import json
import shutil
import warnings
from types import SimpleNamespace

import pytest

from clipsearch.cli import main
from clipsearch.engine import SearchEngine
from tests.cli.running import run_here
from tests.conftest import PHOTOS, save_photo

RED_BLUE = ("--label", "red", "--label", "blue")


@pytest.fixture
def clipsearch(capsys, indexed_photos, encoder, monkeypatch):
    """Run `clipsearch ...` in the photos' folder; (exit status, stdout, stderr)."""
    monkeypatch.chdir(indexed_photos)
    monkeypatch.setattr("clipsearch.encoders.load_encoder", lambda name, **options: encoder)
    monkeypatch.setattr(
        "clipsearch.analysis.labels.match", lambda _null, _images, _text, scores, *_: scores.clip(0, 1) ** 8
    )

    def run(*arguments):
        capsys.readouterr()
        with warnings.catch_warnings(), pytest.raises(SystemExit) as stopped:
            main([*map(str, arguments)])
        return (stopped.value.code or 0, *capsys.readouterr())

    return run


def test_a_table_with_the_likeliest_labels_of_every_photo(clipsearch):
    status, output, errors = clipsearch("label", *RED_BLUE, "--label", "yellow", "-k", "2", "--all")
    assert (status, errors) == (0, "")
    rows = {line.split()[-1]: line.split() for line in output.splitlines()}
    assert set(rows) == {"red.jpg", "green.jpg", "blue.jpg", "yellow.jpg", "trip/grey.png"}
    assert rows["blue.jpg"][0] == "blue" and int(rows["blue.jpg"][1].strip(">%")) > int(rows["blue.jpg"][3].strip("<%"))
    assert len({line.index(line.split()[-1]) for line in output.splitlines()}) == 1  # one column of paths


def test_filters_that_no_photo_meets_are_told(clipsearch):
    for flags in ([], ["--paths"], ["--write-sidecar"]):
        status, output, errors = clipsearch("label", *RED_BLUE, "--name", "nothing*", *flags)
        assert (status, output) == (0, "") and errors.endswith("clipsearch: no photo was found\n")
        assert "clipsearch: no file has a name like nothing*\n" in errors


def test_json_has_all_labels_and_they_sum_to_1(clipsearch, photos):
    value = json.loads(clipsearch("label", *RED_BLUE, "--all", "--json")[1])
    assert list(value) == ["model", "index", "labels", "prompts", "images", "failures"]
    assert (value["model"], value["labels"], len(value["images"])) == ("colours", ["red", "blue"], 5)
    for image in value["images"]:
        assert abs(sum(item["share"] for item in image["labels"]) - 1) < 1e-6
        assert all(0 <= item["match"] <= 1 for item in image["labels"])
    red = next(image for image in value["images"] if image["path"] == str(photos / "red.jpg"))
    assert red["labels"][0]["label"] == "red"


def test_jsonl_is_one_object_a_photo(clipsearch):
    lines = [json.loads(line) for line in clipsearch("label", *RED_BLUE, "--jsonl", "--all", "-k", "1")[1].splitlines()]
    assert len(lines) == 5 and all(
        list(line) == ["path", "labels"] and list(line["labels"][0]) == ["label", "match", "share"] for line in lines
    )


def test_labels_come_from_files_and_flags_together(clipsearch, photos):
    (photos / "labels.txt").write_bytes(b"\xef\xbb\xbf# colours\r\nred\r\n\r\ngreen\r\n")
    value = json.loads(clipsearch("label", "--labels", "labels.txt", "--label", "blue", "--label", "red", "--json")[1])
    assert value["labels"] == ["blue", "red", "green"]


def test_prompts_are_flags(clipsearch):
    value = json.loads(clipsearch("label", *RED_BLUE, "--prompt", "all in {}", "--ensemble", "--json")[1])
    assert value["prompts"][0] == "all in {}" and len(value["prompts"]) == 8
    status, _, errors = clipsearch("label", *RED_BLUE, "--prompt", "a photo")
    assert status == 2 and "put exactly one where the text goes" in errors


def test_a_folder_limits_the_photos(clipsearch, photos):
    output = clipsearch("label", *RED_BLUE, "--in", photos / "trip", "--all")[1]
    assert [line.split()[-1] for line in output.splitlines()] == ["trip/grey.png"]


def test_people_are_shown_likely_labels_and_told_of_the_others(clipsearch):
    status, output, errors = clipsearch("label", *RED_BLUE)
    shown = {line.split()[-1] for line in output.splitlines()}
    assert {"red.jpg", "blue.jpg"} <= shown and "trip/grey.png" not in shown
    others = f"clipsearch: {5 - len(shown)} photos without a likely label; --all shows all\n"
    assert (status, errors) == (0, others)


def test_a_page_without_photos_replaces_none(clipsearch, tmp_path):
    page = tmp_path / "labels.html"
    page.write_text("a page from before")
    likely = ("--name", "red*", "--label", "blue", "--html", page, "--force")
    status, output, errors = clipsearch("label", *likely)
    assert (status, output) == (0, "") and page.read_text() == "a page from before"
    assert "1 photo without a likely label; --all shows all\n" in errors and f"nothing was written to {page}" in errors
    assert clipsearch("label", *likely, "--all")[0] == 0 and "red.jpg" in page.read_text()


def test_paths_are_of_photos_that_show_a_label(clipsearch, photos):
    command = ["label", *RED_BLUE]
    assert set(clipsearch(*command, "--paths")[1].splitlines()) == {str(photos / "red.jpg"), str(photos / "blue.jpg")}
    assert set(clipsearch(*command, "-0")[1].split("\0")) == {str(photos / "red.jpg"), str(photos / "blue.jpg"), ""}
    assert clipsearch(*command, "--paths", "--min-match", "1")[:2] == (0, "")  # no label is that likely


def test_sidecars_lie_beside_the_photos_and_the_index_does_not_notice(clipsearch, photos):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in photos.rglob("*.jpg")}
    command = ["label", *RED_BLUE, "--write-sidecar"]
    status, output, errors = clipsearch(*command)
    assert status == 0 and len(output.splitlines()) == 2 and "2 sidecars written" in errors
    assert "3 photos without a label this likely" in errors
    assert sorted(path.name for path in photos.rglob("*.xmp")) == ["blue.jpg.xmp", "red.jpg.xmp"]
    assert b"<rdf:li>red</rdf:li>" in (photos / "red.jpg.xmp").read_bytes()
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in photos.rglob("*.jpg")}
    assert "to find photos by these keywords, update the index: clipsearch index" in errors
    again = clipsearch(*command)[2]
    assert "0 sidecars written, 2 had it all" in again and "update the index" not in again
    with SearchEngine.open(photos) as engine:
        assert engine.index().unchanged == 5


def test_only_likely_labels_are_written_whatever_is_listed(clipsearch, photos):
    status, output, errors = clipsearch("label", *RED_BLUE, "--write-sidecar", "--all", "--jsonl")
    objects = [json.loads(line) for line in output.splitlines()]
    assert status == 0 and len(objects) == 5 and "2 sidecars written" in errors and "3 photos without" in errors
    assert [value["sidecar"] for value in objects].count(None) == 3
    assert sorted(path.name for path in photos.rglob("*.xmp")) == ["blue.jpg.xmp", "red.jpg.xmp"]
    assert b"blue" not in (photos / "red.jpg.xmp").read_bytes()


def test_no_heading_stands_above_no_photo(clipsearch, monkeypatch):
    terminal = SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("clipsearch.cli.label.sys", terminal)
    assert clipsearch("label", "--label", "green", "--min-match", "1")[1] == ""
    heading, *rows = clipsearch("label", *RED_BLUE)[1].splitlines()
    assert "photo" in heading and len(rows) == 2


def test_without_the_flag_nothing_is_written(clipsearch, photos):
    before = sorted(photos.rglob("*"))
    clipsearch("label", *RED_BLUE, "--min-match", "50%")
    assert [path for path in sorted(photos.rglob("*")) if path not in before] == []


def test_a_sidecar_that_cannot_be_written_is_told_with_exit_status_3(clipsearch, photos):
    (photos / "red.jpg.xmp").write_text("no xml")
    command = ["label", *RED_BLUE, "--write-sidecar"]
    status, _, errors = clipsearch(*command)
    assert status == 3 and "red.jpg: its sidecar is no XML" in errors and "1 sidecar written" in errors
    assert (photos / "red.jpg.xmp").read_text() == "no xml" and (photos / "blue.jpg.xmp").exists()
    value = json.loads(clipsearch(*command, "--json")[1])
    assert [failure["path"] for failure in value["failures"]] == [str(photos / "red.jpg")]
    assert {image["sidecar"] for image in value["images"]} == {None, str(photos / "blue.jpg.xmp")}


def test_a_photo_that_went_after_indexing_gets_no_sidecar(clipsearch, photos):
    (photos / "red.jpg").unlink()
    status, _, errors = clipsearch("label", *RED_BLUE, "--write-sidecar")
    assert status == 3 and "not there any more" in errors and not (photos / "red.jpg.xmp").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there are no labels"),
        (["--label", " "], "--label: it is empty; give TEXT"),
        (["--label", "a dog", "--label", "a  dog"], "the label 'a dog' is given twice; leave one out"),
        (["--labels", "nowhere.txt"], "--labels: there is no file nowhere.txt"),
        (["--label", "red", "--json", "--jsonl"], "exclude each other"),
        (["--label", "red", "--all", "--min-match", "0.3"], "--all and --min-match exclude each other"),
        (["--label", "red", "--min-match", "2"], "give a number from 0 to 1 or a percentage"),
        (["--label", "a\x07"], "control characters"),
    ],
)
def test_wrong_use_is_status_2_and_one_clear_message(clipsearch, arguments, message):
    status, output, errors = clipsearch("label", *arguments)
    assert (status, output) == (2, "") and message in errors


def test_zero_shot_accuracy(clipsearch, photos):
    lines = [{"image": f"{name}.jpg", "label": name} for name in ("red", "green", "blue")]
    (photos / "labels.jsonl").write_text("\n".join(map(json.dumps, [*lines, {"image": "yellow.jpg", "label": "blue"}])))
    command = ["eval", "labels.jsonl", "--images", photos, "--zero-shot", "--model", "colours", "--jobs", "1"]
    value = json.loads(clipsearch(*command, "--json")[1])
    assert (value["images"], value["labels"], value["top1"], value["top5"]) == (4, 3, 0.75, 1.0)
    assert value["prompts"] == [] and value["failures"] == []
    status, output, _ = clipsearch(*command, "--prompt", "in {}", "--prompt", "all {}")
    assert status == 0 and "top-1    0.7500" in output and "in {} | all {}" in output
    (photos / "green.jpg").write_bytes(b"")
    status, output, errors = clipsearch(*command)
    assert status == 3 and "3 photos, 3 labels" in output and "empty file" in errors


def test_zero_shot_wants_labels_and_captions_want_no_prompts(clipsearch, photos):
    (photos / "captions.jsonl").write_text('{"image": "red.jpg", "captions": ["a red"]}')
    status, _, errors = clipsearch("eval", "captions.jsonl", "--images", photos, "--zero-shot", "--model", "colours")
    assert status == 1 and 'expected {"image": "name", "label": "text"}' in errors
    status, _, errors = clipsearch("eval", "captions.jsonl", "--images", photos, "--ensemble", "--model", "colours")
    assert status == 2 and "are for --zero-shot" in errors


def test_mini_writes_keywords_where_it_is_sure(tmp_path):
    for name in ("cat.png", "coffee.jpg", "rocket.jpg"):
        shutil.copy(PHOTOS / name, save_photo(tmp_path / name).parent)

    assert run_here("index", ".", "--model", "mini", cwd=tmp_path)[0] == 0
    labels = ("--label", "cat", "--label", "cup of coffee")
    status, output, _ = run_here("label", *labels, "--write-sidecar", "--min-match", "40%", "--json", cwd=tmp_path)
    value = json.loads(output)
    assert status == 0
    assert value["prompts"] == ["a photo of a {}"]
    assert sorted(path.name for path in tmp_path.glob("*.xmp")) == ["cat.png.xmp", "coffee.jpg.xmp"]
