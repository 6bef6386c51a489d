"""What a run could not look at is among the failures until a run can."""

import pytest

from clipsearch.indexing.unreadable import UNREADABLE
from clipsearch.store.writer import CollectionWriter
from tests.cli.running import run_here
from tests.conftest import refuse_to_list


def test_a_folder_that_cannot_be_listed_is_among_the_failures_until_it_can(engine, photos, monkeypatch):
    with monkeypatch.context() as closed:
        refuse_to_list(closed, "trip")
        engine.index()
        (failure,) = engine.failures()
        assert (failure.file.path, failure.cause) == (str(photos / "trip"), "access")
        status, output, _ = run_here("failures", "--index", engine.index_folder, cwd=photos)
        advice = "allow yourself to read it; the next run tries it again"
        assert (status, output.decode().splitlines()) == (
            0,
            [f"trip\tcannot list this folder: Permission denied (access): {advice}"],
        )
        status, output, _ = run_here("index", cwd=photos)
        assert status == 3 and "1 could not be looked at; see: clipsearch failures" in output.decode()
        assert "trip: cannot list this folder" in run_here("failures", "--skipped", cwd=photos)[2]
    engine.index()
    assert engine.failures() == []


def test_a_run_over_one_folder_keeps_what_is_known_of_the_others(engine, photos, monkeypatch):
    engine.index()
    (photos / "b").mkdir()
    refuse_to_list(monkeypatch, ("trip", "b"))
    engine.index()
    monkeypatch.undo()
    engine.index(photos / "b")
    assert [failure.file.name for failure in engine.failures()] == ["trip"]


@pytest.mark.parametrize(
    "stored",
    ["[" * 100_000, "{}", "[1]", '[[1, "../..", "x"]]', '[[99, "a", "x"]]', '[["1", "a", "x"]]', '[[1, "/etc", "x"]]'],
)
def test_what_a_strangers_index_says_of_unreadable_folders_may_be_anything(engine, stored):
    with CollectionWriter(engine.index_folder) as collection:
        collection.remember(UNREADABLE, stored)
        collection.commit()
    assert engine.failures() == []
