"""``palate retrain``: the job in its process, its log as it grows, and what came of it."""

from __future__ import annotations

import json
import os
import signal

import pytest
from retraining.small_log import make, running
from typer.testing import CliRunner

from palate.cli import app
from palate.cli import retrain as command
from palate.errors import ConflictError, PalateError, ParameterError
from palate.retraining import KIND, checked, retrain
from palate.store import jobs, versions, working


def palate(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


class Here:
    """What a process would do, done here: the seconds of its start are those of one test alone."""

    pid = os.getpid()

    def __init__(self, store, ns, number, module):
        assert module == command.MODULE
        self.words = ["--store", str(store.engine.url), "--folder", str(store.folder)]
        self.words += ["--namespace", ns.name, "--job", str(number)]
        self.code = None

    def wait(self, timeout=None):
        if self.code is None:
            self.code = working.work(retrain, self.words)
        return self.code


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr(working, "launch", Here)
    monkeypatch.setattr(os, "nice", lambda _: 0)


def test_it_trains_in_a_process_of_its_own_and_says_what_came_of_it(store, ns, url, tmp_path):
    running(store, ns, make("ease"), tmp_path)
    done = palate("retrain", "--store", url, "--fewest", 2, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["version"], told["activated"], told["verdict"]["decision"]) == (2, True, "accepted")
    assert "840 rows of 60 users and 40 items to learn from" in done.stderr
    assert versions.active_version(store, ns).number == 2


def test_what_is_refused_is_told_with_the_command_that_overrules_it(store, ns, url, tmp_path, here):
    running(store, ns, make("ease"), tmp_path)
    words = ("--model", "ials", "--set", "n_epochs=1", "--set", "reg=1e9", "--cold", "--keep", 3)
    refused = palate("retrain", "--store", url, "--fewest", 2, *words, "--test", "better", "--margin", "0.01")
    assert refused.exit_code == 0, refused.output
    assert "version 2 is kept, and does not answer" in refused.stdout
    assert f"palate versions overrule 2 --by NAME --store {url}" in refused.stdout
    assert "below the margin of +0.01" in refused.stderr
    assert versions.active_version(store, ns).number == 1
    with store.read() as conn:
        said = jobs.listed(conn, ns)[0].details
    assert said["parameters"] == {"n_epochs": 1, "reg": 1e9}
    assert (said["warm"], said["keep"], said["rule"]["test"]) == (False, 3, "better")


def test_a_job_that_fails_is_an_error_of_the_command(store, url, here):
    store.create_namespace("empty")
    failed = palate("retrain", "--store", url, "--namespace", "empty")
    assert isinstance(failed.exception, PalateError)
    assert failed.exception.code == "failed"
    assert "failed: the namespace 'empty' has no clicks to learn from" in str(failed.exception)


def test_ctrl_c_ends_the_process_and_the_job(store, ns, url, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_watch", interrupted)
    stopped = palate("retrain", "--store", url)
    assert stopped.exit_code == 130
    with store.read() as conn:
        (job,) = jobs.listed(conn, ns)
    assert job.state == "failed"
    assert f"its process ended by {signal.Signals.SIGKILL.name}" in job.log
    assert versions.listed(store, ns) == []


def test_wrong_words_start_nothing(store, ns, url):
    assert "--set is of the model that --model names" in palate("retrain", "--store", url, "--set", "reg=1").stderr
    assert "no parameter 'rge'" in palate("retrain", "--store", url, "--model", "ials", "--set", "rge=1").stderr
    days = palate("retrain", "--store", url, "--days", "0").exception
    assert isinstance(days, ParameterError)
    assert "days must be a number above 0" in str(days)
    with store.read() as conn:
        assert jobs.listed(conn, ns) == []
    number = jobs.only_one(store, ns, KIND, checked({}))
    second = palate("retrain", "--store", url).exception
    assert isinstance(second, ConflictError)
    assert f"job {number} is waiting, and one retrain at a time is enough" in str(second)
