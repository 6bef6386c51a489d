"""Every seed of tools/fuzz.py, including its past findings, is read or refused."""

import importlib.util
from pathlib import Path

import pytest

SEEDS = Path(__file__).parents[1] / "seeds"


def fuzz():
    spec = importlib.util.spec_from_file_location("fuzz", SEEDS.parents[1] / "tools" / "fuzz.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FILES = sorted(path for path in SEEDS.rglob("*") if path.is_file())


@pytest.mark.parametrize("seed", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_seed_is_read_or_refused(seed):
    fuzz().TARGETS[seed.parent.name](seed.read_bytes())


def test_every_target_has_seeds():
    assert {path.name for path in SEEDS.iterdir()} == set(fuzz().TARGETS)


def test_the_own_mutator_runs_too(monkeypatch):
    """For machines without atheris: a few inputs of the quickest target."""
    module = fuzz()
    ticks = iter(range(1000))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(ticks))
    assert module.with_own_mutator("query", 100) == 0
