"""`Connection`: uvicorn's protocol with an end for clients that are slow on purpose, and for crowds of them."""

from __future__ import annotations

import asyncio
import itertools
import sys
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from palate.serve.logs import log

MOST_CONNECTIONS = 2000  # a worker; `allow_files` sees to it that a process may open as many
IDLE_SECONDS = 75.0  # that a connection may wait for its next request: more than the 60 s of nginx
REQUEST_SECONDS = 30.0  # for a whole request, from its first byte to its answer; also for the first byte
_order = itertools.count()  # of connections; a loop's clock stands still while it takes in several


class BoundedConnection(HttpToolsProtocol):
    """One connection: cut where a request is not done within ``REQUEST_SECONDS``, or to make room in a crowd.

    Room is made by the oldest connection that has had no answer yet: somebody who opens many and sends nothing cuts
    their own, not the next visitor's.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.logger = log
        self._answered, self._number = 0, next(_order)
        self._since: float | None = None  # when the request began that is not answered yet

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock."""
        super().connection_made(transport)
        self._since = self.loop.time()
        if len(self.connections) > MOST_CONNECTIONS:
            log.warning("cut: more than %d connections at a time", MOST_CONNECTIONS)
            self._idlest().transport.abort()
        self._watch(REQUEST_SECONDS)

    def data_received(self, data: bytes) -> None:
        """Note when a request begins."""
        if self._since is None:
            self._since = self.loop.time()
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Count the answer; a request that waits behind it in the pipeline begins now."""
        self._answered += 1
        self._since = self.loop.time() if self.pipeline else None
        super().on_response_complete()

    def _idlest(self) -> BoundedConnection:
        """Return the oldest connection without an answer; this one where all have had some."""
        still = [
            each for each in self.connections if isinstance(each, BoundedConnection) and not each.transport.is_closing()
        ]
        return min((each for each in still if not each._answered), key=lambda each: each._number, default=self)

    def _watch(self, seconds: float) -> None:
        self.loop.call_later(seconds, self._cut_where_late)

    def _cut_where_late(self) -> None:
        """Cut the connection where its request takes too long, else look again when it could."""
        if self.transport.is_closing():
            return
        waited = 0.0 if self._since is None else self.loop.time() - self._since
        if waited < REQUEST_SECONDS - 0.001:
            self._watch(REQUEST_SECONDS - waited)
        else:
            log.warning("cut: a connection that finished no request within %g seconds", REQUEST_SECONDS)
            self.transport.abort()


def allow_files(wanted: int = 2 * MOST_CONNECTIONS) -> None:
    """Let this process open as many files as its connections need, where the system lets it."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
