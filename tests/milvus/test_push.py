"""Push and pull: what readers see meanwhile, and what remains after a kill at any point."""

import contextlib
import random
import shutil
import threading

import numpy as np
import pytest

from clipsearch._internal.cancel import CancelToken
from clipsearch.conditions import Known, Not, Test
from clipsearch.errors import Cancelled, CollectionBusy, CollectionDamaged, CollectionNotFound, SyncRefused
from clipsearch.milvus import pull as pulling
from clipsearch.milvus import push as pushing
from clipsearch.milvus.address import parse_address
from clipsearch.milvus.filters import text_key
from clipsearch.milvus.pull import pull
from clipsearch.milvus.rows import digest_of
from clipsearch.milvus.store import MilvusStore
from clipsearch.milvus.table import Table
from clipsearch.store.catalog import Catalog
from clipsearch.store.collection import Collection
from clipsearch.store.writer import CollectionWriter
from tests.milvus.conftest import STORES
from tests.milvus.support import (
    CAPTIONS,
    DIM,
    Killed,
    add_photo,
    change,
    contents,
    few_fit,
    killed_at,
    local,
    make_index,
    push_index,
    stored,
)
from tests.store.support import random_units, writer


@pytest.fixture(scope="module", params=STORES)
def place(request):
    return request.param


pytestmark = pytest.mark.usefixtures("nobody_waits")


def test_only_what_differs_is_sent(index, url):
    first = push_index(index, url)
    assert (first.sent, first.unchanged, first.removed, first.images, first.version) == (60, 0, 0, 60, 1)
    assert stored(url) == local(index)
    again = push_index(index, url)
    assert (again.sent, again.unchanged, again.version, again.digest) == (0, 60, 1, first.digest)
    change(index)
    third = push_index(index, url)
    assert (third.sent, third.unchanged, third.removed, third.images) == (20, 40, 10, 60)
    assert stored(url) == local(index)
    with Collection(index) as collection, MilvusStore(parse_address(url)) as reader:
        assert third.digest == digest_of(collection.checksums()) == reader.manifest.digest
        assert reader.table.count("row > 0") == 60  # no outdated rows are left


@pytest.mark.long
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("room", [60_000, 40])
def test_a_push_killed_at_any_point_leaves_one_version_and_can_be_repeated(
    tmp_path, new_url, monkeypatch, room, after, place
):
    monkeypatch.setattr(pushing, "_BLOCK", 8)
    steps = 0
    for number in itertools_from(after, place):
        folder, url = make_index(tmp_path / f"{number}" / ".clipsearch", 40), new_url()
        push_index(folder, url)
        old = local(folder)
        change(folder)
        new = local(folder)
        with monkeypatch.context() as patch:
            few_fit(patch, url, room)
            reached = killed_at(patch, number, after=after)
            with contextlib.suppress(Killed):
                push_index(folder, url)
        assert stored(url) in (old, new)
        if not reached:
            break
        steps += 1
        report = push_index(folder, url)
        assert stored(url) == new == local(folder)
        assert report.images == 40
        with MilvusStore(parse_address(url)) as reader:
            assert reader.table.count("row > 0") == 40
    assert steps >= (3 if place == "server" else 8)


def itertools_from(after, place):
    """Numbers of the calls to kill at: every call, or only some for a server, because it is slow."""
    return range(100) if place == "lite" else [*range(2 + int(after), 14, 4), 99]


@pytest.mark.long
def test_a_killed_push_is_not_sent_again(index, url, monkeypatch):
    monkeypatch.setattr(pushing, "_BLOCK", 10)
    with monkeypatch.context() as patch:
        killed_at(patch, 4, after=True)
        with pytest.raises(Killed):
            push_index(index, url)
    with pytest.raises(CollectionNotFound, match="nothing was pushed"):
        stored(url)
    report = push_index(index, url)
    assert report.resumed >= 20 and report.sent + report.resumed == 60
    assert stored(url) == local(index)


