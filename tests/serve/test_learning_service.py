"""A service with two real workers that goes on learning: switched under load, refused, rolled back, killed."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from serve.own_service import running
from small_models import make

import palate
from palate.store import Event, feedback, jobs, keys, open_store, versions
from palate.store.source import dataset

USERS, ITEMS, DAYS = 60, 40, 20
DAY = 86_400_000_000
START = 1_795_000_000_000_000
SECONDS = 180  # where the machine is busy
MILD = {"metric": "ndcg@10", "days": 3, "margin": -1.0, "fewest": 2, "coverage": 0.0, "overlap": 0.0}
SMALL = {"n_factors": 4, "n_epochs": 3, "random_state": 0}


def wait_until(holds):
    """Wait until something holds, and leave the processor to others meanwhile."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def clicks():
    """People of three kinds, each of whom likes a third of the items, over some weeks."""
    rng = np.random.default_rng(20)
    for number in range(1500):
        user = int(rng.integers(USERS))
        item = (user % 3 + 3 * int(rng.integers(ITEMS))) % ITEMS
        happened = START + int(number / 1500 * DAYS * DAY)
        yield Event(f"u{user}", f"i{item}", "click", event_id=f"e{number}", time=happened)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a store of clicks, a first version that learned from them, and an admin's key."""
    folder = tmp_path_factory.mktemp("learning")
    url = f"sqlite:///{folder}/shop.db"
    with open_store(url) as store:
        ns = store.namespace()
        feedback.add(store, ns, list(clicks()))
        palate.save(make("ials", **SMALL, positive=None).fit(dataset(store, ns)), folder / "first.safetensors")
        versions.activate(store, ns, versions.add(store, ns, folder / "first.safetensors"))
        secret = keys.create(store, ns, "admin")[1]
    return folder, url, {"Authorization": f"Bearer {secret}"}


@pytest.fixture(scope="module")
def service(made):
    folder, url, key = made
    with running(folder, url, "--workers", "2") as there:
        there.key, there.url = key, url
        yield there


def admin(service, method, path, body=None):
    answer = service.ask(method, path, body, **service.key)
    assert answer.status < 300, answer
    return answer.json


def retrained(service, **settings):
    """Let the service retrain, and return the job when it has ended."""
    told = {"model": "ials", "parameters": SMALL, "rule": MILD, **settings}
    number = admin(service, "POST", "/v1/jobs", {"settings": told})["job"]

    def ended():
        (job,) = admin(service, "GET", f"/v1/jobs?job={number}")["jobs"]
        return job if job["state"] not in jobs.OPEN else None

    wait_until(ended)
    return ended()


def active(service):
    return next(v["version"] for v in admin(service, "GET", "/v1/models")["versions"] if v["state"] == "active")


def answering(service):
    """Return which versions answer, of many requests that both workers take."""
    asked = [service.ask("GET", "/v1/recommendations?user=u1&n=3", **service.key).json for _ in range(12)]
    return {said["model"]["version"] for said in asked}


class Load:
    """People who ask all the time; what they got, by status and version."""

    def __init__(self, service):
        self.service, self.got, self._end = service, Counter(), threading.Event()
        self.threads = [threading.Thread(target=self._ask, args=(n,), daemon=True) for n in range(3)]

    def _ask(self, number):
        while not self._end.wait(0.02):
            answer = self.service.ask("GET", f"/v1/recommendations?user=u{number}&n=5", **self.service.key)
            said = answer.json if answer.status == 200 else {"model": None}
            self.got[answer.status, (said["model"] or {}).get("version")] += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        for thread in self.threads:
            thread.join(SECONDS)


def test_workers_go_over_to_what_was_learned_and_back_without_a_dropped_request(service):
    with Load(service) as load:
        done = retrained(service)
        assert (done["state"], done["progress"], done["outcome"]["activated"]) == ("done", 1, True), done
        new = done["outcome"]["version"]
        wait_until(lambda: answering(service) == {new})
        assert admin(service, "POST", "/v1/models/rollback", {})["version"] == 1
        wait_until(lambda: answering(service) == {1})
    assert {status for status, _ in load.got} == {200}
    assert {version for _, version in load.got} == {1, new}
    assert min(load.got.values()) > 0
    assert len(both_workers(service)) == 2
    (told,) = [v for v in admin(service, "GET", "/v1/models")["versions"] if v["version"] == new]
    assert (told["verdict"]["decision"], told["verdict"]["rule"]["metric"]) == ("accepted", "ndcg@10")


