"""`clipsearch doctor` prints one page about machine, installation and index, even if they are broken, without private data."""

import json
import os

import pytest

from clipsearch.analysis import diagnosis
from clipsearch.cli.doctor import _page
from clipsearch.store.rows import Place
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Failure, ImageFile
from tests.cli.running import run_here
from tests.store.support import add, random_units, writer

SECTIONS = {"clipsearch": "0", "environment": {}, "packages": {}, "runtimes": {}, "models": {}}


@pytest.fixture
def doctor(tmp_path):
    """Run it; (exit status, stdout)."""

    def run(*arguments, cwd=tmp_path, **environment):
        status, output, errors = run_here("doctor", *arguments, cwd=cwd, **environment)
        assert errors == ""
        return status, output.decode()

    return run


@pytest.fixture
def index(tmp_path):
    with writer(tmp_path / "photos" / ".clipsearch", 4) as collection:
        add(collection, ["my-secret-party.jpg", "b.jpg"], random_units(2, 4))
        place = Place(next(iter(collection.roots())), "", "broken-party.jpg")
        collection.fail(place, Failure(ImageFile("broken-party.jpg", 1, 1), "no picture"))
        collection.commit()
    return tmp_path / "photos" / ".clipsearch"


def test_one_page_says_what_is_installed_and_how_the_index_is(doctor, index):
    status, page = doctor("--index", index)
    assert status == 0
    for part in ("environment", "packages", "runtimes", "models", "index", "numpy", "OpenVINO", "clipsearch verify"):
        assert part in page
    assert len(page.splitlines()) < 100


def test_a_folder_that_is_away_is_named_with_what_to_do(doctor, tmp_path):
    with writer(tmp_path / "a" / "idx", 4) as collection:
        collection.add_root(str(tmp_path / "b"), {})
        collection.add_root("s3://bucket/photos", {})
        collection.commit()
    index = tmp_path / "a" / "idx"
    status, page = doctor("--index", index)
    last = " ".join(page.split("index looks well")[1].split())
    assert status == 0 and f"the folder {tmp_path / 'b'} is not there. If it is on a drive, connect that" in last
    assert f"clipsearch forget {tmp_path / 'b'}" in last and last.endswith(
        "nothing else is wrong that can be seen from here"
    )
    facts = json.loads(doctor("--index", index, "--json")[1])["index"]
    assert (facts["folders"], facts["folders_there"], facts["folders_away"]) == (3, 2, [str(tmp_path / "b")])
    (tmp_path / "b").mkdir()
    assert doctor("--index", index)[1].endswith("\nnothing is wrong that can be seen from here\n")


def test_json_holds_the_same(doctor, index):
    (index / "replaced").mkdir()
    (index / "replaced" / "vectors").write_bytes(bytes(5000))
    status, output = doctor("--index", index, "--json")
    report = json.loads(output)
    assert status == 0 and report["index"]["state"] == "well" and report["problems"] == []
    assert (report["index"]["photos"], report["index"]["failures"], report["index"]["segments"]) == (2, 1, 1)
    assert report["models"]["hub_answers"] is None and report["environment"]["cores"] >= 1
    status = json.loads(run_here("status", "--quick", "--json", "--index", index, cwd=index)[1])
    assert report["index"]["bytes"] == status["index_bytes"]


def test_the_hub_is_asked_only_if_told_to(doctor, monkeypatch):
    requests = []
    monkeypatch.setattr("clipsearch.encoders.hub.hub_answers", lambda: requests.append("hub") or True)
    assert json.loads(doctor("--json")[1])["models"]["hub_answers"] is None and not requests
    assert json.loads(doctor("--json", "--hub")[1])["models"]["hub_answers"] is True and requests == ["hub"]


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_nothing_private_is_in_it(doctor, index, tmp_path, form):
    secrets = {"HF_TOKEN": "hf_1234567", "CLIPSEARCH_INDEX": str(index), "HTTPS_PROXY": "http://me:5ecret@proxy:1/"}
    _, page = doctor(*form, HOME=str(tmp_path), **secrets)
    assert "party" not in page and "hf_1234567" not in page and "5ecret" not in page
    assert str(tmp_path) not in page and f"~{os.sep}photos" in page.replace("\\\\", "\\")


def test_it_needs_no_index_and_makes_none(doctor, tmp_path):
    status, output = doctor("--json")
    assert status == 0 and json.loads(output)["index"]["state"] == "none"
    assert doctor("--index", tmp_path / "nowhere")[0] == 0
    assert list(tmp_path.iterdir()) == []


def shorten(index):
    (segment,) = (index / "segments").glob("*.faiss")
    os.truncate(segment, segment.stat().st_size - 1)


def overwrite(index):
    (segment,) = (index / "segments").glob("*.faiss")
    segment.write_bytes(b"\xff" * segment.stat().st_size)


def change(sql):
    def damage(index):
        import sqlite3

        with sqlite3.connect(index / "catalog.sqlite") as database:
            database.execute(sql)
        database.close()

    return damage


def link(index):
    os.rename(index / "catalog.sqlite", index / "elsewhere")
    os.symlink("elsewhere", index / "catalog.sqlite")


