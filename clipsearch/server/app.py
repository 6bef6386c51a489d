"""The ASGI application: the routes and the middleware around them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import Depends, FastAPI, Request
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp

from clipsearch import __version__
from clipsearch.server.errors import RequestError, handle_errors
from clipsearch.server.map_tiles import tile_origin
from clipsearch.server.metrics import MeasuredRequests
from clipsearch.server.middleware.access import AccessControl
from clipsearch.server.middleware.error_pages import show_errors_as_pages
from clipsearch.server.middleware.head_requests import answer_head
from clipsearch.server.parameters import REPEATABLE
from clipsearch.server.routes.albums import album_routes
from clipsearch.server.routes.counts import count_routes
from clipsearch.server.routes.downloads import download_routes
from clipsearch.server.routes.grid import grid_routes
from clipsearch.server.routes.index import index_routes
from clipsearch.server.routes.page import metrics_routes, page_routes
from clipsearch.server.routes.pictures import picture_routes
from clipsearch.server.routes.search import search_routes
from clipsearch.server.routes.session import session_routes
from clipsearch.server.schemas import error_responses
from clipsearch.server.service import Service
from clipsearch.server.sessions import Sessions

_ANY_ROUTE = error_responses(
    {
        401: "The server has a token, and the request does not.",
        403: "The request comes from another site, or changes something without the header `Clipsearch-Client`.",
        421: "The Host header names another server.",
        422: "A parameter is unknown, or its value is not valid.",
        503: "The index cannot be read now.",
    }
)
_BEARER = HTTPBearer(
    auto_error=False, description="The server's token. The cookie that `POST /api/session` sets works, too."
)


def make_app(service: Service, *, host: str, port: int, sessions: Sessions | None = None) -> ASGIApp:
    """The ASGI application of a service that listens at this host and port. ClipsearchError if that needs a token.

    `sessions` has the token, if there is one.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            service.stopping.set()
            service.close()

    app = FastAPI(
        title="clipsearch",
        version=__version__,
        description="Search a photo folder by describing the picture. Every answer has the header `Clipsearch-Api: 1`.",
        lifespan=lifespan,
        redirect_slashes=False,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        generate_unique_id_function=lambda route: route.name,
        responses=_ANY_ROUTE,
        dependencies=[Depends(_BEARER)] if sessions else [],
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    makers = (
        search_routes,
        grid_routes,
        count_routes,
        picture_routes,
        album_routes,
        download_routes,
        metrics_routes,
    )
    routers = [make(service) for make in makers]
    routers += [index_routes(service, sessions), session_routes(sessions)]
    for router in routers:
        app.include_router(router, dependencies=[Depends(_check_repeated)])
    page = page_routes(service)  # of a value that is there twice, the page takes the last
    app.include_router(page)
    handle_errors(app, [route for router in (*routers, page) for route in router.routes], service.index_folder)
    pictures_from = None if service.map_tiles is None else tile_origin(service.map_tiles)
    service.prepare_later(partial(_build_routes, app))
    access = AccessControl(answer_head(app), host=host, port=port, sessions=sessions, pictures_from=pictures_from)
    return MeasuredRequests(show_errors_as_pages(access), service.metrics)


def _build_routes(app: FastAPI) -> None:
    """Make the models of all parameters, 70 ms of work. FastAPI does so when it first compares routes with a request."""
    for route in app.routes:
        route.matches({"type": "http", "method": "GET", "path": "", "headers": []})


async def _check_repeated(request: Request) -> None:  # async, since FastAPI runs others in a thread, at each request
    """Refuse a second value of a parameter that has one: it would be ignored silently."""
    names = [name for name, _ in request.query_params.multi_items() if name not in REPEATABLE]
    for name in names:
        if names.count(name) > 1:
            raise RequestError(422, "bad-parameter", f"the parameter {name} is there more than once; give it once")
