"""The application: routes, what is said of them all, and the middleware around them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp

from clipsearch import __version__
from clipsearch.server import schemas as shapes
from clipsearch.server.errors import Refusal, refuse
from clipsearch.server.metrics import Measured
from clipsearch.server.middleware.access import Guard
from clipsearch.server.middleware.head_requests import Heads
from clipsearch.server.parameters import REPEATABLE
from clipsearch.server.routes.index import index_routes
from clipsearch.server.routes.page import metrics_routes, page_routes
from clipsearch.server.routes.pictures import picture_routes
from clipsearch.server.routes.search import search_routes
from clipsearch.server.service import Service

_EVERYWHERE: dict[int | str, dict[str, Any]] = {
    status: {"model": shapes.ErrorAnswer, "description": description}
    for status, description in (
        (401, "The server has a token, and this request has not."),
        (403, "It comes from another site, or changes something without the header `Clipsearch-Client`."),
        (421, "The Host header names another server."),
        (422, "A parameter is unknown, or its value makes no sense."),
        (503, "The index cannot be read now."),
    )
}


_BEARER = HTTPBearer(
    auto_error=False, description="The server's token; the cookie that `/?token=...` sets does as well."
)


def make_app(service: Service, *, host: str, port: int, token: str | None = None) -> ASGIApp:
    """The ASGI application of a service that listens at this host and port. ClipsearchError where that would be open to all."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            service.stopping.set()
            service.close()

    app = FastAPI(
        title="clipsearch", version=__version__, lifespan=lifespan, redirect_slashes=False,
        description="Search a photo folder by describing the picture. Every answer has the header `Clipsearch-Api: 1`.",
        openapi_url="/api/openapi.json", docs_url=None, redoc_url=None, swagger_ui_oauth2_redirect_url=None,
        generate_unique_id_function=lambda route: route.name, responses=_EVERYWHERE,
        dependencies=[Depends(_once), *([Depends(_BEARER)] if token else [])],
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )  # fmt: skip
    routers = [make(service) for make in (search_routes, picture_routes, index_routes, metrics_routes, page_routes)]
    for router in routers:
        app.include_router(router)
    refuse(app, [route for router in routers for route in router.routes], service.index_folder)
    return Measured(Guard(Heads(app), host=host, port=port, token=token), service.metrics)


def _once(request: Request) -> None:
    """Of a parameter that counts once, two values would silently be one."""
    names = [name for name, _ in request.query_params.multi_items() if name not in REPEATABLE]
    for name in names:
        if names.count(name) > 1:
            raise Refusal(422, "bad-parameter", f"the parameter {name} is there more than once")