@pytest.mark.parametrize(
    "damage",
    [
        shorten,
        overwrite,
        lambda index: next((index / "segments").glob("*.faiss")).unlink(),
        lambda index: (index / "catalog.sqlite").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000),
        lambda index: (index / "catalog.sqlite").write_bytes(b""),
        change("DROP TABLE images"),
        change("UPDATE segments SET rows = 'many'"),
        change("UPDATE meta SET value = '[[1, 2], 3]'"),
        change("UPDATE roots SET path = 5"),
    ],
)
def test_damage_is_found_and_no_exception(index, damage):
    damage(index)
    health = diagnosis.index_health(index)
    assert health.state == "damaged" and health.problems


def test_damage_is_said_with_status_4(doctor, index):
    shorten(index)
    status, page = doctor("--index", index)
    assert status == 4 and "PROBLEM  index: segment 000001.faiss is" in page and "clipsearch repair" in page


@pytest.mark.parametrize(
    ("damage", "advice"),
    [
        (lambda index: (index / "catalog.sqlite").write_bytes(b"not a database" * 99), "index the photos again"),
        (change("CREATE TABLE songs(title)"), "index the photos again"),
        (change("DELETE FROM meta"), "index the photos again"),
        (change("UPDATE meta SET value = 'x'"), "index the photos again"),
        (change("DELETE FROM roots"), "index the photos again"),
        (link, "move the whole folder"),
    ],
)
def test_no_repair_is_proposed_where_it_can_keep_nothing(index, damage, advice):
    damage(index)
    health = diagnosis.index_health(index)
    page = _page({**SECTIONS, "index": {"state": health.state}, "problems": health.problems}, health.beyond_repair)
    status, output, errors = run_here("verify", "--index", index, cwd=index)
    for text in (page, output.decode()):
        assert (status, errors) == (4, "") and text.count(advice) == 1 and "clipsearch repair" not in text
    assert run_here("repair", "--index", index, cwd=index)[0] == 4


def test_the_json_says_whether_a_repair_can_keep_something(doctor, index):
    change("DELETE FROM meta")(index)
    assert json.loads(doctor("--index", index, "--json")[1])["index"]["beyond_repair"] is True


def page_of_an_index(index):
    """Where the page of an index of the table of images begins, in the catalog."""
    import sqlite3

    database = sqlite3.connect(index / "catalog.sqlite")
    (number,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'images_by_hash'").fetchone()
    (size,) = database.execute("PRAGMA page_size").fetchone()
    database.close()
    return (number - 1) * size


def test_what_sqlite_says_is_summed_up_in_a_sentence(index):
    data = bytearray((index / "catalog.sqlite").read_bytes())
    root = page_of_an_index(index)
    data[root + 3 : root + 5] = (0).to_bytes(2, "big")  # its number of cells
    (index / "catalog.sqlite").write_bytes(data)
    status, output, _ = run_here("verify", "--index", index, cwd=index)
    first, *others = output.decode().splitlines()
    assert (
        status == 4 and first.endswith(" in the lists by which photos are looked up") and "missing" not in str(others)
    )
    assert first.startswith("catalog.sqlite: its file is damaged in ") and "of them" in first
    (damage,) = json.loads(run_here("verify", "--json", "--index", index, cwd=index)[1])["damages"]
    assert "row 1 missing from index images_by_hash" in damage["details"] and damage["what"] in first


def test_a_newer_format_is_no_damage(index):
    change("PRAGMA user_version = 99")(index)
    health = diagnosis.index_health(index)
    assert health.state == "unknown" and "newer clipsearch" in health.problems[0]


def test_libraries_that_do_not_load_are_told(clipsearch_process, index, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    for module, code in [
        ("openvino", "raise ImportError('libtbb.so.12 is missing')"),
        ("tokenizers", "import os; os.abort()"),
        ("numpy", "raise ValueError('numpy.dtype size changed')"),
        ("sqlite3", "raise ImportError('no _sqlite3')"),
    ]:
        (broken / f"{module}.py").write_text(code)
    status, page, _ = clipsearch_process("doctor", "--index", index, PYTHONPATH=str(broken))
    assert status == 1
    assert "PROBLEM  OpenVINO fails: ImportError: libtbb.so.12 is missing" in page
    assert "PROBLEM  numpy fails: ValueError: numpy.dtype size changed" in page
    assert "PROBLEM  tokenizers " in page and "tokenizers           ok" not in page and "PROBLEM  index: " in page
    (broken / "numpy.py").unlink()
    page = clipsearch_process("doctor", "--index", index, PYTHONPATH=str(broken))[1]
    assert "PROBLEM  index: no _sqlite3" in page


def test_what_is_not_installed_is_told(monkeypatch):
    monkeypatch.setattr(diagnosis, "PACKAGES", ("no-such-package", "click"))
    assert diagnosis.packages()["no-such-package"] is None and diagnosis.packages()["click"]


def test_a_writer_at_work_is_not_in_its_way(index):
    with CollectionWriter(index) as collection:
        collection._catalog.begin()
        assert diagnosis.index_health(index).state == "well"
