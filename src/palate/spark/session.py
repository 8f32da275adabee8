"""Spark sessions: made for commands, found well, and with settings that last no longer than the work that needs them.

Functions of the library take the session that is there; only commands, examples and tests make one.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palate.errors import ParameterError, SparkError, missing_extra
from palate.models.contract.memory import memory_limit
from palate.spark.java import find_java

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NEEDED = (4, 2)  # version of Spark
PORT = 15002  # of Spark Connect, where an address names none
SOON = 2.0  # seconds after which it is asked plainly why a server does not answer
SECONDS = 20.0  # until a server that does not answer is given up
GIB = 1 << 30
QUIET: Mapping[str, str] = {"spark.log.level": "ERROR", "spark.ui.showConsoleProgress": "false"}
Setting = str | int | float | bool


def open_session(
    master: str | None = None, remote: str | None = None, conf: Mapping[str, Setting] | None = None
) -> SparkSession:
    """Return this process's Spark session: the one that is there, else a new one.

    Without master and remote the environment decides: SPARK_REMOTE, spark-submit, spark-defaults.conf, else Spark's own
    ``local[*]``. Executors run this Python, where no other is named.

    Args:
        master: where Spark runs: a cluster's address, or ``local[2]`` for two cores of this machine; needs Java here.
        remote: the address of a Spark Connect server, ``sc://host:15002``, or ``local[2]`` for one in this process.
        conf: further settings of Spark by name.

    Raises:
        MissingExtraError: pyspark, or what Connect needs, is not installed.
        ParameterError: master and remote are both given, a setting comes too late, or another session is there.
        SparkError: no usable Java, no answer from the server, or a Spark that is too old.
    """
    if master is not None and remote is not None:
        raise ParameterError(
            f"give master or remote, not both: master={master!r} starts Spark from here, remote={remote!r} asks a "
            "Spark Connect server",
            subject="remote",
            value=remote,
        )
    _check_extra()
    given = {name: _text(value) for name, value in (conf or {}).items()}
    asked = remote or (None if master else os.environ.get("SPARK_REMOTE"))
    session = _current()
    started_before = session is not None or bool(asked and not asked.startswith("local"))
    if session is not None:
        _check_same(session, master, remote)
    else:
        session = _connected(asked, given) if asked else _started(master, given)
    _check_version(session)
    if started_before:
        _apply(session, given)
    return session


@contextmanager
def opened(
    master: str | None = None, remote: str | None = None, conf: Mapping[str, Setting] | None = None
) -> Iterator[SparkSession]:
    """Open a session for a block, as `open_session` does; stop it at the end where it was not there before."""
    _check_extra()
    before = _current()
    session = open_session(master, remote, conf)
    try:
        yield session
    finally:
        if before is None:
            session.stop()


@contextmanager
def settings(spark: SparkSession, values: Mapping[str, Setting]) -> Iterator[None]:
    """Set what the plans of a block need on a session, and put back what was there.

    Only settings of SQL can be set so; a session given by a user is otherwise left as it is.
    """
    before = {name: spark.conf.get(name, None) for name in values}
    try:
        for name, value in values.items():
            spark.conf.set(name, _text(value))
        yield
    finally:
        for name, old in before.items():
            if old is None:
                spark.conf.unset(name)
            else:
                spark.conf.set(name, old)


def page_of(spark: SparkSession) -> str | None:
    """Return the address of Spark's own page; None where it has none, or where a Connect client cannot see it."""
    address = getattr(_classic(spark), "uiWebUrl", None)
    return None if address is None else str(address)


def _classic(spark: SparkSession) -> Any:
    """Return the SparkContext of a session, also of a Connect server in this process; None of a server elsewhere."""
    from pyspark.sql import SparkSession as Classic

    classic = Classic._instantiatedSession if is_connect(spark) else spark
    return getattr(classic, "sparkContext", None)


def is_connect(spark: SparkSession) -> bool:
    """Return whether a session asks a Spark Connect server."""
    return type(spark).__module__.startswith("pyspark.sql.connect")


def _text(value: Setting) -> str:
    """Return a value as Spark writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_extra() -> None:
    try:
        import pyarrow  # noqa: F401
        import pyspark  # noqa: F401
    except ModuleNotFoundError as error:
        raise missing_extra("spark", "Apache Spark") from error
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)  # we use none


def _current() -> SparkSession | None:
    """Return the session of this process, or None where none is there."""
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    try:
        return SparkSession.active()
    except PySparkException:
        return None


def _check_same(session: SparkSession, master: str | None, remote: str | None) -> None:
    """Refuse to answer with a session of another kind or master than the one asked for."""
    has = "a Spark Connect server" if is_connect(session) else session.conf.get("spark.master")
    if (remote is not None and not is_connect(session)) or (master is not None and master != has):
        raise ParameterError(
            f"this process has a Spark session on {has} already: stop it first, with its stop()",
            subject="master" if remote is None else "remote",
            value=master or remote,
        )


def _started(master: str | None, given: Mapping[str, str]) -> SparkSession:
    """Start Spark from here."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    if master is not None:
        builder = builder.master(master)
    with _environment(_needed_to_start(master or "", given)):
        return _made(builder, {**_defaults(master or ""), **given}, master or "Spark")


