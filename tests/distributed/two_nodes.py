"""Index a folder on a Ray cluster of two nodes, in a network with only 127.0.0.1, and kill a node or the driver.

    unshare --net python -m tests.distributed.two_nodes FOLDER INDEX [--kill node|driver|worker]

The program prints a JSON object: the last driver's output and exit status, the parts that were finished before the kill,
and the seconds that all drivers took together.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("index", type=Path)
    parser.add_argument("--kill", choices=["node", "driver", "worker"])
    arguments = parser.parse_args()
    bring_loopback_up()
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 2, "object_store_memory": 96 * 1024**2, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    second = cluster.add_node(num_cpus=2, object_store_memory=96 * 1024**2)
    finished: list[str] = []
    start = time.monotonic()
    try:
        driver = start_driver(arguments, cluster.address)
        if arguments.kill:
            finished = wait_for_parts(arguments.index / "parts", driver)
        if arguments.kill == "node":
            cluster.remove_node(second, allow_graceful=False)
        if arguments.kill == "worker":
            os.kill(a_worker(), signal.SIGKILL)
        if arguments.kill == "driver":
            driver.kill()
            driver.communicate()
            finished = sorted(path.name for path in (arguments.index / "parts").glob("*.parquet"))
            driver = start_driver(arguments, cluster.address)
        output, errors = driver.communicate(timeout=300)
        seconds = time.monotonic() - start
    finally:
        cluster.shutdown()
    answer = {
        "status": driver.returncode,
        "report": json.loads(output) if output.startswith("{") else output,
        "finished": finished,
        "seconds": seconds,
    }
    sys.stdout.write(json.dumps({**answer, "errors": errors}) + "\n")


def bring_loopback_up() -> None:
    """Do what `ip link set lo up` does, without `ip`. Ray then finds 127.0.0.1 and uses it."""
    siocgifflags, siocsifflags, up = 0x8913, 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        name = b"lo".ljust(16, b"\0")
        (flags,) = struct.unpack("16xH", fcntl.ioctl(control, siocgifflags, name + bytes(2) + bytes(22))[:18])
        fcntl.ioctl(control, siocsifflags, name + struct.pack("H", flags | up) + bytes(22))


def start_driver(
    arguments: argparse.Namespace, address: str, environment: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    command = [
        "index",
        arguments.folder,
        "--index",
        str(arguments.index),
        "--model",
        "mini",
        "--ray",
        address,
        "--json",
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "clipsearch", *command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_parts(folder: Path, driver: subprocess.Popen[str], count: int = 3) -> list[str]:
    """Wait for `count` parts and return their names."""
    while True:
        names = sorted(path.name for path in folder.glob("*.parquet"))
        if len(names) >= count:
            return names
        if driver.poll() is not None:
            raise SystemExit(f"the driver ended too soon: {driver.communicate()}")
        time.sleep(0.02)


def a_worker() -> int:
    """The process id of one of the workers."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and os.stat(process).st_uid == os.getuid():
            try:
                works = (process / "cmdline").read_bytes().startswith(b"ray::ChunkWorker")
                if works and os.readlink(process / "ns" / "net") == os.readlink("/proc/self/ns/net"):
                    return int(process.name)
            except OSError:
                continue
    raise SystemExit("no worker was found")


if __name__ == "__main__":
    main()
