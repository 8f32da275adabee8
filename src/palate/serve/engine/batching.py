"""Requests of a worker that wait at the same time are answered together, by one thread.

The event loop puts requests into a bounded queue, and wakes the batch thread when it has handled all that came with
them: woken by the first, the thread would take that one alone, and the others would cost a batch each. The thread takes
all that wait, up to `MOST`, asks the engine once, and goes on with the next ones while the lists of the last are
committed. Nobody waits for company: a request that comes alone is answered alone. The loop is woken once a batch.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Sequence
from functools import partial

from palate.errors import UnavailableError
from palate.serve.engine.asking import Answer, Ask
from palate.serve.engine.begun import Begun
from palate.serve.engine.engine import Engine
from palate.serve.engine.scenarios import VersionLoadingError

log = logging.getLogger(__name__)

MOST = 64  # requests of a batch
WAITING = 1_000  # requests that may wait; whoever comes then is told to come again
LOADING, TRIES = 0.05, 100  # seconds between tries where a new scenario's version is being loaded, and how many
Waiting = tuple[Ask, "asyncio.Future[Answer]", asyncio.AbstractEventLoop]


class Batcher:
    """The asyncio side of an engine.

    Args:
        engine: what answers.
        most: requests of a batch.
        waiting: requests that may wait.
    """

    def __init__(self, engine: Engine, most: int = MOST, waiting: int = WAITING) -> None:
        self.engine, self.most, self.waiting = engine, most, waiting
        self._queue: deque[Waiting] = deque()
        self._came = threading.Condition()
        self._waking: set[asyncio.AbstractEventLoop] = set()  # that wake the thread in a moment
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="palate-batch", daemon=True)
        self._thread.start()

    async def answer(self, ask: Ask) -> Answer:
        """Return the answer of a request, which is then committed, or says that it is not.

        Raises:
            UnavailableError: too many requests wait, the store cannot be read, or the service ends.
            PalateError: the request cannot be answered.
        """
        for _ in range(TRIES):
            try:
                return await self._answer(ask)
            except VersionLoadingError:
                await asyncio.sleep(LOADING)
        return await self._answer(ask)

    async def _answer(self, ask: Ask) -> Answer:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        with self._came:
            if self._closed:
                raise UnavailableError.of("the service", "is ending: ask again")
            if len(self._queue) >= self.waiting:
                raise UnavailableError.of(
                    "the service", f"is busy, {self.waiting:,} requests are waiting: ask again in a second"
                )
            self._queue.append((ask, future, loop))
            if loop not in self._waking:
                self._waking.add(loop)
                loop.call_soon(self._wake, loop)
        return await future

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._came:
            self._waking.discard(loop)
            self._came.notify()

    def close(self) -> None:
        """Answer all that wait, and end the thread."""
        with self._came:
            self._closed = True
            self._came.notify()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next():
            try:
                begun = self.engine.begin([ask for ask, _, _ in batch])
            except Exception as error:  # a mistake of ours must not end the thread: each request is told
                log.exception("a batch of requests failed")
                _tell(batch, [error] * len(batch))
                continue
            begun.when_written(partial(_written, batch))

    def _next(self) -> list[Waiting]:
        """Wait for requests; nothing where none will come any more."""
        with self._came:
            while not self._queue and not self._closed:
                self._came.wait()
            return [self._queue.popleft() for _ in range(min(self.most, len(self._queue)))]


def _written(batch: Sequence[Waiting], begun: Begun) -> None:
    """Tell each request its answer; lists that could not be kept for a reason that nobody foresaw are told, too."""
    try:
        results: Sequence[Answer | Exception] = begun.results()
    except Exception as error:
        log.exception("lists could not be kept")
        results = [error] * len(batch)
    _tell(batch, results)


def _tell(batch: Sequence[Waiting], results: Sequence[Answer | Exception]) -> None:
    """Give each request its result; each event loop is woken once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Answer], Answer | Exception]]] = {}
    for (_, future, loop), result in zip(batch, results, strict=True):
        by_loop.setdefault(loop, []).append((future, result))
    for loop, pairs in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, pairs)


def _resolve(pairs: Sequence[tuple[asyncio.Future[Answer], Answer | Exception]]) -> None:
    for future, result in pairs:
        if future.done():  # whoever asked went away
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
