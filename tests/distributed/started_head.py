"""Index a folder on a Ray cluster that `ray start` has started, in a network with only 127.0.0.1.

    unshare --net python -m tests.distributed.started_head FOLDER INDEX ADDRESS

The head listens at 127.0.0.1:6399 and at ray://127.0.0.1:10001. The program prints a JSON array with the answers
of two drivers. The first driver lacks the cluster's token, and the second has it.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.distributed.two_nodes import bring_loopback_up, start_driver

TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("index", type=Path)
    parser.add_argument("address")
    arguments = parser.parse_args()
    bring_loopback_up()
    scratch = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # sockets need short names
    head = start_head(scratch)
    try:
        for port in (6399, 10001):
            wait_for(port, head)
        without = {name: value for name, value in os.environ.items() if name not in TOKEN}
        answers = [finished(arguments, environment) for environment in (without, {**without, **TOKEN})]
    finally:
        head.send_signal(signal.SIGTERM)  # the head then ends everything that it has started
        head.wait(60)
        shutil.rmtree(scratch, ignore_errors=True)
    sys.stdout.write(json.dumps(answers) + "\n")


def start_head(scratch: str) -> subprocess.Popen[bytes]:
    command = (
        f"{Path(sys.executable).with_name('ray')} start --head --block --port=6399 --ray-client-server-port=10001 --num-cpus=2 "
        f"--node-ip-address=127.0.0.1 --object-store-memory=100000000 --include-dashboard=false --temp-dir={scratch}"
    )
    environment = {**os.environ, **TOKEN, "RAY_USAGE_STATS_ENABLED": "0"}
    return subprocess.Popen(command.split(), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(port: int, head: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and head.poll() is None:
        with socket.socket() as connection:
            if connection.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise SystemExit(f"nothing listens at port {port}; the head ended with {head.poll()}")


def finished(arguments: argparse.Namespace, environment: dict[str, str]) -> dict[str, object]:
    """Run a driver and return its exit status and its output."""
    driver = start_driver(arguments, arguments.address, environment)
    said, errors = driver.communicate(timeout=300)
    return {"status": driver.returncode, "said": said, "errors": errors}


if __name__ == "__main__":
    main()
