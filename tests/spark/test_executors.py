"""Executors are asked before work starts: what they lack is told with host, found and expected."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from engine_jobs import checked, checked_before_and_after, without_palate
from engines import LOCAL_CLUSTER, once

import palate
from palate.errors import SparkError
from palate.spark import executors, preparing, recommend, splits, training
from palate.spark.executors import by_value, check, here, judged, probe


@pytest.fixture
def report():
    """What a good executor tells."""
    return {**here(), "host": "a", "pid": 1, "program": "/usr/bin/python3", "cpu": "Linux x86_64 znver4", "cache": "/c"}


def test_the_executors_of_this_machine_are_as_this_process(spark):
    found = check(spark, again=True)
    assert found.notes == ()
    assert {report["code"] for report in found.reports} == {here()["code"]}
    assert all(report["program"] == sys.executable for report in found.reports)
    assert Path(found.reports[0]["cache"]).is_dir()
    assert f"palate {palate.__version__}, numpy" in str(found)
    assert check(spark) is found  # once a session


@pytest.mark.long
def test_every_executor_process_is_asked(engine):
    assert engine(LOCAL_CLUSTER).run(checked) >= 2


def test_an_executor_without_palate_is_named(spark):
    with pytest.raises(SparkError, match=r"executor on \S+: has no Palate, expected .*ModuleNotFoundError") as caught:
        without_palate(spark)
    assert caught.value.code == "executors"
    assert "venv-pack or conda-pack (spark.archives)" in str(caught.value)
    assert "spark.addArtifacts" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"palate": "0.0.9", "code": "abc"},
            r"executor on a: has Palate 0.0.9 \(abc; /usr/bin/python3, .*\), expected 0",
        ),
        ({"code": "abc"}, r"executor on a: has Palate .* \(abc; .*\), expected .*"),
        ({"python": "3.8.1"}, r"executor on a: has Python 3.8.1 \(/usr/bin/python3\), expected 3\.\d+ as here"),
        ({"packages": {**here()["packages"], "numba": None}}, r"executor on a: lacks numba \(/usr/bin/python3"),
        (
            {"cache": None, "fault": "OSError: full"},
            r"no folder for compiled kernels \(OSError: full\): set spark.exec",
        ),
    ],
)
def test_what_hinders_is_an_error(report, change, words):
    with pytest.raises(SparkError, match=words):
        judged([report, {**report, **change}], here())


def test_many_executors_are_counted(report):
    lost = [{**report, "host": f"h{n}", "palate": None, "fault": "x"} for n in range(8)]
    with pytest.raises(SparkError, match=r"executor on h4: has no Palate.*; and 3 more") as caught:
        judged(lost, here())
    assert [one["host"] for one in caught.value.value] == [f"h{n}" for n in range(8)]


def test_what_may_change_bits_is_a_note(report):
    other = {**report, "cpu": "Linux aarch64", "packages": {**report["packages"], "numpy": "1.0"}}
    numpy, processors = judged([report, other], here()).notes
    assert numpy == f"numpy is 1.0 on executors and {report['packages']['numpy']} here"
    assert "may differ in its last bits" in processors
    assert judged([{**report, "palate": "of unknown version"}], here()).notes == ()  # a zip has no metadata


def test_the_probe_is_sent_as_code_and_all_else_by_name():
    from pyspark import cloudpickle

    sent = cloudpickle.dumps(by_value(probe))
    assert b"palate.spark.executors" in sent  # asked for within, and no more
    code = f"import pickle, sys; sys.modules['palate'] = None; print(pickle.loads({sent!r}).__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "probe", done.stderr
    assert len(cloudpickle.dumps(check)) < 100
    assert pickle.loads(pickle.dumps(check)) is check


def test_a_job_that_cannot_run_says_why(spark, monkeypatch):
    def broken(batches, packages=(), wait=0):
        raise ModuleNotFoundError("No module named 'pyarrow'")

    monkeypatch.setattr(executors, "probe", broken)
    with pytest.raises(SparkError, match=r"cannot run Python functions: .*No module named 'pyarrow'") as caught:
        check(spark, again=True)
    assert "PYSPARK_PYTHON" in str(caught.value)


@pytest.mark.long
def test_palate_that_is_missing_comes_as_an_artifact(tmp_path):
    """Executors find a package `palate` that is none, until the archive is sent."""
    (tmp_path / "none" / "palate").mkdir(parents=True)
    (tmp_path / "none" / "palate" / "__init__.py").write_text("raise ModuleNotFoundError('no palate here')")
    archive = shutil.make_archive(str(tmp_path / "palate"), "zip", Path(palate.__file__).parents[1], "palate")
    conf = {"spark.executorEnv.PYTHONPATH": str(tmp_path / "none")}
    before, after = once("local[1]", checked_before_and_after, archive, conf=conf)
    assert "has no Palate, expected" in before
    assert after == [here()["code"]]


def test_work_starts_only_where_executors_are_well(monkeypatch):
    def ill(spark):
        raise SparkError("executor on h7: has no Palate", code="executors", subject="h7")

    prepared = SimpleNamespace(spark=None)
    calls = {
        preparing: lambda: preparing.prepare(None, "x.parquet", "out"),
        training: lambda: training.train(prepared, palate.ALS(), "out"),
        recommend: lambda: recommend.recommend_all(SimpleNamespace(prepared=prepared)),
        splits: lambda: splits.split(None, "x.parquet", path="out"),
    }
    for module, call in calls.items():
        monkeypatch.setattr(module, "check_executors", ill)
        monkeypatch.setattr(module, "check_free", lambda *_, **__: None)
        with pytest.raises(SparkError, match="h7: has no Palate"):
            call()
