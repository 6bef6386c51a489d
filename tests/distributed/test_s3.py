"""Photos, archives and parts in S3, which moto imitates on 127.0.0.1. Needs s3fs and moto[server], which no extra installs."""

import pytest

from clipsearch import SearchEngine
from tests.distributed.conftest import content, jpeg, save_parquet, save_tar

pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")
pytestmark = pytest.mark.long


@pytest.fixture
def bucket(monkeypatch):
    import fsspec
    import fsspec.config

    moto = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setitem(fsspec.config.conf, "s3", {"endpoint_url": f"http://{host}:{port}"})
    files = fsspec.filesystem("s3")
    files.mkdir("pictures")
    yield files
    files.clear_instance_cache()
    moto.stop()


def test_s3(bucket, tmp_path, in_place):
    for number in range(40):
        bucket.pipe(f"pictures/{number % 3}/{number}.jpg", jpeg((number, 9, 9), str(number)))
    bucket.pipe("pictures/bad.jpg", b"no picture")
    bucket.pipe("pictures/empty.jpg", b"")
    save_tar(tmp_path / "a.tar", [("a.jpg", jpeg("red")), ("a.txt", "a red wall")])
    save_parquet(tmp_path / "b.parquet", {"jpg": [jpeg("green")], "txt": ["a lawn"]})
    for name in ("a.tar", "b.parquet"):
        bucket.put_file(str(tmp_path / name), f"pictures/sets/{name}")

    def run(*sources):
        with SearchEngine(tmp_path / "index") as engine:
            return engine.index_on_cluster(*sources, parts="s3://pictures/parts")

    report = run("s3://pictures/0", "s3://pictures/sets/*.tar", "s3://pictures/sets/b.parquet")
    assert (report.added, report.failed) == (16, 0)
    report = run("s3://pictures")
    images, failures = content(tmp_path / "index")
    assert (report.added, report.failed, report.unchanged) == (26, 2, 16)
    assert failures == {
        "s3://pictures/bad.jpg": "not a picture in a format that clipsearch reads",
        "s3://pictures/empty.jpg": "empty file",
    }
    assert images["s3://pictures/sets/a.tar/a.jpg"][2] == "a red wall"
    assert images["s3://pictures/sets/b.parquet/000000000.jpg"][2] == "a lawn"
    in_place.done.clear()
    assert run().unchanged == 42 and not in_place.done
    bucket.rm("pictures/1/1.jpg")
    bucket.pipe("pictures/2/2.jpg", jpeg("blue", "another one"))
    report = run()
    assert (report.removed, report.updated, report.unchanged) == (1, 1, 40)
    assert not bucket.exists("pictures/parts") or not bucket.ls("pictures/parts", refresh=True)
