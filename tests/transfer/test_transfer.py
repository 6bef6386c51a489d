"""Export and import of embeddings: every format, every refusal, and the effect of a later `index`."""

import contextlib
import csv
import hashlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from clipsearch import SearchEngine
from clipsearch._internal.cancel import CancelToken
from clipsearch.conditions import Below, Test
from clipsearch.encoders.base import normalise
from clipsearch.errors import Cancelled, ClipsearchError, CollectionNotFound, ModelMismatch
from clipsearch.store.collection import Collection
from clipsearch.store.verify import verify
from clipsearch.store.writer import CollectionWriter
from clipsearch.transfer import admission, export, formats, import_
from clipsearch.transfer.fields import EmbeddingReader
from clipsearch.types import Fingerprint, ImageFile, ImageInfo, Moment
from tests.conftest import ColourEncoder, give_captions, give_facts, names, save_photo
from tests.store.support import random_units

ROUND = ("npy", "jsonl", "parquet")


@pytest.fixture
def other(tmp_path, encoder):
    """An engine with the same model whose index does not exist yet."""
    with SearchEngine(tmp_path / "other", model="colours") as engine:
        yield engine


def held(engine):
    """The contents of an index: path → (vector's bytes, file, info)."""
    with Collection(engine.index_folder) as collection:
        return {
            record.file.path: (vector.tobytes(), record.file, record.info)
            for records, vectors in collection.scan()
            for record, vector in zip(records, vectors, strict=True)
        }


def reasons(report):
    return {os.path.basename(refused.path): refused.reason for refused in report.refused}


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows_of(engine, path):
    """Export the index as .jsonl, and return its objects. Tests change them."""
    engine.export(path, force=True)
    return [json.loads(line) for line in path.read_text().splitlines()]


# -- round trips


@pytest.mark.parametrize("ending", ROUND)
def test_an_export_comes_back_bit_by_bit_and_is_not_embedded_again(engine, other, photos, tmp_path, encoder, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    report = engine.export(tmp_path / f"out.{ending}")
    assert (report.images, report.format, report.fingerprint.model) == (5, ending, "colours")
    assert report.bytes == sum(os.path.getsize(file) for file in report.files)
    before = encoder.encoded
    taken = other.import_embeddings(tmp_path / f"out.{ending}", folder=photos)
    assert (taken.added, taken.updated, taken.unchanged, taken.refused) == (5, 0, 0, [])
    assert held(other) == held(engine)
    for words in ("red", "something blue", "yellow"):
        assert [(hit.path, hit.score) for hit in other.search(words, 5)] == [
            (hit.path, hit.score) for hit in engine.search(words, 5)
        ]
    again = other.import_embeddings(tmp_path / f"out.{ending}")
    assert (again.added, again.updated, again.unchanged) == (0, 0, 5)
    later = other.index()
    assert (later.added, later.updated, later.moved, later.removed, later.unchanged) == (0, 0, 0, 0, 5)
    assert encoder.encoded == before


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are Unicode there")
@pytest.mark.parametrize("ending", ROUND)
def test_paths_that_are_not_utf8_come_back(photos, encoder, tmp_path, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    os.rename(photos / "red.jpg", os.fsencode(photos) + b'/caf\xe9\n".jpg')
    save_photo(photos / "日本 é.jpg", "red", note="utf-8")
    with SearchEngine.open(photos) as engine, SearchEngine(tmp_path / "other", model="colours") as other:
        engine.index()
        engine.export(tmp_path / f"out.{ending}")
        assert other.import_embeddings(tmp_path / f"out.{ending}", folder=photos).added == 6
        assert held(other) == held(engine)
        engine.export(tmp_path / "out.csv")
    with open(tmp_path / "out.csv", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        assert {row["path"] for row in csv.DictReader(stream)} == set(held(engine))


def test_relative_paths_move_to_another_machine(engine, photos, tmp_path, encoder):
    engine.export(tmp_path / "out.npy", relative_to=str(photos))
    elsewhere = tmp_path / "elsewhere" / "pictures"
    shutil.copytree(photos, elsewhere, ignore=shutil.ignore_patterns(".clipsearch"))
    before = encoder.encoded
    with SearchEngine.open(elsewhere, model="colours") as moved:
        assert moved.import_embeddings(tmp_path / "out.npy", folder=elsewhere).added == 5
        assert moved.index().unchanged == 5 and encoder.encoded == before
        assert names(moved.search("grey", 1)) == ["grey.png"]


@settings(suppress_health_check=[HealthCheck.too_slow])  # on a busy machine
@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 8)), elements=st.floats(-1, 1, width=32)))
def test_numbers_in_text_are_the_float32_exactly(vectors):
    read = [np.array(json.loads(text), np.float64).astype(np.float32) for text in formats._json_lists(vectors)]
    assert np.array(read, np.float32).tobytes() == vectors.tobytes()


def test_vectors_made_by_encoders_keep_their_bytes_and_others_are_normalised_once(tmp_path):
    random = np.random.default_rng(1)
    unit = normalise(random.normal(size=(2000, 5)))
    rough = unit.astype(np.float16)
    for name, vectors in (("unit", unit), ("rough", rough)):
        np.save(tmp_path / f"{name}.npy", vectors)
        write_rows(tmp_path / f"{name}.jsonl", [{"path": str(number)} for number in range(len(vectors))])
    read = {
        name: np.concatenate(
            [block for _, block in admission.unit_blocks(import_.open_embeddings(tmp_path / f"{name}.npy"))]
        )
        for name in ("unit", "rough")
    }
    assert read["unit"].tobytes() == unit.tobytes()
    assert np.abs(np.linalg.norm(read["rough"].astype(np.float64), axis=1) - 1).max() < 1e-6
    assert np.abs(read["rough"] - unit).max() < 1e-3


# -- export


