"""Every reason for which `palate.ui.door.Door` refuses a request, without a server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from palate.serve.hosts import Hosts
from palate.ui import door
from palate.ui.door import EVENTS, Door

EVENT = {"data": ["1"], "fn_index": 0, "trigger_id": None, "session_hash": "a1"}
JSON = (b"content-type", b"application/json")
GONE = [{"type": "http.disconnect"}]


def asked(
    path: str = EVENTS, method: str = "POST", headers: Any = (JSON,), body: Any = EVENT, *, host: str = "localhost"
) -> tuple[int, str]:
    """Return the status and the text that one request is answered with."""
    sent: list[Any] = []
    whole = body if isinstance(body, bytes) else json.dumps(body).encode()
    messages = list(body) if body is GONE else [{"type": "http.request", "body": whole, "more_body": False}]

    async def page(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"the page\n"})

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "scheme": "http",
        "path": path,
        "method": method,
        "headers": [(b"host", host.encode()), *headers],
        "server": ("127.0.0.1", 7860),
    }
    asyncio.run(Door(page, {0: 1}, Hosts())(scope, receive, send))
    return sent[0]["status"], sent[1]["body"].decode().strip()


def test_an_event_of_the_page_is_let_in() -> None:
    assert asked() == (200, "the page")


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ({"headers": [JSON, (b"x", b"y" * door.LARGEST_HEAD)]}, (431, "headers of more than 16,384 bytes")),
        ({"headers": [JSON, (b"host", b"localhost")]}, (400, "one Host header is needed")),
        ({"headers": [(b"content-type", b"text/plain")]}, (415, "an event is application/json")),
        ({"headers": [JSON, (b"content-encoding", b"gzip")]}, (415, "an encoded body")),
        ({"headers": [JSON, (b"content-length", b"9999999999")]}, (413, "a body of more than 16,384 bytes")),
        ({"body": b" " * (door.LARGEST_BODY + 1)}, (413, "a body of more than 16,384 bytes")),
        ({"body": b"\xff"}, (400, "an event that is no JSON in UTF-8")),
        ({"body": b"[" * 10_000}, (400, "an event that is no JSON in UTF-8")),
        ({"body": {**EVENT, "data": [{"path": "/dev/zero"}]}}, (400, "an event unlike those of the page")),
        ({"body": {**EVENT, "fn_index": 1}}, (400, "an event unlike those of the page")),
        ({"body": GONE}, (400, "the client went away")),
        ({"method": "PUT"}, (405, "this takes POST alone")),
        ({"path": "/upload"}, (404, "not a part of this page")),
        ({"path": "/", "method": "GET", "headers": [(b"content-length", b"5")]}, (400, "a body where none belongs")),
    ],
)
def test_what_is_refused_and_why(request_: dict[str, Any], answer: tuple[int, str]) -> None:
    assert asked(**request_) == answer


def test_another_name_is_told_how_to_be_allowed() -> None:
    status, text = asked(host="evil.example")
    assert status == 421
    assert "start it with --allow-host and the name" in text
