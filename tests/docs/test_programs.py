"""The programs in examples/ run, on data/photos and with the embedded model."""

import importlib.util
import json
import shutil

import pytest

from clipsearch import SearchEngine
from tests.conftest import PHOTOS, ROOT

EXAMPLES = ROOT / "examples"


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
    for name in ("cat.png", "coffee.jpg", "fire-engine.jpg", "mountain-trail.jpg", "wave.jpg", "dahlia.jpg"):
        shutil.copy(PHOTOS / name, folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder


def test_zero_shot_labels(photos, capsys):
    load("zero_shot").main(["data/photos/cat.png", "data/photos/fire-engine.jpg"])
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("data/photos/cat.png: cat") and second.startswith(
        "data/photos/fire-engine.jpg: fire engine"
    )


def test_own_vectors(photos, tmp_path, capsys):
    load("own_vectors").main(photos, tmp_path / "own")
    assert capsys.readouterr().out.splitlines() == ["6 imported, 0 refused", "a cat: cat.png"]


def test_a_fastapi_handler(photos, monkeypatch):
    pytest.importorskip("fastapi")
    from fastapi.testclient import TestClient

    with SearchEngine.open(photos, model="mini") as engine:
        engine.index()
    monkeypatch.setenv("PHOTOS", str(photos))
    client = TestClient(load("web_app").app)
    hits = client.get("/search", params={"q": "a cup of coffee", "limit": 2}).json()
    assert len(hits) == 2 and hits[0]["score"] > hits[1]["score"]
    assert client.get("/search", params={"q": "cat +"}).status_code == 400


def test_a_nightly_job(photos, capsys):
    with SearchEngine.open(photos, model="mini") as engine:  # a new index would look for a better model
        engine.index()
    (photos / "torn.jpg").write_bytes((photos / "wave.jpg").read_bytes()[:2000])
    assert load("nightly").main("data/photos") == 3
    output = capsys.readouterr()
    assert output.out.startswith("0 added, 0 updated, 0 removed") and "torn.jpg" in output.err
    assert load("nightly").main("data/photos") in (0, 3)
    for path in photos.glob("*.jpg"):  # as if a drive were unplugged: more than half of the index would go
        path.unlink()
    assert load("nightly").main("data/photos") == 1


def test_the_notebook(photos):
    notebook = json.loads((EXAMPLES / "search.ipynb").read_text("utf-8"))
    assert notebook["nbformat"] == 4
    names = {}
    for cell in notebook["cells"]:
        assert not cell.get("outputs")  # the notebook is committed without outputs
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)  # run it as a kernel does
    assert names["hits"][0].path.endswith("coffee.jpg") and names["hits"]._repr_html_()


def test_every_program_is_listed_and_tested():
    listed = (EXAMPLES / "README.md").read_text("utf-8")
    programs = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")}
    assert len(programs) == 5 and all(f"`{name}`" in listed for name in programs)
