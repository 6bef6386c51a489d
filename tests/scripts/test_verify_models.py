"""scripts/verify_models.py against a hub on 127.0.0.1, with tiny checkpoints."""

import importlib.util
import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from clipsearch import load_encoder
from clipsearch.encoders.recommended import MODELS
from tests.encoders.hub_stand_in import ask_hub, hub_stand_in
from tests.encoders.support import save_checkpoint

PICTURE = Path(__file__).parents[2] / "data" / "photos" / "kitten.jpg"


@pytest.fixture(scope="module")
def verify():
    path = Path(__file__).parents[2] / "scripts" / "verify_models.py"
    spec = importlib.util.spec_from_file_location("verify_models", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["verify_models"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def clip_checkpoint(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def online(clip_checkpoint, monkeypatch, tmp_path):
    """A hub with "team/tiny"."""
    with hub_stand_in({"team/tiny": {"main": clip_checkpoint}}) as served:
        yield ask_hub(monkeypatch, served, tmp_path / "cache")


def test_a_model_is_pulled_and_compared_with_the_reference_in_every_precision(verify, online, tmp_path, capsys):
    assert verify.main(["hf-hub:team/tiny", "--random-weights", "--remove"]) == 0
    output = capsys.readouterr()
    row = output.out.splitlines()[-1]
    assert row.startswith("| `team/tiny` | transformers | 0 | one set, sha256, parity")
    assert "published (random weights)" in row and "recall (random weights)" in row
    assert "parity passed: from transformers, an embedding differs by" in output.err
    assert not (tmp_path / "cache" / "hub" / "models--team--tiny").exists()


def test_the_table_of_recommended_models_is_compared_with_the_download(verify, online, monkeypatch, capsys):
    monkeypatch.setattr(verify, "find_entry", lambda _: replace(MODELS[0], sha256s=(), megabytes=0.25))
    assert verify.main(["team/tiny", "--random-weights"]) == 0
    monkeypatch.setattr(verify, "find_entry", lambda _: replace(MODELS[0], sha256s=(), megabytes=0.2))
    assert verify.main(["team/tiny", "--random-weights"]) == 1
    assert "as listed failed: 0 MB in transformers' layout, listed as 0 in transformers'" in capsys.readouterr().err


def test_published_figures_and_recall_decide_the_exit_status(verify, online, clip_checkpoint, monkeypatch, capsys):
    texts = ("a photo of a cat", "a photo of a dog")
    logits = load_encoder(clip_checkpoint).logits([Image.open(io.BytesIO(PICTURE.read_bytes()))], texts)[0]
    monkeypatch.setattr(verify, "fetch_image", lambda url: PICTURE.read_bytes())
    monkeypatch.setattr(verify, "_LEAST_RECALL", 0.0)
    published = verify.Published("http://cats", texts, tuple(logits.tolist()), "a test")
    monkeypatch.setitem(verify.PUBLISHED, "team/tiny", published)
    assert verify.main(["team/tiny"]) == 0
    assert "published passed" in capsys.readouterr().err
    wrong = verify.Published("http://cats", texts, (1.0, 2.0), "a test")
    monkeypatch.setitem(verify.PUBLISHED, "team/tiny", wrong)
    monkeypatch.setattr(verify, "_LEAST_RECALL", 1.0)
    assert verify.main(["team/tiny"]) == 1
    errors = capsys.readouterr().err
    assert "published failed" in errors and "recall failed" in errors


def test_a_model_that_cannot_be_pulled_does_not_stop_the_others(verify, online, monkeypatch, capsys):
    monkeypatch.setattr(verify, "checks_of", lambda report, _: verify.find_checkpoint(report.model) and iter(()))
    assert verify.main(["team/none", "team/tiny"]) == 1
    rows = capsys.readouterr().out.splitlines()[2:]
    assert "load (team/none could not be downloaded" in rows[0] and rows[1].startswith("| `team/tiny`")
