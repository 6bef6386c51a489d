"""The recommended models: a table to choose from, their speeds, and which of them a new index takes."""

import json
from pathlib import Path

import numpy as np
import pytest

from clipsearch.encoders import hub, speeds
from clipsearch.encoders.recommended import DEFAULT_MODEL, MINI, MODELS, REFERENCE_MODEL, RecommendedModel, VisionShape
from clipsearch.encoders.registry import choose_default_model, find_checkpoint, model_rows
from clipsearch.errors import ClipsearchWarning, ModelError
from clipsearch.render.tables import models_table
from tests.cli.running import run_here

TINY = VisionShape("clip", 32, 16, 64, 2, 1, 128)
TINY_SIGLIP = VisionShape("siglip", 32, 16, 64, 2, 1, 128)


def entry(model: str, shape: VisionShape | None) -> RecommendedModel:
    return RecommendedModel(model, "", None, None, 1, 1, "MIT", "", shape)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setattr(speeds, "_cache_file", lambda: tmp_path / "speeds.json")
    return tmp_path / "speeds.json"


@pytest.fixture
def cached(monkeypatch):
    """The models that are in the cache while the hub is silent."""
    models = set()
    monkeypatch.setattr(hub, "cached_folder", lambda model, revision="main": Path(model) if model in models else None)
    monkeypatch.setattr(hub, "hub_error", lambda: TimeoutError())
    return models


def test_each_model_has_a_source_a_licence_and_a_use():
    rows = model_rows()
    assert [row["model"] for row in rows] == [MINI, *(each.model for each in MODELS)]
    assert all(row["source"] and row["licence"] and row["good_for"] and row["bytes"] for row in rows)
    assert [row["model"] for row in rows if row["is_default"]] == [DEFAULT_MODEL]
    table = models_table(rows)
    assert all(row["model"] in table for row in rows) and f"New indexes use {DEFAULT_MODEL}" in table


def test_a_speed_is_estimated_by_arithmetic_until_it_is_measured():
    estimated = {row["model"]: row["relative_speed"] for row in model_rows()}
    assert estimated[REFERENCE_MODEL] == 1 and 0.7 < estimated[DEFAULT_MODEL] < 0.8
    assert "~0.77x" in models_table(model_rows()) and "--measure" in models_table(model_rows())
    speeds.save_speeds({REFERENCE_MODEL: 40.0, DEFAULT_MODEL: 30.0})
    measured = {row["model"]: row for row in model_rows()}
    assert measured[DEFAULT_MODEL]["relative_speed"] == 0.75 and measured[DEFAULT_MODEL]["photos_per_second"] == 30
    assert measured[MINI]["photos_per_second"] is None
    assert " 0.75x" in models_table(model_rows())


def test_speeds_are_measured_without_a_checkpoint_and_once_for_each_shape(monkeypatch):
    entries = [entry(REFERENCE_MODEL, TINY), entry("same", TINY), entry("siglip", TINY_SIGLIP)]
    monkeypatch.setattr(speeds, "measurable_models", lambda: entries)
    monkeypatch.setattr(speeds, "_SECONDS", 0.01)
    seen = []
    measured = speeds.measure_speeds(lambda done, total: seen.append((done, total)))
    assert measured.keys() == {REFERENCE_MODEL, "same", "siglip"} and seen == [(0, 3), (1, 3), (2, 3)]
    assert measured["same"] == measured[REFERENCE_MODEL] and all(np.isfinite(value) for value in measured.values())


def test_every_shape_in_the_table_is_one_that_our_towers_compute():
    for model in speeds.measurable_models():
        if model.shape:
            plan = speeds.random_plan(model.shape)
            assert plan.image.image_size == model.shape.image_size and plan.image.tower.width == model.shape.width


@pytest.mark.parametrize("content", ["", "[]", '{"other": {}}', "null"])
def test_damaged_speeds_are_as_good_as_none(cache, content):
    cache.write_text(content)
    assert speeds.measured_speeds() == {}


def test_without_the_hub_a_small_cached_model_is_better_than_mini(cached):
    cached |= {REFERENCE_MODEL, "google/siglip2-so400m-patch14-224"}
    with pytest.warns(ClipsearchWarning, match=f"using {REFERENCE_MODEL}.*models pull {DEFAULT_MODEL}"):
        assert choose_default_model() == REFERENCE_MODEL
    cached.remove(REFERENCE_MODEL)  # the other would take minutes for a few photos
    with pytest.warns(ClipsearchWarning, match="using 'mini'"):
        assert choose_default_model() == MINI
    cached.add(DEFAULT_MODEL)
    assert choose_default_model() == DEFAULT_MODEL


def test_a_licence_that_forbids_commercial_use_is_named_before_the_download(cached, monkeypatch):
    def refuse(*_):
        raise ModelError("no hub")

    monkeypatch.setattr(hub, "fetch", refuse)
    with pytest.warns(ClipsearchWarning, match="forbids commercial use"), pytest.raises(ModelError):
        find_checkpoint("timm/MobileCLIP2-S0-OpenCLIP")
    with pytest.raises(ModelError):  # warnings are errors in these tests
        find_checkpoint(DEFAULT_MODEL)


def test_the_command_measures_and_prints_a_row_for_each_model(monkeypatch, tmp_path):
    monkeypatch.setattr(speeds, "measure_speeds", lambda progress: {REFERENCE_MODEL: 10.0, MINI: 20.0})
    rows = json.loads(run_here("models", "--measure", "--json", cwd=tmp_path)[1])["models"]
    assert {row["model"]: row["photos_per_second"] for row in rows if row["photos_per_second"]} == {
        REFERENCE_MODEL: 10,
        MINI: 20,
    }
    assert model_rows() == rows
