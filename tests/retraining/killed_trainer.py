"""Forks trainers of one store, which end themselves by SIGKILL before their n-th write, or are killed at a moment.

A line {"url", "folder", "number", "write"} forks one that runs the job of that number; "pid N" is answered, and "end N
M" when it ended: its exit code, as of `subprocess`, and how many writes it had done. Forking saves the seconds of the
imports.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

import palate.evaluation
import palate.retraining.trainer as trainer
from palate.models import MODELS
from palate.store import jobs
from palate.store.store import open_store

WRITES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree")
done = 0


def count(write: int | None) -> None:
    """End before the n-th write: of a file, a folder or a row."""
    global done
    done += 1
    if done == write:
        os.kill(os.getpid(), signal.SIGKILL)


def heard(write: int | None) -> Any:
    """Return a hook that counts what Python is about to write to files."""

    def hook(name: str, what: Any) -> None:
        if name in WRITES or (name == "open" and isinstance(what[1], str) and set(what[1]) & set("wxa+")):
            count(write)

    return hook


def run(url: str, folder: str, number: int, write: int | None) -> None:
    """Run one job, and count."""
    with open_store(url, folder) as store:
        sys.addaudithook(heard(write))
        event.listen(Engine, "before_cursor_execute", lambda *said: said[2].startswith("SELECT") or count(write))
        event.listen(Engine, "commit", lambda *_: count(write))
        with jobs.running(store, store.namespace(), number) as running:
            trainer.retrain(running)


def fork(said: dict[str, Any]) -> None:
    """Fork one trainer, and tell how it ended."""
    told, tells = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            run(**said)
            code = 0
        finally:
            os.write(tells, str(done).encode())
            os._exit(code)
    os.close(tells)
    sys.stdout.write(f"pid {child}\n")
    sys.stdout.flush()
    _, status = os.waitpid(child, 0)
    writes = os.read(told, 20).decode() or "0"
    os.close(told)
    sys.stdout.write(f"end {os.waitstatus_to_exitcode(status)} {writes}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    assert MODELS
    assert palate.evaluation
    for line in sys.stdin:
        fork(json.loads(line))
