"""`make serve` in a fresh clone: a page within moments, the other models while it is open, nothing left at its end."""

from __future__ import annotations

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

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVE = ["make", "serve", "SERVE=--port 0", "MODEL=out/ease.safetensors out/knn.safetensors"]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose installation has just ended: no models, and nothing that it could install again."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    own = Path(sys.executable).parent
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(own)
    for stamp in ("python", "ui"):
        (tmp_path / ".venv" / stamp).touch()
    return tmp_path


@contextmanager
def page(clone: Path) -> Iterator[str]:
    """Run make serve, and give the address that it prints; end it as Ctrl-C does."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen(
        SERVE, cwd=clone, env=environ, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            yield next(told[0] for line in process.stdout if (told := re.search(r"http://\S+", line)))
        finally:
            os.killpg(process.pid, signal.SIGINT)
            process.communicate(timeout=120)


@pytest.mark.long
@pytest.mark.usefixtures("movielens")
def test_the_page_opens_with_one_model_and_the_other_joins(clone: Path) -> None:
    other, log = clone / "out" / "knn.safetensors", clone / "out" / "training.log"
    with page(clone) as url:
        assert b"gradio_config" in urllib.request.urlopen(url).read()
        while not other.exists():
            assert "Error" not in log.read_text()
            time.sleep(0.1)
    assert sorted(path.name for path in (clone / "out").iterdir()) == [
        "ease.safetensors", "knn.safetensors", "training.log",
    ]  # fmt: skip
    trained = other.stat().st_mtime_ns
    with page(clone) as url:  # again: nothing is trained anew
        assert b"knn" in urllib.request.urlopen(url).read()
    assert other.stat().st_mtime_ns == trained


def test_a_dry_run_starts_nothing(clone: Path) -> None:
    done = subprocess.run([*SERVE, "-n"], cwd=clone, capture_output=True, text=True, timeout=60, check=True)
    assert "palate serve --wait --port 0 out/ease.safetensors out/knn.safetensors" in done.stdout
    assert not (clone / "out").exists()
