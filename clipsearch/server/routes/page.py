"""The page and its files, and the metrics."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from clipsearch.server.errors import RequestError
from clipsearch.server.metrics import CONTENT_TYPE
from clipsearch.server.page_files import TYPES, packed, page_file
from clipsearch.server.parameters import NoParameters
from clipsearch.server.schemas import file_responses
from clipsearch.server.service import Service

_FIRST_PHOTOS = "/api/images?one_per_shot=true&top_k=60&offset=0&placeholders=true&favourites=true"
"""What a page without a search asks for first, letter by letter. Browsers ask for it before they have the page's code."""

_ICON = "icon.svg"
"""Browsers ask for it whenever the address changes, which is at each letter that is typed."""


def page_routes(service: Service) -> APIRouter:
    """The page at / and its files below /static."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def page(request: Request) -> Response:
        service.pictures.start()
        response = _static(request, "index.html")
        if not request.url.query:
            response.headers["Link"] = f"<{_FIRST_PHOTOS}>; rel=preload; as=fetch; crossorigin"
        return response

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
        responses=file_responses("Counters.", "text/plain", schema={"type": "string"}),
    )
    async def metrics(parameters: NoParameters) -> Response:
        """Counters of what the server does, in Prometheus's text format."""
        job, gauges = service.jobs.job, service.metrics
        gauges.images.set(await service.count())
        gauges.cache_bytes.set(await service.counts.run(lambda engine: service.pictures.cached_bytes()))
        gauges.job_running.set(job.state == "running")
        gauges.job_done.set(job.done)
        gauges.job_total.set(job.total)
        return Response(gauges.text(), headers={"Cache-Control": "no-store", "Content-Type": CONTENT_TYPE})

    return router


def _static(request: Request, name: str) -> Response:
    data = page_file(name)
    if data is None:
        raise RequestError(404, "not-found", "there is no such file")
    compressed, tag = packed(data)
    headers = {  # a weak tag, since the compressed file has the same
        "ETag": f'W/"{tag}"',
        "Cache-Control": "max-age=86400" if name == _ICON else "no-cache",
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        data = compressed
        headers["Content-Encoding"] = "gzip"
    return Response(data, headers={**headers, "Content-Type": TYPES[Path(name).suffix]})
