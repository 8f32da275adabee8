"""Run single-threaded nogil kernels on threads; keep BLAS to one thread meanwhile.

Threads change speed, never the answer: what runs at the same time writes to different places, and sums are taken
afterwards in a fixed order.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from palate.errors import ForkedError, ParameterError

T = TypeVar("T")


def default_threads() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def kernel_cache() -> Path:
    """Return the folder where compiled kernels are kept."""
    from palate.kernels import order

    return Path(str(order.place.stats.cache_path))


def check_threads(n_threads: int | None) -> int:
    """Return the number of threads to use.

    Raises:
        ParameterError: n_threads is neither None nor a whole number of at least 1.
    """
    if n_threads is None:
        return default_threads()
    if isinstance(n_threads, bool) or not isinstance(n_threads, int | np.integer) or n_threads < 1:
        raise ParameterError.outside("n_threads", "None or a whole number of at least 1", n_threads)
    return int(n_threads)


@dataclass
class Grain:
    """How much one task takes on: enough to be worth waking a thread, little enough for threads to share the work.

    Where results are summed over tasks, or a size stands for all, it is of the data alone: so are the bits. Tests make
    them small, so that few rows give many tasks.
    """

    solved: int = 1 << 15  # cells of ridge regressions and of products of sparse rows
    folded: int = 1 << 10  # cells of newcomers who are learned by gradient steps
    drawn: int = 1 << 18  # cells of rows that a Gibbs sampler draws
    passed: int = 1 << 20  # cells passed over once
    apart: int = 1 << 20  # cells whose sums by column are made apart
    errors: int = 1 << 16  # ratings whose squared errors are summed
    gram: int = 1 << 12  # rows of a Gram matrix
    product: int = 1 << 9  # rows of a dense product
    least_product: int = 1 << 16  # rows of a dense product that one thread does alone
    columns: int = 24  # numbers of a weight that are drawn together; of the model alone
    lanes: int = 1 << 6  # items whose weights a graph filter computes side by side
    asked: int = 1 << 8  # rows of a sum of products
    mixed: int = 1 << 8  # distributions of ratings
    listed: int = 1 << 9  # users of lists: per thread one tile of their scores
    scored_bytes: int = 1 << 23  # of whole rows of scores a thread holds


GRAIN = Grain()


class Workers:
    """A pool of threads for many short rounds of kernel calls; use it as a context manager.

    The pool is made for the first round of several tasks: one user's list needs none.
    """

    def __init__(self, n_threads: int | None = None) -> None:
        self.n_threads = check_threads(n_threads)
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def run(self, tasks: Sequence[Callable[[], Any]]) -> list[Any]:
        """Run all tasks and return their results in order; also on an interruption, only when none is running."""
        if self.n_threads == 1 or len(tasks) < 2:
            return [task() for task in tasks]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.n_threads, thread_name_prefix="palate")
        futures: list[Future[Any]] = []
        try:
            for task in tasks:
                futures.append(self._pool.submit(task))
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()
            wait(futures)


def chunks(n: int, size: int) -> list[slice]:
    """Return slices of ``size`` that cover 0 … n-1; they depend on the data alone, so that sums do too."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def shares(parts: NDArray[np.int64], n_threads: int) -> list[NDArray[np.int64]]:
    """Return the parts dealt out to threads, none of them empty."""
    return [parts[t::n_threads] for t in range(min(n_threads, len(parts)))]


def _by_a_thread_that_ends(call: Callable[[], Any]) -> Any:
    """Return ``call()``. threadpoolctl obeys one living thread only, and the last to leave is not always the first."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


class _BlasGuard:
    """BLAS threads are process-wide, so callers are counted: the first sets them to one, the last sets them back.

    A limit that another living thread holds by threadpoolctl stays; so do those of a BLAS that limits each thread by
    itself (MKL, OpenBLAS built on OpenMP). That costs speed, never the answer.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limiter: Any = None

    def enter(self) -> None:
        with self._lock:
            if self._users == 0:
                from threadpoolctl import threadpool_limits

                self._limiter = _by_a_thread_that_ends(partial(threadpool_limits, limits=1, user_api="blas"))
            self._users += 1

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                _by_a_thread_that_ends(self._limiter.restore_original_limits)


_guard = _BlasGuard()


@contextmanager
def single_blas_thread() -> Iterator[None]:
    """Keep BLAS to one thread inside the block; nests, and may be entered by several threads at once."""
    guard = _guard
    guard.enter()
    try:
        yield
    finally:
        guard.leave()


@contextmanager
def blas_threads(n_threads: int) -> Iterator[None]:
    """Let BLAS and LAPACK use this many threads inside the block, at most."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=n_threads, user_api="blas"):
        yield


class once(Generic[T]):  # noqa: N801 - a decorator, as property is
    """A property of a frozen object that is computed at its first use, by one thread, and kept.

    One lock serves all: what it guards is quick and rare, and one property may ask for another.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self.compute, self.name, self.__doc__ = compute, compute.__name__, compute.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    @overload
    def __get__(self, owner: object, kind: type) -> T: ...
    def __get__(self, owner: object | None, kind: type) -> Any:
        """Return the value: from now on the object's own attribute of this name, found before this one is asked."""
        if owner is None:
            return self
        return kept(vars(owner), self.name, partial(self.compute, owner))


def kept(values: dict[str, Any], name: str, compute: Callable[[], T]) -> T:
    """Return the value of a name, computed by one thread where it is not there yet."""
    if name not in values:
        with _once.lock:
            if name not in values:
                values[name] = compute()
    value: T = values[name]
    return value


class _Once:
    """The lock of `once` and `kept`; another thread may hold it at a fork, so a child makes its own."""

    def __init__(self) -> None:
        self.lock = threading.RLock()


_once = _Once()


class _Fork:
    """What a fork leaves behind: a child has none of its parent's threads, and waits for them without end.

    Polars starts its threads at the first work that needs them. A child of a parent where they ran has lost them for
    good; a child of a parent that has only loaded models starts its own.
    """

    def __init__(self) -> None:
        self.lost = False
        self._ran = False

    def before(self) -> None:
        self._ran = table_threads_run()

    def in_child(self) -> None:
        global _guard
        _guard = _BlasGuard()  # another thread may have held its lock
        _once.lock = threading.RLock()
        self.lost = self.lost or self._ran


_fork = _Fork()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_fork.before, after_in_child=_fork.in_child)


def table_threads_run() -> bool:
    """Return whether Polars has started its threads in this process; where that cannot be seen, whether it is there."""
    if "polars" not in sys.modules:
        return False
    tasks = Path("/proc/self/task")
    if not tasks.exists():
        return True
    return any(_name_of(task).startswith("polars-0") for task in tasks.iterdir())


def _name_of(task: Path) -> str:
    try:
        return (task / "comm").read_text()
    except OSError:  # the thread has ended since
        return ""


def check_table_threads(work: str) -> None:
    """Refuse work that would wait for ever for threads that a fork has lost.

    Args:
        work: what is to be done, as the subject of a sentence.

    Raises:
        ForkedError: says what can be done.
    """
    if _fork.lost:
        raise ForkedError.of(
            work,
            "needs the threads of Polars, which a forked process does not have where its parent had started "
            "them. Do it in the parent before the fork; or fork from a parent that has done no more than load models; "
            "or start processes with multiprocessing's 'spawn', and servers such as gunicorn without --preload",
        )
