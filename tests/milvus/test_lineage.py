"""A store belongs to one copy of one index. Only one push writes to it at a time."""

import json
import random
import shutil
import time
from dataclasses import replace

import pytest

from clipsearch.errors import CollectionBusy, ModelMismatch, SyncRefused
from clipsearch.milvus import lease
from clipsearch.milvus import push as pushing
from clipsearch.milvus.address import parse_address
from clipsearch.milvus.lease import Lease
from clipsearch.milvus.lineage import COPY, PublicationNames
from clipsearch.milvus.pull import pull
from clipsearch.milvus.store import MilvusStore
from clipsearch.milvus.table import LEASES_BELOW, Table
from clipsearch.store.collection import Collection
from clipsearch.store.writer import CollectionWriter
from tests.milvus.conftest import STORES
from tests.milvus.support import DIM, Killed, add_photo, change, killed_at, local, make_index, push_index, stored
from tests.store.support import random_units, writer

pytestmark = pytest.mark.usefixtures("nobody_waits")


@pytest.fixture(scope="module", params=STORES)
def place(request):
    return request.param


@pytest.fixture
def table(url):
    """The store's table. Use it only after a push."""
    table = Table(parse_address(url))
    yield table
    table.close()


def add_one(folder, number):
    with CollectionWriter(folder) as collection:
        (root_id,) = collection.roots()
        add_photo(collection, root_id, folder, number, random_units(1, DIM, seed=number)[0], random.Random(number))
        collection.commit()


def test_a_store_belongs_to_one_copy_of_one_index(index, url, tmp_path):
    push_index(index, url)
    other = make_index(tmp_path / "other" / ".clipsearch", 60, seed=5)
    with pytest.raises(SyncRefused, match="another index"):
        push_index(other, url, prune=True, take_over=True)
    copy = tmp_path / "copy"
    pull(parse_address(url), copy)
    with pytest.raises(SyncRefused, match="take_over=True"):
        push_index(copy, url)
    assert push_index(copy, url, take_over=True).sent == 0
    with pytest.raises(SyncRefused, match="take_over=True"):
        push_index(index, url)
    with writer(tmp_path / "model" / ".clipsearch", 8) as collection:
        collection.commit()
    with pytest.raises(ModelMismatch, match="another collection"):
        push_index(tmp_path / "model" / ".clipsearch", url)


def test_copied_files_are_another_copy_once_either_was_pushed(index, url, tmp_path):
    push_index(index, url)
    copy = tmp_path / "copied" / ".clipsearch"
    shutil.copytree(index.parent, copy.parent)
    add_one(index, 500)
    add_one(copy, 501)
    push_index(index, url)
    with pytest.raises(SyncRefused, match=r"restored backup.*take_over=True.* Nothing was changed"):
        push_index(copy, url)
    assert stored(url) == local(index)
    push_index(copy, url, take_over=True)
    with pytest.raises(SyncRefused, match="take_over=True"):
        push_index(index, url)
    assert stored(url) == local(copy)


def test_a_moved_folder_is_the_same_copy_and_a_restored_backup_is_not(index, url, tmp_path):
    push_index(index, url)
    backup = tmp_path / "backup"
    shutil.copytree(index.parent, backup)
    shutil.move(index.parent, tmp_path / "moved")
    moved = tmp_path / "moved" / ".clipsearch"
    change(moved)
    assert push_index(moved, url).sent == 20
    shutil.rmtree(moved.parent)
    shutil.copytree(backup, moved.parent)
    with pytest.raises(SyncRefused, match=r"restored backup.*take_over=True"):
        push_index(moved, url)
    push_index(moved, url, take_over=True)
    add_one(moved, 502)
    assert push_index(moved, url).sent == 1


def test_an_index_may_have_several_stores(index, new_url):
    urls = [new_url(), new_url()]
    for number in range(503, 506):
        add_one(index, number)
        for url in urls:
            push_index(index, url)
            assert stored(url) == local(index)
    push_index(index, urls[1])
    add_one(index, 506)
    assert [push_index(index, url).sent for url in urls] == [1, 1]


def test_an_index_that_pushed_before_publications_had_names_goes_on(index, new_url, monkeypatch):
    """Such an index had one name, and all of its stores share it."""
    urls = [new_url(), new_url()]
    with CollectionWriter(index) as collection:
        collection.set_meta(COPY, "0123abcd")
        collection.publish()
    with monkeypatch.context() as patch:
        patch.setattr(PublicationNames, "new", lambda names: "0123abcd")
        patch.setattr(PublicationNames, "settle", lambda names, **options: None)
        for url in urls:
            push_index(index, url)
    for number, url in enumerate((*urls, *urls), 520):
        add_one(index, number)
        push_index(index, url)


