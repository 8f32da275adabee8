"""The engines that one piece of work runs on: each in a process of its own, for a process has one kind of session.

    def total(spark, n):  # in a module of tests/spark: what an engine runs is found by its name
        return {"total": spark.range(n).agg(F.sum("id")).collect()[0][0]}

    engine("connect").run(total, 10)

An engine is started when it is first asked, and ends with the tests. Results are pickled: numbers, texts, NumPy arrays.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

LOCAL_CLUSTER = "local-cluster[2,1,2048]"  # two executor processes of one core
CONNECT = "connect"  # a Connect server on loopback, on two cores
ENGINES = ("local[1]", "local[2]", LOCAL_CLUSTER, CONNECT)
SMALL = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # a Java that starts with half the work
CONF: Mapping[str, str | int | bool] = {
    "spark.ui.enabled": False,
    "spark.driver.memory": "1g",
    "spark.driver.extraJavaOptions": SMALL,
    "spark.executor.memory": "1g",
    "spark.executor.extraJavaOptions": SMALL,
    "spark.sql.shuffle.partitions": 2,
    "spark.sql.codegen.wholeStage": False,  # for a few rows, compiling a plan is most of its work
}
SECONDS = 300  # until an engine that does not answer is given up


def python_path() -> str:
    """Return where executors find what tests find, the modules of tests themselves included."""
    return os.pathsep.join([*filter(None, sys.path), str(Path(__file__).parents[2])])


class Here:
    """The engine that is the session of the tests."""

    def __init__(self, spark: Any) -> None:
        self.spark = spark

    def run(self, work: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Return what the function gives for the session and these arguments."""
        return work(self.spark, *args, **options)

    def close(self) -> None:
        """Leave the session to the tests."""


class Engine:
    """A process with a session of its own; ``place`` takes what Spark writes."""

    def __init__(self, name: str, place: Path, conf: Mapping[str, str | int | bool] | None = None) -> None:
        self.name, self.said = name, place / "said.txt"
        place.mkdir(parents=True, exist_ok=True)
        mine, other = socket.socketpair()
        given = {**os.environ, "PYTHONPATH": python_path()}
        given |= {"SPARK_HOME": str(_home(place))} if name.startswith("local-cluster") else {}
        given |= {"SPARK_TESTING": "1"} if name == CONNECT else {}  # a port of its own instead of 15002
        with other, self.said.open("w") as said:
            command = [sys.executable, __file__, str(other.fileno())]
            self.process = subprocess.Popen(command, env=given, stdout=said, stderr=said, pass_fds=[other.fileno()])
        self.pipe = Connection(mine.detach())
        self.pipe.send((name, {**CONF, "spark.local.dir": str(place / "local"), **(conf or {})}))

    def run(self, work: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Return what the function gives there for its session and these arguments; raise what it raises."""
        self.pipe.send((work.__module__, work.__qualname__, args, options))
        if not self.pipe.poll(SECONDS):
            self.close()
            raise TimeoutError(f"{self.name} did not answer within {SECONDS} s: {self.said.read_text()[-3000:]}")
        try:
            good, result = self.pipe.recv()
        except EOFError:
            raise RuntimeError(f"{self.name} ended: {self.said.read_text()[-3000:]}") from None
        if not good:
            raise RuntimeError(f"{work.__qualname__} failed on {self.name}: {result}")
        return result

    def close(self) -> None:
        """End the process, and with it its session."""
        self.pipe.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _home(place: Path) -> Path:
    """Return a folder of Spark in the place: executors write their logs into the one that they are started from."""
    import pyspark

    home = place / "home"
    home.mkdir(exist_ok=True)
    for part in Path(pyspark.__file__).parent.iterdir():
        if part.name in ("bin", "jars", "python", "sbin"):
            (home / part.name).symlink_to(part)
    return home


def serve(pipe: Connection) -> None:
    """Open the session that is asked for, and do what comes until the pipe is closed."""
    from importlib import import_module

    from palate.spark.session import opened

    name, conf = pipe.recv()
    where = {"remote": "local[2]"} if name == CONNECT else {"master": name}
    with opened(**where, conf=conf) as spark:
        while True:
            try:
                module, function, args, options = pipe.recv()
            except EOFError:
                return
            try:
                answer = (True, getattr(import_module(module), function)(spark, *args, **options))
            except Exception:  # noqa: BLE001 - told to whoever asked
                answer = (False, traceback.format_exc())
            pipe.send(answer)


def once(name: str, work: Callable[..., Any], *args: Any, conf: Mapping[str, str | int | bool] | None = None) -> Any:
    """Return what a function gives on an engine that is started for it alone."""
    with tempfile.TemporaryDirectory() as place:
        engine = Engine(name, Path(place), conf)
        try:
            return engine.run(work, *args)
        finally:
            engine.close()


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
