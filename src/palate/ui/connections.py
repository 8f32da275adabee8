"""`Connection`: uvicorn's protocol with an end for clients that are slow on purpose, and for crowds of them."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from palate.ui.incidents import log

MOST_CONNECTIONS = 400  # below the 1,024 files that a process may usually open
SECONDS = 60.0  # from one finished answer to the next; a connection without work is closed after five already


class Connection(H11Protocol):
    """One connection: cut where it finishes no request within ``SECONDS``, or to make room where there are too many.

    Room is made by the oldest connection that has had no answer yet: somebody who opens many and sends nothing cuts
    their own, not the next visitor's.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.logger = log  # one line an incident, without the client's text
        self._answered = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock."""
        super().connection_made(transport)
        self._begun = self.loop.time()
        if len(self.connections) > MOST_CONNECTIONS:
            log.warning("cut: more than %d connections at a time", MOST_CONNECTIONS)
            self._idlest().transport.abort()
        self._watch()

    def on_response_complete(self) -> None:
        """Count the answer."""
        self._answered += 1
        super().on_response_complete()

    def _idlest(self) -> Connection:
        """Return the oldest connection without an answer; this one where all have had some."""
        still = [each for each in self.connections if isinstance(each, Connection) and not each.transport.is_closing()]
        return min((each for each in still if not each._answered), key=lambda each: each._begun, default=self)

    def _watch(self) -> None:
        self.loop.call_later(SECONDS, self._cut_unless_answered_since, self._answered)

    def _cut_unless_answered_since(self, before: int) -> None:
        if self.transport.is_closing():
            return
        if self._answered > before:
            self._watch()
        else:
            log.warning("cut: a connection that finished no request within %g seconds", SECONDS)
            self.transport.abort()
