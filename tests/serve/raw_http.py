"""HTTP as bytes over a socket: what no client library would send."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """A status (0: the service closed without an answer), headers in lower case, the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def parsed(data: bytes) -> Answer:
    """Read an answer that ends with the connection, or by its length."""
    if not data:
        return Answer(0, {}, b"")
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split()[1]), headers, body)


def received(connection: socket.socket) -> Answer:
    """Read until the answer is whole or the service closes."""
    data = b""
    while True:
        try:
            more = connection.recv(65536)
        except ConnectionResetError:
            more = b""
        data += more
        answer = parsed(data) if b"\r\n\r\n" in data or not more else None
        if answer is None:
            continue
        if not more or len(answer.body) >= int(answer.headers.get("content-length", "1000000000000")):
            return answer


def sent(address: tuple[str, int], data: bytes, timeout: float = 30.0) -> Answer:
    """Send these bytes, and nothing else, and return the answer."""
    with socket.create_connection(address, timeout=timeout) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before all was sent: its answer may be there
            connection.sendall(data)
        return received(connection)


def request(method: str, target: str, body: Any = None, host: str = "127.0.0.1", **headers: str) -> bytes:
    """Return the bytes of a request; underscores in names of headers are hyphens."""
    content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content
