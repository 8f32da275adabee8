"""`Observed`: the outermost wrapper of the service. It names, times, counts and logs each request."""

from __future__ import annotations

import os
import re
import time
from typing import Any

from palate.serve import logs, measures
from palate.serve.asgi import App, Message, Receive, Send
from palate.serve.logs import LogLevel

GIVEN = re.compile(rb"[0-9a-fA-F-]{8,64}")  # ids of requests that are taken over from a proxy: no text of anybody's
UNKNOWN = "unknown"  # the route of what no route answers
METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))
QUIET = ("/healthz", "/readyz", "/metrics")  # asked every few seconds; no line where all is well


class Observed:
    """Gives each request an id, and counts and logs its answer.

    Args:
        app: the service.
        log_level: "requests" writes a line of each request, "problems" of those alone that the service failed in.
    """

    def __init__(self, app: App, log_level: LogLevel = "requests") -> None:
        self.app, self._each = app, log_level == "requests"
        self._counters: dict[tuple[str, str, int], Any] = {}
        self._latencies: dict[str, Any] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, request_id = time.perf_counter(), _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        status, length = 500, 0

        async def observed(message: Message) -> None:
            nonlocal status, length
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            else:
                length += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, observed)
        finally:
            self._tell(scope, request_id, status, length, time.perf_counter() - began)

    def _tell(self, scope: Message, request_id: str, status: int, length: int, seconds: float) -> None:
        """Count and log one answer."""
        route = getattr(scope.get("route"), "path", UNKNOWN)
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        self._count(method, route, status, seconds)
        if status >= 500 or (self._each and not (route in QUIET and status < 400)):
            logs.request(request_id, method, route, status, length, seconds)

    def _count(self, method: str, route: str, status: int, seconds: float) -> None:
        counter = self._counters.get((method, route, status))
        if counter is None:
            counter = self._counters[method, route, status] = measures.REQUESTS.labels(method, route, str(status))
            self._latencies.setdefault(route, measures.LATENCY.labels(route))
        counter.inc()
        self._latencies[route].observe(seconds)


def _request_id(scope: Message) -> str:
    """Return the id of a request: of the proxy before us where it is one, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and GIVEN.fullmatch(value):
            return str(value.decode())
    return os.urandom(12).hex()