def both_workers(service):
    lines = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]
    return {line["process"] for line in lines if line["message"] == "request"}


@pytest.mark.long
def test_a_candidate_that_is_refused_does_not_answer_and_is_overruled_by_name(service):
    before = active(service)
    done = retrained(service, rule={**MILD, "margin": 10.0})
    assert (done["state"], done["outcome"]["activated"]) == ("done", False)
    assert done["outcome"]["verdict"]["decision"] == "refused"
    assert answering(service) == {before}
    refused = done["outcome"]["version"]
    assert service.ask("POST", "/v1/models/activate", {"version": refused}, **service.key).status == 409
    assert admin(service, "POST", "/v1/models/overrule", {"version": refused, "by": "Ada"})["state"] == "active"
    wait_until(lambda: answering(service) == {refused})
    admin(service, "POST", "/v1/models/rollback", {})


def test_a_model_that_cannot_be_loaded_leaves_the_one_before_it_answering(service):
    before = active(service)
    wait_until(lambda: answering(service) == {before})
    with open_store(service.url) as store:
        ns = store.namespace()
        number = versions.add(store, ns, Path(service.log).parent / "first.safetensors")
        for file in versions.folders.folder_of(store, ns, number).iterdir():
            file.write_bytes(b"damaged")
        said = service.ask("POST", "/v1/models/activate", {"version": number}, **service.key)
        assert (said.status, said.json["code"]) == (503, "model_file")
    assert answering(service) == {before}
    assert active(service) == before
    (told,) = [v for v in admin(service, "GET", "/v1/models")["versions"] if v["version"] == number]
    assert told["state"] == "failed"
    assert "first.safetensors" not in told["error"]
    assert "model.safetensors" in told["error"]


def slow(service):
    """Begin a retrain that takes long, and return its number and its process when it runs."""
    told = {"model": "ials", "parameters": {**SMALL, "n_epochs": 100_000}, "rule": MILD}
    number = admin(service, "POST", "/v1/jobs", {"settings": told})["job"]
    wait_until(lambda: job(service, number).progress > 0)
    return number, json.loads(job(service, number).owner)["process"]


def job(service, number):
    with open_store(service.url) as store, store.read() as conn:
        return jobs.get(conn, store.namespace(), number)


def test_a_trainer_that_is_killed_leaves_a_failed_job_and_the_version_that_answers(service):
    before = active(service)
    with Load(service) as load:
        number, process = slow(service)
        refused = service.ask("POST", "/v1/jobs", {}, **service.key)
        assert (refused.status, f"job {number} is running" in refused.json["detail"]) == (409, True)
        os.kill(process, signal.SIGKILL)
        wait_until(lambda: job(service, number).state == "failed")
    assert "its process ended by SIGKILL" in job(service, number).log
    assert {status for status, _ in load.got} == {200}
    assert (active(service), answering(service)) == (before, {before})
    metrics = service.ask("GET", "/metrics").body.decode()
    assert 'palate_jobs_total{kind="retrain",state="failed"} 1.0' in metrics
    assert 'palate_jobs_running{kind="retrain"} 0.0' in metrics
    assert re.search(r'palate_model_trained_seconds\{namespace="1"\} \d', metrics)


@pytest.mark.long
def test_a_retrain_that_is_cancelled_ends_its_process(service):
    number, process = slow(service)
    admin(service, "POST", "/v1/jobs/cancel", {"job": number})
    wait_until(lambda: job(service, number).state == "cancelled")
    wait_until(lambda: not Path(f"/proc/{process}").exists())


@pytest.mark.long
def test_a_service_that_is_killed_in_mid_retrain_serves_the_old_version_when_it_is_back(made):
    """The trainer, a process of its own, goes on; the next service finds it, and lets no second one begin."""
    folder, url, key = made
    with running(folder, url, "--workers", "2") as first:
        first.key, first.url = key, url
        before = active(first)
        number, process = slow(first)
        first.kill()
    with running(folder, url, "--workers", "2") as second:
        second.key, second.url = key, url
        assert (active(second), answering(second)) == (before, {before})
        assert job(second, number).state == "running"
        assert second.ask("POST", "/v1/jobs", {}, **key).status == 409
        os.kill(process, signal.SIGKILL)
        wait_until(lambda: job(second, number).state == "failed")
        assert retrained(second)["state"] == "done"
