"""`run`: serve a store by HTTP, in one process or several that share a socket.

The models that are given become versions of the store before the first worker starts. Workers are started anew (not
forked: numerical libraries have threads), share the listening socket, and learn of all that changes through the store.
One that dies is started again. SIGTERM and Ctrl-C let each worker finish the requests that it has.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palate.serve.listening import BACKLOG, address, listen
from palate.serve.preparing import ModelArrivals, prepare

if TYPE_CHECKING:
    from palate.serve.settings import Settings

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
GRACE_SECONDS = 30  # that a worker may take to finish its requests when it is told to end
SWITCH_SECONDS = 0.001  # after which the thread that computes lets the one that sends have its turn
HANGING_SECONDS = 60  # without a sign of life after which a worker is killed; compiling keeps one silent for a while


def run(
    settings: Settings,
    models: Sequence[Path] = (),
    *,
    wait: bool = False,
    started: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Args:
        settings: of the service.
        models: files that become versions of the settings' namespace; the last one answers.
        wait: files that are not there yet join as soon as they are; the first one answers.
        started: called with the address, when the socket listens and the versions are in the store.

    Raises:
        ParameterError: host or port cannot be listened on, or the schedule is no time.
        StoreError: the store is of another schema, or cannot be opened.
        ModelFileError: a file is no model.
    """
    there = [path for path in models if path.exists() or not wait]
    coming = [path for path in models if path not in there]
    sock = listen(settings.host, settings.port, backlog=BACKLOG)
    with sock, _counting(), suppress(KeyboardInterrupt), _ended_by_sigterm():
        prepare(settings, there, first_answers=wait)
        with ModelArrivals(settings, coming):
            started(address(settings.host, sock))
            _serve(settings, sock)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that nothing is left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _serve(settings: Settings, sock: Any) -> None:
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    from palate.serve.connections import IDLE_SECONDS, BoundedConnection

    options: dict[str, Any] = {
        "http": BoundedConnection, "ws": "none", "loop": "auto", "factory": True, "lifespan": "on",
        "proxy_headers": False,
        "server_header": False, "date_header": True, "access_log": False, "log_config": None, "log_level": "warning",
        "timeout_keep_alive": int(IDLE_SECONDS), "timeout_graceful_shutdown": GRACE_SECONDS, "backlog": BACKLOG,
        "timeout_worker_healthcheck": HANGING_SECONDS, "workers": settings.workers,
    }  # fmt: skip
    config = uvicorn.Config(partial(worker, settings), **options)
    if settings.workers == 1:
        uvicorn.Server(config).run([sock])
    else:
        Multiprocess(config, [sock]).run()


def worker(settings: Settings) -> Any:
    """Return the application of one worker; called in its process."""
    from palate.serve import logs
    from palate.serve.app import create_app
    from palate.serve.connections import allow_files

    _end_with_parent()
    allow_files()
    logs.set_up()
    sys.setswitchinterval(SWITCH_SECONDS)
    app = create_app(settings)
    app.when_open = _keep_garbage_collection_short
    return app


def _keep_garbage_collection_short() -> None:
    """Leave what was imported and loaded out of later collections: a walk through it stops a worker for 0.1 s."""
    gc.collect()
    gc.freeze()


def _end_with_parent() -> None:
    """Let a worker end when the process that started it is gone, killed perhaps: nobody else would end it."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True, name="palate-parent").start()


@contextmanager
def _counting() -> Iterator[None]:
    """Let workers count in files of a folder that ends with the service, where none is set."""
    if FOLDER in os.environ:
        yield
        return
    folder = tempfile.mkdtemp(prefix="palate-metrics-")
    os.environ[FOLDER] = folder
    try:
        yield
    finally:
        del os.environ[FOLDER]
        shutil.rmtree(folder, ignore_errors=True)