@pytest.mark.long
def test_a_reader_during_a_push_sees_one_version_or_the_other(index, url, monkeypatch):
    monkeypatch.setattr(pushing, "_BLOCK", 5)
    push_index(index, url)
    versions, seen, stop = [local(index)], [], threading.Event()

    def read():
        with MilvusStore(parse_address(url)) as reader:
            while not stop.is_set():
                with contextlib.suppress(CollectionBusy):
                    seen.append(contents(reader))

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for seed in (1, 2, 3):
            change(index, seed)
            versions.append(local(index))
            push_index(index, url)
    finally:
        stop.set()
        thread.join()
    assert len(seen) > 2
    assert all(state in versions for state in seen)
    order = [versions.index(state) for state in seen]
    assert order == sorted(order)


@pytest.mark.long
def test_a_reader_starts_again_if_a_version_is_published_meanwhile(index, url):
    push_index(index, url)
    with MilvusStore(parse_address(url)) as reader:
        times = []

        def read():
            times.append(1)
            count = len(reader.select(Test("name", "~", "*")))
            if len(times) == 1:
                change(index)
                push_index(index, url)
            return count, set(reader.records(range(1, 100)))

        count, ids = reader.at_one_state(read)
        assert (len(times), count) == (2, 60)
        with Collection(index) as collection:
            assert ids == set(collection.ids().tolist())


def test_outdated_rows_stay_longer_than_readers_trust_a_version(index, url, monkeypatch):
    """A reader trusts a version for TRUSTED_SECONDS, so the rows of the previous version stay that long."""
    push_index(index, url)
    old = local(index)
    monkeypatch.setattr("clipsearch.milvus.store.TRUSTED_SECONDS", 1000.0)
    with MilvusStore(parse_address(url)) as reader:
        assert contents(reader) == old
        waited = []

        def wait(seconds):
            waited.append(seconds)
            assert contents(reader) == old  # the push has published, but not deleted yet
            assert stored(url) == local(index)

        monkeypatch.setattr("clipsearch.milvus.push.GRACE_SECONDS", 5.0)
        monkeypatch.setattr("clipsearch._internal.cancel.CancelToken.wait", lambda token, seconds: wait(seconds))
        change(index)
        push_index(index, url)
        assert waited == [5.0]
        reader._read_at -= 2000
        assert contents(reader) == local(index)


def test_a_store_is_not_emptied_by_accident(index, url):
    push_index(index, url)
    with CollectionWriter(index) as collection:
        collection.remove(collection.ids().tolist()[:31])
        collection.commit()
    with pytest.raises(SyncRefused, match="of the 60 photos in the store, 31 cannot be found"):
        push_index(index, url)
    assert len(stored(url)) == 60
    assert push_index(index, url, prune=True).images == 29
    assert stored(url) == local(index)


def test_a_pulled_index_is_the_same(index, url, tmp_path):
    pushed = push_index(index, url)
    copy = tmp_path / "copy" / ".clipsearch"
    report = pull(parse_address(url), copy)
    assert (report.fetched, report.images, report.digest) == (60, 60, pushed.digest)
    assert local(copy) == local(index)
    with Collection(copy) as there, Collection(index) as here:
        assert there.roots() == here.roots() and there.root_rules()[1] == {"hidden": True}
        query = random_units(3, DIM, seed=2)
        assert there.search(query, 20) == here.search(query, 20)
    from clipsearch.store.verify import verify

    assert not verify(copy).damages
    assert pull(parse_address(url), copy).fetched == 0
    change(index)
    push_index(index, url)
    assert pull(parse_address(url), copy, prune=True).fetched == 20
    assert local(copy) == local(index)
    with CollectionWriter(copy) as collection:  # new photos get ids that no photo ever had
        (root_id,) = collection.roots()
        added = add_photo(collection, root_id, copy, 5000, random_units(1, DIM, seed=77)[0], random.Random(0))
    assert added > max(record.image_id for record in local(index))


