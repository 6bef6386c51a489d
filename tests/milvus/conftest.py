"""Stores for tests: Milvus Lite in a folder, and a real server in its own network namespace."""

import itertools

import pytest

from tests.milvus.support import make_index

_numbers = itertools.count()


@pytest.fixture(scope="module")
def milvus_lite(tmp_path_factory):
    """A folder that Milvus Lite serves in this process while the tests of a module run."""
    manager = pytest.importorskip("milvus_lite.server_manager", reason="needs Milvus Lite: pip install milvus-lite")
    folder = tmp_path_factory.mktemp("lite") / "store.db"
    yield folder
    manager.server_manager_instance.release_server(str(folder))


def _lite(request):
    folder = request.getfixturevalue("milvus_lite")
    return lambda: f"milvus+lite:{folder}/photos_{next(_numbers)}"


def _server(request):
    address = request.getfixturevalue("milvus_server")
    return lambda: f"milvus://{address}/photos_{next(_numbers)}"


STORES = [pytest.param("lite"), pytest.param("server", marks=pytest.mark.long)]


@pytest.fixture(scope="module", params=["index", *STORES])
def place(request):
    """The kind of source that answers queries: an index or a store."""
    return request.param


@pytest.fixture(scope="module")
def new_url(request, place):
    """A function that makes addresses of new collections."""
    if place == "index":
        return None
    return _lite(request) if place == "lite" else _server(request)


@pytest.fixture(scope="session")
def milvus_server(tmp_path_factory):
    """HOST:PORT of a Milvus server that only this machine can reach."""
    from tests.milvus.server import running

    pytest.importorskip("milvus", reason="needs a Milvus server: pip install milvus")
    with running(tmp_path_factory.mktemp("milvus")) as address:
        yield address


@pytest.fixture
def nobody_waits(monkeypatch):
    """Readers check the version after every answer, so writers do not wait for them."""
    monkeypatch.setattr("clipsearch.milvus.store.TRUSTED_SECONDS", 0.0)
    monkeypatch.setattr("clipsearch.milvus.push.GRACE_SECONDS", 0.0)


@pytest.fixture
def index(tmp_path):
    """An index of 60 photos."""
    return make_index(tmp_path / "photos" / ".clipsearch", 60)


@pytest.fixture
def url(new_url):
    """The address of a collection that does not exist yet."""
    return new_url()
