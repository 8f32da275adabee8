"""The service as a user starts it, with workers in processes of their own; and one real worker in a thread."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from serve.raw_http import Answer, request, sent

from palate.serve.app import create_app
from palate.serve.connections import BoundedConnection
from palate.serve.listening import BACKLOG, listen
from palate.serve.settings import Settings


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Service:
    """A running service; ``log`` is the file that its output goes to."""

    process: subprocess.Popen[bytes]
    address: tuple[str, int]
    log: Path

    def ask(self, method: str, target: str, body: object = None, **headers: str) -> Answer:
        """Send one request."""
        return sent(self.address, request(method, target, body, f"{self.address[0]}:{self.address[1]}", **headers))

    def serving(self) -> list[int]:
        """Return the processes of the workers: the supervisor's children that are no helper of multiprocessing."""
        pid = self.process.pid
        found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return [child for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]

    def kill(self) -> None:
        """Kill all its processes at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def ready(self, seconds: float = 90.0) -> None:
        """Wait until it says that it is ready."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            with suppress(OSError):
                if self.ask("GET", "/readyz").status == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(f"the service is not ready: {self.log.read_text()[-3000:]}")


@contextmanager
def running(folder: Path, store: str, *words: str, port: int | None = None, **environment: str) -> Iterator[Service]:
    """Start ``palate serve --store`` and end it with the block, if it is still there."""
    port = port or free_port()
    command = [sys.executable, "-m", "palate", "serve", "--store", store, "--port", str(port), *words]
    log = folder / f"service-{port}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, **environment},
        )  # fmt: skip
    service = Service(process, ("127.0.0.1", port), log)
    try:
        service.ready()
        yield service
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            service.kill()


@contextmanager
def in_thread(store: str, **settings) -> Iterator[tuple[str, int]]:
    """Serve by a real uvicorn worker in a thread of this process, and yield its address."""
    sock = listen("127.0.0.1", 0, backlog=BACKLOG)
    port = sock.getsockname()[1]
    app = create_app(Settings(store=store, port=port, **settings))
    options = {"http": BoundedConnection, "ws": "none", "lifespan": "on", "log_config": None, "access_log": False}
    server = uvicorn.Server(uvicorn.Config(app, proxy_headers=False, **options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    while app.service is None:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield "127.0.0.1", port
    finally:
        server.should_exit = True
        thread.join(timeout=60)
    assert not thread.is_alive()
