"""A cheap HTTP/1.1 client that loads a server: keep-alive connections in one event loop, as little work as can be.

Closed loop: each connection sends its next request when it has its answer; this finds the most a server does. Open
loop: requests are due at fixed times, whether answers came or not, and a latency counts from when the request was due,
so that a server that stalls is not asked less.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np


def request(path: str, body: bytes | None = None, key: str | None = None, method: str | None = None) -> bytes:
    """Return the bytes of a request."""
    lines = [f"{method or ('GET' if body is None else 'POST')} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"Authorization: Bearer {key}"] if key else []
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body is not None else []
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


@dataclass
class Seen:
    """What a run saw.

    Attributes:
        latencies: seconds, of each answer.
        statuses: how many answers had each.
        wrong: how many answers the check refused.
        failed: requests without an answer.
        timings: by name, the milliseconds of each `Server-Timing` entry of some of the answers.
        seconds: of the whole run.
        length: bytes of the last body.
        first_error: an answer that was no success, for the message.
    """

    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    wrong: int = 0
    failed: int = 0
    timings: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0
    length: int = 0
    first_error: bytes = b""

    @property
    def good(self) -> int:
        """How many answers were a success."""
        return sum(n for status, n in self.statuses.items() if status < 300) - self.wrong

    @property
    def per_second(self) -> float:
        """Successes a second."""
        return self.good / self.seconds

    def percentile(self, share: float) -> float:
        """Return milliseconds within which a share of the answers came."""
        return float(np.percentile(self.latencies, share)) * 1000 if self.latencies else float("nan")


class Line(asyncio.Protocol):
    """One connection: one request at a time."""

    def __init__(self, load: Load) -> None:
        self.load, self.buffer, self.due = load, bytearray(), 0.0
        self.waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the connections that are free."""
        self.transport = transport
        self.load.free.append(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Count a request that has no answer."""
        if self.waiting:
            self.load.seen.failed += 1
        self.load.lost(self)

    def ask(self, content: bytes, due: float) -> None:
        """Send a request."""
        self.due, self.waiting = due, True
        self.transport.write(content)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Take what came; an answer is whole when its head and as many bytes as it says are there."""
        buffer = self.buffer
        buffer += data
        head = buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        at = buffer.find(b"content-length: ", 0, head)
        length = int(buffer[at + 16 : buffer.find(b"\r\n", at)])
        if len(buffer) < head + 4 + length:
            return
        self.waiting = False
        self.load.answered(self, buffer, head)
        buffer.clear()
        self.load.next(self)


class Load:
    """Requests sent over connections, and what came back.

    Args:
        contents: requests, taken in turn and from the start again.
        check: told a body now and then; False is a wrong answer.
    """

    def __init__(self, contents: Sequence[bytes], check: Callable[[bytes], bool] | None = None) -> None:
        self.contents, self.check, self.sent = contents, check, 0
        self.seen, self.free, self.late = Seen(), deque[Line](), deque[float]()
        self.until, self.closed, self.limit = 0.0, True, len(contents)
        self.once = False
        self.over = asyncio.Event()

    def lost(self, line: Line) -> None:
        """Forget a connection."""
        if line in self.free:
            self.free.remove(line)

    def answered(self, line: Line, buffer: bytearray, head: int) -> None:
        """Note an answer."""
        seen, status = self.seen, int(buffer[9:12])
        seen.latencies.append(time.perf_counter() - line.due)
        seen.statuses[status] = seen.statuses.get(status, 0) + 1
        if status >= 300 and not seen.first_error:
            seen.first_error = bytes(buffer[:1000])
        if len(seen.latencies) % 64 == 1:
            self._look(buffer, head)

    def _look(self, buffer: bytearray, head: int) -> None:
        at = buffer.find(b"server-timing: ", 0, head)
        if at >= 0:
            for entry in buffer[at + 15 : buffer.find(b"\r\n", at)].decode().split(","):
                name, *values = entry.strip().split(";")
                spent = [float(value[4:]) for value in values if value.startswith("dur=")]
                self.seen.timings.setdefault(name, []).extend(spent)
        body = bytes(buffer[head + 4 :])
        self.seen.length = len(body)
        if self.check is not None and not self.check(body):
            self.seen.wrong += 1

    def next(self, line: Line) -> None:
        """Let a connection send what is to be sent."""
        now = time.perf_counter()
        if self.closed and now < self.until and not (self.once and self.sent >= self.limit):
            self._send(line, now)
        elif not self.closed and self.late:
            self._send(line, self.late.popleft())
        else:
            self.free.append(line)
            if self.closed and (now >= self.until or self.sent >= self.limit):
                self.over.set()

    def _send(self, line: Line, due: float) -> None:
        content = self.contents[self.sent % len(self.contents)]
        self.sent += 1
        line.ask(content, due)

    def due(self, at: float) -> None:
        """Send a request that is due, or note that no connection is free for it."""
        if self.free:
            self._send(self.free.popleft(), at)
        else:
            self.late.append(at)


async def run(
    port: int,
    contents: Sequence[bytes],
    *,
    seconds: float,
    connections: int = 32,
    rate: float | None = None,
    once: bool = False,
    check: Callable[[bytes], bool] | None = None,
) -> Seen:
    """Load a server of this machine.

    Args:
        port: where it listens.
        contents: requests.
        seconds: how long.
        connections: how many are open.
        rate: requests a second, open loop; None: as many as it answers.
        once: send no request twice; ends when all were sent.
        check: told a body now and then.
    """
    loop, load = asyncio.get_running_loop(), Load(contents, check)
    load.once = once
    lines = [await loop.create_connection(lambda: Line(load), "127.0.0.1", port) for _ in range(connections)]
    began = time.perf_counter()
    load.until, load.closed = began + seconds, rate is None
    if rate is None:
        for line in [load.free.popleft() for _ in range(len(load.free))]:
            load.next(line)
        await asyncio.wait_for(load.over.wait(), seconds + 30)
    else:
        await _at_times(load, began, seconds, rate)
    load.seen.seconds = time.perf_counter() - began
    end = time.perf_counter() + 10
    while len(load.free) < connections and time.perf_counter() < end:
        await asyncio.sleep(0.02)
    for transport, _ in lines:
        transport.close()
    return load.seen


async def _at_times(load: Load, began: float, seconds: float, rate: float) -> None:
    """Send at random times, as people who do not know of each other come."""
    gaps = np.random.default_rng(0).exponential(1 / rate, int(seconds * rate) + 1)
    for at in began + np.cumsum(gaps):
        wait = at - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        load.due(float(at))


def pin(cores: set[int]) -> None:
    """Keep this process on some cores."""
    os.sched_setaffinity(0, cores)
