"""A Milvus server (the package `milvus` of PyPI) that only this machine can reach.

It listens on all addresses, mostly without a password, so it runs in a network namespace that has only `lo`.
A socket in a test folder connects a port of 127.0.0.1 outside to the server's port inside.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

_PORT = 19530
_SECONDS = 120  # a start usually takes 8


@contextlib.contextmanager
def running(folder, encrypted=None):
    """Start a server with its data in `folder`, and yield HOST:PORT. With an SSL context, it uses TLS."""
    if sys.platform != "linux" or subprocess.run(["unshare", "-rnpf", "true"], capture_output=True).returncode:
        pytest.skip("needs a network namespace, which this machine does not give")
    socket = folder / "socket"
    process = subprocess.Popen(
        ["unshare", "-rnpf", "--kill-child", sys.executable, __file__, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    loop = asyncio.new_event_loop()
    try:
        line = process.stdout.readline()
        assert line == "ready\n", f"the server did not start: {line}{process.stdout.read()}"
        listening = loop.run_until_complete(
            asyncio.start_server(_relay(lambda: asyncio.open_unix_connection(socket)), "127.0.0.1", 0, ssl=encrypted)
        )
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        yield "{}:{}".format(*listening.sockets[0].getsockname())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        listening.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.1))
    finally:
        process.stdin.close()  # the end of stdin tells it to stop
        process.wait(60)
        process.stdout.close()
        loop.close()


def _relay(connect):
    async def serve(reader, writer):
        try:
            there, back = await connect()
        except OSError:
            writer.close()
            return
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer), return_exceptions=True)

    return serve


async def _pass_on(reader, writer):
    try:
        while block := await reader.read(1 << 18):
            writer.write(block)
            await writer.drain()
    finally:
        writer.close()


def _main(folder):
    """Inside the namespace, start the server, print "ready", and relay the socket's data until stdin ends."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    from milvus import MilvusServer

    server = MilvusServer()
    server.set_base_dir(str(folder / "data"))
    server.listen_port = _PORT
    server.start()
    loop = asyncio.new_event_loop()
    relay = _relay(lambda: asyncio.open_connection("127.0.0.1", _PORT))
    loop.run_until_complete(asyncio.start_unix_server(relay, folder / "socket"))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop()
    os._exit(0)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
