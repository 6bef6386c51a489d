"""Kills, faults, full disks and power failures, a few of each: tools/torture.py does this by the hour."""

import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("SIGKILL is a Unix matter", allow_module_level=True)

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
from torture_lab import disk, syscalls
from torture_lab.checking import Loss, reached
from torture_lab.rounds import Lab, one_round
from torture_lab.workload import apply as carry_out
from torture_lab.workload import opened, plan, small_tiers, states


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Lab(tmp_path_factory.mktemp("lab"))


@pytest.mark.parametrize(
    ("kind", "rounds"),
    [("kill", 3), ("fault", 4), ("syscall", 2), ("full", 2), ("read-only", 1), ("power", 1), ("trouble", 1)],
)
def test_nothing_committed_is_lost(lab, kind, rounds):
    if kind in ("syscall", "power") and not syscalls.available():
        pytest.skip("needs strace, and the right to use it")
    for number in range(rounds):
        _, outcome = one_round(lab, kind, f"test.{number}")
        assert outcome.faults and outcome.states


# -- the laboratory itself would notice a loss


@pytest.fixture
def index(tmp_path):
    folder, steps = tmp_path / "photos" / ".clipsearch", plan(0, 4)
    with small_tiers(), opened(folder) as collection:
        for step in steps:
            carry_out(collection, step)
    return folder, states(steps)


def test_the_check_accepts_the_last_commit_and_the_next_one_alone(index):
    folder, expected = index
    assert reached(folder, expected, 4) == 4 and reached(folder, expected, 3) == 4
    with pytest.raises(Loss, match="not the state after commit 2"):
        reached(folder, expected, 2)


def test_the_check_sees_another_vector_and_a_stray_file(index):
    folder, expected = index
    name, version = next(iter(expected[4].items()))
    with pytest.raises(Loss, match="not the state"):
        reached(folder, [*expected[:4], {**expected[4], name: version + 100}], 4)
    (folder / "segments" / "catalog.txt").touch()
    with pytest.raises(Loss, match="does not list"):
        reached(folder, expected, 4)


def event(name, result, *texts, numbers=(), flags=""):
    return syscalls.Event(name, result, tuple(texts), tuple(numbers), flags)


def test_the_disk_forgets_what_was_not_synced(tmp_path):
    """A file that was written, synced and renamed is certain to be there only after its folder is synced."""
    root = tmp_path / "root"
    root.mkdir()
    old, new = (str(root / name).encode() for name in ("a.partial", "a"))
    model = disk.Disk.of(root)

    def left(fate="nothing unsynced"):
        for path in root.iterdir():
            path.unlink()
        root.rmdir()
        model.after_power_loss(root, fate, disk.Random(1))
        return {path.name: path.read_bytes() for path in root.iterdir()}

    model.take(event("openat", 3, old, flags="O_WRONLY|O_CREAT"))
    model.take(event("write", 5, b"hello", numbers=(3, 5)))
    assert left() == {} and left("everything") == {"a.partial": b"hello"}
    model.take(event("fsync", 0, numbers=(3,)))
    model.take(event("close", 0, numbers=(3,)))
    assert left() == {}
    model.take(event("rename", 0, old, new))
    model.take(event("openat", 3, str(root).encode(), flags="O_RDONLY"))
    assert left() == {}
    model.take(event("fsync", 0, numbers=(3,)))
    assert left() == {"a": b"hello"}
