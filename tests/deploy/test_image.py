"""The image: built where a container runtime is; else its own RUN lines build the same tree in a clean folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
PLACES = {"/opt/palate": "opt", "/data": "data", "/src": "src"}
# of the image alone: its user, and whose the folder of data is
NOT_HERE = ("groupadd", "--owner=10001")

pytestmark = pytest.mark.long


def has_docker() -> bool:
    command = ["docker", "info"]
    return shutil.which("docker") is not None and subprocess.run(command, capture_output=True).returncode == 0


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile and what each says, in order."""
    text = re.sub(r"\\\n\s*", " ", DOCKERFILE.read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def moved(text: str, root: Path) -> str:
    for place, name in PLACES.items():
        text = re.sub(rf"(?<![\w.]){place}\b", str(root / name), text)
    return text


def copied(words: list[str], root: Path) -> None:
    """Do what COPY does: out of the repository, and not from another stage, which is the same folder here."""
    flags = [word for word in words if word.startswith("--")]
    *sources, target = [word for word in words if not word.startswith("--")]
    if any(flag.startswith("--from") for flag in flags):
        return
    for source in sources:
        there, here = ROOT / source, root / "src" / moved(target, root)
        if there.is_dir():
            shutil.copytree(there, here, ignore=shutil.ignore_patterns("__pycache__"))
            continue
        here = here / there.name if target.endswith("/") else here
        shutil.copy(there, here)
        if "--chmod=0755" in flags:
            here.chmod(0o755)


def built(root: Path, **arguments: str) -> dict[str, str]:
    """Run the Dockerfile in a folder, and return the environment of its last stage."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(root)}
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "PIP_CONFIG_FILE", "PIP_INDEX_URL"):
        for one in (name, name.lower()):
            if one in os.environ:
                environment[one] = os.environ[one]
    for place in PLACES.values():
        (root / place).mkdir()
    for word, rest in instructions():
        if word == "FROM":
            settings: dict[str, str] = {}
        elif word == "ARG":
            name, _, default = rest.partition("=")
            settings[name] = arguments.get(name, default)
        elif word == "ENV":
            settings |= dict(pair.split("=", 1) for pair in moved(rest, root).split())
        elif word == "COPY":
            copied(rest.split(), root)
        elif word == "RUN" and not any(mark in rest for mark in NOT_HERE):
            subprocess.run(
                ["sh", "-euc", moved(rest, root)], cwd=root / "src", env={**environment, **settings}, check=True
            )
    settings["PATH"] = settings["PATH"].replace("$PATH", environment["PATH"])
    return {**environment, **settings}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def started(root: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start what the image starts, with its folders read-only where this user is bound by that."""
    with subprocess.Popen([root / "opt/bin/start", "serve"], cwd=root / "data", env=environment) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(40) == 0


def healthy(root: Path, environment: dict[str, str]) -> bool:
    """Ask as HEALTHCHECK does."""
    done = subprocess.run([root / "opt/bin/start", "healthy"], env=environment, capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.skipif(has_docker(), reason="the image itself is built")
def test_the_dockerfiles_own_lines_build_a_service_that_answers(tmp_path: Path) -> None:
    environment = built(tmp_path, WARM="ease als")
    port, kernels = free_port(), tmp_path / "kernels"
    environment |= {"PALATE_PORT": str(port), "NUMBA_CACHE_DIR": str(kernels), "PALATE_HOST": "127.0.0.1"}
    assert not healthy(tmp_path, environment)  # nothing listens yet
    checked = subprocess.run([tmp_path / "opt/bin/start", "serve", "--check"], env=environment, check=False)
    assert checked.returncode == 0
    with started(tmp_path, environment):
        until = time.monotonic() + 60
        while not healthy(tmp_path, environment) and time.monotonic() < until:
            time.sleep(0.2)
        assert healthy(tmp_path, environment)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/popular") as answer:
            assert answer.status == 200
    assert (tmp_path / "data" / "palate.db").exists()
    compiled = [path.relative_to(kernels) for path in kernels.rglob("*.nbc")]
    assert compiled == [path for path in compiled if (tmp_path / "opt/kernels" / path).exists()]
    assert compiled  # what was compiled at build is used: nothing was compiled anew
    assert not list((tmp_path / "opt").rglob("palate.db*"))


@pytest.mark.skipif(not has_docker(), reason="no container runtime is at hand")
def test_the_image_answers_read_only_and_as_nobody() -> None:
    subprocess.run(
        ["docker", "build", "--file", DOCKERFILE, "--tag", "palate-test", "--build-arg", "WARM=ease", ROOT], check=True
    )
    run = ["docker", "run", "--rm", "--detach", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "palate-test"]
    name = subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip()
    try:
        asked = ["docker", "exec", name, "start", "healthy"]
        until = time.monotonic() + 120
        while subprocess.run(asked, check=False, capture_output=True).returncode and time.monotonic() < until:
            time.sleep(1)
        subprocess.run(asked, check=True)
        who = subprocess.run(["docker", "exec", name, "id", "-u"], check=True, capture_output=True, text=True)
        assert who.stdout.strip() == "10001"
    finally:
        subprocess.run(["docker", "stop", name], check=True, capture_output=True)