def test_npy_is_numpys_and_its_rows_are_in_the_same_order(engine, tmp_path):
    report = engine.export(tmp_path / "out.npy")
    assert report.files == (str(tmp_path / "out.npy"), str(tmp_path / "out.jsonl"))
    vectors = np.load(tmp_path / "out.npy", mmap_mode="r", allow_pickle=False)
    assert (vectors.dtype, vectors.shape) == (np.float32, (5, 4))
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    known = held(engine)
    for row, vector in zip(rows, vectors, strict=True):
        stored, file, info = known[row["path"]]
        assert vector.tobytes() == stored
        assert (row["size"], row["mtime_ns"], row["width"], row["content_hash"]) == (
            file.size,
            file.mtime_ns,
            info.width,
            info.content_hash,
        )
        assert (row["model"], row["model_digest"], row["model_dim"]) == ("colours", "digest of colours", 4)


def test_csv_has_records_and_embeddings_on_request(engine, tmp_path):
    engine.export(tmp_path / "out.csv")
    engine.export(tmp_path / "full.csv", embeddings=True)
    plain, full = (list(csv.DictReader((tmp_path / name).read_text().splitlines())) for name in ("out.csv", "full.csv"))
    assert [row["path"] for row in plain] == [row["path"] for row in full]
    assert "embedding" not in plain[0] and plain[0]["model"] == "colours"
    known = held(engine)
    for row in full:
        assert np.array(json.loads(row["embedding"]), np.float32).tobytes() == known[row["path"]][0]


def test_parquet_is_a_table_for_others(engine, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    engine.export(tmp_path / "out.parquet")
    table = parquet.read_table(tmp_path / "out.parquet")
    assert str(table.schema.field("embedding").type) == "fixed_size_list<element: float>[4]"
    model = json.loads(table.schema.metadata[b"clipsearch"])
    assert (model["model"], model["model_dim"], model["precision"]) == ("colours", 4, None)
    known = held(engine)
    for row in table.to_pylist():
        assert np.array(row["embedding"], np.float32).tobytes() == known[row["path"]][0]
    pandas = pytest.importorskip("pandas")
    assert len(pandas.read_parquet(tmp_path / "out.parquet")) == 5


def test_blocks_become_one_file(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "BLOCK", 2)
    seen = []
    for ending in ("npy", "jsonl", "csv"):
        engine.export(tmp_path / f"out.{ending}", force=True, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 5), (4, 5), (5, 5)] * 3
    assert np.load(tmp_path / "out.npy").shape == (5, 4)
    parquet = pytest.importorskip("pyarrow.parquet")
    engine.export(tmp_path / "out.parquet")
    assert parquet.ParquetFile(tmp_path / "out.parquet").num_row_groups == 3


def test_conditions_choose_what_is_written(engine, photos, tmp_path):
    assert engine.export(tmp_path / "a.csv", condition=Below(str(photos / "trip"))).images == 1
    assert engine.export(tmp_path / "b.csv", condition=Test("format", "=", "JPEG")).images == 4
    report = engine.export(tmp_path / "c.jsonl", condition=Test("format", "=", "PNG"), relative_to=str(photos / "trip"))
    assert report.images == 1 and json.loads((tmp_path / "c.jsonl").read_text())["path"] == "grey.png"


def test_conditions_that_no_photo_meets_write_files_without_rows(engine, tmp_path):
    none = Below(str(tmp_path / "nowhere"))
    for ending in ("csv", "jsonl", "npy", *(["parquet"] if find_spec("pyarrow") else [])):
        report = engine.export(tmp_path / f"none.{ending}", condition=none, force=True)
        assert report.images == 0 and Path(report.files[0]).exists()
    assert np.load(tmp_path / "none.npy").shape == (0, 4) and (tmp_path / "none.jsonl").read_bytes() == b""
    assert (tmp_path / "none.csv").read_text("utf-8").startswith("path,")


