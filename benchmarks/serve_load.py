"""What the service does under load: answers a second, latencies, processor time, memory; and the race.

    python benchmarks/serve_load.py              every case, some minutes
    python benchmarks/serve_load.py known race   some cases
    python benchmarks/serve_load.py steady --minutes 10    load with a reload each minute

Keys are on, the store is read for each answer, and lists are logged durably before the answer is sent. The service runs
as `palate serve --store`, in a process of its own, on one core; the client has the other core. (PostgreSQL shares the
client's.) "both" is two workers that share both cores with the client.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import http_client
import numpy as np
import serve_data
import uvloop
from common import ROOT, machine, publish
from serve_rows import Row, table

RECOMMEND, FEEDBACK = "/v1/recommendations", "/v1/feedback"
ANSWERED = Path("out") / "serve-load.json"
PERSONS, HISTORY = 4_000, 50
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Running:
    """A service that runs."""

    port: int
    process: int
    folder: Path

    def processor(self) -> float:
        """Return the seconds of processor time that it and its workers have taken."""
        return sum(_ticks(pid) for pid in [self.process, *_children(self.process)]) / TICK

    def memory(self) -> float:
        """Return the megabytes of it and its workers, shared pages shared out (PSS)."""
        texts = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in [self.process, *_children(self.process)]]
        return sum(int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1]) for text in texts) / 1024  # type: ignore[index]


def _ticks(pid: int) -> int:
    values = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(values[11]) + int(values[12])


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [one for child in map(int, listed) for one in (child, *_children(child))]


@contextmanager
def started(command: Sequence[str], cores: set[int], log: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a process on these cores while the block runs."""
    pinned = ["taskset", "-c", ",".join(map(str, sorted(cores))), *command]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}"}
    with log.open("w") as errors:
        process = subprocess.Popen(pinned, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def service(url: str, folder: Path, models: Sequence[Path], cores: set[int], workers: int = 1) -> Iterator[Running]:
    """Serve a store while the block runs."""
    command = [
        sys.executable,
        "-m",
        "palate",
        "serve",
        *map(str, models),
        "--store",
        url,
        "--folder",
        str(folder / "files"),
    ]
    command += ["--port", "0", "--workers", str(workers), "--json"]
    with started(command, cores, folder / "service.log") as process:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise SystemExit((folder / "service.log").read_text()[-2000:])
        running = Running(int(json.loads(line)["url"].rstrip("/").rsplit(":", 1)[1]), process.pid, folder)
        _wait_ready(running.port)
        yield running


def _wait_ready(port: int) -> None:
    from urllib.error import URLError
    from urllib.request import urlopen

    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            if urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).status == 200:
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise SystemExit("the service was not ready within two minutes")


def key_of(url: str, folder: Path) -> str:
    """Make the store, and a key that may all."""
    from palate.store import keys
    from palate.store.store import open_store

    with open_store(url, folder=folder / "files") as store:
        return keys.create(store, store.namespace(), "admin", "load")[1]


