"""`make serve` in a fresh clone: store, service and page within moments, the other models while it is open."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from palate.store.store import open_store
from palate.store.versions import listed

ROOT = Path(__file__).resolve().parents[2]
SERVE = ["make", "serve", "SERVE=--port 0", "MODEL=out/ease.safetensors out/knn.safetensors"]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose installation has just ended: no models, and nothing that it could install again."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "benchmarks" / "figures", tmp_path / "benchmarks" / "figures")
    own = Path(sys.executable).parent
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(own)
    for stamp in ("python", "serve"):
        (tmp_path / ".venv" / stamp).touch()
    return tmp_path


def asked(url: str, path: str, body: object = None) -> Any:
    headers = {"Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url.rstrip("/") + path, data, headers)) as answer:
        return json.load(answer)


def versions(clone: Path) -> list[tuple[str, str]]:
    """Return the models of the store and their states, the first first."""
    with open_store(f"sqlite:///{clone}/out/demo.db") as store:
        return [(one.model, one.state) for one in listed(store, store.namespace())][::-1]


@contextmanager
def page(clone: Path) -> Iterator[str]:
    """Run make serve, and give the address that it prints; end it as Ctrl-C does."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(
        SERVE, cwd=clone, env=environ, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            yield next(told[0] for line in process.stdout if (told := re.search(r"http://[^\s,]+", line)))
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.communicate(timeout=120)


@pytest.mark.long
@pytest.mark.usefixtures("movielens")
def test_the_page_opens_with_one_model_and_the_other_becomes_a_version(clone: Path) -> None:
    other, log = clone / "out" / "knn.safetensors", clone / "out" / "training.log"
    with page(clone) as url:
        assert b"<title>" in urllib.request.urlopen(url).read()
        assert asked(url, "/v1/recommendations?user=1&n=3")["model"]["version"] == 1
        said = {"user": "ann", "item": 50, "kind": "rating", "value": 5, "event_id": "ann-1"}
        assert asked(url, "/v1/feedback", said)["status"] == "new"
        while not versions(clone)[1:]:
            assert "Error" not in log.read_text()
            time.sleep(0.1)
        assert versions(clone) == [("ease", "active"), ("knn", "ready")]
        told = asked(url, "/web/me?user=1")["purposes"]
        assert [(one["name"], one["model"]) for one in told] == [("lists", "ease"), ("because", "ease")]
        assert all(0 < one["figure"]["popular"] < one["figure"]["value"] < 1 for one in told)
    trained = other.stat().st_mtime_ns
    with page(clone) as url:  # again: nothing is trained anew or added, and what was said is there
        assert versions(clone) == [("ease", "active"), ("knn", "ready")]
        assert asked(url, "/v1/feedback", said)["status"] == "known"
    assert other.stat().st_mtime_ns == trained


def test_a_dry_run_starts_nothing(clone: Path) -> None:
    done = subprocess.run([*SERVE, "-n"], cwd=clone, capture_output=True, text=True, timeout=60, check=True)
    words = "--figures benchmarks/figures/ml-100k.json --port 0 out/ease.safetensors out/knn.safetensors"
    assert f"palate serve --wait --page demo --store sqlite:///out/demo.db {words}" in done.stdout
    assert not (clone / "out").exists()
