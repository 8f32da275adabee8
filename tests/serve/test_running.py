"""The service as people start it: several workers, one that dies, a switch, and the end."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("uvicorn")

from small_models import make

from palate import Interactions, save
from palate.errors import ModelFileError, ParameterError
from palate.serve.listening import listen
from palate.serve.running import run, worker
from palate.serve.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 180  # a worker imports for half a minute where the machine is busy


def model_file(path, seed=0):
    rows = [(f"u{u}", f"i{i}", 1.0 + (u * i + seed) % 5) for u in range(12) for i in range(10) if (u + i) % 3]
    table = dict(zip(("user", "item", "rating"), map(list, zip(*rows, strict=True)), strict=True))
    save(make("als", n_factors=2, n_epochs=2).fit(Interactions.from_table(table)), path)
    return path


class Service:
    """`palate serve` in a process of its own."""

    def __init__(self, folder, *words, workers=2):
        self.folder, self.log = folder, folder / "log"
        command = [sys.executable, "-m", "palate", "serve", *map(str, words), "--store", f"sqlite:///{folder}/shop.db"]
        command += ["--port", "0", "--workers", str(workers), "--json"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TMPDIR": str(folder)}
        with self.log.open("w") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        self.url = json.loads(line)["url"].rstrip("/")

    def get(self, path):
        """Ask over a connection of its own, so that any worker may answer."""
        with urllib.request.urlopen(self.url + path, timeout=SECONDS) as answer:
            return answer.read().decode()

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def workers(self):
        """Return the processes that have answered, newest request last."""
        return [line["process"] for line in self.lines() if line["message"] == "request"]

    def until(self, what, pause=0.05):
        end = time.monotonic() + SECONDS
        while not (found := what()):
            assert time.monotonic() < end, self.log.read_text()[-3000:]
            time.sleep(pause)
        return found

    def ready(self):
        try:
            return bool(self.get("/readyz"))
        except OSError:
            return False

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=SECONDS)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    folder = tmp_path_factory.mktemp("running")
    running = Service(folder, model_file(folder / "first.safetensors"))
    running.until(running.ready)
    yield running
    running.close()
    assert running.process.returncode == 0, running.log.read_text()[-3000:]
    assert not list(folder.glob("palate-metrics-*"))


def ask(service):
    return json.loads(service.get("/v1/recommendations?user=u1&n=3"))


def both(service):
    """Ask, many at once, until both workers have answered; return their processes."""

    def asked():
        before = len(service.workers())
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(ask, [service] * 32))
        found = set(service.workers()[before:])
        return found if len(found) == 2 else None

    return service.until(asked, pause=0.5)  # a worker that starts needs the processor, too


def test_all_workers_answer_from_one_store_and_count_together(service):
    both(service)
    route = r'palate_requests_total{method="GET",route="/v1/recommendations",status="200"} (\S+)'
    before = float(re.search(route, service.get("/metrics"))[1])
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, [service] * 16))
        told = list(pool.map(lambda _: float(re.search(route, service.get("/metrics"))[1]), range(16)))
    assert set(told) == {before + 16}


def test_a_worker_that_is_killed_is_started_again_and_the_other_answers_meanwhile(service):
    victim, other = sorted(both(service))
    os.kill(victim, signal.SIGKILL)
    assert len(ask(service)["items"]) == 3
    assert victim not in (now := both(service))
    assert other in now


def test_a_version_that_is_activated_reaches_all_workers(service):
    from palate.store import versions
    from palate.store.store import open_store

    path = model_file(service.folder / "second.safetensors", seed=1)
    with open_store(f"sqlite:///{service.folder}/shop.db") as store:
        number = versions.add(store, store.namespace(), path)
        versions.activate(store, store.namespace(), number)
    service.until(lambda: ask(service)["model"]["version"] == number)
    both(service)
    with ThreadPoolExecutor(16) as pool:
        told = {answer["model"]["version"] for answer in pool.map(ask, [service] * 32)}
    assert told == {number}


def test_what_a_worker_loaded_is_left_out_of_later_collections(tmp_path, monkeypatch):
    frozen = []
    monkeypatch.setattr("palate.serve.running.gc.freeze", lambda: frozen.append(app.service))
    monkeypatch.setattr("palate.serve.running._end_with_parent", lambda: None)
    monkeypatch.setattr("palate.serve.logs.set_up", lambda: None)
    monkeypatch.setattr("palate.serve.running.sys.setswitchinterval", lambda seconds: None)
    app = worker(Settings(store=f"sqlite:///{tmp_path}/shop.db"))

    async def opened():
        async with app.router.lifespan_context(app):
            assert frozen == [app.service]

    asyncio.run(opened())


def test_no_id_is_in_the_log(service):
    service.get("/v1/recommendations?user=anna%40example.org&n=3")
    assert "anna" not in service.log.read_text()


@pytest.mark.long
def test_workers_end_with_a_service_that_is_killed(tmp_path):
    service = Service(tmp_path)
    service.until(service.ready)
    service.process.kill()
    service.process.communicate(timeout=SECONDS)

    def gone():
        try:
            service.get("/healthz")
        except urllib.error.URLError:
            return True
        return False

    service.until(gone)
    for folder in tmp_path.glob("palate-metrics-*"):
        assert folder.is_dir()  # nobody was left to remove it


@pytest.mark.long
def test_one_worker_finishes_its_requests_and_leaves_nothing(tmp_path):
    service = Service(tmp_path, workers=1)
    service.until(service.ready)
    service.close()
    assert service.process.returncode == 0, service.log.read_text()[-3000:]
    assert not list(tmp_path.glob("palate-metrics-*"))


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({}, ModelFileError, r"bad\.safetensors"),
        ({"store": "mysql://x"}, ParameterError, "names no store"),
        ({"host": "no.such.host.invalid"}, ParameterError, "cannot listen on"),
    ],
)
def test_what_cannot_be_served_is_told_before_workers_start(tmp_path, change, error, told):
    (tmp_path / "bad.safetensors").write_bytes(b"no model")
    settings = Settings(**{"store": f"sqlite:///{tmp_path}/shop.db", "port": 0, **change})
    with pytest.raises(error, match=told):
        run(settings, [tmp_path / "bad.safetensors"], started=pytest.fail)


def test_a_port_in_use_is_told(tmp_path):
    with listen("127.0.0.1", 0) as taken, pytest.raises(ParameterError, match="choose another port"):
        run(Settings(store=f"sqlite:///{tmp_path}/shop.db", port=taken.getsockname()[1]), started=pytest.fail)


@pytest.mark.long
@pytest.mark.usefixtures("movielens")
def test_ten_minutes_of_load_with_a_switch_in_each_fail_nobody_and_take_no_more_memory(tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks" / "serve_load.py"), "steady", "--minutes", "10"]
    command += ["--workers", "2", "--out", str(tmp_path / "figures.json")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    subprocess.run(command, env=environment, check=True, timeout=1200, stdout=subprocess.DEVNULL)
    (row,) = json.loads((tmp_path / "figures.json").read_text())["rows"]
    assert row["failed"] == 0
    settled = row["memory"][2:]  # both versions have been loaded once
    assert max(settled) < 1.1 * min(settled)
