"""A trainer that is killed at any moment: the version that answered goes on, and nothing half-written is activated."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from retraining.small_log import make, running

from palate.errors import ConflictError
from palate.retraining import KIND, checked
from palate.store import jobs, versions
from palate.store.versions.keeping import ACTIVE, REMOVED

PROGRAM = Path(__file__).with_name("killed_trainer.py")
SETTINGS = {"model": "ease", "rule": {"fewest": 2, "overlap": 0.0}, "keep": 3}


class Trainers:
    """Trainers of one store, one after the other."""

    def __init__(self, process, store, folder):
        self.process, self.store, self.folder = process, store, str(folder)
        self.ns = store.namespace()

    def start(self, write=None):
        """Fork a trainer of a new job; return its process and the job's number."""
        number = jobs.only_one(self.store, self.ns, KIND, checked(SETTINGS))
        url = self.store.engine.url.render_as_string(hide_password=False)
        said = {"url": url, "folder": self.folder, "number": number, "write": write}
        self.process.stdin.write(json.dumps(said).encode() + b"\n")
        self.process.stdin.flush()
        word, pid = self.process.stdout.readline().split()
        assert word == b"pid"
        return int(pid), number

    def ended(self):
        """Return the exit code and the writes of the trainer that was started last."""
        word, code, writes = self.process.stdout.readline().split()
        assert word == b"end"
        return int(code), int(writes)


@contextmanager
def trainers(store, folder):
    with subprocess.Popen([sys.executable, PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Trainers(process, store, folder)
        finally:
            process.stdin.close()
            process.wait(timeout=60)


def look(store, ns, number, before):
    """Assert what holds after a kill; return the version that answers."""
    assert not [job for job in jobs.bury(store) if job.number != number]
    with store.read() as conn:
        job = jobs.get(conn, ns, number)
    if job.state == "waiting":  # killed before it took the job
        jobs.lose(store, ns, number, "killed")
    assert job.state in ("waiting", "failed", "done")
    every = versions.listed(store, ns)
    assert sum(version.state == ACTIVE for version in every) == 1
    for version in every:
        if version.state != REMOVED:
            versions.load(store, ns, version.number)  # whole: read and checked to the last byte
    loaded = versions.load_active(store, ns)
    assert loaded.error is None
    assert loaded.number == before or loaded.number == max(version.number for version in every)
    assert np.isfinite(loaded.model.rank_index(np.arange(3), 5)[1]).all()
    return loaded.number


def campaign(store, ns, folder, kills, tmp_path):
    """Kill so many trainers, every other one before one of its writes, and let one finish; return how many were."""
    active, killed, chance = running(store, ns, make("ease"), tmp_path), 0, random.Random(20)
    with trainers(store, folder) as of:
        _, number = of.start()
        code, writes = of.ended()
        assert code == 0
        assert writes > 20
        active = look(store, ns, number, active)
        for at in range(kills):
            if at % 2 == 0:
                _, number = of.start(write=chance.randint(1, writes))
            else:
                pid, number = of.start()
                time.sleep(chance.uniform(0, 0.6))
                os.kill(pid, signal.SIGKILL)
            code, _ = of.ended()
            killed += code == -signal.SIGKILL
            active = look(store, ns, number, active)
        _, number = of.start()
        assert of.ended()[0] == 0
        assert look(store, ns, number, active) == max(version.number for version in versions.listed(store, ns))
    left = [entry.name for entry in (store.folder / "models" / str(ns.key)).glob(".retrain-*")]
    assert len(left) <= 1, left  # of one that was killed between making a folder and saying whose it is
    return killed


@pytest.mark.long
def test_three_killed_trainers_leave_the_old_version_or_the_whole_new_one(store, ns, tmp_path):
    assert campaign(store, ns, store.folder, 3, tmp_path) >= 2


@pytest.mark.long
def test_thirty_killed_trainers_leave_the_old_version_or_the_whole_new_one(store, ns, tmp_path):
    assert campaign(store, ns, store.folder, 30, tmp_path) >= 20


def test_a_second_trainer_is_refused_while_one_runs(store, ns, tmp_path):
    running(store, ns, make("ease"), tmp_path)
    number = jobs.only_one(store, ns, KIND, checked(SETTINGS), held=True)
    with pytest.raises(ConflictError, match=f"job {number} is waiting, and one retrain at a time is enough"):
        jobs.only_one(store, ns, KIND, checked(SETTINGS))
    with store.write() as conn:
        second = jobs.add(conn, ns, KIND, checked(SETTINGS))  # as two that asked at the same moment
    with jobs.running(store, ns, number):
        with pytest.raises(ConflictError, match="another retrain runs already"), jobs.running(store, ns, second):
            raise AssertionError("two ran at once")
        assert versions.active_version(store, ns).number == 1