def test_a_pulled_index_moves_with_its_photos(tmp_path, url):
    index = make_index(tmp_path / "photos" / ".clipsearch", 10)
    push_index(index, url)
    pull(parse_address(url), index)  # into the index that was pushed
    moved = shutil.copytree(index.parent, tmp_path / "moved")
    shutil.rmtree(index)
    pull(parse_address(url), index)  # into a new index beside the photos
    again = shutil.copytree(index.parent, tmp_path / "again")
    for photos in (moved, again):
        with Collection(photos / ".clipsearch") as collection:
            assert list(collection.roots().values()) == [str(photos)]


def set_caption(folder, image_id, caption):
    """Change only the caption of a photo; its id stays."""
    with CollectionWriter(folder) as collection:
        catalog = collection._catalog
        catalog.begin()
        catalog._db.execute("UPDATE images SET caption = ? WHERE image_id = ?", (caption, image_id))
        catalog.images.renew_checks("image_id = ?", image_id)
        catalog.commit()


def test_captions_go_to_the_store_and_back(index, url, tmp_path):
    first, copy = push_index(index, url), tmp_path / "copy" / ".clipsearch"
    pull(parse_address(url), copy)
    assert {record.info.caption for record in local(copy)} == set(CAPTIONS)
    with Collection(index) as collection, MilvusStore(parse_address(url)) as reader:
        query = random_units(1, DIM, seed=5)
        for condition in (
            Test("caption", "~", "*DOG*"),
            Test("caption", "=", "a DOG on a beach"),
            Not(Known("caption")),
        ):
            meant = collection.ids(condition).tolist()
            ((*hits,),) = reader.search(query, 60, reader.select(condition))
            assert 0 < len(hits) < 30 and sorted(record.image_id for _, record in hits) == meant
            assert {record.image_id: record for _, record in hits} == collection.records(meant)
    for caption in ("a zebra", None):
        set_caption(index, 3, caption)
        again = push_index(index, url)
        assert (again.sent, again.unchanged, again.images) == (1, 59, 60) and again.digest != first.digest
        assert next(record for record in stored(url) if record.image_id == 3).info.caption == caption
        with MilvusStore(parse_address(url)) as reader:
            assert len(reader.select(Test("caption", "=", "A ZEBRA"))) == (caption is not None)
        assert pull(parse_address(url), copy).fetched == 1
        assert local(copy) == local(index) == stored(url)


@pytest.mark.long
def test_a_changed_caption_in_the_store_is_noticed(index, url, tmp_path):
    push_index(index, url)
    table = Table(parse_address(url))
    (row,) = table.query("image_id == 20", ["*"])
    for number, wrong in enumerate(("", text_key("something else"), "xff", "xzz"), 1):
        table.delete([row["row"] + number - 1])
        table.insert([{**row, "caption": wrong, "row": row["row"] + number}])
        with pytest.raises(CollectionDamaged):
            pull(parse_address(url), tmp_path / f"wrong {number}")
    table.close()


def test_a_pull_that_is_killed_goes_on(index, url, tmp_path, monkeypatch):
    push_index(index, url)
    copy = tmp_path / "copy" / ".clipsearch"
    monkeypatch.setattr("clipsearch.milvus.pull._BLOCK", 10)
    monkeypatch.setattr("clipsearch.milvus.pull._COMMIT_IMAGES", 20)

    def stop(done, total):
        if done == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(parse_address(url), copy, progress=stop)
    report = pull(parse_address(url), copy)
    assert (report.fetched, report.unchanged, report.images) == (40, 20, 60)
    assert local(copy) == local(index)


def test_a_pull_takes_no_damaged_rows_and_removes_nothing_unless_confirmed(index, url, tmp_path):
    push_index(index, url)
    with pytest.raises(SyncRefused, match="other photos"):
        pull(parse_address(url), make_index(tmp_path / "own" / ".clipsearch", 5, seed=3))
    copy = tmp_path / "copy" / ".clipsearch"
    pull(parse_address(url), copy)
    with CollectionWriter(index) as collection:
        collection.remove([7])
        collection.commit()
    push_index(index, url)
    with pytest.raises(SyncRefused, match="the store lacks 1 photo of the index"):
        pull(parse_address(url), copy)
    table = Table(parse_address(url))
    (row,) = table.query("image_id == 20", ["*"])
    for number, wrong in enumerate(({"vector": random_units(1, DIM)[0]}, {"folder": b"..".hex()}), 1):
        table.delete([row["row"] + number - 1])
        table.insert([{**row, **wrong, "row": row["row"] + number}])
        with pytest.raises(CollectionDamaged):
            pull(parse_address(url), tmp_path / f"wrong {number}")
    table.delete([row["row"] + 2])
    with pytest.raises(CollectionDamaged, match="says it has 59 photos, and gave 58"):
        pull(parse_address(url), tmp_path / "less")
    table.close()


