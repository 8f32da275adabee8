"""The image: built where a container runtime is; else its own RUN lines build the same tree in a clean folder."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
PLACES = ("/opt/palate", "/data", "/src", "/tmp")  # folders of the image, each one here
# of the image alone: its user, and whose the folder of data is
NOT_HERE = ("groupadd", "--owner=10001")
OF_THE_IMAGE = ("VOLUME", "EXPOSE", "STOPSIGNAL")
NOBODY = 10001

pytestmark = pytest.mark.long


def has_docker() -> bool:
    command = ["docker", "info"]
    return shutil.which("docker") is not None and subprocess.run(command, capture_output=True).returncode == 0


def base() -> tuple[str, dict[str, Any]]:
    """Return a Python to build from, and how a process is started as the image's user, where somebody may do that."""
    own = getattr(sys, "_base_executable", sys.executable)
    if os.geteuid() != 0:
        return own, {}
    other = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for one in (own, f"/usr/local/bin/{name}", f"/usr/bin/{name}"):
        try:  # a Python in root's home is closed to others; one without ensurepip makes no environment
            command = [one, "-c", "import ensurepip"]
            subprocess.run(command, cwd="/", env={}, check=True, capture_output=True, **other)
        except (OSError, subprocess.CalledProcessError):
            continue
        return one, other
    return own, {}


BASE, USER = base()