def _connected(remote: str, given: Mapping[str, str]) -> SparkSession:
    """Ask a Spark Connect server, or start one in this process."""
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    try:
        from pyspark.sql.connect.utils import check_dependencies

        check_dependencies()
    except (PySparkException, ImportError) as error:
        raise missing_extra("spark", "Spark Connect") from error
    builder = SparkSession.builder.remote(remote)
    if not remote.startswith("local"):
        _check_answers(remote)
        return _made(builder, {}, remote)  # what a server is asked to set, `_apply` sets
    own = {"spark.connect.grpc.binding.address": "127.0.0.1", **_defaults(remote), **given}
    with _environment(_needed_to_start(remote, given)):
        return _made(builder, own, remote)


def _made(builder: Any, given: Mapping[str, str], where: str) -> SparkSession:
    from pyspark.errors import PySparkException

    for name, value in given.items():
        builder = builder.config(name, value)
    try:
        with warnings.catch_warnings():  # a client tells a server that it has just started the same once more
            warnings.filterwarnings("ignore", "Failed to set", UserWarning)
            session: SparkSession = builder.getOrCreate()
    except (PySparkException, _java_error()) as error:
        raise SparkError.of(where, f"gives no Spark session: {first_line(error)}") from error
    return session


def _java_error() -> type[Exception]:
    """Return the class of what Java throws; a client of Connect alone has none."""
    try:
        from py4j.protocol import Py4JError
    except ModuleNotFoundError:
        return ConnectionError
    kind: type[Exception] = Py4JError
    return kind


def first_line(error: BaseException) -> str:
    """Return what an error of Spark says, without Java's own trace."""
    java = getattr(error, "java_exception", None)
    return (str(java) if java is not None else str(error)).strip().partition("\n")[0]


def _defaults(where: str) -> dict[str, str]:
    """Return our settings for a Spark that starts here; those of a spark-defaults.conf are left alone."""
    mine = dict(QUIET)
    if where.startswith("local") and not _has_defaults() and "SPARK_DRIVER_MEMORY" not in os.environ:
        quarter = (memory_limit() or 4 * GIB) // 4  # the Python workers need the rest
        mine["spark.driver.memory"] = f"{max(1, min(16, quarter // GIB))}g"
    return mine


def _has_defaults() -> bool:
    folders = [os.environ.get("SPARK_CONF_DIR"), os.environ.get("SPARK_HOME") and f"{os.environ['SPARK_HOME']}/conf"]
    return any(folder and Path(folder, "spark-defaults.conf").exists() for folder in folders)


def _needed_to_start(where: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which Spark is to start: its Java, the Python of executors, and on which address."""
    python = os.environ.get("PYSPARK_PYTHON") or given.get("spark.pyspark.python") or sys.executable
    needed = {"PYSPARK_PYTHON": python}
    if "PYSPARK_GATEWAY_PORT" not in os.environ:  # else spark-submit has started Java already
        needed["JAVA_HOME"] = str(find_java().home)
    if where.startswith("local"):
        needed["SPARK_LOCAL_IP"] = os.environ.get("SPARK_LOCAL_IP", "127.0.0.1")  # nobody else's business
    return needed


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment for a block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, old in before.items():
            if old is None:
                del os.environ[name]
            else:
                os.environ[name] = old


def _check_answers(remote: str) -> None:
    """Refuse an address where no Spark Connect server answers: Spark's client would try for ten minutes.

    Raises:
        ParameterError: no such address can be.
        SparkError: says why there is no answer.
    """
    import grpc
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.client import DefaultChannelBuilder

    try:
        address = DefaultChannelBuilder(remote)
        channel = address.toChannel()
    except (PySparkException, ValueError) as error:
        raise ParameterError.outside("remote", f"sc://HOST:{PORT} or local[N] ({first_line(error)})", remote) from error
    ready = grpc.channel_ready_future(channel)
    try:
        _wait(ready, address.endpoint)
    finally:
        ready.cancel()
        channel.close()


def _wait(ready: Any, endpoint: str) -> None:
    """Wait until a server answers; ask plainly why where it does not soon."""
    import grpc

    for seconds in (SOON, SECONDS):
        try:
            ready.result(timeout=seconds)
        except grpc.FutureTimeoutError:
            _check_port(endpoint)
        else:
            return
    raise SparkError.of(
        endpoint,
        "answers, but not as a Spark Connect server: is it the port of Connect, and does it want use_ssl=true?",
    )


def _check_port(endpoint: str) -> None:
    host, _, port = endpoint.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS).close()
    except OSError as error:
        raise SparkError.of(
            endpoint,
            f"cannot be reached: {error.strerror or error}. Is the server running (sbin/start-connect-server.sh), and "
            "is the port open?",
        ) from error


def _check_version(session: SparkSession) -> None:
    from pyspark.errors import PySparkException

    try:
        version = session.version
    except PySparkException as error:
        raise SparkError(
            f"the Spark Connect server refuses: {first_line(error)}", subject="the Spark Connect server"
        ) from error
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < NEEDED:
        needed = ".".join(map(str, NEEDED))
        raise SparkError(
            f"Spark is version {version}; Palate needs {needed} or newer, of the server as of pyspark here",
            subject="Spark",
            value=version,
        )


def _apply(session: SparkSession, given: Mapping[str, str]) -> None:
    """Set what may be set on a session that is there; refuse what had to be said before it started."""
    late = []
    for name, value in given.items():
        if session.conf.isModifiable(name):
            session.conf.set(name, value)
        elif session.conf.get(name, None) != value:
            late.append(name)
    if late:
        raise ParameterError(
            f"{', '.join(late)}: can only be set where Spark starts; this session was started before",
            subject="conf",
            value=late,
        )