def test_a_refused_or_interrupted_export_leaves_no_partial_file(engine, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(ClipsearchError, match=r"is a folder; name a file in it, such as .*photos\.csv"):
        engine.export(out, format="csv")
    with pytest.raises(ClipsearchError, match="say which with `format`"):
        engine.export(out / "photos.txt")
    with pytest.raises(ClipsearchError, match="no folder"):
        engine.export(out / "nowhere" / "photos.npy")
    assert engine.export(out / "photos", format="npy").files[0] == str(out / "photos.npy")
    for name in ("photos.npy", "photos.jsonl"):  # the second file of an .npy counts as well
        with pytest.raises(ClipsearchError, match="force=True"):
            engine.export(out / name)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def stop(done, total):
        raise KeyboardInterrupt

    for ending in ("npy", "jsonl", "csv"):
        with pytest.raises(KeyboardInterrupt):
            engine.export(out / f"photos.{ending}", force=True, progress=stop)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    engine.export(out / "photos.npy", force=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_parquet_without_pyarrow_names_the_extra(engine, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ClipsearchError, match=r"clipsearch\[parquet\]"):
        engine.export(tmp_path / "out.parquet")
    (tmp_path / "out.parquet").write_bytes(b"PAR1")
    with pytest.raises(ClipsearchError, match=r"clipsearch\[parquet\]"):
        engine.import_embeddings(tmp_path / "out.parquet")


def test_an_empty_index_has_nothing_to_export(tmp_path, encoder):
    (tmp_path / "photos").mkdir()
    with SearchEngine.open(tmp_path / "photos") as engine:
        with pytest.raises(CollectionNotFound):
            engine.export(tmp_path / "out.npy")
        photo = save_photo(tmp_path / "photos" / "red.jpg")
        engine.index(tmp_path / "photos")
        engine.forget(photo)
        with pytest.raises(ClipsearchError, match="nothing to export"):
            engine.export(tmp_path / "out.npy")


# -- import: rows


def test_files_from_elsewhere_need_only_path_and_embedding(engine, other, photos, tmp_path):
    rows = [{"path": row["path"], "embedding": row["embedding"]} for row in rows_of(engine, tmp_path / "out.jsonl")]
    write_rows(tmp_path / "bare.jsonl", rows)
    report = other.import_embeddings(tmp_path / "bare.jsonl", folder=photos, trust_model=True)
    assert report.added == 5 and held(other) == held(engine)  # the photos' own facts were read from the files


def test_a_files_facts_about_a_photo_count_only_with_its_hash(engine, other, photos, tmp_path):
    rows = rows_of(engine, tmp_path / "out.jsonl")
    rows[0]["camera"] = "Box Brownie"
    rows[1]["width"] = -5  # invalid, so the photo's own width counts
    rows[2].update(camera="Box Brownie", content_hash=None)  # without a hash, the photo itself is read
    report = other.import_embeddings(write_rows(tmp_path / "out.jsonl", rows), folder=photos)
    assert report.added == 5
    known, true = held(other), held(engine)
    assert known[rows[0]["path"]][2].camera == "Box Brownie"
    for row in rows[1:]:
        assert known[row["path"]] == true[row["path"]]


@pytest.mark.parametrize("ending", ROUND)
def test_facts_travel(engine, photos, other, tmp_path, ending):
    pytest.importorskip("pyarrow")
    engine.index()
    facts = {
        "title": "By the sea", "keywords": ("Sea", "New York"), "people": ("Anna",), "rating": -1, "label": "Red",
        "taken_at": datetime(2020, 1, 2), "taken_from": "sidecar", "text": "EXIT",
    }  # fmt: skip
    give_facts(engine.index_folder, "red.jpg", **facts)
    path = tmp_path / f"file.{ending}"
    engine.export(path)
    assert other.import_embeddings(path, folder=photos).added == 5
    assert held(other) == held(engine)
    (info,) = [info for path, (_, _, info) in held(other).items() if path.endswith("red.jpg")]
    assert {name: getattr(info, name) for name in facts} == facts


@pytest.mark.parametrize("ending", ROUND)
def test_captions_travel_and_are_cleaned_on_the_way(engine, other, photos, tmp_path, ending):
    pytest.importorskip("pyarrow")
    give_captions(engine.index_folder, {"red.jpg": "a red wall", "blue.jpg": "'the', \"sea\" ünï"})
    engine.export(tmp_path / f"out.{ending}")
    assert other.import_embeddings(tmp_path / f"out.{ending}", folder=photos).added == 5
    assert held(other) == held(engine)
    assert sorted(info.caption for _, _, info in held(other).values() if info.caption) == [
        "'the', \"sea\" ünï",
        "a red wall",
    ]
    assert other.import_embeddings(tmp_path / f"out.{ending}", folder=photos).unchanged == 5


def test_a_caption_is_added_changed_and_kept(engine, photos, tmp_path):
    rows = rows_of(engine, tmp_path / "out.jsonl")
    red = next(row for row in rows if row["path"].endswith("red.jpg"))

    def caption_after(**changes):
        engine.import_embeddings(write_rows(tmp_path / "in.jsonl", [{**red, **changes}]))
        return held(engine)[red["path"]][2].caption

    bare = {"content_hash": None, "width": None}  # the photo is read, and it has no caption
    assert caption_after(caption=" a\x1b\nwall\0", **bare) == "a wall"
    assert caption_after(caption="a red wall") == "a red wall"
    assert caption_after(caption=None) == caption_after() == "a red wall"
    assert caption_after(caption=7, embedding=red["embedding"][::-1]) == "a red wall"  # another vector, the same photo
    save_photo(photos / "red.jpg", "blue")
    assert caption_after(**bare) is None


def test_rows_that_cannot_be_taken_are_reported_and_the_others_are_taken(engine, other, photos, tmp_path):
    rows = {os.path.basename(row["path"]): row for row in rows_of(engine, tmp_path / "out.jsonl")}
    save_photo(photos / "green.jpg", "blue", note="another picture")
    os.remove(photos / "blue.jpg")
    save_photo(photos / ".hidden.jpg", "red", note="h")
    save_photo(photos / "node_modules" / "n.jpg", "red", note="n")
    save_photo(tmp_path / "outside.jpg", "red", note="o")
    (photos / "folder.jpg").mkdir()
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (photos / "notes.txt").write_text("words")
    bare = {"embedding": rows["red.jpg"]["embedding"], **{k: v for k, v in rows["red.jpg"].items() if "model" in k}}
    more = [photos / ".hidden.jpg", photos / "node_modules" / "n.jpg", tmp_path / "outside.jpg", photos / "folder.jpg",
            photos / "broken.jpg", photos / "notes.txt", "\ud800.jpg", photos]  # fmt: skip
    lines = [*rows.values(), *({**bare, "path": str(path)} for path in more), rows["red.jpg"]]
    report = other.import_embeddings(write_rows(tmp_path / "out.jsonl", lines), folder=photos)
    assert report.added == 3 and report.failed == 11
    told = reasons(report)
    assert "stale" in told["green.jpg"] and told["blue.jpg"] == "there is no such file"
    assert (
        "passes over" in told[".hidden.jpg"] and "passes over" in told["n.jpg"] and "passes over" in told["notes.txt"]
    )
    assert "not below" in told["outside.jpg"] and told["folder.jpg"] == "not a regular file"
    assert "first one counts" in told["red.jpg"] and "not a path" in told["\ud800.jpg"]
    assert told["broken.jpg"] and "not below" in told["photos"]
    assert {refused.row for refused in report.refused} >= {6, 7, len(lines)}
    assert other.index().removed == 0


def test_a_stale_row_with_only_a_hash_is_refused_as_well(engine, other, photos, tmp_path):
    rows = rows_of(engine, tmp_path / "out.jsonl")
    for row in rows:
        del row["width"]
    save_photo(photos / "green.jpg", "blue", note="another picture")
    report = other.import_embeddings(write_rows(tmp_path / "out.jsonl", rows), folder=photos)
    assert report.added == 4 and "stale" in reasons(report)["green.jpg"]


def test_only_below_the_folder_that_is_given(engine, photos, tmp_path):
    engine.export(tmp_path / "out.npy")
    report = engine.import_embeddings(tmp_path / "out.npy", folder=photos / "trip")
    assert report.unchanged == 1 and report.failed == 4


def test_relative_paths_need_one_folder_to_begin_at(engine, photos, tmp_path):
    engine.export(tmp_path / "out.npy", relative_to=str(photos))
    assert engine.import_embeddings(tmp_path / "out.npy").unchanged == 5  # the only root
    save_photo(tmp_path / "more" / "a.jpg", "red", note="more")
    engine.index(tmp_path / "more")
    told = reasons(engine.import_embeddings(tmp_path / "out.npy"))
    assert "relative" in told["red.jpg"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_photos_behind_a_link_that_index_does_not_follow_are_refused(engine, photos, tmp_path):
    save_photo(tmp_path / "behind" / "a.jpg", "red", note="behind")
    (photos / "link").symlink_to(tmp_path / "behind")
    row = {**rows_of(engine, tmp_path / "out.jsonl")[0], "path": str(photos / "link" / "a.jpg"), "content_hash": None}
    report = engine.import_embeddings(write_rows(tmp_path / "out.jsonl", [row]))
    assert "link" in reasons(report)["a.jpg"]


def test_another_vector_or_another_content_updates(engine, photos, tmp_path, encoder):
    rows = rows_of(engine, tmp_path / "out.jsonl")
    rows[0]["embedding"] = [1.0, 0, 0, 0]
    report = engine.import_embeddings(write_rows(tmp_path / "out.jsonl", rows))
    assert (report.added, report.updated, report.unchanged) == (0, 1, 4)
    assert np.frombuffer(held(engine)[rows[0]["path"]][0], np.float32).tolist() == [1, 0, 0, 0]
    before = encoder.encoded
    os.utime(rows[1]["path"], ns=(1, 1))
    assert engine.import_embeddings(tmp_path / "out.jsonl").updated == 1
    assert engine.index().unchanged == 5 and encoder.encoded == before


def test_a_format_that_no_filter_knows_is_read_from_the_photo(engine, tmp_path):
    rows = rows_of(engine, tmp_path / "out.jsonl")
    names = [row["format"] for row in rows]
    odd = iter(["x'odd\\", "", "x'odd\\", "jpeg xxl"])
    for row in rows:
        row["format"] = "jpg " if row["path"].endswith("red.jpg") else next(odd)
    write_rows(tmp_path / "out.jsonl", rows)
    engine.forget(*(row["path"] for row in rows))
    assert engine.import_embeddings(tmp_path / "out.jsonl").added == 5
    assert sorted(record.info.format for record in engine.browse()[0]) == sorted(names)


def test_a_photo_of_the_same_content_keeps_its_id(engine, photos, tmp_path, encoder):
    def ids():
        return {record.file.path: record.image_id for record in engine.browse()[0]}

    before, encoded = ids(), encoder.encoded
    rows = rows_of(engine, tmp_path / "out.jsonl")
    for row in rows:
        os.utime(row["path"], ns=(1, 1))
    report = engine.import_embeddings(tmp_path / "out.jsonl")
    assert (report.added, report.updated, report.refused) == (0, 5, []) and ids() == before
    assert {file.mtime_ns for _, file, _ in held(engine).values()} == {1}
    write_rows(tmp_path / "out.jsonl", [{**row, "caption": f"a {row['format']} of zebras"} for row in rows])
    assert engine.import_embeddings(tmp_path / "out.jsonl").updated == 5 and ids() == before
    assert len(engine.search(text="zebras")) == 5
    write_rows(tmp_path / "out.jsonl", [{**row, "caption": "lions"} for row in rows])
    engine.import_embeddings(tmp_path / "out.jsonl")
    assert (len(engine.search(text="zebras")), len(engine.search(text="lions"))) == (0, 5)
    assert engine.index().unchanged == 5 and ids() == before and encoder.encoded == encoded
    assert verify(engine.index_folder).damages == ()


@pytest.mark.parametrize("between", [0, 2000])
def test_the_first_row_of_a_photo_that_can_be_taken_counts_wherever_the_others_are(engine, tmp_path, between):
    row = rows_of(engine, tmp_path / "out.jsonl")[0]
    new, newer, stale = (
        {**row, "embedding": [1.0, 0, 0, 0]},
        {**row, "embedding": [0, 1.0, 0, 0]},
        {**row, "content_hash": "0" * 64},
    )
    gap = [{**row, "path": f"/nowhere/{number}.jpg"} for number in range(between)]
    rows = write_rows(tmp_path / "in.jsonl", [stale, *gap, new, *gap, row, *gap, newer])
    report = engine.import_embeddings(rows)
    assert (report.added, report.updated, report.unchanged) == (0, 1, 0)
    told = [(refused.row, refused.reason) for refused in report.refused if refused.path == row["path"]]
    assert [number for number, _ in told] == [1, 3 + 2 * between, 4 + 3 * between]
    assert "stale" in told[0][1] and all("had a row before" in reason for _, reason in told[1:])
    assert np.frombuffer(held(engine)[row["path"]][0], np.float32).tolist() == [1, 0, 0, 0]


def test_vectors_of_any_length_are_scaled_on_request(engine, other, photos, tmp_path):
    rows = rows_of(engine, tmp_path / "out.jsonl")
    for row in rows:
        row["embedding"] = [value * 7.5 for value in row["embedding"]]
    write_rows(tmp_path / "long.jsonl", rows)
    with pytest.raises(ClipsearchError, match=r"row 1 \(.*norm 7.5, not 1.*any_length=True"):
        other.import_embeddings(tmp_path / "long.jsonl", folder=photos)
    assert not other.index_folder.exists()
    assert other.import_embeddings(tmp_path / "long.jsonl", folder=photos, any_length=True).added == 5
    assert [hit.path for hit in other.search("red", 5)] == [hit.path for hit in engine.search("red", 5)]


# -- import: whole files


def test_a_new_index_needs_a_folder_and_a_model(engine, other, photos, tmp_path):
    engine.export(tmp_path / "out.npy")
    with pytest.raises(CollectionNotFound, match="folder=FOLDER"):
        other.import_embeddings(tmp_path / "out.npy")
    with SearchEngine(tmp_path / "other") as unnamed, pytest.raises(ClipsearchError, match=r"model=NAME.*'colours'"):
        unnamed.import_embeddings(tmp_path / "out.npy", folder=photos)
    with pytest.raises(ClipsearchError, match="no folder"):
        other.import_embeddings(tmp_path / "out.npy", folder=tmp_path / "nowhere")
    assert not other.index_folder.exists()
    report = other.import_embeddings(
        write_rows(tmp_path / "gone.jsonl", [{**rows_of(engine, tmp_path / "out.jsonl")[0], "path": "gone.jpg"}]),
        folder=photos,
    )
    assert report.no_index and report.failed == 1 and not other.index_folder.exists()


def test_embeddings_of_another_model_are_refused(engine, other, photos, tmp_path, monkeypatch):
    engine.export(tmp_path / "out.npy")
    monkeypatch.setattr("clipsearch.query.index_model.load_encoder", lambda name, **options: ColourEncoder("others"))
    with pytest.raises(ModelMismatch, match=r"'colours'.*'others'"):
        other.import_embeddings(tmp_path / "out.npy", folder=photos)
    with SearchEngine(engine.index_folder, model="others") as wrong, pytest.raises(ModelMismatch):
        wrong.import_embeddings(tmp_path / "out.npy")
    assert not other.index_folder.exists()


def test_a_file_without_a_model_needs_it_named_and_confirmed(engine, tmp_path):
    rows = [{"path": row["path"], "embedding": row["embedding"]} for row in rows_of(engine, tmp_path / "out.jsonl")]
    write_rows(tmp_path / "bare.jsonl", rows)
    for options in ({}, {"trust_model": True}):
        with pytest.raises(ClipsearchError, match=r"`model`.*trust_model=True"):
            engine.import_embeddings(tmp_path / "bare.jsonl", **options)
    with SearchEngine(engine.index_folder, model="colours") as named:
        with pytest.raises(ClipsearchError, match="trust_model=True"):
            named.import_embeddings(tmp_path / "bare.jsonl")
        assert named.import_embeddings(tmp_path / "bare.jsonl", trust_model=True).unchanged == 5


class OneRow(EmbeddingReader):
    def __init__(self, stated, dim=4):
        self.path, self.stated, self.dim, self.rows = Path("x.npy"), stated, dim, 1

    def blocks(self):
        yield from ()


def test_which_model_is_agreed_on():
    ours = Fingerprint("m", "r", "d", 4, None)
    int8, fp32 = replace(ours, precision="int8"), replace(ours, precision="fp32")
    agreed = admission.agreed_model
    assert agreed(OneRow(int8), ours, None, trust=False) == int8  # the index has no precision yet
    assert agreed(OneRow(ours), int8, None, trust=False) == int8
    assert agreed(OneRow(fp32), None, ours, trust=False) == fp32
    assert agreed(OneRow(None), None, ours, trust=True) == ours
    for stated, index, dim in ((int8, fp32, 4), (replace(ours, digest="e"), ours, 4), (None, ours, 5), (ours, ours, 5)):
        with pytest.raises(ModelMismatch):
            agreed(OneRow(stated, dim), index, ours, trust=True)


def test_rows_of_two_models_in_one_file_are_refused(engine, tmp_path):
    rows = rows_of(engine, tmp_path / "out.jsonl")
    rows[3]["model_digest"] = "another"
    with pytest.raises(ClipsearchError, match="row 4 is from another model"):
        engine.import_embeddings(write_rows(tmp_path / "out.jsonl", rows))


HOSTILE_ROWS = {
    "not JSON": "{",
    "a list": "[]",
    "nested": "[" * 100_000,
    "empty line": "",
    "no path": '{"embedding": [1, 0, 0, 0]}',
    "a path with NUL": '{"path": "a\\u0000", "embedding": [1, 0, 0, 0]}',
    "no embedding": '{"path": "a"}',
    "text": '{"path": "a", "embedding": ["1", "0", "0", "0"]}',
    "truths": '{"path": "a", "embedding": [true, 0, 0, 0]}',
    "nothing": '{"path": "a", "embedding": []}',
    "ragged": '{"path": "a", "embedding": [1, 0, 0]}',
    "NaN": '{"path": "a", "embedding": [NaN, 0, 0, 1]}',
    "infinite": '{"path": "a", "embedding": [1e999, 0, 0, 1]}',
    "huge": '{"path": "a", "embedding": [1' + "0" * 400 + ", 0, 0, 1]}",
    "beyond int": '{"path": "a", "embedding": [1' + "0" * 5000 + ", 0, 0, 1]}",
    "zero": '{"path": "a", "embedding": [0, 0, 0, 0]}',
    "bad hash": '{"path": "a", "content_hash": "xyz", "embedding": [1, 0, 0, 0]}',
    "too long": '{"path": "a", "embedding": [' + "1," * 3_000_000 + "1]}",
}


@pytest.mark.parametrize("line", HOSTILE_ROWS.values(), ids=HOSTILE_ROWS.keys())
@pytest.mark.parametrize("first", [True, False])
def test_lines_that_make_no_sense_name_their_row(other, photos, tmp_path, line, first):
    good = '{"path": "a", "embedding": [1, 0, 0, 0]}'
    (tmp_path / "out.jsonl").write_text("".join(text + "\n" for text in ([line, good] if first else [good, line])))
    with pytest.raises(ClipsearchError, match=r"row [12]|holds vectors of 3"):
        other.import_embeddings(tmp_path / "out.jsonl", folder=photos, trust_model=True, any_length=True)
    assert not other.index_folder.exists()


@pytest.mark.parametrize("values", [
    {"model_digest": 5}, {"model_dim": "4"}, {"precision": "fp64"}, {"model": None}, {"model_digest": "x" * 5000},
    {"model_dim": 0},
])  # fmt: skip
def test_a_model_that_makes_no_sense_is_refused(other, photos, tmp_path, values):
    model = {
        "model": "colours",
        "model_revision": "",
        "model_digest": "digest of colours",
        "model_dim": 4,
        "precision": None,
    }
    row = {"path": "red.jpg", "embedding": [1, 0, 0, 0], **model}
    with pytest.raises(ClipsearchError, match="the model that it names"):
        other.import_embeddings(write_rows(tmp_path / "out.jsonl", [{**row, **values}]), folder=photos)
    assert other.import_embeddings(write_rows(tmp_path / "out.jsonl", [row]), folder=photos).added == 1


class Bomb:
    def __reduce__(self):
        return (os.mkdir, ("pickle-was-loaded",))


def hostile_npys():
    unit = np.eye(4, dtype=np.float32)
    yield "objects", lambda path: np.save(path, np.array([[Bomb()] * 4] * 5), allow_pickle=True), "npy file|holds"
    yield "a pickle", lambda path: path.write_bytes(pickle.dumps(Bomb())), "not a .npy"
    yield "integers", lambda path: np.save(path, unit.astype(np.int8)), "int8"
    yield "one row", lambda path: np.save(path, unit[0]), "shape"
    yield "by columns", lambda path: np.save(path, np.asfortranarray(unit[:3])), "by columns"
    yield "no rows", lambda path: np.save(path, unit[:0]), "more lines"
    yield "empty", lambda path: path.write_bytes(b""), "not a .npy"
    yield "few rows", lambda path: np.save(path, unit), "more lines"
    yield "many rows", lambda path: np.save(path, np.tile(unit, (2, 1))), "5 lines"
    yield (
        "zipped",
        lambda path: (np.savez(path.with_suffix(".npz"), unit), path.with_suffix(".npz").replace(path)),
        "not a",
    )
    yield "bad header", lambda path: path.write_bytes(b"\x93NUMPY\x01\x00\x06\x00{'a':\n"), "not a .npy"
    claims = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 4), }\n"
    head = b"\x93NUMPY\x01\x00" + len(claims).to_bytes(2, "little") + claims
    yield "a claim", lambda path: path.write_bytes(head + bytes(80)), "holds 80 bytes"
    yield "negative", lambda path: path.write_bytes(head.replace(b"(1000000000000", b"(-100000000000")), "shape|not a"


@pytest.mark.parametrize(("write", "message"), [pytest.param(*rest, id=name) for name, *rest in hostile_npys()])
def test_invalid_npy_files_are_refused_before_they_are_read(other, photos, tmp_path, monkeypatch, write, message):
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "out.jsonl", [{"path": f"{number}.jpg"} for number in range(5)])
    write(tmp_path / "out.npy")
    with pytest.raises(ClipsearchError, match=message):
        other.import_embeddings(tmp_path / "out.npy", folder=photos, any_length=True, trust_model=True)
    assert not other.index_folder.exists() and not Path("pickle-was-loaded").exists()


