"""A push publishes one whole state of the index, even if it changes many photos."""

import contextlib
import json
from dataclasses import replace

import pytest

from clipsearch import SearchEngine
from clipsearch.conditions import Test
from clipsearch.errors import CollectionDamaged, CollectionError, CollectionNotFound
from clipsearch.milvus import manifest as manifests
from clipsearch.milvus.address import parse_address
from clipsearch.milvus.manifest import PARTS_BELOW, Manifest, newest
from clipsearch.milvus.pull import pull
from clipsearch.milvus.store import MilvusStore
from clipsearch.milvus.table import Table
from clipsearch.store.collection import Collection
from clipsearch.store.rows import Place
from clipsearch.store.writer import CollectionWriter
from clipsearch.types import Fingerprint, ImageFile, ImageInfo
from tests.milvus.conftest import STORES
from tests.milvus.support import DIM, Killed, change, few_fit, local, make_index, push_index, stored
from tests.store.support import random_units

pytestmark = pytest.mark.usefixtures("nobody_waits")

MANIFEST = Manifest(
    3, 2, 60, "d" * 64, Fingerprint("m", "", "f" * 64, DIM), {1: "/photos/\udcff"}, {1: {"hidden": True}}, 99, "l" * 32,
    "c" * 32, ("Canon",), None, 5, 0, "2024-01-01T00:00:00+00:00", 17,
)  # fmt: skip


@pytest.fixture(scope="module", params=STORES)
def place(request):
    return request.param


def replace_some(folder, ids):
    """Replace some photos with others, and swap the names of two."""
    with CollectionWriter(folder) as collection:
        (root_id,) = collection.roots()
        records = collection.records(range(1, 1000))
        for image_id in ids:
            here = collection.place(records[image_id].file.path)
            info = replace(records[image_id].info, content_hash=f"{image_id + 10_000:064x}")
            collection.add(here, records[image_id].file, info, random_units(1, DIM, seed=image_id + 9000)[0])
        changing, other = sorted(set(records).difference(ids))[:2]
        first, second = collection.place(records[changing].file.path), collection.place(records[other].file.path)
        collection.move(changing, Place(root_id, "", "while they change.jpg"), records[changing].file)
        collection.move(other, first, records[changing].file)
        collection.move(changing, second, records[other].file)
        collection.commit()


@pytest.mark.parametrize("room", [60_000, 40])
def test_every_version_is_one_state_of_the_index(index, url, tmp_path, monkeypatch, room):
    """This also holds if the push is killed between publishing and deleting."""
    push_index(index, url)
    replace_some(index, range(1, 28))
    new, publish, seen = local(index), Table.publish, []

    def and_look(self, manifest):
        publish(self, manifest)
        seen.append(len(self.notes(f"row < {PARTS_BELOW} and row > {2 * PARTS_BELOW}")))
        assert stored(url) == new
        with MilvusStore(parse_address(url)) as reader:
            assert len(reader) == 60 == len(reader.select(Test("path", "~", "*")))
            ((*hits,),) = reader.search(random_units(1, DIM), 100)
            assert sorted(record.image_id for _, record in hits) == sorted(record.image_id for record in new)
        if len(seen) == 1:
            raise Killed

    with monkeypatch.context() as patch:
        few_fit(patch, url, room)
        patch.setattr(Table, "publish", and_look)
        with pytest.raises(Killed):
            push_index(index, url)
        copy = tmp_path / "copy" / ".clipsearch"
        assert pull(parse_address(url), copy).images == 60
        assert local(copy) == new == stored(url)
        report = push_index(index, url)
    assert (report.sent, report.removed, report.unchanged) == (0, 0, 60)
    assert seen == ([0, 0] if room > 40 else [10, 0])
    assert stored(url) == new
    with MilvusStore(parse_address(url)) as reader:
        assert reader.table.count("row > 0") == 60 and len(reader.table.notes("row < 0")) == 1


@pytest.mark.long
def test_more_photos_than_fit_into_a_note_are_withdrawn_at_once(tmp_path, url, monkeypatch, place):
    count = 13_000 if place == "server" else 4_600  # Milvus Lite is slow; 4,600 also need parts
    index = make_index(tmp_path / "photos" / ".clipsearch", count)
    push_index(index, url)
    with CollectionWriter(index) as collection:
        (root_id,) = collection.roots()
        records = collection.records(range(1, count + 1))
        for image_id, record in records.items():
            if image_id % 10:
                collection.move(image_id, Place(root_id, f"moved/{image_id}", record.file.name), record.file)
        collection.commit()
    publish, seen, moved = Table.publish, [], count * 9 // 10

    def and_look(self, manifest):
        publish(self, manifest)
        with MilvusStore(parse_address(url)) as reader:
            seen.append((reader.manifest.version, len(reader.manifest.dead)))
            assert len(reader.select(Test("path", "~", "moved/*"))) == moved
            assert len(reader.search(random_units(1, DIM), 500)[0]) == 500

    monkeypatch.setattr(Table, "publish", and_look)
    report = push_index(index, url)
    assert (report.sent, report.images, seen) == (moved, count, [(2, moved), (2, 0)])


