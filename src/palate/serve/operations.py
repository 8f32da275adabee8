"""An operation: one method of one path, thin.

FastAPI documents the operations (their bodies, answers and errors, as OpenAPI), and does not run them: its way through
a request costs about 0.2 ms. Here a body is parsed once by pydantic's own reader of JSON, and what an operation returns
is written as it is; a test holds the answers against the documented models.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_type_hints
from urllib.parse import parse_qsl

from fastapi import Body, FastAPI, Path, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from palate.errors import RequestError
from palate.serve import limits, problems
from palate.serve.access import Caller
from palate.serve.asgi import Message, Receive
from palate.store.records import Namespace, Role

if TYPE_CHECKING:
    from palate.serve.service import Service
    from palate.serve.web.offers import Visit

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
WITH_BODY = ("POST", "PUT", "PATCH")
JSON = b"application/json"
FIELDS = 20_000  # of a query string
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


@dataclass(slots=True)
class Exchange:
    """One request on its way.

    Attributes:
        service: what answers.
        caller: who asks.
        scope: the request, as ASGI says it.
        headers: of the request.
        request_id: to find it in the log.
        visitor: who asks by a cookie, on the page.
        timings: seconds that each part of the work took: "model", "store".
        started: when the request came.
    """

    service: Service
    scope: Message
    headers: Mapping[bytes, bytes]
    request_id: str
    started: float = field(default_factory=perf_counter)
    caller: Caller | None = None
    visitor: Visit | None = None
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def ns(self) -> Namespace:
        """The namespace of who asks."""
        return self.known.ns

    @property
    def visit(self) -> Visit:
        """Who asks by a cookie, of an operation of the page."""
        if self.visitor is None:  # an operation of programs has keys, and no cookies
            raise RequestError("this is asked from the page", code="no_key", subject="cookie")
        return self.visitor

    @property
    def known(self) -> Caller:
        """Who asks, of an operation that wants a role."""
        if self.caller is None:  # an operation without a role has no namespace
            raise RequestError("this needs a key", code="no_key", subject="key")
        return self.caller


@dataclass(slots=True)
class Reply:
    """An answer: what JSON holds, its status and further headers."""

    content: Any
    status: int = 200
    headers: Sequence[tuple[bytes, bytes]] = ()
    media_type: bytes = JSON

    def body(self) -> bytes:
        """Return the content as JSON."""
        return self.content if isinstance(self.content, bytes) else to_json(self.content, inf_nan_mode="null")


Endpoint = Callable[..., Awaitable[Reply | Mapping[str, Any] | list[Any]]]


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What is said of an operation before there is an application.

    Attributes:
        method, path: where it is.
        endpoint: what does it.
        role: what the caller must be.
        answers: the model of the answer, by status.
        errors: statuses of refusals of its own, beside those that any operation has.
        asked: the model of its body, or of its query where it has no body.
        at: the model of the parts of its path; None: it has none, or one list id.
        query: the model of the query beside a body or parts of a path.
        examples: bodies, by name.
    """

    method: Method
    path: str
    endpoint: Endpoint
    role: Role
    answers: Mapping[int, type[BaseModel]]
    errors: tuple[int, ...]
    asked: type[BaseModel] | None
    at: type[BaseModel] | None
    query: type[BaseModel] | None
    examples: Mapping[str, Any]

    @property
    def has_body(self) -> bool:
        """Whether it takes a body; the others take a query."""
        return self.method in WITH_BODY and self.asked is not None


