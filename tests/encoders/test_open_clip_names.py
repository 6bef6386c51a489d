"""Models by the names that OpenCLIP's users know. An index gets the hub id, whatever the model was called."""

import shutil

import pytest

from clipsearch import SearchEngine, load_encoder
from clipsearch.encoders.open_clip_names import PRETRAINED, hub_id
from clipsearch.encoders.registry import canonical_name
from clipsearch.errors import ModelError
from tests.cli.running import run_here
from tests.encoders.hub_stand_in import ask_hub, hub_stand_in
from tests.encoders.support import save_checkpoint


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
        ("hf-hub:timm/ViT-B-16-SigLIP/", "timm/ViT-B-16-SigLIP"),
        ("ViT-B-32@laion2b_s34b_b79k", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
        ("ViT-B-32__laion2b_s34b_b79k", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
        ("ViT-B/32@openai", "openai/clip-vit-base-patch32"),
        ("ViT-B-32-quickgelu@openai", "openai/clip-vit-base-patch32"),
        ("vit-b-32-256@DataComp-S34B-B86K", "laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K"),
        ("ViT-B-32-SigLIP2-256__webli", "google/siglip2-base-patch32-256"),
        ("team/with__underscores", "team/with__underscores"),
        ("mini", "mini"),
    ],
)
def test_names_are_the_hubs_ids(name, model):
    assert hub_id(name) == canonical_name(name) == model


def test_a_folder_of_that_name_goes_first(tmp_path, monkeypatch):
    (tmp_path / "ViT-B-32@openai").mkdir()
    monkeypatch.chdir(tmp_path)
    assert canonical_name("ViT-B-32@openai") == "ViT-B-32@openai"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ViT-B-32@laion", ["ViT-B-32@laion2b_s34b_b79k", "hf-hub:"]),
        ("ViT-B-32-SigLIP2@webli", ["there are ViT-B-32-SigLIP2-256@webli, ViT-B-16-SigLIP2@webli", "hf-hub:"]),
        ("zzz@zzz", ["OpenCLIP's zzz@zzz: name the repository"]),
    ],
)
def test_an_unknown_tag_says_which_there_are_and_how_else_to_name_a_model(name, words):
    for use in (load_encoder, lambda name: SearchEngine("no-index", model=name)):
        with pytest.raises(ModelError) as error:
            use(name)
        assert all(word in str(error.value) for word in words)


def test_the_table_has_hub_ids_and_tags_in_the_form_that_is_compared():
    assert len(PRETRAINED) <= 40
    for name, model in PRETRAINED.items():
        assert hub_id(name) == model and model.count("/") == 1 and " " not in model


def test_an_index_keeps_the_hub_id_however_the_model_was_named(tmp_path, monkeypatch):
    from PIL import Image

    Image.new("RGB", (80, 60), "red").save(tmp_path / "red.png")
    checkpoint = save_checkpoint(tmp_path / "checkpoint")
    with hub_stand_in({"team/tiny": {"main": checkpoint}}) as served:
        ask_hub(monkeypatch, served, tmp_path / "cache")
        status, output, _ = run_here("models", "pull", "hf-hub:team/tiny", cwd=tmp_path)
        assert status == 0 and output.decode().startswith("team/tiny is in ")
        shutil.rmtree(checkpoint)
        with SearchEngine(tmp_path / "index", model="hf-hub:team/tiny") as engine:
            engine.index(tmp_path)
            assert engine.model_name == "team/tiny"
        for name in ("hf-hub:team/tiny", "team/tiny"):
            with SearchEngine(tmp_path / "index", model=name) as engine:
                assert len(engine.search("red")) == 1
