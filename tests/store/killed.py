"""Campaigns of kills: start a writer, kill it or its database at any moment, and count what is missing or doubled."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from sqlalchemy import func, select

from palate.store import popular, schema
from palate.store.store import Store, open_store

PROGRAM = Path(__file__).with_name("killed_writer.py")
THREADS, EACH = 4, 40  # of a round
AGAIN = 2  # rounds whose events are sent again at the end


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
    """What writers said: the status of each acknowledged event, each time; how often they had to try again."""

    acknowledged: dict[str, list[str]] = field(default_factory=dict)
    again: int = 0

    def hear(self, line: bytes) -> None:
        """Take one line."""
        word, _, rest = line.decode().strip().partition(" ")
        self.again += word == "again"
        if word == "ack":
            name, _, status = rest.rpartition(" ")
            self.acknowledged.setdefault(name, []).append(status)


@dataclass
class Outcome:
    """What a campaign counted."""

    kills: int = 0
    acknowledged: int = 0
    missing: int = 0
    doubled: int = 0

    def look(self, told: Told, store: Store) -> None:
        """Count again what is missing or doubled, and assert that what is derived from the log agrees with it."""
        there = stored(store)
        self.acknowledged = len(told.acknowledged)
        self.missing += len(set(told.acknowledged) - set(there))
        twice_new = sum(statuses.count("new") > 1 for statuses in told.acknowledged.values())
        self.doubled += twice_new + sum(count > 1 for count in there.values())
        consistent(store)


def stored(store: Store) -> dict[str, int]:
    """Return how often each event stands in the log."""
    events = schema.events.c
    with store.read() as connection:
        rows = connection.execute(select(events.event_id, func.count()).group_by(events.event_id)).all()
    return dict(map(tuple, rows))


def consistent(store: Store) -> None:
    """Assert that users, items and daily counts say what the log says: there is no half group."""
    users, items, events, daily = (table.c for table in (schema.users, schema.items, schema.events, schema.daily))
    with store.read() as connection:
        newest = connection.execute(select(events.user, func.max(events.key)).group_by(events.user)).all()
        told = connection.execute(select(users.key, users.last_event).where(users.last_event > 0)).all()
        known = set(connection.scalars(select(items.key)))
        by_item = connection.execute(select(events.item, func.count()).group_by(events.item)).all()
        count = select(daily.item, func.sum(daily.events)).group_by(daily.item)
        by_day, in_all = (
            dict(map(tuple, connection.execute(count.where(of)).all()))
            for of in (daily.day != popular.ALL_DAYS, daily.day == popular.ALL_DAYS)
        )
    assert sorted(map(tuple, newest)) == sorted(map(tuple, told))
    assert {item for item, _ in by_item} <= known
    assert dict(map(tuple, by_item)) == by_day == in_all


def events_of(round_number: int) -> list[list[str]]:
    """Return the names of a round's events, by thread."""
    return [[f"{n}-{round_number}-{thread}" for n in range(EACH)] for thread in range(THREADS)]


def heard(process: subprocess.Popen[bytes], told: Told) -> Iterator[int]:
    """Yield how many acknowledgements were heard, until the writer ends; it ends well or by a kill."""
    assert process.stdout is not None
    for number, line in enumerate(process.stdout, 1):
        if line.startswith(b"end"):
            assert int(line.split()[1]) in {0, -signal.SIGKILL}, line
            return
        told.hear(line)
        yield number
    raise AssertionError("the program that forks writers ended")


def started(process: subprocess.Popen[bytes], **what: Any) -> int:
    """Fork a writer and return its process."""
    ask(process, **what)
    assert process.stdout is not None
    return int(process.stdout.readline().split()[1])


def kill_writers(url: str, folder: str, kills: int) -> Outcome:
    """Kill a writer so often, look at the store after each, and at last send some rounds again, as clients do."""
    outcome, told, chance = Outcome(), Told(), random.Random(19)
    where = {"url": url, "folder": folder}
    with writers() as process:
        for number in range(kills):
            pid, moment = started(process, threads=events_of(number), **where), chance.randint(1, THREADS * EACH // 2)
            for count in heard(process, told):
                if count == moment:
                    os.kill(pid, signal.SIGKILL)
                    outcome.kills += 1
            with open_store(**where) as store:  # type: ignore[arg-type]
                outcome.look(told, store)
        again = [names for number in range(min(AGAIN, kills)) for names in events_of(number)]
        started(process, threads=again, **where)
        assert sum(1 for _ in heard(process, told)) > sum(map(len, again))
    with open_store(**where) as store:  # type: ignore[arg-type]
        outcome.look(told, store)
        sent = Counter(name for names in again for name in names)
        assert {name: count for name, count in stored(store).items() if name in sent} == sent
    return outcome


def kill_server(server: Any, url: str, folder: str, kills: int) -> Outcome:
    """Kill PostgreSQL so often under a writer that goes on by itself, sending again what was not acknowledged."""
    outcome, told, chance = Outcome(), Told(), random.Random(19)
    names = [[f"{n}-{thread}" for n in range(40 * kills)] for thread in range(THREADS)]
    moments = sorted(chance.sample(range(1, 30 * kills * THREADS), kills))
    with writers() as process:
        started(process, url=url, folder=folder, threads=names)
        for _ in heard(process, told):
            if moments and len(told.acknowledged) >= moments[0]:
                moments.pop(0)
                server.kill()
                server.start()
                outcome.kills += 1
    with open_store(url, folder) as store:
        outcome.look(told, store)
        assert stored(store) == Counter(name for thread in names for name in thread)
    assert told.again >= outcome.kills  # the kills were felt
    return outcome
