"""A program to be killed: it writes events to a store from several threads and says each acknowledgement at once.

It imports everything first and forks a writer for each line of JSON on its input, so that a hundred kills are a hundred
forks. It prints `pid N` of each writer; the writer prints `ack EVENT STATUS` as soon as the store has acknowledged it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Sequence

from palate.errors import UnavailableError
from palate.store import engine
from palate.store.records import Event, Namespace, Receipt
from palate.store.store import Store, open_store


def say(line: str) -> None:
    """Write one whole line at once: a pipe never mixes lines this short."""
    os.write(1, f"{line}\n".encode())


def acknowledged(store: Store, ns: Namespace, event: Event) -> Receipt:
    """Send an event until it is acknowledged, as a client does."""
    while True:
        try:
            return store.writer.feedback(ns, [event]).result()[0]
        except UnavailableError:
            say("again")
            time.sleep(0.02)


def ended(error: threading.ExceptHookArgs) -> None:
    """End with the first thread that fails: the test sees it."""
    threading.__excepthook__(error)
    os._exit(1)


def write(url: str, folder: str | None, threads: Sequence[Sequence[str]], **settings: int) -> None:
    """Write each thread's events one after the other; settings are pragmas of SQLite, beside or against ours."""
    threading.excepthook = ended
    engine.SETTINGS.update(settings)
    with open_store(url, folder=folder) as store:
        ns = store.namespace()

        def one_after_the_other(names: Sequence[str]) -> None:
            for name in names:
                number = int(name.partition("-")[0])
                event = Event(f"user {number % 7}", f"item {number % 11}", "rating", number % 5 + 1.0, event_id=name)
                say(f"ack {name} {acknowledged(store, ns, event).status}")

        running = [threading.Thread(target=one_after_the_other, args=(names,)) for names in threads]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
    say("done")


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            write(**json.loads(line))
            os._exit(0)
        say(f"pid {pid}")
        _, status = os.waitpid(pid, 0)
        say(f"end {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main()
