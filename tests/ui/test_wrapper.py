"""The wrapper around the page's server, alone: what it makes of a client that sends no good request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from attacker import nobody

from palate.serve.hosts import Hosts
from palate.ui import door

MARK = "Attacker-wrote-this"  # the log must not have it


def test_what_is_not_http_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(door.Door(nobody, {}, Hosts())({"type": "websocket", "path": MARK}, None, send))  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]
    assert caplog.messages == ["refused: a connection that is not HTTP"]
