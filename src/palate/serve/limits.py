"""Limits: how large a body may be, how long it may take to arrive, how often a key may ask.

Rates hold over all workers: one number a key in a file that they share. It is the time at which the key will have used
up what it sent (the generic cell rate algorithm): a request moves it on by ``1 / rate`` seconds, and is refused where
it would lie more than ``burst / rate`` ahead of now. So a key has nothing to fill up in the background.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import struct
import sys
import time
from pathlib import Path

from palate.errors import RequestError, UnavailableError
from palate.serve.asgi import Message, Receive

if sys.platform != "win32":
    import fcntl

SLOTS = 1 << 16  # of keys; those whose numbers are 65,536 apart share one
NUMBER = struct.Struct("d")
TOO_MANY = "this key sends more requests than it may: wait, or send many in one"


async def read_body(receive: Receive, declared: int | None, at_most: int, seconds: float) -> bytes:
    """Return the body of a request, whether its length was declared or it comes in chunks.

    Raises:
        RequestError: it is too large, does not arrive in time, or the client left.
    """
    if declared is not None and declared > at_most:
        raise _too_large(at_most)
    try:
        async with asyncio.timeout(seconds):
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                body: bytes = message.get("body", b"")
            else:
                body = await _in_chunks(message, receive, at_most)
    except TimeoutError as error:
        raise RequestError(
            f"the body did not arrive within {seconds:g} seconds", code="slow", subject="body"
        ) from error
    if len(body) > at_most:
        raise _too_large(at_most)
    return body


async def _in_chunks(message: Message, receive: Receive, at_most: int) -> bytes:
    chunks, size = [], 0
    while True:
        if message["type"] == "http.disconnect":
            raise RequestError("the client left before its body was whole", code="slow", subject="body")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > at_most:
            raise _too_large(at_most)
        if not message.get("more_body", False):
            return b"".join(chunks)
        message = await receive()


def _too_large(at_most: int) -> RequestError:
    return RequestError(f"the body is larger than {at_most:,} bytes", code="too_large", subject="body", value=at_most)


class Rates:
    """How often each key may ask, over all workers of a machine.

    Args:
        path: the file that they share; made where it is missing.
        rate: requests a second; 0 sets no limit.
        burst: how many may come at once.
    """

    def __init__(self, path: Path, rate: float, burst: float) -> None:
        self._step = 1 / rate if rate else 0.0
        self._ahead = burst * self._step
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.fstat(self._file).st_size < SLOTS * NUMBER.size:
            self._fill(path)
        self._map = mmap.mmap(self._file, SLOTS * NUMBER.size)

    def _fill(self, path: Path) -> None:
        """Write zeros: mapped holes of a file would end the process by a signal where the disk is full."""
        try:
            os.pwrite(self._file, bytes(SLOTS * NUMBER.size), 0)
        except OSError as error:
            os.close(self._file)
            raise UnavailableError.of(path, f"cannot be written: {error.strerror}") from error

    def take(self, key: int, words: str = TOO_MANY, subject: str = "key") -> None:
        """Count one request of a key, or of whoever a number stands for.

        Raises:
            RequestError: it sent too many; in these words, about this subject.
        """
        if self._step and (wait := self._taken(key % SLOTS * NUMBER.size, time.monotonic())) > 0:
            error = RequestError(words, code="rate", subject=subject)
            error.wait = wait
            raise error

    def _taken(self, at: int, now: float) -> float:
        """Move a key's time on, and return 0; or the seconds that it must wait."""
        if sys.platform == "win32":  # where one worker serves
            return self._moved(at, now)
        fcntl.lockf(self._file, fcntl.LOCK_EX, NUMBER.size, at)
        try:
            return self._moved(at, now)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, NUMBER.size, at)

    def _moved(self, at: int, now: float) -> float:
        (used,) = NUMBER.unpack_from(self._map, at)
        if not now - 1 < used < now + 2 * self._ahead + 1:
            used = now  # long ago, or of before the machine was started, when its clock began at 0
        until = max(used, now) + self._step
        if until - now > self._ahead + 1e-9:
            return float(until - now - self._ahead)
        NUMBER.pack_into(self._map, at, until)
        return 0.0

    def close(self) -> None:
        """Give the file back."""
        self._map.close()
        os.close(self._file)
