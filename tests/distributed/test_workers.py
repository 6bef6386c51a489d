"""Workers and the driver: chunks that fail beside others, the first photos, and nodes that cannot start a worker."""

import importlib.machinery
import os
import sys
import threading
import types

import numpy as np
import pytest

from clipsearch._internal.cancel import CancelToken
from clipsearch.distributed import chunk_worker, cluster, indexing
from clipsearch.distributed.archives import ArchiveChunk
from clipsearch.distributed.chunk_worker import ChunkWorker, ClusterJob
from clipsearch.distributed.chunks import FilesChunk
from clipsearch.distributed.parts import read_files
from clipsearch.distributed.photo_tables import ManifestChunk
from clipsearch.errors import ClipsearchError, StorageError
from clipsearch.images.files import ReadLimits
from clipsearch.types import ImageFile
from tests.conftest import ColourEncoder, save_photo
from tests.distributed.conftest import jpeg, save_parquet, save_tar

pytest.importorskip("pyarrow")


def file_of(path):
    state = path.stat()
    return ImageFile(str(path), state.st_size, state.st_mtime_ns)


# -- the first photos


class Undecided(ColourEncoder):
    """An encoder whose precision is still open. It asks for photos to choose its precision."""

    def settle_precision(self, pixels):
        self.judged = pixels()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("where", ["in tar files", "elsewhere", "in rows", "at addresses", "here", "nowhere"])
def test_the_first_photos_are_read_while_their_chunks_are_open(where, memory, tmp_path, monkeypatch):
    photos = [jpeg((n, 9, 9), str(n)) for n in range(100)]
    halves = (range(20), range(20, 100))
    if where == "in tar files":
        chunks = [
            ArchiveChunk(file_of(save_tar(tmp_path / f"{half.start}.tar", [(f"{n}.jpg", photos[n]) for n in half])))
            for half in halves
        ]
    elif where == "elsewhere":
        for number, photo in enumerate(photos):
            memory.pipe(f"/bucket/{number}.jpg", photo)
        chunks = [
            FilesChunk(tuple(ImageFile(f"memory://bucket/{n}.jpg", len(photos[n]), 1) for n in half)) for half in halves
        ]
    elif where in ("in rows", "at addresses"):
        monkeypatch.setattr(
            "clipsearch.distributed.photo_tables.fetch_image",
            lambda url, max_bytes: photos[int(url.rpartition("/")[2])],
        )
        columns = {"jpg": photos} if where == "in rows" else {"url": [f"https://example.org/{n}" for n in range(100)]}
        file = file_of(save_parquet(tmp_path / "a.parquet", columns))
        chunks = [ManifestChunk(file, half.start, half.stop) for half in halves]
    elif where == "here":
        for number, photo in enumerate(photos):
            (tmp_path / f"{number}.jpg").write_bytes(photo)
        chunks = [FilesChunk(tuple(file_of(tmp_path / f"{n}.jpg") for n in half)) for half in halves]
    else:
        chunks = [FilesChunk((ImageFile(str(tmp_path / "none.jpg"), 1, 1),))]
    encoder = Undecided()
    collection = types.SimpleNamespace(settle_precision=lambda fingerprint: None)
    indexing._settled(collection, encoder, chunks, ReadLimits(), 2)
    wanted = 0 if where == "nowhere" else 64
    assert encoder.judged.shape == (wanted, 3, 8, 8)
    reds = encoder.judged[:, 0].mean(axis=(1, 2)) * 255
    assert np.allclose(reds, np.arange(wanted), atol=4)


# -- chunks that are embedded at once


@pytest.fixture
def worker(tmp_path, monkeypatch):
    encoder = ColourEncoder()
    monkeypatch.setattr(chunk_worker, "load_encoder", lambda name, **options: encoder)
    worker = ChunkWorker(
        ClusterJob(encoder.spec.fingerprint, str(tmp_path / "parts"), ReadLimits(), "cpu", 2, batch_size=8)
    )
    yield worker
    worker.close()


