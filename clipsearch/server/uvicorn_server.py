"""The HTTP server: it listens, drops silent clients, and stops when told to."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from clipsearch.errors import ClipsearchError, QueryError
from clipsearch.server.service import Service

LONGEST_REQUEST = 2 * 1024**2
"""The most bytes of a request's first line and headers."""

HEADERS_SECONDS, READING_SECONDS = 10.0, 60.0
"""Seconds for a client to send the headers of its next request, and to go on reading a response. It is disconnected then."""

logger = logging.getLogger(__name__)

_GRACE = 1  # seconds for responses in progress when the server stops


def require_host(host: str) -> None:
    """QueryError if no server can listen at a host, as it is not this machine's."""
    _bound(host, 0).close()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at a host and port; port 0 takes any free one. ClipsearchError if that fails."""
    listener = _bound(host, port)
    try:
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise _cannot_listen(host, port, error) from error
    return listener


def _bound(host: str, port: int) -> socket.socket:
    not_here = "{} is not an address of this machine ({}); choose another --host"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise QueryError(not_here.format(host, error)) from error
    try:
        if hasattr(socket, "SO_REUSEADDR") and not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise QueryError(not_here.format(host, error.strerror)) from error
        raise _cannot_listen(host, port, error) from error
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> ClipsearchError:
    return ClipsearchError(
        f"cannot listen at {host}, port {port}: {error.strerror or error}; --port 0 takes any free port"
    )


def address_of(listener: socket.socket, host: str, *, for_others: bool = False) -> str:
    """The address for a browser on this machine, or for others: with this machine's name if the server listens everywhere."""
    port = listener.getsockname()[1]
    here = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}  # noqa: S104
    if for_others and host in here:
        return f"http://{socket.gethostname().lower()}:{port}/"
    shown = here.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}/"


def run(app: ASGIApp, service: Service, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve until Ctrl-C or SIGTERM. `on_ready` is called once the server answers."""
    asyncio.run(make_server(app, service, on_ready).serve(sockets=[listener]))


def make_server(app: ASGIApp, service: Service, on_ready: Callable[[], None]) -> uvicorn.Server:
    """The server; its `serve` method starts it."""
    config = uvicorn.Config(
        app,
        http=_Connection,
        loop="asyncio",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=LONGEST_REQUEST,
        timeout_graceful_shutdown=_GRACE,
    )
    logging.getLogger("uvicorn.error").addFilter(_is_shown)  # a filter counts once, however often it is added
    return _Server(config, service, on_ready)


def _is_shown(record: logging.LogRecord) -> bool:
    """Whether a warning of uvicorn's is shown. What is not HTTP, such as a browser's https, is no fault of the server."""
    return "Invalid HTTP" not in record.getMessage()


class _Connection(H11Protocol):
    """A connection that is closed if the client sends no request, or stops reading a response. Uvicorn waits forever."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._start_timer("request", HEADERS_SECONDS, transport.close)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._start_timer("request", HEADERS_SECONDS, self.transport.close)
        else:
            self._stop_timer("request")

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:
            self._start_timer("request", HEADERS_SECONDS, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        logger.info("refused what is not HTTP, perhaps because it is https")
        super().send_400_response(msg)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_timer("reading", READING_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_timer("reading")

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer("request")
        self._stop_timer("reading")
        super().connection_lost(exc)

    def _start_timer(self, name: str, seconds: float, disconnect: Callable[[], None]) -> None:
        """Disconnect after this many seconds, unless the timer is stopped. A timer that already runs goes on."""
        if name not in self._timers:
            self._timers[name] = self.loop.call_later(seconds, disconnect)

    def _stop_timer(self, name: str) -> None:
        if timer := self._timers.pop(name, None):
            timer.cancel()


class _Server(uvicorn.Server):
    """A server that ends event streams when it stops, and does not raise the signal again afterwards."""

    def __init__(self, config: uvicorn.Config, service: Service, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._service = service
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit  # at the second signal
        self.should_exit = True
        asyncio.get_running_loop().call_soon_threadsafe(self._service.stopping.set)
