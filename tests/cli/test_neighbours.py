"""`duplicates` and `stats` as users run them, with the embedded model."""

import json
import os
import shutil
import subprocess

import pytest
from PIL import Image

from clipsearch.store.catalog import READ_TEXT
from clipsearch.store.writer import CollectionWriter
from tests.cli.running import run_here
from tests.conftest import PHOTOS, give_facts


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Two real photos, an exact copy with an awkward name and a small re-encoded one, indexed."""
    folder = tmp_path_factory.mktemp("once") / "photos"
    (folder / "copies").mkdir(parents=True)
    for name in ("giraffe.jpg", "coffee.jpg"):
        shutil.copy(PHOTOS / name, folder)
    shutil.copy(PHOTOS / "coffee.jpg", folder / "copies" / "cof\nfee.jpg")
    with Image.open(PHOTOS / "giraffe.jpg") as giraffe:
        giraffe.resize((giraffe.width // 2, giraffe.height // 2)).save(folder / "copies" / "small.jpg", quality=60)
    status, _, errors = run_here("index", folder, "--model", "mini", cwd=folder)
    assert status == 0, errors
    return folder


@pytest.fixture
def indexed(once, tmp_path):
    """A copy of these photos with their index, which a test may change."""
    return shutil.copytree(once, tmp_path / "photos")


def test_groups_are_printed_with_the_best_first_and_nothing_is_deleted(indexed):
    before = sorted(os.listdir(indexed)), sorted(os.listdir(indexed / "copies"))
    status, output, errors = run_here("duplicates", cwd=indexed)
    lines = output.decode().splitlines()
    groups = "\n".join(lines).split("\n\n")
    assert status == 0 and "4 photos, 2 groups, 2 copies of" in errors and "nothing was deleted" in errors
    assert {tuple((line.split()[0], line.split("  ")[-1]) for line in group.splitlines()) for group in groups} == {
        (("best", "giraffe.jpg"), ("near", "copies/small.jpg")),
        (("best", "coffee.jpg"), ("same", "copies/cof\\nfee.jpg")),
    }
    assert before == (sorted(os.listdir(indexed)), sorted(os.listdir(indexed / "copies")))


def test_paths_are_those_of_the_copies_alone(indexed):
    copies = {indexed / "copies" / "cof\nfee.jpg", indexed / "copies" / "small.jpg"}
    status, output, errors = run_here("duplicates", "-0", cwd=indexed)
    assert (status, errors) == (0, "")
    assert set(output.split(b"\0")[:-1]) == {os.fsencode(path) for path in copies}
    assert run_here("duplicates", "--paths", "--exact", cwd=indexed)[1] == os.fsencode(
        indexed / "copies" / "cof\nfee.jpg\n"
    )
    if shutil.which("xargs"):
        listing = subprocess.run(["xargs", "-0", "ls", "-l"], input=output, capture_output=True)
        assert listing.returncode == 0 and b"small.jpg" in listing.stdout


def test_json_is_one_object(indexed):
    status, output, _ = run_here("duplicates", "--json", cwd=indexed)
    value = json.loads(output)
    assert status == 0 and list(value) == ["index", "images", "copies", "bytes", "groups", "failures"]
    assert (value["images"], value["copies"], value["failures"]) == (4, 2, [])
    assert value["bytes"] == sum(copy["size"] for group in value["groups"] for copy in group["copies"])
    near, exact = sorted(
        (copy for group in value["groups"] for copy in group["copies"]), key=lambda copy: copy["exact"]
    )
    assert near["exact"] is False and 0.8 <= near["cosine"] < 1 and 0 < near["differing_bits"] <= 64
    assert (exact["exact"], exact["cosine"], exact["differing_bits"]) == (True, 1.0, 0)
    assert value["groups"][0]["best"]["path"].startswith(str(indexed))


def test_files_that_are_gone_are_told_with_a_status_of_their_own(indexed):
    os.remove(indexed / "coffee.jpg")
    status, output, errors = run_here("duplicates", "--exact", "--quiet", cwd=indexed)
    assert (status, output) == (3, b"")
    gone = f"clipsearch: {indexed / 'coffee.jpg'}: is no longer there\n"
    assert errors == gone + "clipsearch: to update the index: clipsearch index\n"


def test_a_folder_limits_both(indexed):
    assert run_here("duplicates", "--in", indexed / "copies", "--json", "-q", cwd=indexed)[1].count(b'"exact"') == 0
    value = json.loads(run_here("stats", "--in", indexed / "copies", "--json", cwd=indexed)[1])
    assert value["images"] == 2


def test_counts_are_bars_beside_whole_names(clipsearch_process, indexed):
    status, output, errors = run_here("stats", cwd=indexed, COLUMNS="60")
    text = output.decode()
    assert (status, errors) == (0, "") and text.startswith("4 photos, ")
    assert "by folder\n" in text and "█" in text
    assert f"\n{indexed} " in text and "\ncopies " in text  # whole, since this is a pipe
    ascii_output = clipsearch_process("stats", cwd=indexed, PYTHONUTF8="0", PYTHONIOENCODING="ascii")[1]
    assert "##" in ascii_output and ascii_output.isascii()


def test_counts_as_json(indexed):
    value = json.loads(run_here("stats", "--by", "folder", "--by", "format", "--top", "1", "--json", cwd=indexed)[1])
    totals = ["images", "bytes", "with_date", "with_place", "first", "last", "texts_read", "with_text"]
    assert list(value) == ["index", *totals, "by"]
    assert value["by"]["format"]["counts"] == [{"value": "JPEG", "images": 4}]
    assert value["by"]["folder"]["counts"] == [{"value": str(indexed), "images": 2}]
    assert (value["by"]["folder"]["other_values"], value["by"]["folder"]["other_images"]) == (1, 2)


def test_counts_say_in_how_many_photos_text_was_read(indexed):
    assert b"text in the picture" not in run_here("stats", cwd=indexed)[1]
    some, another = [path.name for path in indexed.rglob("*.jpg")][:2]
    give_facts(indexed / ".clipsearch", some, text="EXIT")
    give_facts(indexed / ".clipsearch", another, text="")
    with CollectionWriter(indexed / ".clipsearch") as collection:
        collection.remember(READ_TEXT, "yes")
        collection.publish()
    output = run_here("stats", cwd=indexed)[1].decode()
    assert "25% with text in the picture (2 not read yet)" in output
    value = json.loads(run_here("stats", "--json", cwd=indexed)[1])
    assert (value["texts_read"], value["with_text"]) == (2, 1)


def test_counts_of_facts_have_names_for_people(indexed):
    give_facts(indexed / ".clipsearch", "coffee.jpg", keywords=("Sea", "Sky"), people=("Anna",), rating=-1)
    by = ("--by", "keyword", "--by", "person", "--by", "rating", "--by", "source", "--top", "1")
    status, output, _ = run_here("stats", *by, cwd=indexed)
    text = output.decode()
    assert status == 0 and "by keyword\nSea  1" in text and "1 more keywords: 1; without a keyword: 3" in text
    assert "by person\nAnna  1" in text and "without a person: 3" in text
    assert "by rating\nrejected  1" in text
    # no photo has a date
    assert text.endswith("without a rating: 3\n\nby source of the date\nwithout a date: 4\n")


@pytest.mark.parametrize("command", ["stats", "duplicates"])
def test_a_filter_that_no_photo_meets_is_named(indexed, command):
    status, _, errors = run_here(command, "--in", indexed / "nowhere", cwd=indexed)
    assert status == 0 and f"no photo is below {indexed / 'nowhere'}" in errors


def test_facts_that_no_photo_has_are_counted_too(once):
    facts = ("year", "month", "camera", "keyword", "person", "rating", "place", "region", "country")
    output = run_here("stats", "--by", "format", *(word for fact in facts for word in ("--by", fact)), cwd=once)[
        1
    ].decode()
    missing = {"year": "date", "month": "date"}
    expected = "\n\n".join(f"by {fact}\nwithout a {missing.get(fact, fact)}: 4" for fact in facts)
    assert "by format\nJPEG  4" in output and output.endswith(f"\n\n{expected}\n")


def test_counts_as_a_picture_that_replaces_nothing_unasked(indexed):
    assert run_here("stats", "--png", "out.png", cwd=indexed)[0] == 0
    with Image.open(indexed / "out.png") as picture:
        assert picture.format == "PNG"
    (indexed / "out.png").write_bytes(b"mine")
    status, output, errors = run_here("stats", "--png", "out.png", cwd=indexed)
    assert (status, output) == (2, b"") and "--force" in errors and (indexed / "out.png").read_bytes() == b"mine"
    assert run_here("stats", "--png", "out.png", "--force", cwd=indexed)[0] == 0
    assert (indexed / "out.png").read_bytes()[:4] == b"\x89PNG"
    status, _, errors = run_here("stats", "--png", ".", cwd=indexed)
    assert status == 2 and ". is a folder; name a file" in errors


def test_wrong_use_is_told(indexed, tmp_path):
    for arguments in (["stats", "--by", "mood"], ["stats", "--top", "0"], ["duplicates", "--min-cosine", "2"]):
        status, _, errors = run_here(*arguments, cwd=indexed)
        assert status == 2 and f"{arguments[1]}: " in errors and f"see 'clipsearch {arguments[0]} --help'" in errors
    (tmp_path / "elsewhere").mkdir()
    for command in ("stats", "duplicates"):
        status, _, errors = run_here(command, "--index", tmp_path / "elsewhere", cwd=tmp_path)
        assert status == 2 and "there is no index" in errors
