"""`export` and `import` as users run them, with the embedded model."""

import json
import os
import shutil

import numpy as np
import pytest

from tests.conftest import save_photo


@pytest.fixture
def indexed(photos_with_mini):
    return photos_with_mini


def test_export_then_import_then_index(clipsearch, indexed, tmp_path):
    status, output, errors = clipsearch("export", tmp_path / "out.npy", cwd=indexed)
    assert (status, errors) == (0, "") and output.startswith("wrote 5 photos") and "model mini" in output
    index = ("--index", tmp_path / "other")
    status, output, errors = clipsearch("import", tmp_path / "out.npy", "--in", indexed, "--model", "mini", *index)
    assert (status, errors) == (0, "") and "5 added" in output
    assert "5 unchanged" in clipsearch("index", indexed, *index)[1]
    assert clipsearch("query", "red", *index, cwd=indexed)[1] == clipsearch("query", "red", cwd=indexed)[1]
    assert "5 unchanged" in clipsearch("import", tmp_path / "out.npy", *index)[1]
    assert clipsearch("import", tmp_path / "out.npy", "-q", *index)[1:] == ("", "")


def test_json(clipsearch, indexed, tmp_path):
    value = json.loads(clipsearch("export", tmp_path / "out.csv", "--json", cwd=indexed)[1])
    assert list(value) == ["index", "files", "format", "images", "bytes", "fingerprint"]
    assert (value["images"], value["format"], value["fingerprint"]["model"]) == (5, "csv", "mini")
    clipsearch("export", tmp_path / "out.jsonl", cwd=indexed)
    value = json.loads(clipsearch("import", tmp_path / "out.jsonl", "--json", cwd=indexed)[1])
    assert (value["unchanged"], value["refused"], value["index"]) == (5, [], str(indexed / ".clipsearch"))


def test_rows_that_are_refused_are_told_with_status_3(clipsearch, indexed, tmp_path):
    clipsearch("export", tmp_path / "out.jsonl", cwd=indexed)
    save_photo(indexed / "red.jpg", "blue", note="changed")
    os.remove(indexed / "green.jpg")
    status, output, errors = clipsearch("import", tmp_path / "out.jsonl", cwd=indexed)
    assert status == 3 and "3 unchanged, 2 refused" in output
    assert "green.jpg: there is no such file" in errors and "red.jpg: stale" in errors
    status, output, _ = clipsearch("import", tmp_path / "out.jsonl", "--json", cwd=indexed)
    assert (
        status == 3 and [set(refused) for refused in json.loads(output)["refused"]] == [{"row", "path", "reason"}] * 2
    )


def test_choosing_and_relative_paths(clipsearch, indexed, tmp_path):
    command = ("export", tmp_path / "out.jsonl", "--in", indexed / "trip", "--relative", "--where", "format = png")
    assert "wrote 1 photo" in clipsearch(*command, cwd=indexed)[1]
    assert json.loads((tmp_path / "out.jsonl").read_text())["path"] == "grey.png"
    assert clipsearch("import", tmp_path / "out.jsonl", "--in", indexed / "trip", cwd=indexed)[0] == 0


@pytest.mark.parametrize("is_windows", [False, True])
def test_rows_that_are_all_refused_for_their_paths_say_how_to_export_them(clipsearch, indexed, tmp_path, is_windows):
    clipsearch("export", tmp_path / "out.jsonl", cwd=indexed)
    if is_windows:
        text = (tmp_path / "out.jsonl").read_text()
        (tmp_path / "out.jsonl").write_text(text.replace(json.dumps(str(indexed))[1:-1], "C:/Users/anna/Photos"))
    moved = tmp_path / "moved"
    shutil.copytree(indexed, moved, ignore=shutil.ignore_patterns(".clipsearch"))
    new = ("--in", moved, "--model", "mini", "--index", tmp_path / "new")
    status, output, errors = clipsearch("import", tmp_path / "out.jsonl", *new)
    assert status == 3 and "5 refused" in output and "no index was made" in output
    assert "clipsearch export out.jsonl --in PHOTOS --relative" in errors
    clipsearch("export", tmp_path / "out.jsonl", "--in", indexed, "--relative", "--force", cwd=indexed)
    status, output, errors = clipsearch("import", tmp_path / "out.jsonl", *new)
    assert (status, errors) == (0, "") and "5 added" in output
    (moved / "red.jpg").unlink()
    assert "--relative" not in clipsearch("import", tmp_path / "out.jsonl", *new)[2]


