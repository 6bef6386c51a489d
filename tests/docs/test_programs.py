"""The programs in examples/ run, on data/photos and with the embedded model."""

import importlib.util
import json
import re
import runpy
import shutil

import pytest

from clipsearch import SearchEngine
from tests.conftest import PHOTOS, ROOT

EXAMPLES = ROOT / "examples"
SIX = ("cat.png", "coffee.jpg", "fire-engine.jpg", "mountain-trail.jpg", "wave.jpg", "dahlia.jpg")


def load(name):
    spec = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Six photos, as data/photos in the current folder."""
    folder = tmp_path / "data" / "photos"
    folder.mkdir(parents=True)
    for name in SIX:
        shutil.copy2(PHOTOS / name, folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """An index of the six photos, in the photos' folder."""
    folder = tmp_path_factory.mktemp("programs") / "photos"
    folder.mkdir()
    for name in SIX:
        shutil.copy2(PHOTOS / name, folder)
    with SearchEngine.open(folder, model="mini") as engine:  # a new index would look for a better model
        engine.index()
    return folder / ".clipsearch"


@pytest.fixture
def photos_with_index(photos, index):
    shutil.copytree(index, photos / ".clipsearch")
    return photos


@pytest.mark.parametrize("program", sorted(path.stem for path in EXAMPLES.glob("*.py")))
def test_a_program_without_arguments_says_how_it_is_used(program, monkeypatch):
    monkeypatch.setattr("sys.argv", [f"{program}.py"])
    monkeypatch.delenv("PHOTOS", raising=False)
    with pytest.raises(SystemExit, match=rf"^usage: .*\b{program}\b.*[A-Z:]") as ended:
        runpy.run_path(str(EXAMPLES / f"{program}.py"), run_name="__main__")
    words = str(ended.value).partition(".py ")[2] or "PHOTOS=FOLDER"
    assert f"`{words}`" in (EXAMPLES / "README.md").read_text()


def test_zero_shot_labels(photos, capsys):
    load("zero_shot").main(["data/photos/cat.png", "data/photos/fire-engine.jpg"])
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("data/photos/cat.png: cat") and second.startswith(
        "data/photos/fire-engine.jpg: fire engine"
    )


def test_index_and_search(photos_with_index, capsys):
    load("index_and_search").main(str(photos_with_index), "a cup of coffee")
    first, best, *_, last = capsys.readouterr().out.splitlines()
    assert first == "0 added, 0 could not be read" and best.startswith("1 0.") and best.endswith(" coffee.jpg")
    assert last.startswith("the newest JPEG: ")


def test_with_numpy(photos_with_index, capsys):
    load("with_numpy").main(photos_with_index)
    pair, warm = capsys.readouterr().out.splitlines()
    assert pair.startswith("the most similar: ") and warm == "warm rather than cold: fire-engine.jpg"


def test_several_indexes(photos_with_index, tmp_path, capsys):
    """The second folder is a copy of the first, so its photos are found once."""
    copy = shutil.copytree(photos_with_index, tmp_path / "copy")
    assert load("several_indexes").main("a cup of coffee", [str(photos_with_index), str(copy)]) == 0
    total, best, *others = capsys.readouterr().out.splitlines()
    assert total == "6 photos" and best.endswith("coffee.jpg") and len(others) == 4


def test_own_vectors(photos, tmp_path, capsys):
    load("own_vectors").main(photos, tmp_path / "own")
    assert capsys.readouterr().out.splitlines() == ["6 imported, 0 refused", "a cat: cat.png"]


def test_a_fastapi_handler(photos_with_index, monkeypatch):
    pytest.importorskip("fastapi")
    from fastapi.testclient import TestClient

    photos = photos_with_index
    monkeypatch.setenv("PHOTOS", str(photos))
    client = TestClient(load("web_app").app)
    hits = client.get("/search", params={"q": "a cup of coffee", "limit": 2}).json()
    assert len(hits) == 2 and hits[0]["score"] > hits[1]["score"]
    assert client.get("/search", params={"q": "cat +"}).status_code == 400
    assert client.get("/search", params={"q": "cat", "taken": "soon"}).json() == {
        "detail": "taken: 'soon' is not a date; give as much as you know: 2024, 2024-07, 2024-07-15 or 2024-07-15T12:30"
    }


def test_a_nightly_job(photos_with_index, capsys):
    photos = photos_with_index
    (photos / "torn.jpg").write_bytes((photos / "wave.jpg").read_bytes()[:2000])
    assert load("nightly").main("data/photos") == 3
    output = capsys.readouterr()
    assert output.out.startswith("0 added, 0 updated, 0 removed") and "torn.jpg" in output.err
    assert load("nightly").main("data/photos") in (0, 3)
    for path in photos.glob("*.jpg"):  # as if a drive were unplugged: more than half of the index would go
        path.unlink()
    assert load("nightly").main("data/photos") == 1


@pytest.mark.parametrize("words", ["index_and_search --help x", "nightly --help", "zero_shot --help", "with_numpy -h"])
def test_an_option_is_no_folder(words, monkeypatch):
    program, *arguments = words.split()
    monkeypatch.setattr("sys.argv", [program, *arguments])
    with pytest.raises(SystemExit, match=f"usage: python examples/{program}.py "):
        runpy.run_path(str(EXAMPLES / f"{program}.py"), run_name="__main__")


def test_the_notebook(photos_with_index):
    notebook = json.loads((EXAMPLES / "search.ipynb").read_text("utf-8"))
    assert notebook["nbformat"] == 4
    names = {}
    for cell in notebook["cells"]:
        assert not cell.get("outputs")  # the notebook is committed without outputs
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)  # run it as a kernel does
    assert names["hits"][0].path.endswith("coffee.jpg") and names["hits"]._repr_html_()


def test_the_how_to_page_of_python(photos_with_index, tmp_path, capsys):
    shutil.copytree(photos_with_index, tmp_path / "data" / "archive")
    page = (ROOT / "docs" / "how-to" / "python.md").read_text("utf-8")
    names = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block, names)
    assert capsys.readouterr().out.splitlines()[-1] == "4 4" and names["cosines"].shape == (4, 2)
    assert len(names["first_three"]) == 3 and names["hits"][0].path.endswith("cat.png")


def test_every_program_is_listed_and_tested():
    listed = (EXAMPLES / "README.md").read_text("utf-8")
    programs = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")}
    assert len(programs) == 8 and all(f"`{name}`" in listed for name in programs)