def test_an_npy_needs_its_rows_and_other_files_are_not_read(engine, tmp_path):
    np.save(tmp_path / "alone.npy", np.eye(4, dtype=np.float32))
    (tmp_path / "a.csv").write_text("path\n")
    engine.export(tmp_path / "pair.npy")
    wrong = {
        "alone.npy": "beside it",
        "a.csv": "import reads",
        "nowhere.npy": "no file",
        "pair.jsonl": "rows of pair.npy",
    }
    for name, message in wrong.items():
        with pytest.raises(ClipsearchError, match=message):
            engine.import_embeddings(tmp_path / name)


def test_float16_and_float64_are_read(engine, other, photos, tmp_path):
    engine.export(tmp_path / "out.npy")
    vectors = np.load(tmp_path / "out.npy")
    for number, kind in enumerate((">f8", "<f2")):
        np.save(tmp_path / "out.npy", vectors.astype(kind))
        report = other.import_embeddings(tmp_path / "out.npy", folder=photos)
        assert (report.added, report.updated) == ((5, 0), (0, 5))[number]
        if kind == ">f8":
            assert held(other) == held(engine)


def hostile_tables(pa, rows):
    paths, vectors = [row["path"] for row in rows], [row["embedding"] for row in rows]
    lists = pa.list_(pa.float32())
    yield {"path": paths}, "no column 'embedding'"
    yield {"embedding": pa.array(vectors, lists)}, "no column 'path'"
    yield {"path": paths, "embedding": paths}, "not lists of floats"
    yield {"path": paths, "embedding": pa.array([[1] * 4] * 5, pa.list_(pa.int64()))}, "not lists of floats"
    yield {"path": paths, "embedding": pa.array([*vectors[:4], None], lists)}, "row 5 has no embedding"
    yield {"path": paths, "embedding": pa.array([*vectors[:4], [1.0]], lists)}, "row 5 has 1 values"
    yield {"path": paths, "embedding": pa.array([*vectors[:4], [1.0, None, 0, 0]], lists)}, "row 5 .*missing"
    yield {"path": paths, "embedding": pa.array([[]] * 5, lists)}, "without values"
    yield {"path": pa.array([None] * 5, pa.string()), "embedding": pa.array(vectors, lists)}, "row 1 has no"
    yield {"path": list(range(5)), "embedding": pa.array(vectors, lists)}, "row 1 has no"
    yield {"path": paths, "embedding": pa.array([[np.nan] * 4] * 5, lists)}, "not finite"