def add_persons(url: str, folder: Path, model: Path, n: int = PERSONS) -> list[str]:
    """Write people of 50 events each, whom the model does not know; return their ids."""
    from palate import load
    from palate.store import feedback
    from palate.store.records import Event
    from palate.store.store import open_store

    items = list(load(model).items_.values)
    rng = np.random.default_rng(1)
    popular = 1 / (np.arange(len(items)) + 30.0)
    persons = [f"person-{number}" for number in range(n)]
    with open_store(url, folder=folder / "files") as store:
        ns = store.namespace()
        for some in np.array_split(np.asarray(persons), max(1, n // 200)):
            events = [
                Event(str(person), str(items[item]), "rating", float(rng.integers(4, 6)))
                for person in some
                for item in rng.choice(len(items), HISTORY, replace=False, p=popular / popular.sum())
            ]
            feedback.add(store, ns, events)
    return persons


def known(model: Path, n: int = 5000) -> list[str]:
    """Return ids of users that a model knows, in a random order."""
    from palate import load

    users = np.asarray(load(model).users_.values)
    return [str(user) for user in np.random.default_rng(2).permutation(users)[:n]]


def asks(users: Sequence[str], key: str, n: int = 10) -> list[bytes]:
    """Return requests for lists."""
    return [http_client.request(RECOMMEND, json.dumps({"user": user, "n": n}).encode(), key) for user in users]


def tells(users: Sequence[str], items: Sequence[str], key: str, n: int, tag: str) -> list[bytes]:
    """Return requests with one event each."""
    rng = np.random.default_rng(3)
    chosen = zip(rng.choice(len(users), n), rng.choice(len(items), n), rng.integers(1, 6, n), strict=True)
    bodies = [
        {"user": users[u], "item": items[i], "kind": "rating", "value": float(v), "event_id": f"{tag}-{at}"}
        for at, (u, i, v) in enumerate(chosen)
    ]
    return [http_client.request(FEEDBACK, json.dumps(body).encode(), key) for body in bodies]


def ten(body: bytes) -> bool:
    """Return whether an answer has ten items and was logged."""
    answer = json.loads(body)
    return len(answer["items"]) == 10 and answer["logged"]


class Client:
    """Asks from a core of its own."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.seconds, self.connections, self.minutes = options.seconds, options.connections, options.minutes

    def run(self, port: int, contents: Sequence[bytes], **more: Any) -> http_client.Seen:
        """Load a service; stops the script where an answer is wrong."""
        given = {"seconds": self.seconds, "connections": self.connections, **more}
        seen: http_client.Seen = uvloop.run(http_client.run(port, contents, **given))
        if seen.first_error or seen.wrong or seen.failed:
            print(
                f"  {seen.statuses}, {seen.wrong} wrong, {seen.failed} failed: {seen.first_error[-300:]!r}", flush=True
            )
        return seen


def measured(case: str, running: Running, contents: list[bytes], client: Client, cores: str, **more: Any) -> Row:
    """Find the most answers a second, then the latencies at half of that.

    Args:
        case, cores: for the table.
        running: the service.
        contents: requests; of those that are sent once (``once=True``), half are kept for the second run.
        client: asks.
        more: ``goal``, ``once`` and ``check``.
    """
    goal, once, check = more.get("goal"), more.get("once", False), more.get("check")
    first = contents[: len(contents) * 2 // 3] if once else contents
    client.run(running.port, first[: len(first) // 8] if once else first, seconds=1.5, once=once)  # warm
    first = first[len(first) // 8 :] if once else first
    before = running.processor()
    most = client.run(running.port, first, check=check, once=once)
    processor = (running.processor() - before) / max(1, most.good) * 1000
    rest = contents[len(contents) * 2 // 3 :] if once else contents
    seconds = min(client.seconds, len(rest) / (most.per_second / 2)) if once else client.seconds
    half = client.run(running.port, rest, rate=most.per_second / 2, seconds=seconds, check=check)
    parts = {name: round(float(np.mean(values)), 3) for name, values in half.timings.items() if values}
    failed = sum(
        seen.failed + seen.wrong + sum(n for s, n in seen.statuses.items() if s >= 300) for seen in (most, half)
    )
    row = Row(case, cores, most.per_second, processor, half.percentile(50), half.percentile(99), parts, goal, failed)
    print(
        f"{case}, {cores}: {row.per_second:,.0f}/s, {processor:.3f} ms, p50 {row.p50:.1f}, p99 {row.p99:.1f}, {parts}",
        flush=True,
    )
    return row


# -- the cases


def of_known(name: str, goal: float | None, client: Client, workers: int = 1) -> Iterator[Row]:
    """Known users of a model."""
    model = serve_data.model(name)
    label = f"known user, `{'ials' if name == 'large' else name}`, {'large' if name == 'large' else 'MovieLens'}"
    with _place() as (url, folder):
        key = key_of(url, folder)
        with service(url, folder, [model], _cores(workers), workers) as running:
            yield measured(label, running, asks(known(model), key), client, _said(workers), goal=goal, check=ten)


def of_persons(name: str, goal: float | None, client: Client, workers: int = 1) -> Iterator[Row]:
    """People whom the model does not know, each asked for once, so that each is folded in; and sessions of as many."""
    model = serve_data.model(name)
    what = f"`{'ials' if name == 'large' else name}`, {'large' if name == 'large' else 'MovieLens'}"
    with _place() as (url, folder):
        key, persons = key_of(url, folder), add_persons(url, folder, model)
        with service(url, folder, [model], _cores(workers), workers) as running:
            case = f"person of {HISTORY} events folded in, {what}"
            contents = asks(persons, key)
            yield measured(case, running, contents, client, _said(workers), goal=goal, check=ten, once=True)


def of_feedback(database: str, goal: float | None, client: Client, workers: int = 1) -> Iterator[Row]:
    """One event a request, each with an id of its own."""
    model = serve_data.model("ials")
    from palate import load

    fitted = load(model)
    users, items = ([str(one) for one in side.values] for side in (fitted.users_, fitted.items_))
    with _place(database) as (url, folder):
        key = key_of(url, folder)
        with service(url, folder, [model], _cores(workers), workers) as running:
            contents = tells(users, items, key, 60_000, "event")
            case = f"feedback, one event a request, {database}"
            yield measured(case, running, contents, client, _said(workers), goal=goal, once=True)


def of_race(_: str, goal: float | None, client: Client, workers: int = 1) -> Iterator[Row]:
    """The same requests, in turn: of the service, and of a bare route that answers the same list to everybody."""
    model = serve_data.model("ials")
    with _place() as (url, folder):
        key = key_of(url, folder)
        contents = asks(known(model), key)
        with ExitStack() as stack:
            ours = stack.enter_context(service(url, folder, [model], {0}))
            answer = folder / "answer.json"
            answer.write_bytes(_one_answer(ours.port, contents[0]))
            bare = stack.enter_context(_bare(folder, answer))
            runs: dict[str, list[tuple[float, float]]] = {"ours": [], "bare": []}
            for _round in range(4):  # in turn; the first warms
                for name, one in (("ours", ours), ("bare", bare)):
                    before = one.processor()
                    seen = client.run(one.port, contents)
                    runs[name].append((seen.per_second, (one.processor() - before) / seen.good * 1000))
    best = {name: (max(a for a, _ in some[1:]), min(b for _, b in some[1:])) for name, some in runs.items()}
    yield Row("a bare FastAPI route that answers the same list", "one", *best["bare"], np.nan, np.nan)
    ratios = best["bare"][0] / best["ours"][0], best["ours"][1] / best["bare"][1]
    yield Row("its answers over ours; our processor time over its", "one", *ratios, np.nan, np.nan, goal=goal)
    print(f"the race: {best}, {ratios}", flush=True)


def _one_answer(port: int, content: bytes) -> bytes:
    seen: list[bytes] = []
    uvloop.run(http_client.run(port, [content], seconds=0.1, connections=1, check=lambda body: not seen.append(body)))
    return seen[0]


@contextmanager
def _bare(folder: Path, answer: Path) -> Iterator[Running]:
    port = _free_port()
    script = str(Path(__file__).with_name("serve_bare.py"))
    with started([sys.executable, script, str(port), str(answer)], {0}, folder / "bare.log") as process:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    yield Running(port, process.pid, folder)
                    return
            time.sleep(0.1)
    raise SystemExit((folder / "bare.log").read_text()[-2000:])


def of_steady(_: str, goal: float | None, client: Client, workers: int = 1) -> Iterator[Row]:
    """Half load for minutes, another version activated in each: memory and failures."""
    first, second = serve_data.model("ials"), serve_data.model("ease")
    minutes = client.minutes
    with _place() as (url, folder):
        key = key_of(url, folder)
        contents = asks(known(first), key)
        with service(url, folder, [first, second], _cores(workers), workers) as running:
            most = client.run(running.port, contents, seconds=4.0)
            sizes, failed, latencies = [running.memory()], 0, []
            before = running.processor()
            for minute in range(minutes):
                body = json.dumps({"version": 1 + minute % 2}).encode()
                switch = http_client.request("/v1/models/activate", body, key)
                at_once = [*contents[:500], switch, *contents[500:]]
                seen = client.run(running.port, at_once, rate=most.per_second / 2, seconds=60.0)
                failed += seen.failed + sum(n for status, n in seen.statuses.items() if status >= 300)
                latencies += seen.latencies
                sizes.append(running.memory())
                print(
                    f"minute {minute + 1}: {sizes[-1]:.0f} MB, {failed} failed, p99 {seen.percentile(99):.1f}",
                    flush=True,
                )
            processor = (running.processor() - before) / len(latencies) * 1000
    whole = http_client.Seen(latencies=latencies)
    case = (
        f"{minutes} minutes at half load, another version each minute: {sizes[1]:.0f} MB, at the end {sizes[-1]:.0f} MB"
    )
    half = len(latencies) / (60 * minutes)
    yield Row(
        case, _said(workers), half, processor, whole.percentile(50), whole.percentile(99), failed=failed, memory=sizes
    )


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL of its own, as it is set when installed (fsync and synchronous_commit on), on the last core."""
    found = max(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=shutil.which("initdb"))
    if found is None:
        raise SystemExit("PostgreSQL is not installed: apt-get install postgresql")
    programs, data, port = Path(found).parent, folder / "postgres", _free_port()
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
    data.mkdir()
    if as_user:
        shutil.chown(data, "postgres", "postgres")
        for parent in data.parents:
            if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)
    made = [*as_user, str(programs / "initdb"), "-D", str(data), "-U", "palate", "--auth=trust", "--locale=C.UTF-8"]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
    command = [*as_user, str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", "", "-h", "127.0.0.1"]
    with started(command, {(os.cpu_count() or 1) - 1}, folder / "postgres.log") as server:
        end = time.monotonic() + 30
        while subprocess.run(
            [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)], check=False
        ).returncode:
            if server.poll() is not None or time.monotonic() > end:
                raise SystemExit((folder / "postgres.log").read_text()[-2000:])
            time.sleep(0.1)
        yield f"postgresql+psycopg://palate@127.0.0.1:{port}/postgres"
        server.send_signal(signal.SIGINT)  # fast shutdown


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _cores(workers: int) -> set[int]:
    return {0} if workers == 1 else set(range(os.cpu_count() or 1))


def _said(workers: int) -> str:
    return "one" if workers == 1 else f"both, {workers} workers"


@contextmanager
def _place(database: str = "SQLite") -> Iterator[tuple[str, Path]]:
    """Give the URL of an empty store, and a folder, on the disk that holds the tree (/tmp may be memory)."""
    serve_data.FOLDER.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=serve_data.FOLDER, prefix="run-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        yield (
            (stack.enter_context(_postgres(folder)) if database == "PostgreSQL" else f"sqlite:///{folder / 'shop.db'}"),
            folder,
        )