def test_vectors_are_kept_bit_by_bit(tmp_path, url):
    tiny = np.zeros((3, DIM), np.float32)
    tiny[:, 0] = 1
    tiny[0, 1], tiny[1, 2], tiny[2, 3] = 1e-42, -0.0, np.float32(1) / 3e6
    folder = tmp_path / "photos" / ".clipsearch"
    with writer(folder, DIM) as collection:
        for number, vector in enumerate(tiny):
            add_photo(collection, next(iter(collection.roots())), folder, number, vector, random.Random(0))
        collection.commit()
    push_index(folder, url)
    with MilvusStore(parse_address(url)) as reader:
        assert reader.vectors([1, 2, 3]).tobytes() == tiny.tobytes()


def test_a_pull_without_prune_keeps_photos_that_left_the_store_meanwhile(index, url, tmp_path, monkeypatch):
    push_index(index, url)
    copy, late = tmp_path / "copy" / ".clipsearch", []
    pull(parse_address(url), copy)
    change(index)
    take = pulling._bring_up_to_date

    def meanwhile(*arguments):
        if not late:
            late.append(push_index(index, url))
        take(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(pulling, "_bring_up_to_date", meanwhile)
        with pytest.raises(SyncRefused, match="10 photos of the index"):
            pull(parse_address(url), copy)
    with Collection(copy) as collection:
        assert len(collection) == 60
    assert pull(parse_address(url), copy, prune=True).removed == 10


def test_a_pull_that_was_killed_before_anything_was_fetched_goes_on(index, url, tmp_path, monkeypatch):
    push_index(index, url)
    commit = Catalog.commit
    for number in range(10):
        copy, calls = tmp_path / f"copy {number}" / ".clipsearch", []

        def killed(self, number=number, calls=calls):
            calls.append(self)
            if len(calls) > number:
                raise KeyboardInterrupt
            commit(self)

        with monkeypatch.context() as patch:
            patch.setattr(Catalog, "commit", killed)
            with contextlib.suppress(KeyboardInterrupt):
                pull(parse_address(url), copy)
        assert pull(parse_address(url), copy).images == 60
        assert local(copy) == local(index)
        if len(calls) <= number:
            break
    assert number >= 2


def test_a_cancelled_push_publishes_nothing_and_is_not_sent_again(index, url, monkeypatch):
    monkeypatch.setattr(pushing, "_BLOCK", 20)
    push_index(index, url)
    before = local(index)
    change(index)
    cancel = CancelToken()
    with pytest.raises(Cancelled):
        push_index(index, url, progress=lambda done, total: done and cancel.cancel(), cancel=cancel)
    assert stored(url) == before
    report = push_index(index, url)
    assert (report.resumed, report.sent) == (20, 0) and stored(url) == local(index)


def test_a_cancelled_pull_keeps_what_is_committed_and_goes_on(index, url, tmp_path, monkeypatch):
    push_index(index, url)
    monkeypatch.setattr(pulling, "_BLOCK", 10)
    monkeypatch.setattr(pulling, "_COMMIT_IMAGES", 20)
    cancel, copy = CancelToken(), tmp_path / "copy" / ".clipsearch"
    with pytest.raises(Cancelled):
        pull(parse_address(url), copy, progress=lambda done, total: done == 30 and cancel.cancel(), cancel=cancel)
    assert len(local(copy)) == 20
    report = pull(parse_address(url), copy)
    assert (report.unchanged, report.fetched) == (20, 40) and local(copy) == local(index)
