"""A job in a process of its own: `launch` starts it, `work` is what it runs.

The process is its own session, at a low priority. It learns where the store is from its environment, for an address may
hold a password, and what it writes to stderr goes to a file beside the models. Whoever asks the job to stop is heard at
its next step; a process that takes no step for a while is ended.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from palate.atomic import DAY
from palate.errors import PalateError
from palate.store import jobs
from palate.store.store import open_store

if TYPE_CHECKING:
    from palate.store.jobs import Run
    from palate.store.records import Namespace
    from palate.store.store import Store

NICE = 10
PATIENCE = 10.0  # seconds from being asked to stop to the end of a process that takes no step
FOLDER = "jobs"  # of the store's files: what processes write to stderr
LONGEST = 4_000  # characters of that which the log of a job gets


def launch(store: Store, ns: Namespace, number: int, module: str) -> subprocess.Popen[bytes]:
    """Start the process of a job that waits, and return it.

    Args:
        store, ns, number: which job.
        module: run as ``python -m``; it calls `work`.

    Raises:
        OSError: no process can be started, or its file not be made.
    """
    written = stderr_of(store, number)
    written.parent.mkdir(parents=True, exist_ok=True)
    address = store.engine.url.render_as_string(hide_password=False)
    with written.open("wb") as stderr:
        return subprocess.Popen(  # noqa: S603 - our own Python, no shell
            [sys.executable, "-m", module, "--namespace", ns.name, "--job", str(number)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env={**os.environ, "PALATE_STORE": address, "PALATE_FOLDER": str(store.folder)},
            start_new_session=True,
        )


def stderr_of(store: Store, number: int) -> Path:
    """Return the file that the process of a job writes to."""
    return store.folder / FOLDER / f"{int(number)}.log"


def ended(store: Store, ns: Namespace, number: int, process: subprocess.Popen[bytes]) -> None:
    """Write into the log of a job how its process ended, where it left the job open, and fail that."""
    code, file = process.wait(), stderr_of(store, number)
    with store.read() as conn:
        job = jobs.get(conn, ns, number)
    if job.state in jobs.OPEN:
        jobs.lose(store, ns, number, f"{_last(file)}{_how(code, job)}")
    with suppress(OSError):
        file.unlink()


def _how(code: int, job: jobs.StoredJob) -> str:
    if job.cancel_asked:
        return "its process was ended"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else str(code)
    doubt = ": the system does so where memory runs out" if code == -signal.SIGKILL else ""
    return f"its process ended by {name}{doubt}" if code < 0 else f"its process ended with code {code}"


def _last(file: Path) -> str:
    """Return the end of what a process wrote."""
    try:
        text = file.read_bytes()[-LONGEST:].decode(errors="replace")
    except OSError:
        return ""
    return text if not text or text.endswith("\n") else f"{text}\n"


def remove_leftovers(store: Store) -> None:
    """Remove what processes wrote more than a day ago: nobody watched how they ended."""
    for file in (store.folder / FOLDER).glob("*.log"):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > DAY:
                file.unlink()


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process that `launch` started, and those that it started."""
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def work(do: Callable[[Run], None], argv: Sequence[str] | None = None) -> int:
    """Run a job in this process and return its exit code.

    Args:
        do: does the job; the errors that it raises are told in the job's log.
        argv: the words after ``python -m MODULE``.
    """
    given = _parsed(argv)
    with suppress(OSError, AttributeError):
        os.nice(NICE)
    with open_store(given.store, given.folder, create=False) as store:
        ns = store.namespace(given.namespace)
        try:
            with jobs.running(store, ns, given.job, when_asked=_end_soon) as run, _logged(run):
                do(run)
        except PalateError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        except Exception as error:
            jobs.say(
                store, ns, given.job, "".join(traceback.format_tb(error.__traceback__))
            )  # no text: it may name somebody
            raise
    return 0


def _parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Runs one job of a store; 'palate jobs' shows it.")
    parser.add_argument("--store", default=os.environ.get("PALATE_STORE"), required="PALATE_STORE" not in os.environ)
    parser.add_argument("--folder", default=os.environ.get("PALATE_FOLDER"), type=Path)
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--job", type=int, required=True)
    return parser.parse_args(argv)


def _end_soon() -> None:
    """End this process some seconds after it was asked to stop, where no step did; its job is found without owner."""
    timer = threading.Timer(PATIENCE, _end_now)
    timer.daemon = True
    timer.start()


def _end_now() -> None:
    if sys.platform != "win32" and os.getpgid(0) == os.getpid():
        os.killpg(0, signal.SIGKILL)  # whatever it started is in its group
    os._exit(1)


@contextmanager
def _logged(run: Run) -> Iterator[None]:
    """Send what Palate logs in the block to the job's log."""
    handler, logger = _ToJob(run), logging.getLogger("palate")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _ToJob(logging.Handler):
    def __init__(self, run: Run) -> None:
        super().__init__(logging.INFO)
        self._run, self._busy = run, threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(self._busy, "is_writing", False):
            return
        self._busy.is_writing = True
        try:
            line = f"{record.levelname.lower()}: {record.getMessage()}"
            jobs.say(self._run.store, self._run.ns, self._run.number, line)
        except PalateError:
            self.handleError(record)
        finally:
            self._busy.is_writing = False