def both(worker, chunks):
    """Embed several chunks at once and return the outcome of each: a part, or an error."""
    outcomes = {}

    def embed(name, chunk):
        try:
            outcomes[name] = worker.embed(name, chunk)
        except Exception as error:
            outcomes[name] = error

    threads = [threading.Thread(target=embed, args=item) for item in chunks.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.timeout(60)
@pytest.mark.parametrize("wait", [0.0, 0.2, 0.5])
def test_a_chunk_whose_storage_fails_costs_the_other_nothing(wait, worker, tmp_path, monkeypatch):
    good = FilesChunk(
        tuple(file_of(save_photo(tmp_path / f"{n:03}.jpg", (n % 256, 9, 9), note=str(n))) for n in range(300))
    )
    bad = FilesChunk((ImageFile("s3://bucket/x.jpg", 9, 1),))

    def down(file, max_bytes):
        threading.Event().wait(wait)
        raise StorageError("down")

    monkeypatch.setattr("clipsearch.distributed.chunks.read_remote", down)
    worker.embed("0" * 32, FilesChunk(good.files[:4]))
    outcomes = both(worker, {"a" * 32: good, "b" * 32: bad})
    assert isinstance(outcomes["b" * 32], StorageError)
    part = outcomes["a" * 32]
    assert (part.rows, part.failed) == (300, 0)
    assert [file.path for file in read_files(str(tmp_path / "parts"), part.part)] == [file.path for file in good.files]


@pytest.mark.timeout(60)
def test_a_chunk_is_not_begun_again_after_its_own_error(worker, tmp_path, monkeypatch):
    """An error of the model, such as too little memory, looks like the error of a closed pool."""
    files = FilesChunk(tuple(file_of(save_photo(tmp_path / f"{n}.jpg", note=str(n))) for n in range(20)))
    begun = []

    def fail(self, pixels):
        begun.append(len(pixels))
        raise RuntimeError("out of memory")

    monkeypatch.setattr(ColourEncoder, "embed_pixels", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        worker.embed("a" * 32, files)
    assert len(begun) <= 3


# -- nodes


class GoneError(Exception):
    """An error from Ray."""


class FakeRay:
    """A cluster whose workers die as they start, on the given nodes."""

    exceptions = types.SimpleNamespace(RayTaskError=type("RayTaskError", (Exception,), {}), RayError=GoneError)

    def __init__(self, **nodes):
        self.known = [
            {"Alive": True, "NodeID": name, "Resources": {"CPU": processors} if processors else {}}
            for name, processors in nodes.items()
        ]

    def nodes(self):
        return self.known

    def wait(self, refs, **_):
        return refs[:1], []

    def get(self, ref):
        raise GoneError("no module named clipsearch")

    def kill(self, *_, **__):
        return None


@pytest.fixture
def run_on(monkeypatch):
    """A function that prepares a run on such a cluster. `started` lists the node of each start."""
    monkeypatch.setattr(cluster, "_NODE_INTERVAL", 0)
    started = []

    def run_on(ray):
        run = cluster._Scheduler(ray, types.SimpleNamespace(jobs=None, device="cpu"), [("a", None)])

        def start(node, share, *_):
            started.append(node)
            return cluster._ClusterWorker(node, share, object(), object())

        monkeypatch.setattr(run, "_start", start)
        return run

    run_on.started = started
    return run_on


@pytest.mark.timeout(20)
def test_nodes_that_start_nothing_end_the_run_though_the_head_is_not_for_work(run_on):
    with pytest.raises(ClipsearchError, match=r"can start a worker: no module named clipsearch"):
        list(run_on(FakeRay(head=0, one=2)).results(CancelToken()))
    assert run_on.started == ["one"] * cluster._START_ATTEMPTS


@pytest.mark.timeout(20)
def test_nodes_that_are_away_for_a_moment_do_not(run_on):
    ray = FakeRay(one=2)
    run = run_on(ray)
    run._staff()
    run._take(run._workers[0], run._workers[0].starting)  # one failed start
    nodes, ray.known = ray.known, []
    run._staff()
    ray.known = nodes
    run._staff()
    assert run_on.started == ["one", "one"]


@pytest.mark.parametrize("what", ["nodes", "wait"])
def test_a_cluster_that_cannot_be_reached_any_more_is_said_to_be(run_on, what):
    ray = FakeRay(one=2)

    def fail(*_, **__):
        raise RuntimeError("failed to connect to GCS")

    setattr(ray, what, fail)
    with pytest.raises(ClipsearchError, match="cannot be reached any more: failed to connect"):
        list(run_on(ray).results(CancelToken()))


@pytest.fixture
def stand_in(monkeypatch):
    """A stand-in for the module `ray`, which is imported anew."""
    ray = types.ModuleType("ray")
    ray.__spec__ = importlib.machinery.ModuleSpec("ray", None)
    ray.is_initialized = lambda: False
    ray.shutdown = lambda: None

    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            return importlib.machinery.ModuleSpec(name, Finder) if name == "ray" else None

        @staticmethod
        def create_module(spec):
            return ray

        @staticmethod
        def exec_module(module):
            return None

    for name in [name for name in sys.modules if name == "ray" or name.startswith("ray.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    monkeypatch.setattr(cluster, "require_ray", lambda: None)
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    yield ray
    sys.modules.pop("ray", None)


def test_the_environment_is_as_it_was_after_a_cluster(stand_in, monkeypatch):
    seen = []
    stand_in.init = lambda **_: seen.append(os.environ["RAY_AUTH_MODE"])
    monkeypatch.setenv("RAY_AUTH_MODE", "mine")
    cluster.Cluster(cluster.LOCAL).close()
    assert seen == ["token"] and os.environ["RAY_AUTH_MODE"] == "mine" and "RAY_AUTH_TOKEN" not in os.environ


@pytest.mark.parametrize(
    ("address", "mode", "told"), [("h:1", "", True), ("h:1", "token", False), ("local", "", False)]
)
def test_who_may_lack_a_token_is_told_where_it_goes(stand_in, monkeypatch, address, mode, told):
    def refuse(**_):
        raise ConnectionError("no answer")

    stand_in.init = refuse
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    if mode:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
    with pytest.raises(ClipsearchError, match=r"there is no Ray cluster at .*: no answer") as error:
        cluster.Cluster(address)
    assert ("RAY_AUTH_MODE=token" in str(error.value)) == told
