"""`index --dry-run` lists the changes that the next run makes, and touches nothing itself."""

import json
import os
import shutil

import pytest

from clipsearch import SearchEngine
from clipsearch.errors import ClipsearchError, SyncRefused
from clipsearch.images.xmp import add_keywords
from clipsearch.indexing.walk import WalkRules
from clipsearch.render.contact_sheet import save_contact_sheet
from clipsearch.store.writer import CollectionWriter
from tests.cli.running import run_here
from tests.conftest import save_photo


def below(root, paths):
    return sorted(os.path.relpath(path, root).replace(os.sep, "/") for path in paths)


def tree(folder):
    """Every path below a folder with its size and time, and the folder's own time."""
    paths = [folder, *sorted(folder.rglob("*"))]
    return [(str(path), path.lstat().st_size, path.lstat().st_mtime_ns) for path in paths]


def test_a_new_folder_is_previewed_without_touching_it(photos, tmp_path, monkeypatch):
    monkeypatch.setattr("clipsearch.query.index_model.load_encoder", lambda *_, **__: pytest.fail("a model was loaded"))
    (photos / "notes.txt").write_text("words")
    before = tree(tmp_path)
    with SearchEngine.open(photos) as engine:
        preview = engine.preview(photos)
    assert below(photos, preview.new) == ["blue.jpg", "green.jpg", "red.jpg", "trip/grey.png", "yellow.jpg"]
    assert [(file.path, file.reason) for file in preview.skipped] == [(str(photos / "notes.txt"), "no picture")]
    assert (preview.changed, preview.gone, preview.unchanged, preview.refusal) == ((), (), 0, None)
    assert tree(tmp_path) == before


@pytest.mark.skipif(os.name == "nt", reason="pipes have no names there")
def test_links_to_nothing_and_pipes_are_told_from_other_files(engine, photos):
    (photos / "dead.jpg").symlink_to("nowhere")
    os.mkfifo(photos / "pipe.jpg")
    why = {os.path.basename(file.path): file.why for file in engine.preview().skipped}
    assert why == {"dead.jpg": "a link to nothing", "pipe.jpg": "not a regular file"}


def test_a_folder_of_a_mistyped_name_is_an_error(photos):
    with SearchEngine.open(photos) as engine, pytest.raises(ClipsearchError, match="there is no folder"):
        engine.preview(photos / "trips")
    assert not (photos / ".clipsearch").exists()


def test_it_lists_what_the_run_then_does(engine, photos):
    save_photo(photos / "new.jpg", "red", note="new")
    save_photo(photos / "red.jpg", "red", note="changed")
    (photos / "broken.jpg").write_bytes(b"no picture")
    (photos / "blue.jpg").unlink()
    preview = engine.preview()
    assert below(photos, preview.new) == ["broken.jpg", "new.jpg"]
    assert below(photos, preview.changed) == ["red.jpg"]
    assert below(photos, preview.gone) == ["blue.jpg"]
    report = engine.index()
    assert (report.added, report.failed, report.updated, report.removed) == (1, 1, 1, 1)
    assert report.unchanged == preview.unchanged == 3
    again = engine.preview()
    assert (again.new, again.changed, again.gone, again.known_failures) == ((), (), (), 1)
    assert below(photos, engine.preview(retry=True).again) == ["broken.jpg"]


def test_facts_that_wait_are_counted_as_the_run_then_reads_them(engine, photos, tmp_path):
    for name in ("red.jpg", "blue.jpg", "trip/grey.png"):
        add_keywords(str(photos / name), ["sea"])
    (photos / "stray.xmp").write_text("beside no photo")
    assert engine.status().stale == 3 and engine.index().facts == 3 and engine.status().stale == 0
    assert [file.path for file in engine.preview().skipped] == [str(photos / "stray.xmp")]
    (photos / "red.jpg.xmp").unlink()
    add_keywords(str(photos / "blue.jpg"), ["sky"])
    add_keywords(str(photos / "green.jpg"), ["new"])
    state, preview = engine.status(), engine.preview()
    assert state.stale == 3 and [root.facts for root in state.roots] == [3]
    assert below(photos, preview.facts) == ["blue.jpg", "green.jpg", "red.jpg"]
    assert below(photos, engine.preview(tmp_path).facts) == ["blue.jpg", "green.jpg", "red.jpg"]  # within a new root
    assert [file.path for file in preview.skipped] == [str(photos / "stray.xmp")]
    output = run_here("status", "--index", engine.index_folder, cwd=tmp_path)[1].decode()
    assert "3 with facts to read again; to update: clipsearch index" in " ".join(output.split())
    lines = run_here("index", photos, "--dry-run", cwd=tmp_path)[1].decode().replace(os.sep, "/").splitlines()
    assert lines[0] == "facts     photos/blue.jpg"
    assert lines[-1] == "3 with facts to read again, 5 unchanged; 1 entry skipped. Nothing was changed"
    assert engine.index().facts == 3 and engine.status().stale == 0 and engine.preview().facts == ()


