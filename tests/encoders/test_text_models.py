"""Another text model for the pictures of a model: its vectors, and for which pictures it is accepted."""

import json
import shutil

import numpy as np
import pytest

from clipsearch import load_encoder
from clipsearch.encoders import hub, text_models
from clipsearch.encoders.base import normalise
from clipsearch.encoders.text_encoder import with_text_model
from clipsearch.encoders.unread import unread_words
from clipsearch.errors import ClipsearchWarning, ModelError, ModelMismatch
from tests.cli.running import run_here
from tests.encoders.hub_stand_in import ask_hub, hub_stand_in
from tests.encoders.support import change_json, save_checkpoint
from tests.encoders.text_models import make_known, reference_vectors, save_text_model

TEXTS = ["Hund am Strand", "a dog on the beach!", "собака на", "狗", "dogs, hunde", "unbekannt"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return save_text_model(tmp_path_factory.mktemp("texts"))


@pytest.fixture
def known(texts, clip, monkeypatch):
    return make_known(monkeypatch, texts, [clip])


@pytest.mark.parametrize("options", [{}, {"transformer": "0_Transformer"}, {"bias": True}])
def test_vectors_are_those_of_transformers_and_torch(options, clip, tmp_path, monkeypatch):
    folder = save_text_model(tmp_path / "texts", **options)
    make_known(monkeypatch, folder, [clip])
    encoder = with_text_model(load_encoder(clip), str(folder))
    expected = reference_vectors(folder, TEXTS, transformer=options.get("transformer", ""))
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), normalise(expected), atol=1e-5)
    assert encoder.spec.text_model == str(folder) and encoder.spec.context_length == 16


def test_pictures_logits_and_the_fingerprint_are_those_of_the_pictures_model(clip, texts, known):
    own = load_encoder(clip)
    encoder = with_text_model(own, str(texts))
    pixels = np.random.default_rng(0).standard_normal((2, 3, 64, 64)).astype(np.float32)
    np.testing.assert_array_equal(encoder.encode_pixels(pixels), own.encode_pixels(pixels))
    assert (encoder.spec.fingerprint, encoder.spec.logit_scale) == (own.spec.fingerprint, own.spec.logit_scale)
    assert own.spec.label_prompts and not encoder.spec.label_prompts  # they are English


def test_a_long_text_is_cut_and_keeps_its_end(clip, texts, known):
    encoder = with_text_model(load_encoder(clip), str(texts))
    long = "Hund am Strand " * 9
    with pytest.warns(ClipsearchWarning, match="text of 29 tokens cut to the model's 16"):
        vectors = encoder.encode_texts([long])
    np.testing.assert_allclose(vectors, normalise(reference_vectors(texts, [long])), atol=1e-5)


def test_words_that_only_the_text_model_reads_are_read(clip, texts, known):
    own = load_encoder(clip)
    encoder = with_text_model(own, str(texts))
    assert unread_words("собака", own.text_pieces, is_english=True) == ["собака"]
    assert unread_words("собака 犬", encoder.text_pieces, is_english=False) == ["犬"]


# -- for which pictures


def test_a_copy_of_the_pictures_model_elsewhere_is_recognised_by_its_weights(clip, texts, known, tmp_path):
    copy = shutil.copytree(clip, tmp_path / "copy")
    assert with_text_model(load_encoder(copy), str(texts)).spec.text_model == str(texts)


def test_other_pictures_are_refused(clip, texts, monkeypatch, tmp_path):
    make_known(monkeypatch, texts, ["openai/clip-vit-base-patch32"])
    with pytest.raises(
        ModelMismatch, match=r"is for pictures of openai/clip-vit-base-patch32, and those of this index are of"
    ):
        with_text_model(load_encoder(clip), str(texts))
    with pytest.raises(ModelMismatch, match="leave `text_model` out"):
        with_text_model(load_encoder("mini"), str(texts))


def test_an_unknown_text_model_is_refused_even_if_it_was_checked_before(clip, texts):
    for is_checked in (False, True):
        with pytest.raises(
            ModelMismatch, match=r"is not known, .*; use sentence-transformers/clip-ViT-B-32-multilingual-v1"
        ):
            with_text_model(load_encoder(clip), str(texts), is_checked=is_checked)


def test_a_name_that_is_in_no_table_is_not_looked_for(clip):
    with pytest.raises(ModelError, match=r"there is no text model 'team/other': use sentence-transformers/"):
        with_text_model(load_encoder(clip), "team/other")


def test_vectors_of_another_length_are_refused(clip, monkeypatch, tmp_path):
    folder = save_text_model(tmp_path / "texts", dim=25)
    make_known(monkeypatch, folder, [clip])
    with pytest.raises(ModelMismatch):
        with_text_model(load_encoder(clip), str(folder))


