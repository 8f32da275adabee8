"""The whole service with two workers: killed, its disk full or failing, its keys revoked; nothing is lost."""

from __future__ import annotations

import errno
import http.client
import json
import os
import random
import signal
import threading
import time
from contextlib import ExitStack, closing

import pytest
from serve.attacked import made
from serve.own_service import free_port, running
from store.killed import Outcome, Told
from store.recorded_disk import environment, faulty

from palate.store import keys, open_store


class Senders:
    """Clients in threads: each sends events, one after the other, again until each is acknowledged."""

    def __init__(self, port: int, key: str, events: list[list[str]]) -> None:
        self.port, self.headers, self.told = port, {"Authorization": f"Bearer {key}"}, Told()
        self._lock, self._end = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self._send, args=(names,), daemon=True) for names in events]
        for thread in self.threads:
            thread.start()

    def _send(self, names: list[str]) -> None:
        for name in names:
            number = int(name.partition("-")[0])
            event = {
                "user": f"u{number % 7}",
                "item": f"i{number % 11}",
                "kind": "rating",
                "value": 3,
                "event_id": name,
            }
            while not self._end.is_set() and not self._taken(name, event):
                time.sleep(0.02)

    def _taken(self, name: str, event: dict) -> bool:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as client:
            try:
                client.request(
                    "POST", "/v1/feedback", json.dumps(event), {"Content-Type": "application/json", **self.headers}
                )
                answer = client.getresponse()
                said = json.loads(answer.read())
            except (OSError, http.client.HTTPException):
                self.told.again += 1
                return False
        assert answer.status in {200, 201, 503}, said
        if answer.status == 503:
            self.told.again += 1
            return False
        with self._lock:
            self.told.acknowledged.setdefault(name, []).append(said["status"])
        return True

    def until(self, number: int) -> None:
        """Wait for so many acknowledgements."""
        while len(self.told.acknowledged) < number:
            assert any(thread.is_alive() for thread in self.threads), "the senders failed"
            time.sleep(0.002)

    def done(self) -> None:
        """Wait until all is sent."""
        for thread in self.threads:
            thread.join(timeout=120)
            assert not thread.is_alive()

    def stop(self) -> None:
        self._end.set()


def kill_service(folder, url: str, kills: int, files=None) -> Outcome:
    """Kill a worker, or all processes at once, so often while clients send; start again where all were killed."""
    secrets, port, chance, outcome = made(url, files), free_port(), random.Random(19), Outcome()
    words = ["--workers", "2", *(("--folder", str(files)) if files else ())]
    events = [[f"{n}-{thread}" for n in range(40 * kills)] for thread in range(4)]
    senders = Senders(port, secrets["default", "write"], events)
    try:
        with ExitStack() as stack:
            service = stack.enter_context(running(folder, url, *words, port=port))
            for number in range(kills):
                senders.until(len(senders.told.acknowledged) + chance.randint(5, 60))
                if number % 5 == 0:
                    service.kill()
                    service = stack.enter_context(running(folder, url, *words, port=port))
                else:
                    os.kill(chance.choice(service.serving()), signal.SIGKILL)
                outcome.kills += 1
            senders.done()
    finally:
        senders.stop()
    with open_store(url, files) as store:
        outcome.look(senders.told, store)
    assert set(senders.told.acknowledged) == {name for names in events for name in names}
    assert senders.told.again > 0
    return outcome


def nothing_lost(outcome: Outcome, kills: int) -> None:
    assert outcome.kills == kills
    assert (outcome.missing, outcome.doubled) == (0, 0)


@pytest.mark.long
def test_a_killed_service_and_killed_workers_lose_nothing(tmp_path):
    nothing_lost(kill_service(tmp_path, f"sqlite:///{tmp_path}/shop.db", 2), 2)


@pytest.mark.long
def test_a_hundred_kills_of_the_service_lose_nothing_in_sqlite(tmp_path):
    nothing_lost(kill_service(tmp_path, f"sqlite:///{tmp_path}/shop.db", 100), 100)


@pytest.mark.long
def test_a_hundred_kills_of_the_service_lose_nothing_in_postgres(tmp_path, own_postgres):
    nothing_lost(kill_service(tmp_path, own_postgres.fresh(), 100, tmp_path / "files"), 100)


FAULTS = {"full": ("w", errno.ENOSPC), "failing": ("w", errno.EIO), "not syncing": ("s", errno.EIO)}


def test_a_service_answers_from_a_failing_disk_and_heals(tmp_path, library):
    """Feedback gets 503 and recommendations are not logged while the disk is full; then all is well by itself."""
    disk, log = tmp_path / "disk", tmp_path / "log"
    disk.mkdir()
    url = f"sqlite:///{disk}/shop.db"
    secrets = made(url)
    key = {"Authorization": f"Bearer {secrets['default', 'write']}"}
    with running(tmp_path, url, "--workers", "2", **environment(library, disk, log)) as service:
        for number, fault in enumerate(FAULTS.values()):
            event = {"user": "Zoe Nobody", "item": "2", "kind": "click", "event_id": f"fault {number}"}
            with faulty(log, *fault):
                for _ in range(6):  # both workers
                    refused = service.ask("POST", "/v1/feedback", event, **key)
                    assert refused.status == 503, refused
                    assert refused.headers["content-type"] == "application/problem+json"
                    assert int(refused.headers["retry-after"]) >= 1
                    answer = service.ask("GET", "/v1/recommendations?user=Zoe+Nobody", **key)
                    assert (answer.status, answer.json["logged"]) == (200, False), answer
            for _ in range(4):
                assert service.ask("POST", "/v1/feedback", event, **key).status in {200, 201}
                assert service.ask("GET", "/v1/recommendations?user=1", **key).json["logged"] is True
        revoke(service, url, secrets["default", "read"])
        said = service.log.read_text()
    assert "/v1/feedback" in said  # its requests and its troubles are in the log, and nobody's name or key
    assert not [text for text in ("Zoe", "fault 1", *secrets.values()) if text in said]


def revoke(service, url: str, key: str) -> None:
    """A key is revoked while connections to both workers stay open: within a second none of them takes it."""
    header = {"Authorization": f"Bearer {key}"}
    with ExitStack() as stack:
        clients = [
            stack.enter_context(closing(http.client.HTTPConnection(*service.address, timeout=30))) for _ in range(12)
        ]
        assert {status(client, header) for client in clients} == {200}
        with open_store(url) as store:
            keys.revoke(store, store.namespace(), key)
        time.sleep(1.0)
        assert {status(client, header) for client in clients} == {401}


def status(client: http.client.HTTPConnection, header: dict[str, str]) -> int:
    client.request("GET", "/v1/popular", headers=header)
    answer = client.getresponse()
    answer.read()
    return answer.status
