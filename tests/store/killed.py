"""Start the program to be killed, kill it at any moment, and ask the store what it has."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from sqlalchemy import func, select

from palate.store import schema
from palate.store.store import Store

PROGRAM = Path(__file__).with_name("killed_writer.py")


@contextmanager
def writers(output: IO[bytes] | int = subprocess.PIPE, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the program that forks writers."""
    with subprocess.Popen(
        [sys.executable, PROGRAM], stdin=subprocess.PIPE, stdout=output, env={**os.environ, **environment}
    ) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(timeout=60)


def ask(process: subprocess.Popen[bytes], **what: Any) -> None:
    """Fork one writer."""
    assert process.stdin is not None
    process.stdin.write(json.dumps(what).encode() + b"\n")
    process.stdin.flush()


@dataclass
class Told:
    """What writers said: the status of each acknowledged event, each time."""

    acknowledged: dict[str, list[str]] = field(default_factory=dict)

    def hear(self, line: bytes) -> None:
        word, _, rest = line.decode().strip().partition(" ")
        if word == "ack":
            name, _, status = rest.rpartition(" ")
            self.acknowledged.setdefault(name, []).append(status)


def killed_after(process: subprocess.Popen[bytes], told: Told, acknowledgements: int, **what: Any) -> bool:
    """Fork a writer, kill it after so many acknowledgements, hear what it still said; return whether it was killed."""
    ask(process, **what)
    assert process.stdout is not None
    pid = int(process.stdout.readline().split()[1])
    heard = 0
    for line in process.stdout:
        if line.startswith(b"end"):
            code = int(line.split()[1])
            assert code in {0, -signal.SIGKILL}, f"the writer ended with {code}"
            return code != 0
        told.hear(line)
        heard += 1
        if heard == acknowledgements:
            os.kill(pid, signal.SIGKILL)
    raise AssertionError("the program that forks writers ended")


def events_of(round_number: int, threads: int = 4, each: int = 60) -> list[list[str]]:
    """Return the names of a round's events, by thread."""
    return [[f"{n}-{round_number}-{thread}" for n in range(each)] for thread in range(threads)]


def kill_often(store_of: Mapping[str, Any], kills: int, process: subprocess.Popen[bytes], check: Any) -> Told:
    """Kill a writer so often, and call ``check(told)`` after each."""
    told, chance, done = Told(), random.Random(19), 0
    while done < kills:
        done += killed_after(process, told, chance.randint(1, 120), threads=events_of(done), **store_of)
        check(told)
    return told


def stored(store: Store) -> dict[str, int]:
    """Return how often each event stands in the log."""
    events = schema.events.c
    with store.read() as connection:
        rows = connection.execute(select(events.event_id, func.count()).group_by(events.event_id)).all()
    return {name: count for name, count in rows}


def consistent(store: Store) -> None:
    """Assert that what is derived from the log says what the log says: no half group."""
    users, events = schema.users.c, schema.events.c
    with store.read() as connection:
        newest = dict(connection.execute(select(events.user, func.max(events.key)).group_by(events.user)).tuples().all())
        told = dict(connection.execute(select(users.key, users.last_event)).tuples().all())
        items = select(events.item).where(events.item.is_not(None))
        unknown = connection.scalar(
            select(func.count()).select_from(schema.events).where(events.item.not_in(select(schema.items.c.key)), events.item.in_(items))
        )
    assert {key: last for key, last in told.items() if last} == newest
    assert unknown == 0


def nothing_lost(told: Told, store: Store) -> None:
    """Assert that all that was acknowledged is there, once."""
    there = stored(store)
    missing = sorted(set(told.acknowledged) - set(there))
    assert not missing, f"{len(missing)} acknowledged events are missing, {missing[:5]}"
    assert set(there.values()) <= {1}
    consistent(store)


def everything_once(told: Told, rounds: Sequence[Sequence[str]], store: Store) -> None:
    """Assert that after sending all again each event is there once, and only one answer said that it was new."""
    assert stored(store) == {name: 1 for names in rounds for name in names}
    assert all(statuses.count("new") <= 1 for statuses in told.acknowledged.values())