CASES: dict[str, tuple[Callable[..., Iterator[Row]], str, float | None]] = {
    "known": (of_known, "ials", 1500),
    "known-large": (of_known, "large", 700),
    "known-ease": (of_known, "ease", None),
    "known-bayes": (of_known, "bayes", None),
    "fold": (of_persons, "ials", 500),
    "fold-large": (of_persons, "large", None),
    "fold-ease": (of_persons, "ease", None),
    "fold-bayes": (of_persons, "bayes", None),
    "feedback": (of_feedback, "SQLite", 1500),
    "feedback-postgres": (of_feedback, "PostgreSQL", 1000),
    "race": (of_race, "", 2.5),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join([*CASES, 'steady'])}; all but steady")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each run")
    parser.add_argument("--minutes", type=int, default=10, help="of steady")
    parser.add_argument("--connections", type=int, default=48)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2], help="1: one core; more: both")
    parser.add_argument("--out", type=Path, default=ANSWERED, help="file for the figures as JSON")
    parser.add_argument("--write", action="store_true", help="replace the table in docs/serving.md")
    options = parser.parse_args()
    told = (
        "Keys on, the store read for each answer, lists logged durably before they are sent, a log line each; "
        f"{options.connections} connections; the client on the other core. "
        + machine("uvicorn", "fastapi", "sqlalchemy")
        + f", SQLite {sqlite3.sqlite_version}"
    )
    client, rows = Client(options), []
    for name in options.cases or CASES:
        make, of, goal = CASES.get(name, (of_steady, "", None))
        for workers in [1] if name == "race" else options.workers:
            http_client.pin({1} if workers == 1 else _cores(workers))
            rows += make(of, goal if workers == 1 else None, client, workers)
    options.out.parent.mkdir(exist_ok=True)
    options.out.write_text(json.dumps({"told": told, "rows": [asdict(row) for row in rows]}, indent=1))
    publish("load", f"{table(rows)}\n\n{told}", write=options.write)


if __name__ == "__main__":
    main()