def test_it_works_while_another_process_writes(engine, photos):
    with CollectionWriter(engine.index_folder):
        assert engine.preview().unchanged == 5


def test_photos_that_the_rules_leave_out_are_named_with_the_reason(engine, photos):
    preview = engine.preview(photos, rules=WalkRules(exclude=("red.*", "trip")))
    assert [(os.path.basename(file.path), file.reason) for file in preview.left_out] == [
        ("red.jpg", "excluded"),
        ("grey.png", "excluded"),
    ]
    assert (preview.gone, preview.refusal) == ((), None)
    assert engine.preview().unchanged == 5, "the rules of a preview are not kept"


def test_a_run_that_would_be_refused_is_listed_with_the_refusal(engine, photos):
    preview = engine.preview(photos, rules=WalkRules(exclude=("*.jpg",)))
    assert len(preview.left_out) == 4 and "because of `exclude`" in preview.refusal
    assert engine.preview(photos, rules=WalkRules(exclude=("*.jpg",)), prune=True).refusal is None


def test_a_parent_folder_takes_over_what_is_indexed_below_it(engine, photos, tmp_path):
    save_photo(tmp_path / "other.jpg")
    preview = engine.preview(tmp_path)
    assert (below(tmp_path, preview.new), preview.unchanged, preview.gone) == (["other.jpg"], 5, ())
    hidden = photos.rename(tmp_path / ".photos")
    with SearchEngine.open(hidden) as moved:
        preview = moved.preview(tmp_path)
        assert "would skip 5 of its photos" in preview.refusal and len(preview.left_out) == 5


def test_a_folder_that_is_gone_is_a_refusal_with_what_would_go(engine, photos, tmp_path):
    save_photo(tmp_path / "more" / "navy.jpg", (0, 0, 120))
    engine.index(tmp_path / "more")
    shutil.rmtree(tmp_path / "more")
    preview = engine.preview()
    assert f"{tmp_path / 'more'} was indexed and is not there now" in preview.refusal
    assert (below(tmp_path, preview.gone), preview.unchanged) == (["more/navy.jpg"], 5)
    assert engine.preview(prune=True).refusal is None
    with pytest.raises(SyncRefused, match="inside"):
        engine.preview(photos / "trip", rules=WalkRules(exclude=("x",)))


def test_contact_sheets_are_skipped(engine, photos):
    save_contact_sheet(engine.search("red", top_k=3), photos / "sheet.jpg", "red")
    assert [(file.reason, file.path) for file in engine.preview().skipped] == [("own", str(photos / "sheet.jpg"))]
    assert engine.preview().new == ()


def test_each_reason_says_what_to_do(photos, without_av):
    for name in ("Thumbs/x.jpg", ".git/x.jpg", "not/x.jpg", "android/x.jpg"):
        save_photo(photos / "trip" / name)
    for name in (".cloud.jpg.icloud", "film.mov", "notes.txt"):
        (photos / "trip" / name).write_text("words")
    (photos / "trip" / "android" / ".nomedia").touch()
    (photos / "trip" / "link").symlink_to(photos)
    with SearchEngine.open(photos) as engine:
        skipped = engine.preview(photos, rules=WalkRules(exclude=("not",))).skipped
    advice = {file.path[len(str(photos / "trip")) + 1 :].replace(os.sep, "/"): file.why for file in skipped}
    assert advice == {
        ".git/": "hidden: use `hidden=True`",
        "Thumbs/": "thumbnails of a NAS, a phone or a program: use `defaults=False`",
        "android/": "a folder with a .nomedia file: use `defaults=False`",
        "cloud.jpg": "only in the cloud: download it",
        "film.mov": "pip install 'clipsearch[video]'",
        "link/": "a link to a folder: use `follow_links=True`",
        "not/": "`exclude`",
        "notes.txt": "no photo",
    }


