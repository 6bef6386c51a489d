"""Parquet files that hold photos or their addresses. The cluster is this process."""

import io
import sys

import pytest

from clipsearch.distributed import photo_tables as manifests
from clipsearch.distributed import storage
from clipsearch.errors import ImageError, StorageError
from clipsearch.images.files import ReadLimits
from clipsearch.types import ImageFile
from tests.distributed.conftest import content, jpeg, run, save_parquet

pa = pytest.importorskip("pyarrow")


def test_a_parquet_file_of_pictures(tmp_path, in_place):
    manifest = save_parquet(
        tmp_path / "00000.parquet",
        {
            "key": [f"{n:05}" for n in range(600)],
            "jpg": [jpeg((n % 200, n // 200, 9), str(n)) for n in range(599)] + [None],
            "txt": [f"photo {n}" for n in range(600)],
            "url": ["http://localhost/x.jpg"] * 600,
        },
        row_group_size=100,
    )
    report = run(tmp_path / "index", manifest)
    indexed, failures = content(tmp_path / "index")
    assert (report.added, report.failed, report.parts) == (599, 1, 2)
    assert indexed[f"{manifest}/00042-000000042.jpg"][2] == "photo 42"
    assert failures == {f"{manifest}/00599-000000599.jpg": "this row has neither a picture nor the address of one"}
    assert run(tmp_path / "index").unchanged == 599


def test_a_parquet_file_as_hugging_face_has_them(tmp_path, in_place):
    images = [{"bytes": jpeg(colour), "path": None} for colour in ("red", "green")]
    manifest = save_parquet(tmp_path / "a.parquet", {"image": images, "caption": ["a", "b"]})
    run(tmp_path / "index", manifest)
    assert [caption for _, _, caption, _ in content(tmp_path / "index")[0].values()] == ["a", "b"]


def test_a_parquet_file_of_addresses(tmp_path, in_place, monkeypatch):
    """Addresses are fetched by images.fetch, which refuses private networks."""
    manifest = save_parquet(
        tmp_path / "a.parquet",
        {
            "URL": [f"https://example.org/{n}.jpg" for n in range(40)]
            + ["http://127.0.0.1/a.jpg", "file:///etc/passwd", None],
            "TEXT": [f"photo {n}" for n in range(43)],
        },
    )
    from clipsearch.distributed import photo_tables as manifests

    real = manifests.fetch_image

    def fetch(url, **options):
        return jpeg((int(url[20:-4]), 9, 9)) if url.startswith("https://example") else real(url, **options)

    monkeypatch.setattr(manifests, "fetch_image", fetch)
    report = run(tmp_path / "index", manifest)
    indexed, failures = content(tmp_path / "index")
    assert report.added == 40 and indexed[f"{manifest}/000000003-https%3A%2F%2Fexample.org%2F3.jpg"][2] == "photo 3"
    assert [
        "private network" in reason or "only http" in reason or "nor the address" in reason
        for reason in failures.values()
    ]
    assert len(failures) == 3


@pytest.mark.parametrize("order", ["first to last", "last to first", "some, in between"])
def test_pictures_at_addresses_can_be_taken_in_any_order(tmp_path, monkeypatch, order):
    from clipsearch.distributed import photo_tables as manifests
    from clipsearch.images.files import ReadLimits
    from clipsearch.types import ImageFile

    addresses, at_once = [], []

    def fetch(url, max_bytes):
        addresses.append(url)
        at_once.append(len(addresses) - len(taken))
        return url.encode()

    monkeypatch.setattr(manifests, "fetch_image", fetch)
    urls = [f"https://example.org/{n}.jpg" for n in range(100)]
    manifest = save_parquet(tmp_path / "a.parquet", {"url": urls})
    rows = {"first to last": range(100), "last to first": range(99, -1, -1), "some, in between": range(90, 10, -7)}[
        order
    ]
    taken = []
    with manifests.ManifestChunk(ImageFile(str(manifest), 0, 0), 0, 100).open(ReadLimits()) as photos:
        files = list(photos.files)
        taken.extend(files[row].load() for row in rows)
    assert taken == [urls[row].encode() for row in rows]
    assert (
        len(addresses) == len(set(addresses)) and max(at_once) <= 17
    )  # each is fetched once, and only a few are fetched ahead


def test_a_parquet_file_that_is_none_is_a_failure(tmp_path, in_place):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 or not")
    other = save_parquet(tmp_path / "b.parquet", {"n": [1]})
    report = run(tmp_path / "index", tmp_path / "a.parquet", other)
    reasons = content(tmp_path / "index")[1]
    assert report.failed == 2 and "neither a column" in reasons[str(other)]
    assert run(tmp_path / "index").known_failures == 2


def with_row_count(path, rows):
    """Change the row count in the footer of a file of 3 rows. The footer is written in Thrift."""
    data = path.read_bytes()
    length = int.from_bytes(data[-8:-4], "little")
    footer = data[-8 - length : -8]
    encoded, number = b"", rows << 1
    while number:
        encoded, number = encoded + bytes([number & 127 | (128 if number > 127 else 0)]), number >> 7
    assert footer.count(b"\x16\x06\x19") == 1
    footer = footer.replace(b"\x16\x06\x19", b"\x16" + encoded + b"\x19")
    path.write_bytes(data[: -8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1")


def test_more_rows_than_can_be_are_not_believed(tmp_path, in_place, monkeypatch):
    manifest = save_parquet(tmp_path / "a.parquet", {"url": ["http://127.0.0.1/"] * 3})
    with_row_count(manifest, 1 << 40)
    monkeypatch.setattr(manifests, "_MOST_ROWS", 1000)
    many = save_parquet(tmp_path / "b.parquet", {"url": pa.nulls(1001, pa.string())})
    report = run(tmp_path / "index", manifest, many)
    assert (report.parts, report.failed) == (2, 2)
    reasons = content(tmp_path / "index")[1]
    assert "number of rows" in reasons[str(manifest)] and "1,001 rows" in reasons[str(many)]


def test_a_picture_that_is_too_large_never_comes_into_memory(tmp_path):
    manifest = save_parquet(tmp_path / "a.parquet", {"jpg": [bytes(6 << 20)] * 64}, compression="zstd")
    assert manifest.stat().st_size < 10_000
    with manifests.ManifestChunk(ImageFile(str(manifest), 0, 0), 0, 64).open(ReadLimits(max_bytes=1000)) as photos:
        files = list(photos.files)
        held = [file.load.args for file in files]
        assert all(sys.getsizeof(argument) < 1000 for arguments in held for argument in arguments)
        assert pa.total_allocated_bytes() < 40 << 20
        with pytest.raises(ImageError, match="larger than"):
            files[0].load()


def test_a_picture_in_a_row_is_kept_until_it_is_taken(tmp_path):
    manifest = save_parquet(tmp_path / "a.parquet", {"jpg": [b"first", b"second"]})
    with manifests.ManifestChunk(ImageFile(str(manifest), 0, 0), 0, 2).open(ReadLimits()) as photos:
        first, second = photos.files
        assert (second.load(), first.load()) == (b"second", b"first")
        assert first.load.args == ([],)  # a failure may still refer to the file, so it must not keep the picture


def test_long_texts_are_cut_before_they_are_looked_at(tmp_path):
    manifest = save_parquet(tmp_path / "a.parquet", {"jpg": [b"x"] * 3, "txt": ["a b " * (1 << 20), None, "c"]})
    file = ImageFile(str(manifest), 0, 0)
    with manifests.ManifestChunk(file, 0, 3).open(ReadLimits()) as photos:
        assert [file.size for file in photos.files] == [1, 1, 1]
    assert sorted(len(text) for text in photos.captions.values()) == [1, 1999]


def test_columns_are_found_whatever_they_are_made_of(tmp_path, in_place):
    kinds = {
        "categories": {"jpg": [jpeg("red")], "caption": pa.array(["a wall"]).dictionary_encode()},
        "views": {"jpg": pa.array([jpeg("green")], pa.binary_view()), "txt": pa.array(["a lawn"], pa.string_view())},
        "large": {"jpg": pa.array([jpeg("blue")], pa.large_binary()), "txt": pa.array(["the sea"], pa.large_string())},
    }
    for name, columns in kinds.items():
        save_parquet(tmp_path / f"{name}.parquet", columns)
    run(tmp_path / "index", *(tmp_path / f"{name}.parquet" for name in kinds))
    assert {caption for _, _, caption, _ in content(tmp_path / "index")[0].values()} == {"a wall", "a lawn", "the sea"}


def test_two_columns_of_one_name_are_not_chosen_from(tmp_path, in_place):
    import pyarrow.parquet as pq

    for name, columns in {"url": ["url", "url"], "caption": ["caption", "jpg", "caption"]}.items():
        table = pa.Table.from_arrays([pa.array([jpeg() if column == "jpg" else "x"]) for column in columns], columns)
        pq.write_table(table, tmp_path / f"{name}.parquet")
    report = run(tmp_path / "index", tmp_path / "url.parquet", tmp_path / "caption.parquet")
    assert (report.added, report.failed) == (1, 1)
    assert "neither a column" in content(tmp_path / "index")[1][str(tmp_path / "url.parquet")]


def test_a_manifest_elsewhere_that_cannot_be_reached_is_tried_again(memory, tmp_path, monkeypatch):
    manifest = save_parquet(tmp_path / "a.parquet", {"url": ["http://127.0.0.1/"] * 3})
    memory.pipe("/bucket/a.parquet", manifest.read_bytes())
    broken = [True, True]

    class OfItsOwnKindError(Exception):
        pass

    class Stream(io.BytesIO):
        def read(self, *size):
            if broken:
                raise OfItsOwnKindError("connection reset")
            return super().read(*size)

    def opened(*_, **__):
        broken[:1] = []
        return Stream(manifest.read_bytes())

    monkeypatch.setattr(storage, "_PAUSE", 0)
    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.open", opened)
    assert manifests.count_rows("memory://bucket/a.parquet") == 3
    broken[:] = [True] * 9
    with pytest.raises(StorageError, match="connection reset"):
        manifests.count_rows("memory://bucket/a.parquet")


def test_a_manifest_that_may_not_be_opened_is_not_judged(tmp_path, in_place, monkeypatch):
    manifest = save_parquet(tmp_path / "a.parquet", {"url": ["http://127.0.0.1/"]})

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(manifests, "open_stream", refuse)
    with pytest.raises(StorageError, match="Permission denied"):
        run(tmp_path / "index", manifest)


def test_a_file_with_fewer_rows_than_were_planned_is_a_failure(tmp_path):
    manifest = save_parquet(tmp_path / "a.parquet", {"url": ["http://127.0.0.1/"]})
    with manifests.ManifestChunk(ImageFile(str(manifest), 0, 0), 0, 2).open(ReadLimits()) as photos:
        assert len(list(photos.files)) == 1
    assert "fewer rows" in photos.failures[0].reason
