"""Files that could not be read: the index says since when, and whether it will try them again."""

from datetime import datetime, timedelta, timezone

import pytest

from clipsearch.images.files import ReadLimits
from clipsearch.render.contact_sheet import save_contact_sheet
from clipsearch.store.rows import Place
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Failure, ImageFile
from tests.cli.running import run_here
from tests.conftest import refuse_to_list


def test_a_failure_keeps_the_time_at_which_it_began_until_the_file_changes(engine, photos, monkeypatch):
    broken = photos / "broken.jpg"
    broken.write_bytes(b"no picture")
    moment = 1_700_000_000
    monkeypatch.setattr("clipsearch.store.writer.time.time", lambda: moment)
    engine.index()
    begun = datetime.fromtimestamp(moment, timezone.utc)
    assert [(failure.since, failure.attempts) for failure in engine.failures()] == [(begun, 1)]
    moment += 86_400
    engine.index(retry=True)
    assert [(failure.since, failure.attempts) for failure in engine.failures()] == [(begun, 2)]
    engine.index(retry=True, limits=ReadLimits(max_pixels=1_000_000))
    assert [(failure.since, failure.attempts) for failure in engine.failures()] == [(begun, 1)]
    broken.write_bytes(b"still no picture")
    engine.index()
    assert [failure.since for failure in engine.failures()] == [begun + timedelta(days=1)]


def test_failures_of_an_older_clipsearch_have_no_age_and_get_one(engine, photos):
    (photos / "broken.jpg").write_bytes(b"no picture")
    with pytest.MonkeyPatch.context() as older:
        older.setattr("clipsearch.store.writer.with_since", lambda tried_with, since: tried_with)
        engine.index()
    assert [failure.since for failure in engine.failures()] == [None]
    assert engine.index().known_failures == 1, "it is not tried again for that"
    engine.index(retry=True)
    assert [(failure.since is None, failure.attempts) for failure in engine.failures()] == [(False, 2)]


def test_status_is_not_up_to_date_over_what_is_tried_again_or_cannot_be_looked_at(
    engine, photos, tmp_path, monkeypatch
):
    assert "up to date" in status_of(engine, tmp_path) and engine.status().stale == 0
    refuse_to_list(monkeypatch, "trip")
    answer = " ".join(status_of(engine, tmp_path).split())
    assert "up to date, but for 1 that cannot be looked at; see: clipsearch index --dry-run" in answer
    assert [root.unreadable for root in engine.status().roots] == [1] and engine.status().stale == 1
    engine.index()  # it records what `failures` lists
    assert "cannot be looked at; see: clipsearch failures" in " ".join(status_of(engine, tmp_path).split())
    monkeypatch.undo()
    engine.index()
    (photos / "broken.jpg").write_bytes(b"no picture")
    with CollectionWriter(engine.index_folder) as collection:
        (root_id,) = collection.roots()
        state = (photos / "broken.jpg").stat()
        file = ImageFile(str(photos / "broken.jpg"), state.st_size, state.st_mtime_ns)
        collection.fail(Place(root_id, "", "broken.jpg"), Failure(file, "Permission denied", "access"))
        collection.commit()
    answer = status_of(engine, tmp_path)
    assert "1 to try again" in answer and "up to date" not in answer
    assert engine.status().stale == 1


def test_status_does_not_take_contact_sheets_for_new_photos(engine, photos, tmp_path):
    save_contact_sheet(engine.search("red", top_k=3), photos / "sheet.jpg", "red")
    assert "up to date" in status_of(engine, tmp_path)


def status_of(engine, cwd):
    _, output, _ = run_here("status", "--index", engine.index_folder, cwd=cwd)
    return output.decode()