# -- the command


def test_the_command_lists_files_and_changes_nothing(photos, tmp_path):
    (photos / "notes.txt").write_text("words")
    before = tree(photos)
    status, output, errors = run_here("index", photos, "--dry-run", cwd=tmp_path)
    assert (status, errors) == (0, "")
    assert output.decode().replace(os.sep, "/").splitlines() == [
        "new       photos/blue.jpg",
        "new       photos/green.jpg",
        "new       photos/red.jpg",
        "new       photos/yellow.jpg",
        "new       photos/trip/grey.png",
        "skipped   photos/notes.txt  (no photo)",
        "5 to add; 1 entry skipped. Nothing was changed",
    ]
    status, output, errors = run_here("index", photos, "--dry-run", "--json", cwd=tmp_path)
    answer = json.loads(output)
    assert list(answer) == [
        "index",
        "new",
        "changed",
        "again",
        "facts",
        "gone",
        "left_out",
        "skipped",
        "unreadable",
        "unchanged",
        "known_failures",
        "refusal",
    ]
    assert answer["skipped"] == [{"path": str(photos / "notes.txt"), "reason": "no picture", "why": "no photo"}]
    assert tree(photos) == before


def test_a_refusal_is_an_error_of_the_command(engine, photos, tmp_path):
    status, _, errors = run_here("index", photos, "--dry-run", "--exclude", "*.jpg", cwd=tmp_path)
    assert status == 1 and "4 of the 5 indexed photos would leave the index, because of --exclude" in errors
    answer = json.loads(run_here("index", photos, "--dry-run", "--json", "--exclude", "*.jpg", cwd=tmp_path)[1])
    assert "because of --exclude" in answer["refusal"] and answer["left_out"][0]["why"] == "--exclude"


@pytest.mark.parametrize("option", [["--watch"], ["--ray", "local"], ["--store", "milvus://localhost/x"]])
def test_options_that_do_more_than_list_are_refused(photos, tmp_path, option):
    status, _, errors = run_here("index", photos, "--dry-run", *option, cwd=tmp_path)
    assert status == 2 and "--dry-run excludes --ray, --watch and --store" in errors


def test_failures_lists_what_is_skipped(engine, photos, tmp_path):
    (photos / "notes.txt").write_text("words")
    status, output, _ = run_here("failures", "--skipped", "--index", engine.index_folder, cwd=tmp_path)
    assert (status, output.decode()) == (0, f"{os.path.join('photos', 'notes.txt')}\tno photo\n")
    _, output, _ = run_here("failures", "--skipped", "-0", "--index", engine.index_folder, cwd=tmp_path)
    assert output == os.fsencode(photos / "notes.txt") + b"\0"
    _, output, _ = run_here("failures", "--skipped", "--json", "--index", engine.index_folder, cwd=tmp_path)
    assert json.loads(output)["skipped"] == [
        {"path": str(photos / "notes.txt"), "reason": "no picture", "why": "no photo"}
    ]


def test_the_summary_of_a_run_counts_what_was_skipped(engine, photos, tmp_path, without_av):
    for name in ("a.json", "b.json", "c.aae", "d.mov"):
        (photos / name).write_text("words")
    save_photo(photos / "#recycle" / "x.jpg")
    (photos / "link").symlink_to(photos / "trip")
    _, output, _ = run_here("index", photos, "--exclude", "red.*", cwd=tmp_path)
    assert output.decode().splitlines()[1:-1] == [
        "1 photo left the index because of --exclude; its file stays as it is",
        "skipped 1 .mov: pip install 'clipsearch[video]'",
        "skipped 3 files: 2 .json, 1 .aae",
        "skipped 1 link to a folder: use --follow-links",
        "left alone 1 folder of deleted photos, thumbnails, the system and the like",
        "skipped 1 .jpg: --exclude 'red.*' (remembered; --no-exclude takes it back)",
    ]
    _, output, _ = run_here("index", photos, "--json", cwd=tmp_path)
    assert list(json.loads(output))[-6:-4] == ["exclude", "no_longer_excluded"]
    assert list(json.loads(output))[-4:] == ["excluded", "excluded_folders", "own", "left_out"]
