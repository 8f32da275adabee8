"""`Door`: lets in what the page itself sends, and nothing else; every request passes here before Gradio sees it.

Gradio reads files that a request names, fetches addresses, takes uploads, and trusts headers of proxies. The page needs
none of this: it asks for four kinds of path, and what it sends is a flat list of texts and numbers. All else is
refused, and Gradio gets a request written anew from what was understood: no second reading of the bytes can differ.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn, TypeGuard

from palate.serve.asgi import App, Headers, Message, Receive, Send
from palate.serve.hosts import Hosts
from palate.ui.incidents import log

EVENTS = "/gradio_api/run/predict"
ROUTES = {"/": ("GET", "HEAD"), "/theme.css": ("GET",), "/favicon.ico": ("GET",), EVENTS: ("POST",)}
ASSET = re.compile(r"/assets/[A-Za-z0-9_-][A-Za-z0-9_.-]*", re.ASCII)
GRADIOS = re.compile(r"/(gradio_api|monitoring|login|logout|config|static|svelte|custom_component)(/.*)?", re.DOTALL)
PASSED = {b"accept", b"accept-encoding", b"accept-language", b"if-none-match", b"if-modified-since", b"user-agent"}

LARGEST_BODY = 16 * 1024  # bytes; the page's own events stay below 11 KB, with all of 2,000 titles chosen
LARGEST_HEAD = 16 * 1024  # bytes of headers
MOST_DROPPED = 1024 * 1024  # bytes of a larger body that are read and dropped, so that its sender hears why
BODY_SECONDS = 10.0
LARGEST_NUMBER = 2**53  # beyond it a browser's numbers are not exact
FIELDS = {"data", "fn_index", "trigger_id", "session_hash", "event_data"}
SESSION = re.compile(r"[a-z0-9]{1,40}", re.ASCII)


class Refused(Exception):  # noqa: N818 (an answer, not a fault of ours)
    """A request that is not let in: the status, the reason for the client, and whether it is logged."""

    def __init__(self, status: int, reason: str, *, logged: bool = True) -> None:
        super().__init__(reason)
        self.status, self.reason, self.logged = status, reason, logged


class Door:
    """ASGI wrapper.

    Args:
        app: the page.
        events: how many values each event of the page takes, by its number.
        hosts: the names that the page answers to.
        trust_proxy: believe X-Forwarded-Host and X-Forwarded-Proto; else they are dropped.
    """

    def __init__(self, app: App, events: Mapping[int, int], hosts: Hosts, *, trust_proxy: bool = False) -> None:
        self._app, self._events, self._hosts, self._trust_proxy = app, events, hosts, trust_proxy

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            log.warning("refused: a connection that is not HTTP")
            return await send({"type": "websocket.close", "code": 1008})
        try:
            scope, receive = await self._let_in(scope, receive)
        except Refused as refused:
            if refused.logged:
                log.warning("refused with %d, %s: %s", refused.status, _where(scope["path"]), refused.reason)
            return await _refuse(send, refused)
        return await self._app(scope, receive, send)

    async def _let_in(self, scope: Message, receive: Receive) -> tuple[Message, Receive]:
        """Return the request as the page is to see it."""
        if sum(len(name) + len(value) for name, value in scope["headers"]) > LARGEST_HEAD:
            raise Refused(431, f"headers of more than {LARGEST_HEAD:,} bytes")
        scheme, host = self._address(scope)
        path, method, headers = scope["path"], scope["method"], scope["headers"]
        methods = ROUTES.get(path) or (("GET",) if ASSET.fullmatch(path) else None)
        if methods is None:
            raise Refused(404, "not a part of this page", logged=bool(GRADIOS.fullmatch(path)))
        if method not in methods:
            raise Refused(405, f"this takes {' or '.join(methods)} alone")
        passed = [(b"host", host), *((k, v) for k, v in headers if k in PASSED)]
        if method == "POST":
            body = self._event(headers, await _read(headers, receive))
            passed += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
            receive = _replay(body, receive)
        elif _values(headers, b"transfer-encoding") or _values(headers, b"content-length") not in ([], ["0"]):
            raise Refused(400, "a body where none belongs")
        scope = {**scope, "scheme": scheme, "headers": passed, "query_string": b"", "raw_path": path.encode()}
        return scope, receive

    def _address(self, scope: Message) -> tuple[str, bytes]:
        """Return the scheme and the host by which the client asked, checked."""
        headers, scheme = scope["headers"], scope["scheme"]
        hosts = _values(headers, b"host")
        if len(hosts) != 1:
            raise Refused(400, "one Host header is needed")
        if self._trust_proxy:
            hosts += [value.split(",")[0].strip() for value in _values(headers, b"x-forwarded-host")[:1]]
            protos = [value.split(",")[0].strip() for value in _values(headers, b"x-forwarded-proto")[:1]]
            scheme = protos[0] if protos and protos[0] in ("http", "https") else scheme
        reached = (scope.get("server") or (None,))[0]
        if not all(self._hosts.know(host, reached) for host in hosts):
            raise Refused(
                421,
                "this page does not answer to that name; open it at the address that it said when it started, or start "
                "it with --allow-host and the name",
            )
        return scheme, hosts[-1].encode()

    def _event(self, headers: Headers, body: bytes) -> bytes:
        """Return the body of an event, checked and written anew."""
        kind = "".join(_values(headers, b"content-type")).split(";")[0].strip().lower()
        if kind != "application/json":
            raise Refused(415, "an event is application/json")
        event = _parsed(body)
        if not isinstance(event, dict) or not event.keys() <= FIELDS or event.get("event_data") is not None:
            _unlike()
        number, data, session = event.get("fn_index"), event.get("data"), event.get("session_hash")
        if type(number) is not int or self._events.get(number) is None or not is_plain(data):
            _unlike()
        if len(data) != self._events[number] or not isinstance(session, str) or not SESSION.fullmatch(session):
            _unlike()
        trigger = event.get("trigger_id")
        if trigger is not None and (type(trigger) is not int or not is_plain([trigger])):
            _unlike()
        known = {"data": data, "fn_index": number, "trigger_id": trigger, "session_hash": session}
        return json.dumps(known).encode()


def is_plain(data: object) -> TypeGuard[list[Any]]:
    """Return whether an event's values are what the page's fields send: texts, numbers, nothing, or lists of these.

    An object would be taken for a file by Gradio, wherever it stands.
    """
    return isinstance(data, list) and all(
        _is_scalar(value) or (isinstance(value, list) and all(map(_is_scalar, value))) for value in data
    )


def _is_scalar(value: object) -> bool:
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in value)
    if isinstance(value, int | float):
        return abs(value) <= LARGEST_NUMBER  # neither infinite nor NaN
    return value is None


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Refused(400, "an event that is no JSON in UTF-8") from None


def _unlike() -> NoReturn:
    raise Refused(400, "an event unlike those of the page")


async def _read(headers: Headers, receive: Receive) -> bytes:
    """Return a body of bounded size that arrives within a bounded time."""
    if _values(headers, b"content-encoding"):
        raise Refused(415, "an encoded body")
    lengths = _values(headers, b"content-length")
    if any(not length.isdigit() or len(length) > 9 or int(length) > MOST_DROPPED for length in lengths):
        _too_large()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _gathered(receive)
    except TimeoutError:
        raise Refused(408, f"the body did not arrive within {BODY_SECONDS:g} seconds") from None


async def _gathered(receive: Receive) -> bytes:
    body, size, more = bytearray(), 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "the client went away", logged=False)
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
        if size <= LARGEST_BODY:
            body += message.get("body", b"")
        elif size > MOST_DROPPED:
            break
    if size > LARGEST_BODY:
        _too_large()
    return bytes(body)


def _too_large() -> NoReturn:
    raise Refused(413, f"a body of more than {LARGEST_BODY:,} bytes")


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return what hands on a body that was read, and then whatever follows."""
    rest: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return rest.pop() if rest else await receive()

    return replay


def _values(headers: Headers, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key == name]


def _where(path: str) -> str:
    """Return the route's name for the log: never the client's own text."""
    if path in ROUTES:
        return path
    return "an asset" if path.startswith("/assets/") else "a route that the page does not need"


async def _refuse(send: Send, refused: Refused) -> None:
    body = f"{refused.reason}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body)),
        (b"x-content-type-options", b"nosniff"), (b"connection", b"close"),
    ]  # fmt: skip
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
