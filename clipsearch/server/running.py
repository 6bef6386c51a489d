"""Listening, and stopping when told to."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from clipsearch.errors import ClipsearchError
from clipsearch.server.service import Service

LONGEST_REQUEST = 2 * 1024**2
"""Bytes of a request's first line and headers."""

_GRACE = 1  # seconds for answers that are on their way when the server stops


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 is any free one. ClipsearchError where that cannot be."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise ClipsearchError(f"there is no address {host} on this machine ({error})") from error
    try:
        if hasattr(socket, "SO_REUSEADDR") and not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ClipsearchError(
            f"cannot listen at {host}, port {port}: {error.strerror or error}; --port 0 takes any free port"
        ) from error
    return listener


def address_of(listener: socket.socket, host: str) -> str:
    """The address for a browser on this machine."""
    port = listener.getsockname()[1]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}/"


def run(app: ASGIApp, service: Service, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Answer until Ctrl-C or SIGTERM. `on_ready` is called once requests are answered."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, proxy_headers=False, lifespan="on",
        ws="none", h11_max_incomplete_event_size=LONGEST_REQUEST, timeout_graceful_shutdown=_GRACE, http="h11", loop="asyncio",
    )  # fmt: skip
    asyncio.run(_Server(config, service, on_ready).serve(sockets=[listener]))


class _Server(uvicorn.Server):
    """Uvicorn's, which ends streams when it is told to stop, and does not raise the signal again behind."""

    def __init__(self, config: uvicorn.Config, service: Service, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._service = service
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()

        def stop(number: int, frame: FrameType | None) -> None:
            self.force_exit = self.should_exit  # asked twice
            self.should_exit = True
            loop.call_soon_threadsafe(self._service.stopping.set)

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
