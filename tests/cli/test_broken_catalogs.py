"""Every command says so if what an index keeps is broken: the catalog is cut, empty or missing, or the albums are."""

import json
import shutil
import sqlite3
import warnings

import pytest

from clipsearch import SearchEngine
from clipsearch.errors import CollectionDamaged
from clipsearch.store.saved_searches import SavedSearches
from tests.cli.running import run_here

COMMANDS = [
    ["query", "red"], ["query", "--name", "*"], ["query", "red", "--album", "Favourites"], ["similar", "red.jpg"],
    ["albums"], ["albums", "Favourites"], ["albums", "A", "--rename", "B"], ["stats"], ["status"], ["failures"],
    ["duplicates"], ["export", "x.jsonl"], ["label", "--label", "red"], ["forget", "red.jpg"], ["index"], ["index", "."],
    ["index", "--dry-run"], ["optimize"], ["verify"], ["repair"], ["doctor"], ["serve", "--no-open", "--port", "0"],
]  # fmt: skip


@pytest.fixture(scope="module")
def broken(photos_of_colours, tmp_path_factory):
    """Three folders of photos, by what is wrong with the catalog of their index."""
    folders = {}
    for state in ("cut", "empty", "missing"):
        folder = folders[state] = shutil.copytree(photos_of_colours, tmp_path_factory.mktemp(state) / "photos")
        catalog = folder / ".clipsearch" / "catalog.sqlite"
        data = catalog.read_bytes()
        for file in catalog.parent.glob("catalog.sqlite*"):
            file.unlink()
        if state != "missing":
            catalog.write_bytes(data[: 0 if state == "empty" else 5000])
    return folders


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("state", ["cut", "empty", "missing"])
def test_a_broken_catalog_is_said_by_every_command(broken, state, command):
    status, output, errors = run_here(*command, cwd=broken[state])
    said = output.decode() + errors
    assert (
        status == 4
        and ("catalog.sqlite" in said or "nothing in" in said)
        and "models pull" not in said
        and "no albums yet" not in said
    )


def test_an_index_of_which_nothing_can_be_kept_leads_to_no_repair_in_vain(photos_of_colours, tmp_path):
    photos = shutil.copytree(photos_of_colours, tmp_path / "photos")
    with sqlite3.connect(photos / ".clipsearch" / "catalog.sqlite") as catalog:
        catalog.execute("UPDATE meta SET value = value || 'x'")
    for command in (["query", "red"], ["index"], ["status"], ["forget", "red.jpg"], ["verify"], ["repair"],
                    ["albums"], ["albums", "Favourites"], ["albums", "A", "--rename", "B"]):  # fmt: skip
        status, output, errors = run_here(*command, cwd=photos)
        text = " ".join((output.decode() + errors).split())
        assert status == 4 and "Move that folder away" in text and "clipsearch repair" not in text, (command, text)
    (photos / ".clipsearch").rename(tmp_path / "away")
    assert run_here("index", ".", cwd=photos)[0] == 0


def test_a_missing_catalog_is_no_new_index_in_python(broken):
    with SearchEngine.open(broken["missing"]) as engine, warnings.catch_warnings():
        warnings.simplefilter("error")  # such as that a small model is taken for a new index
        with pytest.raises(CollectionDamaged, match="it is missing"):
            engine.index()


@pytest.mark.parametrize("content", ['{"bro', "[]", '{"albums": {"a": 3}}'])
def test_broken_albums_are_said_and_no_command_takes_them_away(engine, photos, content):
    file = engine.index_folder / "albums.json"
    file.write_text(content)
    damage = "albums.json: it cannot be read as albums"
    for command in (["verify"], ["repair"], ["doctor"]):
        status, output, errors = run_here(*command, cwd=photos)
        text = " ".join(output.decode().split())
        assert status == 4 and damage in text and "restore it from a backup" in text and not errors, text
        assert "nothing is damaged" not in text and "clipsearch repair" not in text and "clipsearch index" not in text
    for command in (["albums"], ["albums", "Favourites"], ["query", "red", "--album", "Favourites"]):
        status, output, errors = run_here(*command, cwd=photos)
        assert (status, output) == (4, b"") and "albums.json is damaged; restore it from a backup" in errors
    assert file.read_text() == content
    assert run_here("query", "red", "--paths", cwd=photos)[0] == 0
    (said,) = json.loads(run_here("verify", "--json", cwd=photos)[1])["damages"]
    assert said["where"] == "albums.json" and said["advice"].startswith("restore it")


def test_a_repair_keeps_all_photos_and_says_so_also_beside_broken_albums(engine, photos):
    with sqlite3.connect(engine.index_folder / "catalog.sqlite") as catalog:
        catalog.execute("INSERT INTO tombstones VALUES (1)")  # marked as removed, though it is there
    (engine.index_folder / "albums.json").write_text("{")
    status, output, _ = run_here("repair", cwd=photos)
    assert status == 4 and "kept all 5 photos\n" in output.decode() and "albums.json: it cannot" in output.decode()
    (engine.index_folder / "albums.json").unlink()
    assert run_here("verify", cwd=photos)[0] == 0


def test_broken_saved_searches_are_said_and_kept_when_another_is_saved(engine, photos):
    saved = SavedSearches(engine.index_folder)
    saved.put("red", {"q": "red"})
    (file,) = saved._file.parent.glob("*.json")
    file.write_text('{"searches": {"red"')
    status, output, _ = run_here("verify", cwd=photos)
    text = " ".join(output.decode().split())
    assert status == 4 and f"{file}: it cannot be read as saved searches" in text and "restore it" in text
    saved.put("blue", {"q": "blue"})
    assert list(saved.all()) == ["blue"] and run_here("verify", cwd=photos)[0] == 0
    assert file.with_name(f"{file.name}.damaged").read_text() == '{"searches": {"red"'
    for number in (2, 3):
        file.write_text(f"again {number}")
        assert f"keeps this one as {file.name}.damaged-{number}\n" in run_here("verify", cwd=photos)[1].decode()
        saved.put("green", {"q": "green"})
        assert file.with_name(f"{file.name}.damaged-{number}").read_text() == f"again {number}"
    assert file.with_name(f"{file.name}.damaged").read_text() == '{"searches": {"red"'
