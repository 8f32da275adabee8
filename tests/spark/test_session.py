"""Sessions of Spark: how they are made and found, and what is said where they cannot be."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import suppress
from types import SimpleNamespace

import pytest

from palate.errors import MissingExtraError, ParameterError, SparkError
from palate.spark import session
from palate.spark.session import open_session, opened, page_of, settings


@pytest.fixture
def alone(monkeypatch):
    """No session is there, whatever other tests have opened."""
    monkeypatch.setattr(session, "_current", lambda: None)
    monkeypatch.delenv("SPARK_REMOTE", raising=False)


def test_the_session_that_is_there_is_taken_and_kept(spark):
    assert open_session("local[2]") is spark
    with opened() as same:
        assert same is spark
    assert spark.range(3).count() == 3  # whoever finds a session does not stop it
    assert page_of(spark) is None  # switched off in tests
    assert page_of(SimpleNamespace(sparkContext=SimpleNamespace(uiWebUrl="http://127.0.0.1:4040"))).endswith(":4040")
    assert spark.sparkContext.pythonExec == sys.executable


def test_another_session_is_an_error(spark):
    with pytest.raises(ParameterError, match=r"has a Spark session on local\[2\] already: stop it first"):
        open_session("local[7]")
    with pytest.raises(ParameterError, match="already: stop it first"):
        open_session(remote="sc://127.0.0.1")


def test_settings_of_a_session_that_is_there(spark):
    assert open_session(conf={"spark.sql.shuffle.partitions": 2, "spark.ui.enabled": False}) is spark
    with pytest.raises(ParameterError, match=r"spark\.driver\.memory: can only be set where Spark starts") as caught:
        open_session(conf={"spark.driver.memory": "3g", "spark.sql.shuffle.partitions": 2})
    assert caught.value.value == ["spark.driver.memory"]


def test_settings_last_for_a_block(spark):
    values = {"spark.sql.shuffle.partitions": 3, "spark.sql.adaptive.enabled": False, "shop.own": 1.5}
    before = [spark.conf.get(name, None) for name in values]
    with settings(spark, values):
        assert [spark.conf.get(name) for name in values] == ["3", "false", "1.5"]
    assert [spark.conf.get(name, None) for name in values] == before
    with suppress(ZeroDivisionError), settings(spark, values):
        raise ZeroDivisionError
    assert [spark.conf.get(name, None) for name in values] == before


def test_a_setting_that_is_refused_leaves_the_others_as_they_were(spark):
    before = spark.conf.get("spark.sql.shuffle.partitions")
    refused = settings(spark, {"spark.sql.shuffle.partitions": 3, "spark.sql.warehouse.dir": "/x"})
    with pytest.raises(Exception, match=r"spark\.sql\.warehouse\.dir"), refused:
        pass
    assert spark.conf.get("spark.sql.shuffle.partitions") == before


def test_master_and_remote_exclude_each_other():
    with pytest.raises(ParameterError, match=r"give master or remote, not both: master='local\[2\]' starts Spark"):
        open_session("local[2]", "sc://here")


def test_a_missing_extra_is_told_with_the_command(monkeypatch, alone):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(MissingExtraError, match=r"Apache Spark needs the extra 'spark': pip install 'palate\[spark\]'"):
        open_session("local[2]")


def test_what_connect_lacks_is_told_with_the_command(monkeypatch, alone):
    pytest.importorskip("pyspark")
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(MissingExtraError, match="Spark Connect needs the extra 'spark'"):
        open_session(remote="sc://127.0.0.1")


@pytest.mark.parametrize("remote", ["http://127.0.0.1:15002", "sc://", "sc://a/b", "sc://a:b"])
def test_an_address_that_is_none_is_told(alone, remote):
    pytest.importorskip("pyspark")
    with pytest.raises(ParameterError, match=r"remote must be sc://HOST:15002 or local\[N\] \(.+\), got"):
        open_session(remote=remote)


def test_a_refused_port_is_told_soon(monkeypatch, alone):
    pytest.importorskip("pyspark")
    monkeypatch.setattr(session, "SOON", 0.3)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SparkError, match=rf"127\.0\.0\.1:{port} cannot be reached: Connection refused. Is the server"):
        open_session(remote=f"sc://127.0.0.1:{port}")
    monkeypatch.setenv("SPARK_REMOTE", f"sc://127.0.0.1:{port}")  # as good as said
    with pytest.raises(SparkError, match="cannot be reached"):
        open_session()


def test_a_host_that_is_none_is_told(monkeypatch, alone):
    pytest.importorskip("pyspark")
    monkeypatch.setattr(session, "SOON", 0.3)
    with pytest.raises(SparkError, match=r"nowhere\.invalid:15002 cannot be reached"):
        open_session(remote="sc://nowhere.invalid")


def test_a_port_of_something_else_is_told(monkeypatch, alone):
    pytest.importorskip("pyspark")
    monkeypatch.setattr(session, "SOON", 0.2)
    monkeypatch.setattr(session, "SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and says nothing
        port = silent.getsockname()[1]
        with pytest.raises(SparkError, match="answers, but not as a Spark Connect server: is it the port of Connect"):
            open_session(remote=f"sc://127.0.0.1:{port}")


def test_a_spark_that_is_too_old_is_told():
    with pytest.raises(SparkError, match=r"Spark is version 4\.1\.1; Palate needs 4\.2 or newer, of the server as of"):
        session._check_version(SimpleNamespace(version="4.1.1"))
    for good in ("4.2.0", "4.3.0-SNAPSHOT", "5.0"):
        session._check_version(SimpleNamespace(version=good))


def test_a_server_that_refuses_is_told():
    from pyspark.errors import PySparkException

    class Refusing:
        @property
        def version(self):
            raise PySparkException("UNAUTHENTICATED: no token\nand a trace")

    with pytest.raises(SparkError, match=r"server refuses: UNAUTHENTICATED: no token$"):
        session._check_version(Refusing())


def test_what_spark_says_is_told_in_one_line():
    from pyspark.errors import PySparkException

    class Failing:
        def getOrCreate(self):  # noqa: N802
            raise PySparkException("no such master\n\tat org.apache.spark")

    with pytest.raises(SparkError, match=r"^lokal gives no Spark session: no such master$"):
        session._made(Failing(), {}, "lokal")


@pytest.mark.long
def test_what_java_says_is_told_in_one_line():
    """Java refuses this master at once; another process, for this one may have Spark already."""
    code = "from palate.spark.session import open_session; open_session('lokal[2]')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("palate.errors.SparkError: lokal[2] gives no Spark session: "), done.stderr


def test_spark_starts_with_the_java_python_and_memory_that_are_found(monkeypatch, alone):
    for name in ("PYSPARK_PYTHON", "SPARK_LOCAL_IP", "JAVA_HOME", "SPARK_HOME", "SPARK_CONF_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(session, "find_java", lambda: SimpleNamespace(home="/usr/lib/jvm/some"))
    monkeypatch.setattr(session, "memory_limit", lambda: 24 * session.GIB)
    started = {"PYSPARK_PYTHON": sys.executable, "JAVA_HOME": "/usr/lib/jvm/some", "SPARK_LOCAL_IP": "127.0.0.1"}
    assert session._needed_to_start("local[2]", {}) == started
    assert session._defaults("local[2]")["spark.driver.memory"] == "6g"
    assert "spark.driver.memory" not in session._defaults("yarn")
    del started["SPARK_LOCAL_IP"]
    assert session._needed_to_start("yarn", {}) == started
    assert session._needed_to_start("yarn", {"spark.pyspark.python": "./shop/bin/python"}) == {
        **started,
        "PYSPARK_PYTHON": "./shop/bin/python",
    }
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")  # spark-submit has started Java
    assert "JAVA_HOME" not in session._needed_to_start("yarn", {})
    with session._environment({"PYSPARK_PYTHON": "x"}):
        assert os.environ["PYSPARK_PYTHON"] == "x"
    assert "PYSPARK_PYTHON" not in os.environ


def test_what_a_file_of_defaults_says_is_left_alone(monkeypatch, tmp_path):
    (tmp_path / "spark-defaults.conf").write_text("spark.driver.memory 3g\n")
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    assert "spark.driver.memory" not in session._defaults("local[2]")


def test_importing_palate_needs_no_spark():
    code = "import sys, palate, palate.spark.session, palate.spark.java, palate.cli; print('pyspark' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
