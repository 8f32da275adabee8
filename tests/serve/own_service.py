"""The whole service as a user starts it: a supervisor and its workers in processes of their own, on a free port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from serve.raw_http import Answer, request, sent


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

    def workers(self) -> list[int]:
        """Return the processes below the supervisor."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

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
