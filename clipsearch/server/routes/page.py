"""The page and its files, and what Prometheus reads."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from clipsearch.server import schemas as shapes
from clipsearch.server.errors import Refusal
from clipsearch.server.metrics import CONTENT_TYPE
from clipsearch.server.parameters import Nothing
from clipsearch.server.service import Service

_FOLDER = Path(__file__).parents[1] / "static"
_TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml", ".png": "image/png", ".webp": "image/webp", ".ico": "image/x-icon",
    ".json": "application/json", ".webmanifest": "application/manifest+json", ".woff2": "font/woff2",
}  # fmt: skip
_TEXTS = (".html", ".js", ".css", ".svg", ".json", ".webmanifest")
_NOT_THERE: dict[int | str, dict[str, Any]] = {
    404: {"model": shapes.ErrorAnswer, "description": "There is no such file."}
}


def page_routes(service: Service) -> APIRouter:
    """The routes."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def page(request: Request) -> Response:
        return _static(request, "index.html")

    @router.get("/static/{name:path}")
    async def static(request: Request, name: str) -> Response:
        return _static(request, name)

    return router


def metrics_routes(service: Service) -> APIRouter:
    """/metrics."""
    router = APIRouter(tags=["index"])

    @router.get(
        "/metrics",
        response_class=Response,
        responses={200: {"description": "Counters.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics(asked: Annotated[Nothing, Query()]) -> Response:
        """What the server does, in Prometheus's text format."""
        job, numbers = service.jobs.job, service.metrics
        numbers.images.set(await service.count())
        numbers.cache_bytes.set(await service.counts.call(lambda engine: service.pictures.cached_bytes()))
        numbers.job_running.set(job.state == "running")
        numbers.job_done.set(job.done)
        numbers.job_total.set(job.total)
        return Response(numbers.text(), headers={"Cache-Control": "no-store", "Content-Type": CONTENT_TYPE})

    return router


def static_files() -> dict[str, Path]:
    """The page's files by their names, which are all that can be asked for."""
    return {
        path.relative_to(_FOLDER).as_posix(): path
        for path in _FOLDER.rglob("*")
        if path.suffix in _TYPES and path.is_file()
    }


def _static(request: Request, name: str) -> Response:
    file = static_files().get(name)
    if file is None:
        raise Refusal(404, "not-found", "there is no such file")
    data = file.read_bytes()
    headers = {  # weak: compressed or not, it is the same file
        "ETag": f'W/"{hashlib.sha256(data).hexdigest()[:32]}"',
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    if file.suffix in _TEXTS and "gzip" in request.headers.get("accept-encoding", ""):
        data = gzip.compress(data, 6, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(data, headers={**headers, "Content-Type": _TYPES[file.suffix]})