@dataclass
class Built:
    """A folder in which the Dockerfile was run, and what its last stage says of starting."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    def moved(self, text: str) -> str:
        """Return a text of the Dockerfile with its folders as they are here."""
        places = "|".join(map(re.escape, PLACES))
        return re.sub(rf"(?<![\w.])({places})\b", lambda found: str(self.root / found[1].lstrip("/")), text)

    def command(self, *instructions: str) -> list[str]:
        """Return the words of instructions that hold a command as JSON, such as ENTRYPOINT."""
        return [word for name in instructions for word in json.loads("[" + self.said[name].partition("[")[2])]

    def run(self, *instructions: str, more: tuple[str, ...] = ()) -> int:
        """Run such a command to its end, as the image's user where this one may; return its exit code."""
        words = [*self.command(*instructions), *more]
        return subprocess.run(words, env=self.environment, cwd=self.root / "data", check=False, **USER).returncode


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile and what each says, in order."""
    text = re.sub(r"\\\n\s*", " ", DOCKERFILE.read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def copied(built: Built, rest: str, workdir: Path) -> None:
    """Do what COPY does: out of the repository, and not from another stage, which is the same folder here."""
    words = shlex.split(rest)
    flags = [word for word in words if word.startswith("--")]
    *sources, target = [word for word in words if not word.startswith("--")]
    if any(flag.startswith("--from") for flag in flags):
        return
    for source in sources:
        there, here = ROOT / source, workdir / built.moved(target)
        if there.is_dir():
            shutil.copytree(there, here, ignore=shutil.ignore_patterns("__pycache__"))
            continue
        here = here / there.name if target.endswith("/") else here
        shutil.copy(there, here)
        if "--chmod=0755" in flags:
            here.chmod(0o755)


def outside(root: Path) -> dict[str, str]:
    """Return the environment that a build has: how packages are found, and the base image's Python."""
    (root / "base").mkdir()
    (root / "base" / "python").symlink_to(BASE)
    names = {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE"}
    told = {name: value for name, value in os.environ.items() if name.upper() in names or name.startswith("PIP_")}
    return {**told, "PATH": f"{root / 'base'}{os.pathsep}{os.environ['PATH']}", "HOME": str(root)}


def built_in(root: Path, **arguments: str) -> Built:
    """Run the Dockerfile in a folder."""
    built, around, workdir = Built(root), outside(root), root
    for place in PLACES:
        (root / place.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
    for place in ("data", "tmp"):
        (root / place).mkdir()
    for word, rest in instructions():
        if word == "FROM":
            built.settings, built.said = {}, {}
        elif word == "WORKDIR":
            workdir = Path(built.moved(rest))
            workdir.mkdir(exist_ok=True)
        elif word == "ARG":
            name, _, default = rest.partition("=")
            built.settings[name] = arguments.get(name, default)
        elif word == "ENV":
            built.settings |= dict(pair.split("=", 1) for pair in built.moved(rest).split())
        elif word == "COPY":
            copied(built, rest, workdir)
        elif word == "RUN" and not any(mark in rest for mark in NOT_HERE):
            shell = ["sh", "-euc", built.moved(rest)]
            subprocess.run(shell, cwd=workdir, env={**around, **built.settings}, check=True)
        elif word in ("USER", "HEALTHCHECK", "ENTRYPOINT", "CMD"):
            built.said[word] = rest
        else:
            assert word in (*OF_THE_IMAGE, "RUN"), f"{word} {rest}: what does it do here?"
    built.settings["PATH"] = built.settings["PATH"].replace("$PATH", around["PATH"])
    built.environment = {**around, **built.settings}
    return built


@contextmanager
def open_to_nobody() -> Iterator[Path]:
    """A folder that another user can enter, unlike pytest's."""
    with tempfile.TemporaryDirectory(prefix="palate-image-") as name:
        root = Path(name).resolve()
        root.chmod(0o755)
        yield root


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take from everybody the right to write in a folder (root is bound by none, and does not run what is in it)."""
    every = [folder, *(path for path in folder.rglob("*") if not path.is_symlink())]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in every}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def started(built: Built) -> Iterator[None]:
    """Start what the image starts, and end it as a container is ended."""
    words = built.command("ENTRYPOINT", "CMD")
    with subprocess.Popen(words, cwd=built.root / "data", env=built.environment, **USER) as process:
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(40) == 0


def wait_healthy(built: Built) -> None:
    """Ask as HEALTHCHECK does until it is content."""
    until = time.monotonic() + 120
    while built.run("HEALTHCHECK"):
        assert time.monotonic() < until, "it never was healthy"
        time.sleep(0.2)


def shown(port: str, path: str) -> tuple[int, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, answer.read().decode()


@pytest.fixture(scope="module")
def image() -> Iterator[Built]:
    """The tree of the image, read-only but for its data and a place for what does not last."""
    if has_docker():
        pytest.skip("the image itself is built")
    with open_to_nobody() as root:
        built = built_in(root, WARM="ease als")
        built.environment |= {"PALATE_PORT": str(free_port()), "PALATE_HOST": "127.0.0.1"}
        for name in ("data", "tmp"):
            if USER:
                os.chown(root / name, NOBODY, NOBODY)
        with read_only(root / "opt"):
            yield built


def test_the_dockerfiles_own_lines_build_a_service_that_answers(image: Built) -> None:
    assert image.said["USER"] == f"{NOBODY}:{NOBODY}"
    assert image.run("HEALTHCHECK")  # nothing listens yet
    assert image.run("ENTRYPOINT", "CMD", more=("--check",)) == 0
    port = image.environment["PALATE_PORT"]
    with started(image):
        wait_healthy(image)
        assert shown(port, "/v1/popular")[0] == 200
        page = shown(port, "/")[1]
        assert "<title>" in page
        script = re.search(r'<script[^>]* src="([^"]+)"', page)
        assert script is not None
        assert shown(port, "/" + script[1].lstrip("/"))[0] == 200
        assert "palate_requests_total" in shown(port, "/metrics")[1]
    store = image.root / "data" / "palate.db"
    assert store.stat().st_uid == (NOBODY if USER else os.geteuid())
    assert not list((image.root / "opt").rglob("palate.db*"))


def test_kernels_are_compiled_at_build_and_used_as_they_are(image: Built) -> None:
    log = image.root / "data" / "log.csv"
    log.write_text("user,item,rating\n" + "\n".join(f"{u},{i},{1 + (u * i) % 5}" for u in range(9) for i in range(7)))
    train = ("train", str(log), "--model", "als", "--set", "n_factors=4", "--out", str(image.root / "data" / "m.st"))
    assert image.run("ENTRYPOINT", more=train) == 0
    kernels, there = Path(image.environment["NUMBA_CACHE_DIR"]), image.root / "opt" / "palate" / "kernels"
    compiled = {path.relative_to(kernels) for path in kernels.rglob("*.nbc")}
    assert compiled
    assert [path for path in compiled if not (there / path).exists()] == []  # nothing was compiled anew


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
