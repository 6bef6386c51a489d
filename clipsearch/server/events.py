"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): a job's progress, and new commits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, TypeAlias

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from clipsearch.errors import ClipsearchError
from clipsearch.render.json_output import json_line
from clipsearch.server.middleware.head_requests import IS_HEAD
from clipsearch.server.service import Service
from clipsearch.store.catalog_file import has_catalog
from clipsearch.store.lock import is_written

_KEEP_ALIVE = 15.0  # seconds without an event after which a comment keeps the connection open
_JOB_INTERVAL = 0.2  # seconds between looks at a job
_INDEX_INTERVAL = 1.0  # seconds between looks at the index

Events: TypeAlias = AsyncIterator["tuple[str, dict[str, Any]] | None"]
"""(event, data) pairs; None if nothing has happened since."""


class EventStream(StreamingResponse):
    """Events as they come. The stream ends at once when the server stops."""

    media_type = "text/event-stream"

    def __init__(self, service: Service, events: Events) -> None:
        super().__init__(_lines(service, events), headers={"Cache-Control": "no-store"})
        self._listeners = service.metrics.listeners

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream, and count the listener."""
        if IS_HEAD in scope:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body"})
            return
        with self._listeners.track_inprogress():
            await super().__call__(scope, receive, send)


async def _lines(service: Service, events: Events) -> AsyncIterator[bytes]:
    yield b"retry: 2000\n\n"
    last = time.monotonic()
    async with aclosing(events):  # type: ignore[type-var]
        async for event in events:
            if service.stopping.is_set():
                return
            if event is not None:
                yield f"event: {event[0]}\ndata: {json_line(event[1])}\n".encode()
            elif time.monotonic() - last >= _KEEP_ALIVE:
                yield b": alive\n\n"
            else:
                continue
            last = time.monotonic()


async def job_events(service: Service) -> Events:
    """Wait for a job; send "progress" whenever it has moved on, and at last "done", "failed" or "cancelled"."""
    last = None
    while not service.stopping.is_set():
        job = service.jobs.job
        if job.state in ("done", "failed", "cancelled"):
            yield job.state, job.to_json()
            return
        yield ("progress", job.to_json()) if job != last else None
        last = job
        await service.pause(_JOB_INTERVAL)


async def index_events(service: Service) -> Events:
    """Send "changed" with the number of photos whenever any process has committed to the index.

    Send "albums" whenever any client or process has changed favourites or albums. Send "gone" once if the index is not on
    the disk, and "changed" when it is there again. Send "writing" when another process begins to write to the index, as an
    `index` does, and when it ends. Begin with "unindexed" if the server was started in a folder of photos that are not indexed,
    and serves the last used index instead.
    """
    if service.folders.unindexed:
        yield "unindexed", {"folder": str(service.folders.unindexed)}
    last = await _state_and_count(service)
    is_gone = is_elsewhere = False
    while not service.stopping.is_set():
        await service.pause(_INDEX_INTERVAL)
        held = service.jobs.job.state != "running" and await asyncio.to_thread(is_written, service.index_folder)
        if held != is_elsewhere and service.jobs.job.state != "running":  # one of its own may have begun meanwhile
            is_elsewhere = held
            yield "writing", {"elsewhere": held}
        current = await _state_and_count(service)
        if current is None and not has_catalog(service.index_folder):  # perhaps since before the first look
            yield None if is_gone else ("gone", {})
            is_gone = True
        elif current is None or (current == last and not is_gone):
            yield None
        else:
            if last is None or current[0] != last[0] or is_gone:
                yield "changed", {"images": current[2]}
            if last is not None and current[1] != last[1]:
                yield "albums", {}
            last, is_gone = current, False


async def _state_and_count(service: Service) -> tuple[object, object, int] | None:
    """The index's version, that of its albums, and its photos; None if it cannot be read now, as while it is being replaced."""
    try:
        *version, albums = await service.state()
        return version, albums, await service.count()
    except (ClipsearchError, OSError):
        return None
