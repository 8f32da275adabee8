"""A job in a process of its own, as tests need one: its details say what becomes of it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time

from palate.errors import DataError
from palate.store import working


def do(run):
    """Do what the details say."""
    run.step(0.5, "half")
    logging.getLogger("palate.somewhere").warning("%s of it", "some")
    match run.details.get("end"):
        case "refused":
            raise DataError("there is no event to learn from")
        case "mistake":
            raise ZeroDivisionError("".join(("An", "na")))
        case "killed":
            sys.stderr.write("last words")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        case "hangs":
            time.sleep(600)
        case "waits":
            while True:
                run.step(0.5)
                time.sleep(0.02)
    run.note(version=3)


if __name__ == "__main__":
    working.PATIENCE = 0.1
    sys.exit(working.work(do))
