"""`palate doctor --spark`: what it tries, with seconds, and what it says of a fault."""

from __future__ import annotations

import numpy as np
import pytest
from test_cli import only_json

from palate.cli import main
from palate.errors import SparkError
from palate.spark import executors, java, session, tiny


@pytest.fixture
def asked(capsys, monkeypatch):
    """Return a function that asks the doctor of Spark alone: (exit code, checks by name, stderr)."""
    for part in ("_trains", "_serves", "_data"):
        monkeypatch.setattr(f"palate.cli.doctor.{part}", lambda: ("ok", "else", ""))

    def call(*words):
        with pytest.raises(SystemExit) as stop:
            main(["doctor", "--json", *words])
        out, err = capsys.readouterr()
        record = only_json(out)
        found = {check["what"]: check for check in record.get("checks", [])}
        return stop.value.code or 0, found, err

    return call


@pytest.mark.long
def test_spark_is_found_well(spark, asked):
    code, found, _ = asked("--spark")
    assert code == 0, found
    assert found["Java"]["finding"].startswith("Java ")
    assert found["Spark"]["finding"].startswith(f"Spark {spark.version} on local[2], Python 3.")
    assert "Python processes on" in found["executors"]["finding"]
    assert found["Spark job"]["finding"].startswith("a kernel gave 64 rows the same bits there as here, in ")
    assert found["extra spark"]["state"] == "ok"
    assert all(found[what]["finding"].endswith(" s") for what in ("Java", "Spark", "executors", "Spark job"))


def test_without_the_word_spark_is_not_tried(asked):
    code, found, _ = asked()
    assert code == 0
    assert "Java" not in found
    code, _, said = asked("--master", "local[2]")
    assert code == 2
    assert "--master, --remote and --conf are of --spark: add it" in said


def test_a_missing_java_is_a_fault_with_the_command(monkeypatch, asked):
    monkeypatch.setattr(java, "_places", lambda: iter(()))
    code, found, _ = asked("--spark")
    assert code == 1
    assert found["Java"]["state"] == "fault"
    assert "apt-get install openjdk-17-jre-headless" in found["Java"]["finding"]
    assert "Spark" not in found  # what comes after a fault needs what is not there


def test_a_server_that_is_not_there_is_a_fault_and_needs_no_java(monkeypatch, asked):
    monkeypatch.setattr(session, "_current", lambda: None)
    monkeypatch.setattr(session, "SOON", 0.2)
    code, found, _ = asked("--spark", "--remote", "sc://127.0.0.1:9")
    assert code == 1
    assert "127.0.0.1:9 cannot be reached: Connection refused" in found["Spark"]["finding"]
    assert "Java" not in found


@pytest.mark.long
def test_executors_that_cannot_work_are_a_fault(spark, monkeypatch, asked):
    def lacking(asked_of, again):
        raise SparkError("executor on h7: has no Palate", code="executors", subject="h7")

    monkeypatch.setattr(executors, "check", lacking)
    code, found, _ = asked("--spark")
    assert code == 1
    assert (found["executors"]["state"], found["executors"]["finding"]) == ("fault", "executor on h7: has no Palate")
    assert found["Spark"]["state"] == "ok"


@pytest.mark.long
def test_other_bits_are_a_fault(spark, monkeypatch):
    monkeypatch.setattr(tiny, "normals", lambda seed, stream, rows, k: np.zeros((len(rows), k)))
    with pytest.raises(SparkError, match="executors drew other numbers than this process for 64 of 64 rows") as caught:
        tiny.tiny_job(spark)
    assert caught.value.rows == (0, 1, 2, 3, 4)
