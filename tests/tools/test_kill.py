"""SIGKILL at any moment costs at most the work since the last commit. tools/kill_index.py is the long form of this."""

import random
import sys
from pathlib import Path

import pytest

from tests.conftest import save_photo

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
from kill_index import one_round


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a Unix matter")
@pytest.mark.parametrize("kills", [1, pytest.param(4, marks=pytest.mark.long)])
def test_a_killed_run_leaves_an_index_that_the_next_one_completes(tmp_path, kills):
    randomness = random.Random(7)
    for number in range(36):  # more than a batch
        save_photo(tmp_path / "photos" / f"{number:03}.jpg", (number * 2, 99, 30), size=(400, 300), note=str(number))
    for kill in range(kills):
        *_, total = one_round(tmp_path / "photos", tmp_path / f"index{kill}", "mini", randomness.uniform(0.3, 2.5))
        assert total == 36


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a Unix matter")
def test_a_killed_change_of_model_leaves_the_old_index_or_the_new_one(tmp_path):
    from clipsearch import SearchEngine
    from tests.encoders.support import save_checkpoint

    model, randomness = save_checkpoint(tmp_path / "model"), random.Random(7)
    for number in range(60):
        save_photo(tmp_path / "photos" / f"{number:03}.jpg", (number * 2, 99, 30), size=(400, 300), note=str(number))
    with SearchEngine(tmp_path / "former", model="mini") as engine:
        engine.index(tmp_path / "photos")
    for kill in range(6):
        delay = randomness.uniform(0.5, 4)
        index = tmp_path / f"index{kill}"
        *_, total = one_round(tmp_path / "photos", index, str(model), delay, tmp_path / "former")
        assert total == 60
