"""Two processes never work into one output; what a killed one leaves behind holds nobody up."""

import json
import logging
import signal
import subprocess
import sys
import textwrap

import pytest
from synthetic import low_rank

import palate
from palate import locks
from palate.errors import DataError
from palate.evaluation import compare
from palate.locks import NAME, only_writer

HOLD = """
import sys, time
from pathlib import Path
from palate.locks import only_writer
with only_writer(Path(sys.argv[1]), "a search"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """A process of its own that holds the lock of a folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().strip() == "held"
    yield process
    process.kill()
    process.communicate()


def test_the_second_is_told_who_is_first_and_what_to_do(tmp_path, holder):
    words = rf"is being written by process {holder.pid} on .*, a search, since 2.*: wait until it ends, or end it"
    with pytest.raises(DataError, match=words) as refused, only_writer(tmp_path, "a search"):
        pass
    assert refused.value.code == "locked"


def test_a_lock_of_a_killed_process_holds_nobody_up(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert json.loads((tmp_path / NAME).read_text())["process"] == holder.pid
    with only_writer(tmp_path, "a search"):
        assert json.loads((tmp_path / NAME).read_text())["process"] != holder.pid
    assert not (tmp_path / NAME).exists()


@pytest.mark.parametrize("left", [b"", b"{", b"[]", b"\xff"])
def test_whoever_cannot_be_read_is_another_process(tmp_path, left, monkeypatch):
    with only_writer(tmp_path, "a comparison"):
        (tmp_path / NAME).write_bytes(left)
        with pytest.raises(DataError, match="by another process, which has just begun"), only_writer(tmp_path, "x"):
            pass
    with only_writer(tmp_path, "a comparison"):
        pass


def test_a_file_has_its_lock_beside_it(tmp_path):
    path = tmp_path / "chain.ckpt"
    with only_writer(path, "a chain"):
        assert (tmp_path / ".chain.ckpt.lock").exists()
        with pytest.raises(DataError, match=r"chain\.ckpt is being written by"), only_writer(path, "a chain"):
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_just_removed_is_taken_anew(tmp_path, monkeypatch):
    """Who opened the file before its holder removed it would lock what nobody else sees."""
    lock, removed = locks.take, []

    def remove_once(handle, path):
        lock(handle, path)
        if not removed:
            removed.append(path.unlink())

    monkeypatch.setattr(locks, "take", remove_once)
    with only_writer(tmp_path, "a search"):
        assert (tmp_path / NAME).exists()


def test_a_disk_without_locks_is_told_of(tmp_path, monkeypatch, caplog):
    fcntl = pytest.importorskip("fcntl")

    def refuse(handle, how):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with caplog.at_level(logging.WARNING, "palate"), only_writer(tmp_path, "a search"):
        pass
    assert "cannot be locked" in caplog.text


def test_a_comparison_and_a_search_are_locked_out(tmp_path, holder):
    pytest.importorskip("optuna")
    data = low_rank()
    (tmp_path / "rows").mkdir()
    with pytest.raises(DataError, match=f"is being written by process {holder.pid}"):
        compare(["popularity", "baseline"], data, metrics=["ndcg@5"], out=tmp_path, progress=None)
    with pytest.raises(DataError, match=f"is being written by process {holder.pid}"):
        palate.tune("baseline", data, n_trials=1, out=tmp_path, progress=None)
    assert not (tmp_path / "study.db").exists()


def test_an_output_is_free_again_when_its_work_is_done(tmp_path):
    pytest.importorskip("optuna")
    data = low_rank()
    for _ in range(2):
        compare(["popularity", "baseline"], data, metrics=["ndcg@5"], out=tmp_path / "run", progress=None)
        palate.tune("baseline", data, n_trials=1, out=tmp_path / "tuned", progress=None)
    assert not (tmp_path / "run" / NAME).exists()
    assert not (tmp_path / "tuned" / NAME).exists()
