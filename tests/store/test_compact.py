"""Compact copies are quick to read, optional, and trusted only within their proven bound."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipsearch.store.collection import Collection
from clipsearch.store.segments import Segment, write_compact, write_segment
from clipsearch.store.verify import verify
from clipsearch.store.writer import CollectionWriter
from tests.store.support import add, downgrade, random_units, unit, writer


@pytest.fixture(autouse=True)
def every_segment_gets_one(monkeypatch):
    monkeypatch.setattr("clipsearch.store.segments.COMPACT_ROWS", 1)


@pytest.fixture
def index(tmp_path):
    with writer(tmp_path / "index", 32) as collection:
        add(collection, [f"{number}.jpg" for number in range(500)], random_units(500, 32))
        collection.commit()
    return tmp_path / "index"


def answers(index):
    with Collection(index) as collection:
        return [collection.search(query[None], 5)[0] for query in random_units(6, 32, seed=9)]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), spread=st.sampled_from([1e-6, 1e-3, 1.0]), outlier=st.sampled_from([0.0, 1.0, 30.0]))
def test_no_score_is_ever_further_off_than_its_bound(tmp_path_factory, seed, spread, outlier):
    rng = np.random.default_rng(seed)
    centre = rng.standard_normal(64)
    centre[seed % 64] += outlier  # real embeddings have a dimension or two that dwarf the others
    vectors = unit(centre + spread * rng.standard_normal((300, 64)))
    folder = tmp_path_factory.mktemp("segment")
    info = write_segment(folder, "000001.faiss", np.arange(300), vectors)
    object.__setattr__(info, "compact", write_compact(folder, Segment(folder, info, 64)))
    segment = Segment(folder, info, 64)
    for query in (vectors[:1], unit(rng.standard_normal((1, 64))), unit(np.eye(64)[[seed % 64]])):
        nearest = segment.search(query, 300, None)
        assert segment._compact and len(nearest.rows) == 300
        true = vectors[nearest.rows].astype(np.float64) @ query[0].astype(np.float64)
        assert np.abs(nearest.scores - true).max() <= nearest.bound


def test_a_quarter_of_the_bytes(index):
    (whole,), (compact,) = index.glob("segments/??????.faiss"), index.glob("segments/*.int8.faiss")
    assert compact.stat().st_size - 500 * 32 < 200 < whole.stat().st_size - 4 * 500 * 32


@pytest.mark.parametrize("damage", ["gone", "empty", "short", "another"])
def test_a_copy_that_does_not_fit_is_done_without(index, damage):
    (compact,) = index.glob("segments/*.int8.faiss")
    before, data = answers(index), compact.read_bytes()
    if damage == "gone":
        compact.unlink()
    else:
        compact.write_bytes({"empty": b"", "short": data[:-1], "another": b"x" * len(data)}[damage])
    assert answers(index) == before


def test_merging_and_forgetting_leave_no_copy_behind(index):
    with CollectionWriter(index) as collection:
        for start in range(500, 500 + 8 * 300, 300):
            add(
                collection, [f"{number}.jpg" for number in range(start, start + 300)], random_units(300, 32, seed=start)
            )
            collection.commit()
        names = {info.name for info in collection.segment_infos()}
        assert all(info.compact for info in collection.segment_infos())
    files = {path.name for path in (index / "segments").iterdir()}
    assert files == names | {name.replace(".faiss", ".int8.faiss") for name in names}


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
def test_an_index_of_an_older_format_is_read_as_it_is_and_brought_up_to_date_by_the_next_writer(index, version):
    before = answers(index)
    downgrade(index, version)
    assert answers(index) == before
    with CollectionWriter(index) as collection:
        collection.commit()
        assert all(info.compact for info in collection.segment_infos())
        assert None not in collection._catalog.images.vector_checks(collection.ids().tolist()).values()
    assert answers(index) == before
    assert verify(index).damages == ()
    assert len(list(index.glob("segments/*.int8.faiss"))) == 1


def test_a_copy_is_no_part_of_a_commit(index, monkeypatch):
    """If the copy cannot be written, the earlier commit is still there."""

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("clipsearch.store.writer.write_compact", fail)
    with CollectionWriter(index) as collection:
        add(collection, ["new.jpg"], random_units(1, 32, seed=5))
        with pytest.raises(OSError, match="No space"):
            collection.commit()
    with Collection(index) as collection:
        assert len(collection) == 501
        assert collection.search(random_units(1, 32, seed=5), 1)[0][0][1].file.name == "new.jpg"
