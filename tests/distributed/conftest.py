"""Fixtures for indexing on a cluster: files of photos, and a cluster that is this process."""

import io
import json
import tarfile
from typing import ClassVar

import fsspec
import pytest
from PIL import Image

from clipsearch import SearchEngine
from clipsearch.distributed.chunk_worker import ChunkWorker
from clipsearch.errors import Cancelled
from tests.conftest import COLOURS


class InPlace:
    """A cluster of one worker that is this process. The run is cancelled after `die_after` of the chunks in `done`."""

    done: ClassVar = []
    die_after = None

    def __init__(self, address):
        self.address = address

    def close(self):
        """Do nothing: nothing was started."""

    def embed(self, job, chunks, cancel):
        worker = ChunkWorker(job)
        try:
            for number, (name, chunk) in enumerate(chunks):
                if number == self.die_after:
                    raise Cancelled
                InPlace.done.append(chunk)
                yield worker.embed(name, chunk)
        finally:
            worker.close()


@pytest.fixture
def in_place(monkeypatch, encoder):
    monkeypatch.setattr("clipsearch.distributed.indexing.Cluster", InPlace)
    monkeypatch.setattr("clipsearch.distributed.cluster.require_ray", lambda: None)
    monkeypatch.setattr("clipsearch.distributed.chunk_worker.load_encoder", lambda name, **options: encoder)
    # Few photos a chunk, so that there are several chunks.
    monkeypatch.setattr("clipsearch.distributed.chunks.FEWEST", 16)
    monkeypatch.setattr(InPlace, "done", [])
    return InPlace


@pytest.fixture
def memory():
    """Remote storage, in the memory of this process."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    files.pseudo_dirs[:] = [""]
    yield files
    files.store.clear()


def run(index, *sources, **options):
    with SearchEngine(index) as engine:
        return engine.index_on_cluster(*map(str, sources), **options)


def jpeg(colour="red", note="", size=(32, 24)):
    """The bytes of a photo of one colour."""
    image = Image.new("RGB", size, COLOURS.get(colour, colour))
    exif = image.getexif()
    exif[0x010E] = note or str(colour)
    stream = io.BytesIO()
    image.save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def save_tar(path, members):
    """Save a tar file of (name, content) pairs. Each content is bytes, text or JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            data = content if isinstance(content, bytes) else content.encode() if isinstance(content, str) else None
            data = json.dumps(content).encode() if data is None else data
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def save_parquet(path, columns, **options):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(columns), path, **options)
    return path


def content(index):
    """The content of an index: path → (hash, size, caption, vector), and path → reason for each failure."""
    from clipsearch.store.collection import Collection

    with Collection(index) as collection:
        images = {
            record.file.path: (record.info.content_hash, record.file.size, record.info.caption, vector.tobytes())
            for records, vectors in collection.scan()
            for record, vector in zip(records, vectors, strict=True)
        }
        assert sum(len(records) for records, _ in collection.scan()) == len(images) == len(collection)
        return images, {failure.file.path: failure.reason for failure in collection.failures()}