def test_a_name_in_the_table_is_found_in_the_cache_or_fetched(clip, texts, known, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    fetched = []

    def fetch(model, revision, sha256s, leave_out):
        fetched.append((model, sha256s, leave_out))
        snapshot = tmp_path / f"models--{model.replace('/', '--')}" / "snapshots" / revision
        return shutil.copytree(texts, snapshot, dirs_exist_ok=True)

    monkeypatch.setattr(hub, "fetch", fetch)
    for _ in range(2):
        with_text_model(load_encoder(clip), "team/texts")
    assert fetched == [("team/texts", {known.dense_file: known.dense_sha256}, hub.OTHER_RUNTIMES)]


def test_a_hub_that_does_not_answer_is_an_error_that_says_how_to_go_back(clip, known, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(
        ModelError, match=r"team/texts is not on this machine, .*own model for texts: `text_model=.none.`"
    ):
        with_text_model(load_encoder(clip), "team/texts")


def test_a_download_takes_all_parts_and_no_other_runtimes_weights(texts, known, monkeypatch, tmp_path):
    repository = shutil.copytree(texts, tmp_path / "repository")
    taken = {path.relative_to(texts).as_posix() for path in texts.rglob("*") if path.is_file()}
    for name in ("pytorch_model.bin", "2_Dense/pytorch_model.bin", "onnx/model.onnx", "onnx/config.json",
                 "tf_model.h5", "openvino/openvino_model.xml", "openvino/openvino_model.bin"):  # fmt: skip
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_text("x")
    with hub_stand_in({"team/texts": {known.revision: repository}}) as served:
        ask_hub(monkeypatch, served, tmp_path / "cache")
        folder = text_models.find_text_checkpoint("team/texts").folder
    assert {"model.safetensors", "2_Dense/model.safetensors"} <= taken == set(served.fetched())
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == taken


def test_models_pull_fetches_a_text_model(texts, clip, known, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub, "fetch", lambda *_, **options: texts)
    status, output, _ = run_here("models", "pull", "team/texts", cwd=tmp_path)
    assert status == 0 and output.decode() == f"team/texts is in {texts}\n"


def test_the_table_names_hub_ids_commits_and_sums():
    for entry in text_models.TEXT_MODELS:
        assert len(entry.revision) == 40 and len(entry.dense_sha256) == 64 and entry.image_models
        assert all(len(sha256) == 64 for known in entry.image_models.values() for sha256 in known)


# -- files that are missing or damaged


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("modules.json", lambda values: values.pop(), "does not list the parts"),
        ("modules.json", lambda values: values[2].update(path="../elsewhere"), "does not list the parts"),
        ("modules.json", lambda values: values[0].pop("type"), "cannot be read"),
        (
            "1_Pooling/config.json",
            lambda values: values.update(pooling_mode_cls_token=True),
            "does not pool by the mean",
        ),
        (
            "2_Dense/config.json",
            lambda values: values.update(activation_function="Tanh"),
            "does not describe a linear layer",
        ),
        ("2_Dense/config.json", lambda values: values.update(in_features=33), "does not describe a linear layer"),
        ("2_Dense/config.json", lambda values: values.update(out_features=10**9), "does not describe a linear layer"),
        ("config.json", lambda values: values.update(model_type="bert"), "is a 'bert', and clipsearch runs distilbert"),
        ("config.json", lambda values: values.update(n_layers=10**9), "n_layers in config.json is 1000000000"),
        ("config.json", lambda values: values.update(n_heads=3), "a transformer that clipsearch does not run"),
        ("config.json", lambda values: values.update(n_layers=3), "tensors are missing"),
        ("sentence_bert_config.json", lambda values: values.update(max_seq_length="x"), "max_seq_length is 'x'"),
    ],
)
def test_a_configuration_that_is_not_computed_is_a_clear_error(file, change, message, clip, texts, known, tmp_path):
    copy = shutil.copytree(texts, tmp_path / "copy")
    change_json(copy / file, change)
    with pytest.raises(ModelError, match=message):
        with_text_model(load_encoder(clip), str(copy))


def test_a_linear_layer_that_is_only_pickled_is_refused(clip, texts, known, tmp_path):
    copy = shutil.copytree(texts, tmp_path / "copy")
    (copy / "2_Dense" / "model.safetensors").rename(copy / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(ModelError, match="it has pickled weights, which could run code, so they are not loaded"):
        with_text_model(load_encoder(clip), str(copy))


def test_a_folder_of_another_kind_is_a_clear_error(clip, tmp_path):
    with pytest.raises(ModelError, match=r"is not a text model of sentence-transformers: it has no modules\.json"):
        with_text_model(load_encoder(clip), str(tmp_path))
    (tmp_path / "modules.json").write_text(json.dumps(5))
    with pytest.raises(ModelError, match="cannot be read"):
        with_text_model(load_encoder(clip), str(tmp_path))
