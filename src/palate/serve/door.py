"""The door: every request passes here, and every answer leaves here.

It gives each request an id, asks whether the Host header names this service, takes it to its operation, makes an answer
of whatever error comes back, and adds the headers that every answer has. Pure ASGI: nothing stands between.
"""

from __future__ import annotations

import logging
import os
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING

from palate.errors import PalateError, RequestError, UnavailableError
from palate.serve import problems, refusals
from palate.serve.asgi import App, Message, Receive, Send
from palate.serve.hosts import Hosts
from palate.serve.operations import Exchange, Operation, Reply

if TYPE_CHECKING:
    from palate.serve.service import Service

log = logging.getLogger(__name__)
HeaderPairs = Sequence[tuple[bytes, bytes]]
ONCE = (b"host", b"authorization", b"x-api-key", b"content-length", b"content-type", b"origin")
HOSTS_KEPT, LONGEST_HOST = 1000, 300  # names that were asked about, and their letters
GUARDS: HeaderPairs = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
NAMES = frozenset(name for name, _ in GUARDS)


class Dispatcher:
    """The outermost part of the application.

    Args:
        inner: the rest of it, for what is no operation of a whole path.
        operations: by method and path.
        hosts: the names of the service.
        service: returns what answers, or None while it starts.
    """

    def __init__(
        self,
        inner: App,
        operations: Mapping[tuple[str, str], Operation],
        hosts: Hosts,
        service: Callable[[], Service | None],
    ) -> None:
        self._inner, self._operations, self._hosts, self._service = inner, operations, hosts, service
        self._ids = count()
        self._prefix = os.urandom(6).hex()
        self._known_hosts: dict[tuple[bytes, str | None], bool] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        given = scope.get("state", {}).get("request_id")
        request_id = given or f"{self._prefix}{next(self._ids):08x}"
        extra: HeaderPairs = () if given else ((b"x-request-id", request_id.encode()),)
        call = Exchange(self._service(), scope, dict(scope["headers"]), request_id)  # type: ignore[arg-type]
        operation = self._operations.get((scope["method"], scope["path"]))
        scope["palate.call"], scope["palate.door"], scope["palate.extra"] = call, self, extra
        if operation is not None:
            scope["route"] = operation
            await self.carry_out(call, operation, receive, send)
        else:
            await self._beside(call, receive, send)

    async def carry_out(self, call: Exchange, operation: Operation, receive: Receive, send: Send) -> None:
        """Answer a request by its operation, or with the problem that came up."""
        try:
            self._check(call)
            if call.service is None:
                raise UnavailableError("the service is starting: its store is not open yet", subject="store")
            reply = await operation.reply(call, receive)
            body = reply.body()
        except PalateError as error:
            refusals.note_request(call, operation.offer.path, error)
            reply, body = operation.refused(*_refusal(error, call))
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer, and the log where it was
            reply, body = operation.refused(*_fault(error, call))
        await self._send(call, reply, body, send)

    async def _beside(self, call: Exchange, receive: Receive, send: Send) -> None:
        """Answer what is no operation of a whole path: pages, health, lists, and what is not there."""
        started = False

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                has = {name for name, _ in message["headers"]}
                more = [pair for pair in (*GUARDS, *call.scope["palate.extra"]) if pair[0] not in has]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        try:
            self._check(call)
            await self._inner(call.scope, receive, guarded)
        except PalateError as error:
            if started:
                raise
            await self._send(call, *_refusal(error, call), send)
        except Exception as error:  # noqa: BLE001 - as above
            answer = _fault(error, call)
            if not started:
                await self._send(call, *answer, send)

    async def _send(self, call: Exchange, reply: Reply, body: bytes, send: Send) -> None:
        own = {name for name, _ in reply.headers}
        headers = [
            (b"content-type", reply.media_type),
            (b"content-length", str(len(body)).encode()),
            (b"server-timing", _timing(call)),
            *(GUARDS if own.isdisjoint(NAMES) else [pair for pair in GUARDS if pair[0] not in own]),
            *call.scope["palate.extra"],
            *reply.headers,
        ]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _check(self, call: Exchange) -> None:
        """Refuse what is sent to another name, or has a header twice that decides something."""
        scope, headers = call.scope, call.headers
        if len(headers) != len(scope["headers"]):
            times = Counter(name for name, _ in scope["headers"])
            if twice := [name.decode() for name in ONCE if times[name] > 1]:
                raise RequestError(f"the header {twice[0]} stands twice", code="request", subject=twice[0])
        host, reached = headers.get(b"host", b""), (scope.get("server") or (None,))[0]
        known = self._known_hosts.get((host, reached))
        if known is None:
            known = self._hosts.know(host.decode("latin-1"), reached)
            if len(self._known_hosts) < HOSTS_KEPT and len(host) < LONGEST_HOST:
                self._known_hosts[host, reached] = known
        if not known:
            raise RequestError(
                "the Host header names another server; '--allow-host NAME' lets clients use a further name",
                code="host",
                subject="host",
            )


def _refusal(error: PalateError, call: Exchange) -> tuple[Reply, bytes]:
    status = problems.status_of(error)
    headers = []
    if (wait := problems.wait_of(error)) is not None:
        headers.append((b"retry-after", str(max(1, round(wait + 0.5))).encode()))
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if status == 500:
        log.error("request %s failed: %s", call.request_id, error.code)
    return Reply(None, status, headers, problems.MEDIA_TYPE), problems.as_bytes(error, call.request_id)


def _fault(error: Exception, call: Exchange) -> tuple[Reply, bytes]:
    """Return the answer to a fault of ours; the log gets its place, and not its text, which may name people."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("request %s failed: %s\n%s", call.request_id, type(error).__name__, frames)
    return _refusal(PalateError("something went wrong in the service", code="failed", subject="service"), call)


def _timing(call: Exchange) -> bytes:
    """Return the Server-Timing header: milliseconds of the model, of the store, and of all together."""
    parts = [f"{name};dur={1000 * seconds:.3f}" for name, seconds in call.timings.items()]
    return ", ".join([*parts, f"total;dur={1000 * (perf_counter() - call.started):.3f}"]).encode()
