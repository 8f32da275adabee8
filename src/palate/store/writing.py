"""The group commit: whatever waits is written in one transaction, and acknowledged when that is on the disk.

A sync of the disk costs more than the rows of a request. One thread takes all requests that wait, writes them set by
set, commits once, and then tells each of them. Acknowledged means committed.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from palate.errors import StoreError, UnavailableError
from palate.store.checking import checked
from palate.store.recording import record_events, record_lists
from palate.store.records import Event, Namespace, Receipt, ShownList

if TYPE_CHECKING:
    from palate.store.store import Store

ROWS = 2_000  # of a group, about: a transaction stays short
WAITING = 100_000  # rows that may wait; whoever comes then is told to come again
PATIENCE = 2.0  # seconds that lists wait for a store that is locked or slow: their answers go out, not logged
_telling = threading.RLock()  # two threads may tell the same: the one that writes, and the one that watches it


class _Request:
    """Events or lists of one call, and who waits for them."""

    def __init__(self, ns: Namespace, rows: Sequence[Any], lists: bool, future: Any, loop: Any = None) -> None:
        self.ns, self.rows, self.lists, self.future, self.loop = ns, rows, lists, future, loop
        self.result: Any = None
        self.error: BaseException | None = None

    def tell(self) -> None:
        """Give the result to whoever waits, unless they went away."""
        with _telling:
            if self.future.done() or (self.loop is None and not self.future.set_running_or_notify_cancel()):
                return
            if self.error is not None:
                self.future.set_exception(self.error)
            else:
                self.future.set_result(self.result)


class GroupCommit:
    """The one writer of feedback and lists in a process.

    Args:
        store: what it writes to.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: deque[_Request] = deque()
        self._rows = 0
        self._changed = threading.Condition()
        self._group: list[_Request] = []  # that is being written
        self._since: float | None = None  # when it was begun
        self._thread: threading.Thread | None = None
        self._end = threading.Event()
        self._closed = False

    def feedback(self, ns: Namespace, events: Sequence[Event]) -> Future[list[Receipt]]:
        """Write events; the future has a receipt for each when they are committed."""
        future: Future[list[Receipt]] = Future()
        self._put(_Request(ns, [checked(ns, event) for event in events], False, future))
        return future

    def lists(self, ns: Namespace, shown: Sequence[ShownList]) -> Future[None]:
        """Write lists; the future is done when they are committed."""
        future: Future[None] = Future()
        self._put(_Request(ns, shown, True, future))
        return future

    def feedback_soon(self, ns: Namespace, events: Sequence[Event]) -> asyncio.Future[list[Receipt]]:
        """Write events, and return a future of the running event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Receipt]] = loop.create_future()
        self._put(_Request(ns, [checked(ns, event) for event in events], False, future, loop))
        return future

    def lists_soon(self, ns: Namespace, shown: Sequence[ShownList]) -> asyncio.Future[None]:
        """Write lists, and return a future of the running event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._put(_Request(ns, shown, True, future, loop))
        return future

    def _put(self, request: _Request) -> None:
        with self._changed:
            if self._closed:
                raise StoreError.of(self._store.url, "was closed")
            if self._rows and self._rows + len(request.rows) > WAITING:
                raise UnavailableError.of(self._store.url, f"has {self._rows} rows waiting to be written: try again")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="palate-writer", daemon=True)
                self._thread.start()
                threading.Thread(target=self._watch, name="palate-writer-watch", daemon=True).start()
            self._waiting.append(request)
            self._rows += len(request.rows)
            self._changed.notify()

    def _run(self) -> None:
        while group := self._next():
            self._commit(group)
            with self._changed:
                self._group, self._since = [], None
            _tell(group)

    def _next(self) -> list[_Request]:
        """Return all requests that wait, up to the size of a group; none when the store was closed."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            group: list[_Request] = []
            rows = 0
            while self._waiting and (not group or rows + len(self._waiting[0].rows) <= ROWS):
                group.append(self._waiting.popleft())
                rows += len(group[-1].rows)
            self._rows -= rows
            self._group, self._since = group, time.monotonic() if group else None
        return group

    def _watch(self) -> None:
        """Tell lists that they are not kept where the store does not take them in time: answers must not wait."""
        while not self._end.wait(PATIENCE / 4):
            _tell(self._late())

    def _late(self) -> list[_Request]:
        """Return the lists that wait behind a group that takes too long; those in it may be kept all the same."""
        with self._changed:
            if self._since is None or time.monotonic() - self._since < PATIENCE:
                return []
            late = [request for request in (*self._group, *self._waiting) if request.lists]
            self._waiting = deque(request for request in self._waiting if not request.lists)
            self._rows = sum(len(request.rows) for request in self._waiting)
        for request in late:
            request.error = UnavailableError.of(self._store.url, f"takes no lists for more than {PATIENCE:g} seconds")
        return late

    def _commit(self, group: list[_Request]) -> None:
        """Write a group in one transaction; a request that cannot be written does not take the others with it."""
        try:
            self._write(group)
        except UnavailableError as error:
            for request in group:
                request.error = error
        except Exception as error:  # noqa: BLE001 - told to those who wait: this thread must go on
            if len(group) == 1:
                group[0].error = error
            else:
                for request in group:
                    self._commit([request])

    def _write(self, group: list[_Request]) -> None:
        by_namespace: dict[tuple[int, bool], list[_Request]] = {}
        for request in group:
            by_namespace.setdefault((request.ns.key, request.lists), []).append(request)
        with self._store.write() as connection:
            for (_, lists), requests in by_namespace.items():
                rows = [row for request in requests for row in request.rows]
                if lists:
                    record_lists(connection, requests[0].ns, rows)
                else:
                    receipts = record_events(connection, requests[0].ns, rows)
                    _dealt(requests, receipts)

    def close(self) -> None:
        """Write what waits, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._end.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()


def _dealt(requests: list[_Request], receipts: list[Receipt]) -> None:
    first = 0
    for request in requests:
        request.result = receipts[first : first + len(request.rows)]
        first += len(request.rows)


def _tell(group: list[_Request]) -> None:
    """Give each its result; event loops are woken once for all of theirs."""
    by_loop: dict[Any, list[_Request]] = {}
    for request in group:
        by_loop.setdefault(request.loop, []).append(request)
    for loop, requests in by_loop.items():
        if loop is None:
            _tell_all(requests)
        elif not loop.is_closed():
            loop.call_soon_threadsafe(_tell_all, requests)


def _tell_all(requests: list[_Request]) -> None:
    for request in requests:
        request.tell()