def test_parquet_files_that_make_no_sense_are_refused(engine, tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = rows_of(engine, tmp_path / "out.jsonl")
    file = tmp_path / "out.parquet"
    with SearchEngine(engine.index_folder, model="colours") as named:
        for columns, message in hostile_tables(pa, rows):
            pq.write_table(pa.table(columns), file)
            with pytest.raises(ClipsearchError, match=message):
                named.import_embeddings(file, trust_model=True)
        engine.export(file, force=True)
        whole = file.read_bytes()
        random = np.random.default_rng(3)
        for data in (b"", b"PAR1", whole[:-20], whole[: len(whole) // 2], b"PAR1" + bytes(200) + b"PAR1"):
            file.write_bytes(data)
            with pytest.raises(ClipsearchError, match="Parquet"):
                named.import_embeddings(file, trust_model=True)
        for _ in range(200):  # every flipped byte gives our own error or none
            data = bytearray(whole)
            data[random.integers(len(data))] ^= int(random.integers(1, 256))
            file.write_bytes(data)
            with contextlib.suppress(ClipsearchError):
                named.import_embeddings(file, trust_model=True)


def test_parquet_from_elsewhere_has_lists_of_any_kind_and_paths_as_bytes(engine, other, photos, tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = rows_of(engine, tmp_path / "out.jsonl")
    table = {
        "path": pa.array([os.fsencode(row["path"]) for row in rows], pa.binary()),
        "embedding": pa.array([row["embedding"] for row in rows], pa.large_list(pa.float64())),
    }
    pq.write_table(pa.table(table), tmp_path / "in.parquet")
    assert other.import_embeddings(tmp_path / "in.parquet", folder=photos, trust_model=True).added == 5
    assert {path: bits for path, (bits, *_) in held(other).items()} == {p: b for p, (b, *_) in held(engine).items()}


# -- import: interrupted


@pytest.fixture
def many(tmp_path, encoder, monkeypatch):
    """An export of 40 photos, and an index with one of them. A block has 4 rows, a commit 8."""
    for number in range(40):
        save_photo(tmp_path / "photos" / f"{number:02}.jpg", (number * 6, 99, 30), note=str(number))
    with SearchEngine.open(tmp_path / "photos") as engine:
        engine.index()
        rows = rows_of(engine, tmp_path / "out.jsonl")
    write_rows(tmp_path / "first.jsonl", rows[:1])
    with SearchEngine(tmp_path / "other", model="colours") as other:
        other.import_embeddings(tmp_path / "first.jsonl", folder=tmp_path / "photos")
        yield other, engine


_SMALL_STEPS = "fields.EmbeddingReader.block_rows, import_.COMMIT_IMAGES = 4, 8"


def test_a_cancelled_import_keeps_whole_commits_and_the_next_run_goes_on(many, tmp_path, monkeypatch):
    other, engine = many
    monkeypatch.setattr(EmbeddingReader, "block_rows", 4)
    monkeypatch.setattr(import_, "COMMIT_IMAGES", 8)

    def stop(report, done, total):
        assert total == 40
        if done == 20:
            cancel.cancel()

    cancel = CancelToken()
    report = other.import_embeddings(tmp_path / "out.jsonl", progress=stop, cancel=cancel)
    assert report.interrupted and report.added + report.unchanged + report.left == 40
    assert len(held(other)) == report.added + 1 and 0 < report.left < 40
    again = other.import_embeddings(tmp_path / "out.jsonl")
    assert again.unchanged == report.added + 1 and again.added == 39 - report.added
    assert held(other) == held(engine)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL exists on Unix only")
@pytest.mark.parametrize("after", [4, 16, 36, 40])
def test_a_killed_import_leaves_the_index_whole(many, tmp_path, after):
    sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
    from kill_index import check

    other, engine = many
    script = f"""
import os, signal
from clipsearch.transfer import fields, import_
from clipsearch.engine import SearchEngine
{_SMALL_STEPS}
def kill(report, done, total):
    if done == {after}: os.kill(os.getpid(), signal.SIGKILL)
SearchEngine({str(other.index_folder)!r}).import_embeddings({str(tmp_path / "out.jsonl")!r}, progress=kill)
"""
    result = subprocess.run([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    assert result.returncode == -signal.SIGKILL, result.stderr
    kept = check(other.index_folder)
    assert 1 <= kept <= after
    report = other.import_embeddings(tmp_path / "out.jsonl")
    assert report.unchanged == kept and check(other.index_folder) == 40
    assert held(other) == held(engine)


@pytest.mark.parametrize("ending", [*ROUND, "csv"])
def test_a_cancelled_export_writes_nothing(engine, tmp_path, ending):
    cancel, out = CancelToken(), tmp_path / "out"
    out.mkdir()
    (out / f"x.{ending}").write_text("before")
    with pytest.raises(Cancelled):
        engine.export(out / f"x.{ending}", force=True, progress=lambda done, total: cancel.cancel(), cancel=cancel)
    assert os.listdir(out) == [f"x.{ending}"] and (out / f"x.{ending}").read_text() == "before"


# -- files with several pictures

MOMENTS = {"scan.tif": ("page", (1.0, 2.0, 3.0)), "film.mp4": ("second", (0.0, 1.25, 7.5, 90.1))}


@pytest.fixture
def several(engine, photos, monkeypatch):
    """An engine whose index has two files with several pictures, which only their names make films."""
    monkeypatch.setattr(admission, "is_image_name", lambda name: True)
    with CollectionWriter(engine.index_folder) as collection:
        for seed, (name, (unit, places)) in enumerate(MOMENTS.items()):
            path = photos / name
            path.write_bytes(name.encode())
            state = path.stat()
            vectors = random_units(len(places), collection.fingerprint.dim, seed)
            info = ImageInfo(
                64, 48, {"tif": "TIFF", "mp4": "MP4"}[name[-3:]], hashlib.sha256(name.encode()).hexdigest(),
                moments=tuple(Moment(unit, at) for at in places),
            )  # fmt: skip
            place = collection.place(str(path))
            collection.add(place, ImageFile(str(path), state.st_size, state.st_mtime_ns), info, vectors)
        collection.commit()
    return engine


def all_held(engine):
    """The contents of an index: (path, moment) → (vector's bytes, file, info)."""
    with Collection(engine.index_folder) as collection:
        return {
            (record.file.path, record.moment): (vector.tobytes(), record.file, record.info)
            for records, vectors in collection.scan(all_pictures=True)
            for record, vector in zip(records, vectors, strict=True)
        }


def film_rows(engine, path):
    """The exported rows of the film, and a function that imports changed ones into another index."""
    return [row for row in rows_of(engine, path) if row["path"].endswith("film.mp4")]


@pytest.mark.parametrize("block", [2, 3, 4096])
@pytest.mark.parametrize("ending", ROUND)
def test_every_picture_of_a_file_is_a_row_and_comes_back(several, other, photos, tmp_path, monkeypatch, ending, block):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    monkeypatch.setattr(export, "BLOCK", block)
    monkeypatch.setattr(EmbeddingReader, "block_rows", block)  # so that a film's rows are in several blocks
    done = []
    report = several.export(tmp_path / f"out.{ending}", progress=lambda now, total: done.append((now, total)))
    assert report.images == 7 and done[-1] == (7, 7)
    taken = other.import_embeddings(tmp_path / f"out.{ending}", folder=photos)
    assert (taken.added, taken.unchanged, taken.refused, taken.left) == (7, 0, [], 0)
    assert all_held(other) == all_held(several) and len(all_held(other)) == 12
    again = other.import_embeddings(tmp_path / f"out.{ending}")
    assert (again.added, again.updated, again.unchanged) == (0, 0, 7)
    assert verify(other.index_folder).damages == ()


def test_rows_of_photos_have_no_moment_and_a_table_has_a_line_for_each_picture(several, tmp_path):
    rows = rows_of(several, tmp_path / "out.jsonl")
    moments = [(row["moment_unit"], row["moment_at"]) for row in rows]
    assert moments[:5] == [(None, None)] * 5
    assert moments[5:] == [(unit, at) for unit, places in MOMENTS.values() for at in places]
    several.export(tmp_path / "out.csv")
    with open(tmp_path / "out.csv", newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [row["moment_at"] for row in table[-4:]] == ["0.0", "1.25", "7.5", "90.1"] and len(table) == 12
    without = [{name: value for name, value in row.items() if not name.startswith("moment")} for row in rows[:5]]
    write_rows(tmp_path / "before.jsonl", without)  # a file from before there were moments
    report = several.import_embeddings(tmp_path / "before.jsonl")
    assert (report.unchanged, report.refused) == (5, [])


def test_changed_moments_or_vectors_of_a_film_replace_it(several, tmp_path):
    rows = film_rows(several, tmp_path / "out.jsonl")
    for change in ({"moment_at": 8.5}, {"embedding": rows[0]["embedding"]}):
        write_rows(tmp_path / "new.jsonl", [*rows[:2], {**rows[2], **change}, rows[3]])
        assert several.import_embeddings(tmp_path / "new.jsonl").updated == 1
    write_rows(tmp_path / "new.jsonl", rows[:2])
    assert several.import_embeddings(tmp_path / "new.jsonl").updated == 1
    assert len(all_held(several)) == 10
    assert verify(several.index_folder).damages == ()


@pytest.mark.parametrize(
    "rows, reason",
    [
        (lambda a, b, c, d: [a, c, b, d], "not in order"),
        (lambda a, b, c, d: [a, a, b], "not in order"),
        (lambda a, b, c, d: [a, {**b, "moment_unit": "page"}], "not in order"),
        (lambda a, b, c, d: [a, {**b, "width": 65}], "contradict"),
        (lambda a, b, c, d: [a, {**b, "content_hash": "0" * 64}], "contradict"),
        (lambda a, b, c, d: [{**a, "moment_at": float(at)} for at in range(1001)], "more than 1,000 rows"),
    ],
)
def test_rows_that_do_not_fit_together_are_refused(several, other, photos, tmp_path, rows, reason):
    write_rows(tmp_path / "bad.jsonl", rows(*film_rows(several, tmp_path / "out.jsonl")))
    report = other.import_embeddings(tmp_path / "bad.jsonl", folder=photos)
    assert report.added == 0 and [reason in refused.reason for refused in report.refused] == [True]


def test_rows_of_a_film_that_are_apart_are_not_put_together(several, other, photos, tmp_path):
    rows = rows_of(several, tmp_path / "out.jsonl")
    write_rows(tmp_path / "apart.jsonl", [*rows[8:10], rows[0], *rows[10:]])
    report = other.import_embeddings(tmp_path / "apart.jsonl", folder=photos)
    assert report.added == 2 and "first one counts" in reasons(report)["film.mp4"]


@pytest.mark.parametrize(
    "moment",
    [
        ("hour", 1),
        ("second", -1),
        ("second", None),
        (None, 1),
        ("page", "1"),
        ("second", 1e300),
        (["page"], 1),
        ("page", True),
    ],
)
def test_a_moment_that_makes_no_sense_is_an_error(several, other, photos, tmp_path, moment):
    unit, at = moment
    rows = [{**row, "moment_unit": unit, "moment_at": at} for row in film_rows(several, tmp_path / "out.jsonl")[:1]]
    write_rows(tmp_path / "bad.jsonl", rows)
    with pytest.raises(ClipsearchError, match="row 1 has a moment"):
        other.import_embeddings(tmp_path / "bad.jsonl", folder=photos)