class Offers(list[Offer]):
    """The operations of one part of the service."""

    def __init__(self, tag: str, operation: type[Operation] | None = None, *, documented: bool = True) -> None:
        self.tag, self.operation, self.documented = tag, operation or Operation, documented

    def __call__(
        self,
        method: Method,
        path: str,
        answers: Mapping[int, type[BaseModel]] | type[BaseModel],
        *,
        role: Role,
        errors: tuple[int, ...] = (),
        examples: Mapping[str, Any] | None = None,
    ) -> Callable[[Endpoint], Endpoint]:
        """Return a decorator that offers a function.

        Its second argument's type is the body or the query; that of `at` the parts of the path, of `query` a query.
        """
        by_status = answers if isinstance(answers, Mapping) else {200: answers}

        def offered(endpoint: Endpoint) -> Endpoint:
            hints = get_type_hints(endpoint)
            self.append(
                Offer(
                    method=method,
                    path=path,
                    endpoint=endpoint,
                    role=role,
                    answers=by_status,
                    errors=errors,
                    asked=_model(hints.get("asked")),
                    at=_model(hints.get("at")),
                    query=_model(hints.get("query")),
                    examples=examples or {},
                )
            )
            return endpoint

        return offered


def _model(hint: Any) -> type[BaseModel] | None:
    return hint if isinstance(hint, type) and issubclass(hint, BaseModel) else None