def test_an_export_of_nothing_is_imported_as_nothing(clipsearch, indexed, tmp_path):
    for name in ("out.npy", "out.jsonl", "out.parquet"):
        if name.endswith(".parquet"):
            pytest.importorskip("pyarrow")
        assert clipsearch("export", tmp_path / name, "--where", "width > 90000", "--force", cwd=indexed)[0] == 0
        status, output, errors = clipsearch("import", tmp_path / name, cwd=indexed)
        assert (
            status == 0
            and output.startswith("nothing done in")
            and f"{name} has no rows, so there is nothing" in errors
        )
        assert clipsearch("import", tmp_path / name, "-q", cwd=indexed) == (0, "", "")
        new = ("--in", indexed, "--model", "mini", "--index", tmp_path / "new")
        status, output, _ = clipsearch("import", tmp_path / name, *new)
        assert status == 0 and "no index was made" in output and not (tmp_path / "new").exists()


def test_embeddings_of_who_knows_what(clipsearch, indexed, tmp_path):
    clipsearch("export", tmp_path / "out.npy", cwd=indexed)
    np.save(tmp_path / "out.npy", np.load(tmp_path / "out.npy") * 3)
    rows = [json.loads(line)["path"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    (tmp_path / "out.jsonl").write_text("".join(json.dumps({"path": path}) + "\n" for path in rows))
    flags = ["--model", "mini", "--trust-model", "--normalise"]
    for count, message in ((0, "--model"), (1, "--model"), (2, "--trust-model"), (3, "--normalise")):
        status, output, errors = clipsearch("import", tmp_path / "out.npy", *flags[:count], cwd=indexed)
        assert status in (1, 2) and message in errors and output == ""
    status, output, _ = clipsearch("import", tmp_path / "out.npy", *flags, cwd=indexed)
    assert status == 0


def test_an_export_without_photos_is_no_error_and_says_why(clipsearch, indexed, tmp_path):
    status, output, errors = clipsearch("export", tmp_path / "none.csv", "--in", indexed / "nowhere", cwd=indexed)
    assert status == 0 and output.startswith("wrote 0 photos") and "no photo is below" in errors
    assert len((tmp_path / "none.csv").read_text("utf-8").splitlines()) == 1


@pytest.mark.parametrize(
    ("expected", "arguments", "message"),
    [
        (2, ["export"], "OUT is missing; usage: clipsearch export OUT"),
        (2, ["export", "out.txt"], "--format"),
        (2, ["export", "out.npy", "--relative"], "--in FOLDER"),
        (2, ["export", "out.npy", "--embeddings"], "csv"),
        (2, ["export", "out.npy", "--where", "nonsense"], "nonsense"),
        (2, ["import", "nowhere.npy"], "no file"),
        (2, ["import", "red.jpg"], "import reads"),
    ],
)
def test_wrong_use_and_what_does_not_work_get_one_clear_message(clipsearch, indexed, expected, arguments, message):
    before = set(os.listdir(indexed))
    status, output, errors = clipsearch(*arguments, cwd=indexed)
    assert status == expected and message in errors and output == ""
    assert set(os.listdir(indexed)) == before


def test_help_has_examples(clipsearch):
    for command in ("export", "import"):
        assert f"\n  clipsearch {command}" in clipsearch(command, "--help")[1]


def test_what_a_command_lacks_or_cannot_take_is_wrong_use(clipsearch, indexed, tmp_path):
    clipsearch("export", tmp_path / "out.jsonl", cwd=indexed)
    new = ("--index", tmp_path / "new")
    for arguments, message in (
        (("import", tmp_path / "out.jsonl", "--in", indexed, *new), "the index is new: name the model"),
        (("index", "s3://bucket/photos", *new, "--model", "mini"), "s3://bucket/photos is not on this machine"),
    ):
        status, output, errors = clipsearch(*arguments)
        assert (status, output) == (2, "") and message in errors
