"""`launch`: serve the page on this machine, without a word to any other host."""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
import time
import webbrowser
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from palate.errors import PalateError, ParameterError
from palate.models.base import Recommender
from palate.ui.page import build_ui, import_gradio, inside_loop
from palate.ui.theme import head, theme

log = logging.getLogger(__name__)

START_SECONDS = 30
EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (these listen on all addresses)
# The browser is told to speak to this server alone. Gradio's templates are compiled in the page: hence 'unsafe-eval'.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; frame-src 'none'; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
CLOSED = re.compile(
    r"/gradio_api/(upload|upload_progress|file|file=.*|proxy=.*|runs|deep_link)(/.*)?$|/monitoring(/.*)?$"
)
# tags that name another host, and the script for pages inside a frame of another host
OUTSIDE = (
    re.compile(
        r"<(?:meta|link)\b[^>]*?\b(?:content|href)\s*=\s*[\"']?\s*(?:https?:)?//[^>]*>", re.IGNORECASE | re.DOTALL
    ),
    re.compile(r"<script\b[^>]*?\bsrc\s*=\s*[\"']?\s*(?:https?:)?//[^>]*>\s*</script>", re.IGNORECASE | re.DOTALL),
    re.compile(
        r"<script\b[^>]*>(?:(?!</script>).)*?iframeResizer\.contentWindow.*?</script>", re.IGNORECASE | re.DOTALL
    ),
    re.compile(r"<meta\b[^>]*?\b(?:property|name)\s*=\s*[\"'](?:og|twitter):[^>]*>", re.IGNORECASE | re.DOTALL),
    re.compile(
        r"<link\b[^>]*?\brel\s*=\s*[\"'](?:manifest|preconnect|dns-prefetch)[\"'][^>]*>", re.IGNORECASE | re.DOTALL
    ),
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def without_outside(html: str) -> str:
    """Return a page without the tags that name other hosts."""
    for pattern in OUTSIDE:
        html = pattern.sub("", html)
    return html


class Private:
    """ASGI wrapper: rewrites HTML by `without_outside`, closes Gradio's side doors, and sets the headers above."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if CLOSED.match(scope["path"]):
            await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"text/plain")]})
            return await send({"type": "http.response.body", "body": b"not part of this page"})
        if scope["path"] == "/":  # plain text, so that it can be rewritten
            scope = {**scope, "headers": [(k, v) for k, v in scope["headers"] if k != b"accept-encoding"]}
        return await self.app(scope, receive, _Rewriting(send))


class _Rewriting:
    """Sends an answer on; HTML is gathered and rewritten first."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
            if dict(message["headers"]).get(b"content-type", b"").startswith(b"text/html"):
                self._start = message
                return
        elif message["type"] == "http.response.body" and self._start is not None:
            self._body += message.get("body", b"")
            if message.get("more_body"):
                return
            await self._send_rewritten(self._start)
            return
        await self._send(message)

    async def _send_rewritten(self, start: Message) -> None:
        body = without_outside(self._body.decode()).encode()
        headers = [(k, v) for k, v in start["headers"] if k.lower() != b"content-length"]
        await self._send({**start, "headers": [*headers, (b"content-length", b"%d" % len(body))]})
        await self._send({"type": "http.response.body", "body": body})


class PageServer:
    """A running page; ``url`` is its address. Ends with `close`, or at the end of a ``with`` block."""

    def __init__(self, server: Any, sock: socket.socket, host: str) -> None:
        self._server, self._socket = server, sock
        shown = EVERYWHERE.get(host, host)
        shown = f"[{shown}]" if ":" in shown else shown
        self.url = f"http://{shown}:{sock.getsockname()[1]}/"
        self._thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True, name="palate-page")

    def start(self) -> Self:
        """Serve in a thread; return when the page answers.

        Raises:
            PalateError: the server did not start.
        """
        self._thread.start()
        end = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > end:
                self.close()
                raise PalateError(f"the page did not start at {self.url}; the log above says why")
            time.sleep(0.01)
        return self

    def wait(self) -> None:
        """Return on Ctrl-C, or when the server ends."""
        with suppress(KeyboardInterrupt):
            while self._thread.is_alive():
                self._thread.join(timeout=1)

    def close(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def launch(
    model: Recommender | Mapping[str, Recommender],
    host: str = "127.0.0.1",
    port: int = 7860,
    *,
    name: str | None = None,
    data_card: Mapping[str, object] | None = None,
    open_browser: bool = False,
    block: bool = True,
) -> PageServer:
    """Serve the page of a fitted model.

    Args:
        model: a fitted model, or several by name, as in `build_ui`.
        host: the address to listen on; this machine alone by default.
        port: the port; 0 takes a free one.
        name, data_card: as in `build_ui`.
        open_browser: open the page in the system's browser.
        block: serve until Ctrl-C; otherwise return when the page answers (``wait`` then serves until Ctrl-C).

    Returns:
        The server, to close it; already closed where ``block``.

    Raises:
        MissingExtraError: Gradio is not installed.
        ParameterError: host or port cannot be listened on.
        NotFittedError: the model was not fitted.
    """
    import_gradio()
    sock = listen(host, port)  # first: a port in use is told before the page is built
    app = page_app(model, name=name, data_card=data_card)
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    running = PageServer(server, sock, host).start()
    log.info("the page is at %s", running.url)
    if open_browser:
        webbrowser.open(running.url)
    if block:
        with running:
            running.wait()
    return running


def page_app(
    model: Recommender | Mapping[str, Recommender],
    *,
    name: str | None = None,
    data_card: Mapping[str, object] | None = None,
) -> App:
    """Return the page as an ASGI application; arguments as in `build_ui`."""
    page = build_ui(model, name=name, data_card=data_card)
    gr = import_gradio()
    from fastapi import FastAPI

    bare = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    settings = {
        "footer_links": [], "run_history": False, "show_error": False, "ssr_mode": False, "pwa": False,
        "enable_monitoring": False, "mcp_server": False, "theme": theme(), "head": head(),
    }  # fmt: skip
    return Private(inside_loop(lambda: gr.mount_gradio_app(bare, page, path="/", **settings)))


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        ParameterError: the port is out of range or in use, or the host is not an address of this machine.
    """
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise ParameterError(f"port must be a whole number from 0 to 65535, got {port!r}")
    try:
        family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        raise ParameterError(
            f"cannot listen on {host}:{port}: {why}; choose another port (0 takes a free one) or host"
        ) from None