def test_names_do_not_pile_up(index, url, monkeypatch):
    push_index(index, url)
    for number in range(3):
        with monkeypatch.context() as patch:
            killed_at(patch, number, after=True)
            with pytest.raises(Killed):
                push_index(index, url)
    for number in range(507, 510):
        add_one(index, number)
        push_index(index, url)
        push_index(index, url)
    with Collection(index) as collection, MilvusStore(parse_address(url)) as reader:
        words = collection.meta(COPY).split()
        assert reader.manifest.copy in words and reader.manifest.copy in PublicationNames(collection)
    assert len([word for word in words if not word.startswith("?")]) == 2  # the first name stays, and the last


def test_one_writer_at_a_time(index, url, table):
    push_index(index, url)
    other = Lease(table, "another copy")
    with pytest.raises(CollectionBusy, match="being pushed"):
        push_index(index, url)
    other.release()
    push_index(index, url)


def test_two_copies_of_the_same_files_do_not_push_at_once(index, url, tmp_path, monkeypatch):
    push_index(index, url)
    copy = tmp_path / "copied" / ".clipsearch"
    shutil.copytree(index.parent, copy.parent)
    add_one(index, 511)
    add_one(copy, 512)
    send, refused = pushing._PushRun._send, []

    def meanwhile(self, *arguments):
        if not refused:
            with pytest.raises(CollectionBusy, match="another copy of the index is being pushed") as busy:
                refused.append(busy) or push_index(copy, url)
        send(self, *arguments)

    monkeypatch.setattr(pushing._PushRun, "_send", meanwhile)
    push_index(index, url)
    assert refused and stored(url) == local(index)


def test_a_lease_ends_unless_it_is_renewed(index, url, table, monkeypatch):
    push_index(index, url)
    with monkeypatch.context() as patch:
        patch.setattr(lease, "SECONDS", -1.0)
        dead = Lease(table, "another copy")
    assert push_index(index, url).images == 60
    with pytest.raises(CollectionBusy, match="another one has begun"):
        dead._since = 0
        dead.renew()
    dead.release()
    assert push_index(index, url).images == 60


def test_if_two_leases_are_renewed_at_the_same_time_one_gives_way(index, url, table):
    push_index(index, url)
    mine = Lease(table, "mine")
    mine._since -= 1000
    table.insert_notes({LEASES_BELOW - 3: json.dumps({"copy": "theirs", "until": time.time() + 60})})
    with pytest.raises(CollectionBusy, match="another copy of the index"):
        mine.renew()
    assert [number for number, _ in table.notes(f"row < {LEASES_BELOW}")] == [LEASES_BELOW - 3]


@pytest.mark.parametrize("until", ["3e9", "1e300", "Infinity", "NaN", '"soon"', "[]"])
def test_a_lease_that_claims_to_last_too_long_is_ignored(index, url, table, until):
    push_index(index, url)
    table.insert_notes({LEASES_BELOW - 5: f'{{"copy": "another", "until": {until}}}'})
    assert push_index(index, url).images == 60
    assert not table.notes(f"row < {LEASES_BELOW}")


def test_a_push_that_paused_for_too_long_deletes_nothing(index, url, table, tmp_path, monkeypatch):
    """Another push may have published the rows that the paused push takes for leftovers."""
    push_index(index, url)
    copy = tmp_path / "copy" / ".clipsearch"
    pull(parse_address(url), copy)
    add_one(copy, 513)
    with monkeypatch.context() as patch:
        patch.setattr(pushing._PushRun, "_publish", lambda *arguments: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            push_index(copy, url, take_over=True)
    read_rows, reports = pushing._PushRun._read_rows, []

    def asleep(self):
        rows = read_rows(self)
        if not reports:
            table.delete([number for number, _ in table.notes(f"row < {LEASES_BELOW}")])  # end the lease
            reports.append(None)
            reports.append(push_index(copy, url, take_over=True))
        return rows

    monkeypatch.setattr(pushing._PushRun, "_read_rows", asleep)
    with pytest.raises(CollectionBusy, match="another one has begun"):
        push_index(index, url)
    assert reports[1].resumed == 1
    assert stored(url) == local(copy)


def test_a_push_fails_if_another_push_has_published(index, url, table, monkeypatch):
    push_index(index, url)
    verify = pushing._PushRun._verify

    def too_late(self, manifest, checks):
        table.publish(replace(manifest, sequence=manifest.sequence + 1, pushed_at="later"))
        verify(self, manifest, checks)

    monkeypatch.setattr(pushing._PushRun, "_verify", too_late)
    with pytest.raises(CollectionBusy, match="another push has published"):
        push_index(index, url)
