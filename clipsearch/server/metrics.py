"""Counters of what the server does, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_STREAMS = ("/api/events", "/api/index/events")  # as long as a client listens, so their time says nothing
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")


class Metrics:
    """The counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()

        def gauge(name: str, description: str) -> Gauge:
            return Gauge(f"clipsearch_{name}", description, registry=registry)

        def counter(name: str, description: str, *labels: str) -> Counter:
            return Counter(f"clipsearch_{name}", description, labels, registry=registry)

        def histogram(name: str, description: str, buckets: Sequence[float], *labels: str) -> Histogram:
            return Histogram(f"clipsearch_{name}", description, labels, buckets=buckets, registry=registry)

        self.asked_at = time.perf_counter()  # when a request last came or was answered
        self.requests = counter("http_requests", "Requests answered.", "route", "method", "status")
        self.seconds = histogram(
            "http_request_seconds", "From the start of a request to the end of its response.", _SECONDS, "route"
        )
        self.batch_size = histogram("search_batch_size", "Searches answered together.", (1, 2, 4, 8, 16, 32, 64))
        self.batch_seconds = histogram("search_batch_seconds", "The time of such a batch.", _SECONDS)
        self.thumbnails = counter("thumbnails", "Thumbnails found in the cache (hit) or not (miss).", "result")
        self.images = gauge("images", "Photos in the index.")
        self.cache_bytes = gauge("thumbnail_cache_bytes", "Thumbnails on disk.")
        self.listeners = gauge("event_listeners", "Clients that listen to events.")
        self.job_running = gauge("index_job_running", "Whether photos are being indexed.")
        self.job_done = gauge("index_job_files_done", "Files of the running or last job that are done.")
        self.job_total = gauge("index_job_files", "Files of the running or last job.")

    def batch(self, size: int, seconds: float) -> None:
        """Count a batch of searches and its time."""
        self.batch_size.observe(size)
        self.batch_seconds.observe(seconds)

    def thumbnail(self, result: str) -> None:
        """Count a lookup in the cache: a "hit" or a "miss"."""
        self.thumbnails.labels(result).inc()

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)


class MeasuredRequests:
    """ASGI middleware that counts requests and their time, by route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0
        self._metrics.asked_at = start

        async def counting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, counting_send)
        finally:
            self._metrics.asked_at = time.perf_counter()
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"  # a client must not make up labels
            self._metrics.requests.labels(route, method, status).inc()
            if route not in _STREAMS:
                self._metrics.seconds.labels(route).observe(time.perf_counter() - start)
