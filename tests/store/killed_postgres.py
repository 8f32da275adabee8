"""A PostgreSQL of the test's own, with its durable settings, to be killed and started again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg

PORT = 5432  # names the socket's file alone: nothing listens on an address


def account() -> dict[str, str]:
    """Return whom servers run as: root may not."""
    return {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}


class OwnPostgres:
    """One server; its data and its socket below a folder with a short name."""

    def __init__(self, programs: Path, folder: Path, *settings: str) -> None:
        self.programs, self.folder, self.settings = programs, folder, settings
        self.data = folder / "data"
        self.process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """Make the data folder."""
        if os.getuid() == 0:
            who = pwd.getpwnam("postgres")
            os.chown(self.folder, who.pw_uid, who.pw_gid)
        self._run("initdb", "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--locale=C", "-D", str(self.data))

    def _run(self, program: str, *words: str) -> None:
        subprocess.run(
            [self.programs / program, *words], check=True, capture_output=True, cwd=self.folder, **account()  # type: ignore[call-overload]
        )

    def start(self, **environment: str) -> None:
        """Start, and wait until it answers (after recovery)."""
        words = ["-D", self.data, "-k", self.folder, "-p", str(PORT), "-c", "listen_addresses="]
        for setting in self.settings:
            words += ["-c", setting]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", *words],
                stdout=log, stderr=log, cwd=self.folder, env={**os.environ, **environment}, **account(),  # type: ignore[call-overload]
            )  # fmt: skip
        for _ in range(1200):
            try:
                psycopg.connect(self.address("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
                time.sleep(0.05)
        raise AssertionError("PostgreSQL did not start")

    def address(self, database: str) -> str:
        return f"host={self.folder} port={PORT} user=postgres dbname={database}"

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}&port={PORT}"

    def create_database(self, name: str) -> str:
        """Make an empty database and return its address."""
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
        return self.url(name)

    def kill(self) -> None:
        """Kill the server with all its processes, at once and without a word."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in (self.process.pid, *map(int, children)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it was ending anyway
        self.process.wait()
        self._gone(children)

    def _gone(self, children: list[str]) -> None:
        """Wait until the kernel has taken them away: a new server refuses to start beside them."""
        for pid in children:
            while Path(f"/proc/{pid}").exists() and "Z" not in _state(pid):
                time.sleep(0.005)

    def stop(self) -> None:
        """Stop quickly, for good."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(timeout=60)
        shutil.rmtree(self.folder, ignore_errors=True)


def _state(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


def settings_of(server: OwnPostgres, *names: str) -> Mapping[str, str]:
    """Read settings back."""
    with psycopg.connect(server.address("postgres")) as connection:
        return {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in names}  # type: ignore[index,call-overload]