def test_versions_of_a_new_collection_are_not_mistaken_for_old_ones(index, url, tmp_path, monkeypatch):
    """A new collection counts its versions from the start, as the dropped collection did."""
    push_index(index, url)
    other = make_index(tmp_path / "other" / ".clipsearch", 40, seed=3)
    with MilvusStore(parse_address(url)) as reader, SearchEngine.open(url) as engine:
        condition, query = Test("name", "~", "*1*"), random_units(1, DIM)

        def latest():
            return reader.at_one_state(lambda: reader.search(query, 60, reader.select(condition)))

        first, known = latest(), engine.version
        assert engine.version == known
        reader.table.drop()
        push_index(other, url)
        with Collection(other) as collection:
            meant = collection.search(query, 60, collection.select(condition))
        reader._read_at = engine._store._read_at = float("-inf")
        with contextlib.suppress(CollectionError):
            reader.latest()
        assert latest() == meant != first
        assert engine.version != known


def test_more_cameras_than_fit_are_published_once(index, url, monkeypatch):
    with CollectionWriter(index) as collection:
        (root_id,) = collection.roots()
        for number, vector in enumerate(random_units(10, DIM, seed=4)):
            info = ImageInfo(1, 1, "JPEG", f"{number:064x}", camera=f"{number} {'x' * 100}")
            file = ImageFile(str(index.parent / f"camera {number}"), 1, 1)
            collection.add(Place(root_id, "", f"camera {number}"), file, info, vector)
        collection.commit()
    with monkeypatch.context() as patch:
        patch.setattr(manifests, "_MAX_NOTE", 1500)
        push_index(index, url)
        again = push_index(index, url)
        with MilvusStore(parse_address(url)) as reader:
            assert (again.version, reader.manifest.sequence, reader.manifest.cameras) == (1, 1, None)
            assert len(reader.select(Test("camera", "~", "7 x*"))) == 1
        patch.setattr(manifests, "_MAX_NOTE", 100)
        with pytest.raises(CollectionError, match="more folders of its own"):
            push_index(index, url)
    assert push_index(index, url).sent == 0


def test_an_unfinished_collection_is_finished(index, url, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("pymilvus.MilvusClient.create_index", lambda *arguments, **options: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            push_index(index, url)
    with pytest.raises(CollectionNotFound, match="nothing was pushed"):
        stored(url)
    assert push_index(index, url).images == 60
    assert stored(url) == local(index)


def test_rows_sent_twice_after_a_lost_answer_are_stored_once(index, url, monkeypatch):
    """If an answer is lost, pymilvus retries, but the server may have stored the rows already."""
    push_index(index, url)
    change(index)
    insert = Table.insert

    def twice(self, rows):
        insert(self, rows)
        insert(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(Table, "insert", twice)
        report = push_index(index, url)
    assert (report.sent, report.images) == (20, 60)
    assert stored(url) == local(index)
    with MilvusStore(parse_address(url)) as reader:
        assert reader.table.count("row > 0") == 60 == len(reader.select(Test("name", "!=", "x")))


def test_a_manifest_survives_its_notes():
    for count in (0, 5, 4_000, 50_000):
        made = replace(MANIFEST, dead=tuple(range(10**9, 10**9 + count)), dead_until=1)
        notes = made.to_notes()
        assert newest(notes) == made and list(notes)[-1] == -3
        assert all(len(text) < 65_535 for text in notes.values())
        assert len(notes) == 1 + (count > 4_000) * -(-count // 4000)
        assert all(PARTS_BELOW > number > 2 * PARTS_BELOW for number in list(notes)[:-1])
        before = replace(MANIFEST, sequence=2).to_notes()
        assert newest({**before, **notes}) == made
        parts = list(notes)[:-1]
        for lost in parts[:1] + parts[-1:]:
            with pytest.raises(CollectionDamaged):
                newest({number: text for number, text in notes.items() if number != lost})
        assert (
            newest({**before, **{number: notes[number] for number in parts}}).sequence == 2
        )  # killed before the last note was written
    assert newest({}) is None


def test_a_manifest_of_the_first_clipsearch_is_read():
    note = """{"clipsearch": 1, "sequence": 4, "version": 7, "count": 1, "digest": "d", "fingerprint": {"model": "mini",
    "revision": "", "digest": "f", "dim": 16, "precision": null}, "roots": {"1": "2f70"}, "rules": {"1": {}}, "last_id": 9,
    "lineage": "l", "copy": "c", "cameras": [], "formats": ["JPEG"], "photo_bytes": 1, "failures": 0, "pushed_at": "now",
    "after": 5, "dead": [3, 4], "dead_until": 6}"""
    latest = newest({-4: note})
    assert (latest.version, latest.dead, latest.dead_until, latest.roots) == (7, (3, 4), 6, {1: "/p"})
    assert json.loads(latest.to_notes()[-4]) == json.loads(note)  # the first clipsearch could read our note, too
    with pytest.raises(CollectionError, match="upgrade clipsearch"):
        newest({-4: note.replace('"clipsearch": 1', '"clipsearch": 4')})


@pytest.mark.parametrize("parts", ["[1]", '["a", 2]', "[-700000000000, 1000000000000]", "[0, 1]", "5"])
def test_parts_that_make_no_sense_are_refused(parts):
    (note,) = MANIFEST.to_notes().values()
    with pytest.raises(CollectionDamaged):
        newest({-3: f'{note[:-1]}, "parts": {parts}}}', 0: "{}"})


def test_many_folders_and_many_withdrawn_photos_fit_together():
    roots = {number: f"/home/somebody/Pictures/{number:03d} {'x' * 30}" for number in range(1, 161)}
    made = replace(
        MANIFEST, roots=roots, rules={number: {"hidden": False} for number in roots}, dead=tuple(range(1, 4001))
    )
    assert made.fitting() == made == newest(made.to_notes())
    wide = {number: f"/{number}/{'x' * 200}" for number in range(1, 200)}
    with pytest.raises(CollectionError, match="more folders of its own"):
        replace(MANIFEST, roots=wide).fitting()