class Operation(APIRoute):
    """An offer in an application: documented by FastAPI, run by `reply`."""

    offer: Offer
    refusals: ClassVar[Mapping[str, Any]] = PROBLEM  # content of refusals, as OpenAPI has it

    @classmethod
    def status_of(cls, status: int) -> int:
        """Return the status of a refusal that usually has this one."""
        return status

    @classmethod
    def refused(cls, reply: Reply, body: bytes) -> tuple[Reply, bytes]:
        """Return a refusal, which is a problem document here, as its clients read it."""
        return reply, body

    async def reply(self, call: Exchange, receive: Receive) -> Reply:
        """Return the answer of a request.

        Raises:
            PalateError: the request is refused, or cannot be answered.
        """
        offer, service = self.offer, call.service
        call.caller = caller = service.access.caller(call.headers, call.scope)
        caller.may(offer.role)
        service.rates.take(caller.key)
        asked = await self._asked(call, receive)
        more: dict[str, Any] = {}
        if offer.at is not None:
            more["at"] = of_path(offer.at, call.scope["path_params"])
        if offer.query is not None:
            more["query"] = of_query(offer.query, call.scope["query_string"])
        done = await offer.endpoint(call, asked, **more)
        return done if isinstance(done, Reply) else Reply(done)

    async def _asked(self, call: Exchange, receive: Receive) -> Any:
        offer = self.offer
        if offer.asked is None:
            return call.scope.get("path_params", {})
        if not offer.has_body:
            return of_query(offer.asked, call.scope["query_string"])
        settings = call.service.settings
        if not _is_json(call.headers.get(b"content-type", b"")):
            raise RequestError(
                "bodies are JSON: send the header 'Content-Type: application/json'",
                code="media_type",
                subject="content-type",
            )
        declared = _length(call.headers.get(b"content-length"))
        body = await limits.read_body(receive, declared, settings.body_bytes, settings.body_seconds)
        return of_json(offer.asked, body)

    async def run(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request that the routes of FastAPI have found, one with parts in its path."""
        await scope["palate.door"].carry_out(scope["palate.call"], self, receive, send)


def of_json(model: type[BaseModel], body: bytes) -> Any:
    """Return a body as its model.

    Raises:
        RequestError: it is not.
    """
    try:
        return model.__pydantic_validator__.validate_json(body)
    except ValidationError as error:
        raise problems.of_validation(error) from None


def of_query(model: type[BaseModel], query: bytes) -> Any:
    """Return the parameters of an address as their model; those that stand several times are lists.

    Raises:
        RequestError: they are not.
    """
    try:
        pairs = (
            parse_qsl(
                query.decode("ascii"),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=FIELDS,
                strict_parsing=True,
            )
            if query
            else []
        )
    except ValueError:
        raise RequestError("the query is not percent-encoded UTF-8", code="request", subject="query") from None
    given: dict[str, Any] = {}
    for name, value in pairs:
        given.setdefault(name, []).append(value)
    single = {name: values[0] for name, values in given.items() if len(values) == 1 and not _is_list(model, name)}
    try:
        return model.__pydantic_validator__.validate_python(given | single, strict=False)
    except ValidationError as error:
        raise problems.of_validation(error) from None


def of_path(model: type[BaseModel], parts: Mapping[str, Any]) -> Any:
    """Return the parts of a path as their model.

    Raises:
        RequestError: they are not.
    """
    try:
        return model.__pydantic_validator__.validate_python(parts)
    except ValidationError as error:
        raise problems.of_validation(error) from None


def _is_list(model: type[BaseModel], name: str) -> bool:
    known = model.model_fields.get(name)
    return known is not None and "list[" in str(known.annotation)


def _is_json(content_type: bytes) -> bool:
    return content_type == JSON or content_type.split(b";")[0].strip().lower() == JSON


def _length(declared: bytes | None) -> int | None:
    return int(declared) if declared is not None and declared.isdigit() else None


def add(app: FastAPI, offers: Offers) -> dict[tuple[str, str], Operation]:
    """Give an application operations; return those of whole paths by method and path."""
    out: dict[tuple[str, str], Operation] = {}
    for offer in offers:
        app.router.add_api_route(
            offer.path,
            _documented(offer),
            methods=[offer.method],
            tags=[offers.tag],
            operation_id=offer.endpoint.__name__,
            status_code=next(iter(offer.answers)),
            response_model=next(iter(offer.answers.values())),
            responses=_responses(offer, offers.operation),
            summary=_first_line(offer.endpoint),
            description=inspect.getdoc(offer.endpoint),
            openapi_extra={"x-role": offer.role, "security": [{"bearer": []}, {"header": []}, {}]},
            route_class_override=offers.operation,
            include_in_schema=offers.documented,
        )
        operation = app.router.routes[-1]
        if isinstance(operation, Operation):
            operation.offer, operation.app = offer, operation.run
            if "{" not in offer.path:
                out[offer.method, offer.path] = operation
    return out


def _first_line(endpoint: Endpoint) -> str:
    return (inspect.getdoc(endpoint) or "").split("\n")[0].rstrip(".")


def _documented(offer: Offer) -> Callable[..., Any]:
    """Return a function of the signature that FastAPI reads; it is never called."""

    def documented(**given: Any) -> None:
        raise NotImplementedError

    hints = {} if offer.at is None else get_type_hints(offer.at, include_extras=True)
    given: dict[str, Any] = {
        name: Annotated[hints[name], Path()] if offer.at else Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
        for name in [part[1:-1] for part in offer.path.split("/") if part.startswith("{")]
    }
    if offer.asked is not None:
        where = Body(openapi_examples=_examples(offer)) if offer.has_body else Query()
        given["asked"] = Annotated[offer.asked, where]
    if offer.query is not None:
        given["query"] = Annotated[offer.query, Query()]
    parameters = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=of) for name, of in given.items()]
    documented.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    documented.__name__ = offer.endpoint.__name__
    return documented


def _examples(offer: Offer) -> Any:
    return {name: {"value": value} for name, value in offer.examples.items()} or None


def _responses(offer: Offer, operation: type[Operation]) -> dict[int | str, dict[str, Any]]:
    """Return what is documented beside the first answer: other answers, and every status of refusal."""
    of_body = (408, 413, 415) if offer.has_body else ()
    always = (401, 403, 421, 422, 429, 500, 503)
    out: dict[int | str, dict[str, Any]] = {
        operation.status_of(status): {"description": problems.TITLES[status], "content": operation.refusals}
        for status in sorted({*always, *of_body, *offer.errors})
    }
    if not offer.has_body and 400 not in out:  # uvicorn's own answer
        out[400] = {"description": "An address that is too long", "content": {"text/plain": {}}}
    for status, model in list(offer.answers.items())[1:]:
        out[status] = {"model": model, "description": "Successful Response"}
    return out
