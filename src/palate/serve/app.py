"""The application: its operations, its pages, and the store and engine behind them while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp

from palate.errors import NotFoundError, PalateError, RequestError, UnavailableError
from palate.serve import documents, gorse, problems
from palate.serve.door import Dispatcher
from palate.serve.gorse import health as gorse_health
from palate.serve.hosts import Hosts
from palate.serve.observing import Observed
from palate.serve.operations import Operation, add
from palate.serve.routes import PARTS, health
from palate.serve.service import MakeEngine, Service, opened
from palate.serve.settings import Settings
from palate.store.durability import doubts

log = logging.getLogger(__name__)
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
AGAIN = 1.0  # seconds between two tries to open a store that is away


class Application(FastAPI):
    """FastAPI behind our door.

    Args:
        settings: what the service was told.
        make_engine: makes the engine; of a test.

    Attributes:
        when_open: called when the store is open and the models are loaded.
    """

    def __init__(self, settings: Settings, make_engine: MakeEngine | None = None) -> None:
        super().__init__(
            title="Palate",
            summary="Recommendations from a store of feedback: what is told to it, the next answer knows.",
            version=version("palate"),
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            lifespan=_lifespan,
        )
        self.settings, self.make_engine = settings, make_engine
        self.service: Service | None = None
        self.when_open: Callable[[], None] = lambda: None
        self.hosts = Hosts(settings.host, settings.allow_host)
        self.operations: Mapping[tuple[str, str], Operation] = {}
        for offers in (*PARTS, *gorse.PARTS):
            self.operations |= add(self, offers)
        self.state.ready = self.ready
        self.include_router(health.router)
        self.include_router(gorse_health.router)
        documents.add_pages(self)
        if settings.page != "off":
            self._add_page()
        self.add_exception_handler(HTTPException, _beside)
        self.add_exception_handler(PalateError, _problem)
        self.add_exception_handler(Exception, _fault)

    def _add_page(self) -> None:
        from palate.serve import web
        from palate.serve.web.document import add_document

        for offers in web.PARTS:
            self.operations = {**self.operations, **add(self, offers)}
        add_document(self, self.settings.page_name)

    def ready(self) -> None:
        """Do nothing where every request can be answered.

        Raises:
            PalateError: the store cannot be read now, or a model cannot be loaded.
        """
        if self.service is None:
            raise UnavailableError("the store is not open yet", subject="store")
        self.service.store.namespaces()
        self.service.engine.ready()

    def build_middleware_stack(self) -> ASGIApp:
        """Return the application as the server calls it."""
        door = Dispatcher(super().build_middleware_stack(), self.operations, self.hosts, lambda: self.service)
        return Observed(door, self.settings.log)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request; FastAPI's own way in asks each time whether somebody traces it."""
        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
            return
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()
        scope["app"] = self
        await self.middleware_stack(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        if self.openapi_schema is None:
            self.openapi_schema = documents.completed(super().openapi())
        return self.openapi_schema


def create_app(settings: Settings, make_engine: MakeEngine | None = None) -> Application:
    """Return the service as an ASGI application; it opens its store when it is started.

    Args:
        settings: what it is told.
        make_engine: makes engine and batcher of a store; of a test.
    """
    return Application(settings, make_engine)


@contextlib.asynccontextmanager
async def _lifespan(app: Any) -> AsyncIterator[None]:
    """Open the store; where it is away now, go on trying, and answer 503 until it is there."""
    stack = contextlib.ExitStack()
    trying: asyncio.Task[None] | None = None
    try:
        try:
            _open(app, stack)
        except UnavailableError as error:
            log.warning("the store cannot be opened yet: %s", error.code)
            trying = asyncio.create_task(_opening(app, stack))
        yield
    finally:
        if trying is not None:
            trying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await trying
        app.service = None
        stack.close()


def _open(app: Application, stack: contextlib.ExitStack) -> None:
    service = stack.enter_context(opened(app.settings, app.make_engine))
    app.state.store, app.state.engine, app.state.batcher = service.store, service.engine, service.batcher
    app.state.doubts = doubts(service.store)
    for doubt in app.state.doubts:
        log.warning("what is acknowledged may be lost: %s", doubt)
    app.state.access, app.service = service.access, service
    app.when_open()


async def _opening(app: Application, stack: contextlib.ExitStack) -> None:
    while app.service is None:
        await asyncio.sleep(AGAIN)
        with contextlib.suppress(UnavailableError):
            await asyncio.to_thread(_open, app, stack)


async def _beside(request: Request, error: Exception) -> Response:
    """Answer what is no path of ours, or no method of one."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405:
        refused: PalateError = RequestError(
            f"{request.method} is no method of this path", code="method", subject="method", value=request.method
        )
        return _response(refused, request, {"allow": ", ".join(_methods(request))})
    if status == 404:
        return _response(NotFoundError("there is no such path; /docs lists them", subject="path"), request)
    return _response(RequestError(str(getattr(error, "detail", "")), code="request", subject="request"), request)


def _methods(request: Request) -> list[str]:
    """Return the methods of a path."""
    scopes = {method: {**request.scope, "method": method} for method in METHODS}
    return [m for m, scope in scopes.items() if any(r.matches(scope)[0] == Match.FULL for r in request.app.routes)]


async def _problem(request: Request, error: Exception) -> Response:
    """Answer an error of ours from a page or a route of FastAPI's own."""
    return _response(error if isinstance(error, PalateError) else PalateError(str(error), subject="service"), request)


async def _fault(request: Request, error: Exception) -> Response:
    """Answer a fault of ours in a page or a route of FastAPI's own; the door writes it into the log."""
    return _response(PalateError("something went wrong in the service", code="failed", subject="service"), request)


def _response(error: PalateError, request: Request, headers: Mapping[str, str] | None = None) -> Response:
    given = dict(headers or {})
    if (wait := problems.wait_of(error)) is not None:
        given["retry-after"] = str(max(1, round(wait + 0.5)))
    body = problems.as_bytes(error, request.scope["palate.call"].request_id)
    return Response(body, problems.status_of(error), given, media_type=problems.MEDIA_TYPE.decode())
