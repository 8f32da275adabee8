"""A client of `palate serve` that means harm: it speaks HTTP by hand, over real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

EVENTS = "/gradio_api/run/predict"
SERVE = [sys.executable, "-c", "from palate.cli import main; main()", "serve", "--gradio", "--port", "0"]


class Served:
    """A running ``palate serve``; what it wrote to stderr is in ``log``."""

    def __init__(self, process: subprocess.Popen[str], url: str, log: Path, temp: Path) -> None:
        self.process, self.log_file, self.temp = process, log, temp
        self.url = url
        self.port = int(url.rstrip("/").rsplit(":", 1)[1])

    @property
    def log(self) -> str:
        return self.log_file.read_text("utf-8", "replace")

    def send(self, raw: bytes, wait: float = 20.0) -> bytes:
        """Return all that the server answers to bytes, until it closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as sock:
            with suppress(OSError):  # cut while we were sending: what was answered before is there all the same
                sock.sendall(raw)
            return _all_of(sock)

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Return the status and the body of an answer to one request."""
        lines = {"Host": f"127.0.0.1:{self.port}", "Connection": "close", **(headers or {})}
        if body and "Transfer-Encoding" not in lines:
            lines["Content-Length"] = str(len(body))
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n"
        answer = self.send(head.encode("latin-1") + body)
        told, _, rest = answer.partition(b"\r\n\r\n")
        return int(told.split()[1]) if told else 0, rest

    def event(self, body: object, path: str = EVENTS, **headers: str) -> tuple[int, bytes]:
        """Return the answer to an event; bytes are sent as they are, all else as JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = {"Content-Type": "application/json", **{key.replace("_", "-"): value for key, value in headers.items()}}
        return self.ask("POST", path, raw, kind)

    def answers(self) -> bool:
        """Whether the page still shows, and answers an event."""
        shown = self.ask("GET", "/")[0] == 200
        status, body = self.event(self.honest())
        return shown and status == 200 and b"data" in body

    def honest(self, **changed: Any) -> dict[str, Any]:
        """Return an event as the page sends it, with some of its parts changed."""
        events = (one for one in self.config["dependencies"] if len(one["inputs"]) == 4 and len(one["outputs"]) == 5)
        model = next(one for one in self.config["components"] if one["props"].get("elem_id") == "model")
        data = ["1", 10, "Any genre", model["props"]["value"]]
        return {"data": data, "fn_index": next(events)["id"], "trigger_id": None, "session_hash": "abc123", **changed}

    @cached_property
    def config(self) -> Any:
        """What the page is told of its fields and events."""
        found = re.search(rb"window\.gradio_config = (.*?);</script>", self.ask("GET", "/")[1])
        assert found
        return json.loads(found[1])


def _all_of(sock: socket.socket) -> bytes:
    got = b""
    while True:
        try:
            more = sock.recv(1 << 16)
        except ConnectionResetError:
            return got
        if not more:
            return got
        got += more


@contextmanager
def served(folder: Path, *options: str) -> Iterator[Served]:
    """Run ``palate serve`` with options; its temporary files go into a folder of their own."""
    temp = folder / "temp"
    temp.mkdir()
    log = folder / "log.txt"
    environ = {**os.environ, "TMPDIR": str(temp), "GRADIO_TEMP_DIR": str(temp / "gradio")}
    with (
        log.open("w") as err,
        subprocess.Popen([*SERVE, *options], stdout=subprocess.PIPE, stderr=err, text=True, env=environ) as process,
    ):
        assert process.stdout is not None
        told = re.search(r"http://\S+", process.stdout.readline())
        assert told, log.read_text()
        try:
            yield Served(process, told[0], log, temp)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


async def nobody(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("a request came in that should not have")


def ask(app: Any, body: bytes | None, kind: str = "http.request") -> tuple[int, str]:
    """Return the wrapper's answer to an event; without a body it waits for one for ever."""
    sent: list[Any] = []

    async def receive() -> Any:
        if body is None:
            await asyncio.Event().wait()
        return {"type": kind, "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "path": EVENTS, "method": "POST", "scheme": "http", "headers": headers}
    asyncio.run(app(scope, receive, send))
    return (sent[0]["status"], sent[1]["body"].decode()) if sent else (0, "")
