"""A Ray cluster of two nodes on this machine, in a network of its own. A node, a worker or the driver is killed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clipsearch import SearchEngine
from tests.conftest import ROOT, save_photo
from tests.distributed.conftest import content

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="a network with nothing but 127.0.0.1 is Linux's"),
]


@pytest.fixture(scope="module")
def alone():
    """The words before a command that give it a network of its own."""
    for command in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        if shutil.which("unshare") and not subprocess.run([*command, "true"], capture_output=True).returncode:
            return command
    pytest.skip("cannot make a network of its own here (unshare --net), and Ray would listen on this machine's address")


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """1,000 files of photos, two of them equal, and one file that is no photo."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(999):
        save_photo(
            folder / f"{number % 10}" / f"{number:03}.jpg", (number % 256, number // 4, 40), (160, 120), str(number)
        )
    shutil.copy(folder / "7" / "007.jpg", folder / "copy.jpg")
    (folder / "bad.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def plain(many, tmp_path_factory):
    """The content of the index that one machine makes of `many`."""
    index = tmp_path_factory.mktemp("plain")
    with SearchEngine(index, model="mini") as engine:
        engine.index(many)
    return content(index)


@pytest.mark.parametrize("kill", ["node", "worker", "driver"])
def test_every_photo_is_there_once_whoever_is_killed(alone, many, plain, tmp_path, kill):
    index = tmp_path / "index"
    command = [*alone, sys.executable, "-m", "tests.distributed.two_nodes", str(many), str(index), "--kill", kill]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout.splitlines()[-1])
    assert answer["status"] == 3, answer  # one file could not be read
    assert content(index) == plain
    report = answer["report"]
    assert (report["added"], report["copied"], report["failed"]) == (1000, 1, 1)
    assert report["parts"] > len(answer["finished"]) >= 3
    assert report["reused"] == (len(answer["finished"]) if kill == "driver" else 0)
    assert not list(Path(index, "parts").iterdir())


@pytest.mark.parametrize("address", ["127.0.0.1:6399", "ray://127.0.0.1:10001"])
def test_a_cluster_that_others_have_started(alone, many, plain, tmp_path, address):
    """The cluster has a token, as `ray start` makes it. A driver without the token is told where to put it."""
    index = tmp_path / "index"
    command = [*alone, sys.executable, "-m", "tests.distributed.started_head", str(many), str(index), address]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert result.returncode == 0, result.stderr
    refused, answer = json.loads(result.stdout.splitlines()[-1])
    assert refused["status"] == 1 and "there is no Ray cluster" in refused["errors"], refused
    assert "RAY_AUTH_MODE=token" in refused["errors"] and "bug" not in refused["errors"]
    assert answer["status"] == 3, answer
    assert content(index) == plain


def test_a_cluster_in_place(alone, many, plain, tmp_path):
    """With --ray local, nothing else listens in this network, and no process stays behind."""
    script = (
        "import tests.distributed.two_nodes as two; two.bring_loopback_up(); from clipsearch.cli import main; main()"
    )
    index = tmp_path / "index"
    command = ["index", str(many), "--index", str(index), "--model", "mini", "--ray", "local", "--json"]
    result = subprocess.run(
        [*alone, sys.executable, "-c", script, *command], cwd=ROOT, capture_output=True, text=True, timeout=400
    )
    assert result.returncode == 3, result.stderr
    assert content(index) == plain
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout if shutil.which("ps") else ""
    assert "clipsearch-ray-" not in listed
