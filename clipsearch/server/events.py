"""Streams of events (https://html.spec.whatwg.org/multipage/server-sent-events.html): a job's progress, and new commits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from clipsearch.errors import ClipsearchError
from clipsearch.render.json_output import json_line
from clipsearch.server.service import Service

_ALIVE = 15.0  # seconds after which a silent stream says that it is there
_STEP = 0.2  # seconds between looks at a job
_LOOK = 1.0  # seconds between looks at the index


class EventStream(StreamingResponse):
    """(event, data) pairs as they come; None keeps the connection alive. It ends at once when the server stops."""

    media_type = "text/event-stream"

    def __init__(self, service: Service, events: AsyncIterator[tuple[str, dict[str, Any]] | None]) -> None:
        super().__init__(self._lines(service, events), headers={"Cache-Control": "no-store"})
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream, counted."""
        self._service.metrics.listeners.inc()
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._service.metrics.listeners.dec()

    async def _lines(
        self, service: Service, events: AsyncIterator[tuple[str, dict[str, Any]] | None]
    ) -> AsyncIterator[bytes]:
        yield b"retry: 2000\n\n"
        async with aclosing(events):  # type: ignore[type-var]
            async for event in events:
                if service.stopping.is_set():
                    return
                yield b": alive\n\n" if event is None else f"event: {event[0]}\ndata: {json_line(event[1])}\n".encode()


async def job_events(service: Service) -> AsyncIterator[tuple[str, dict[str, Any]] | None]:
    """Send "progress" whenever a job has moved on, and at last "done", "failed" or "cancelled". A job is waited for."""
    told: dict[str, Any] = {}
    silent = 0.0
    while not service.stopping.is_set():
        job = service.jobs.job
        now = job.to_json()
        if job.state in ("done", "failed", "cancelled"):
            yield job.state, now
            return
        if now != told:
            told, silent = now, 0.0
            yield "progress", now
        elif silent >= _ALIVE:
            silent = 0.0
            yield None
        await service.pause(_STEP)
        silent += _STEP


async def index_events(service: Service) -> AsyncIterator[tuple[str, dict[str, Any]] | None]:
    """Send "changed" with the number of photos whenever somebody, here or elsewhere, has committed to the index."""
    known = await _seen(service)
    silent = 0.0
    while not service.stopping.is_set():
        await service.pause(_LOOK)
        silent += _LOOK
        now = await _seen(service)
        if now is not None and now[0] != (known and known[0]):
            known, silent = now, 0.0
            yield "changed", {"images": now[1]}
        elif silent >= _ALIVE:
            silent = 0.0
            yield None


async def _seen(service: Service) -> tuple[object, int] | None:
    """The index's version and how many photos it has; None where that cannot be told now, as while it is made anew."""
    try:
        return await service.version(), await service.count()
    except (ClipsearchError, OSError):
        return None
