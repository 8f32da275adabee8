"""``palate jobs``, ``palate schedule`` and ``palate versions``, over a store."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime

import pytest
from small_models import make
from typer.testing import CliRunner

from palate import Interactions, save
from palate.cli import app, jobs, schedule
from palate.errors import ConflictError, ModelFileError, NotFoundError, ParameterError
from palate.store import jobs as stored
from palate.store import open_store, versions


@pytest.fixture
def url(tmp_path):
    address = f"sqlite:///{tmp_path / 'shop.db'}"
    open_store(address).close()
    return address


def run(*words):
    return CliRunner().invoke(app, [*map(str, words)])


def said(*words):
    done = run(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def model(tmp_path):
    rows = [(f"u{u}", f"i{i}", 1.0 + (u * i) % 5) for u in range(6) for i in range(5) if (u + i) % 3]
    table = dict(zip(("user", "item", "rating"), map(list, zip(*rows, strict=True)), strict=True))
    save(make("als", n_factors=2, n_epochs=1).fit(Interactions.from_table(table)), tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def a_job(url, **details):
    with open_store(url) as store:
        return stored.only_one(store, store.namespace(), "retrain", details)


def test_a_job_is_listed_shown_and_cancelled(url):
    assert "there is no such job" in run("jobs", "list", "--store", url).stderr
    number = a_job(url, model="ials", rule={"metric": "ndcg@10", "positive": None})
    (listed,) = said("jobs", "list", "--store", url)["jobs"]
    assert (listed["job"], listed["kind"], listed["state"]) == (number, "retrain", "waiting")
    assert said("jobs", "list", "--store", url, "--state", "done")["jobs"] == []
    assert "retrain" in run("jobs", "list", "--store", url).stdout
    shown = run("jobs", "show", number, "--store", url).stdout
    assert f"job {number}: retrain, waiting, 0%" in shown
    assert "rule: metric ndcg@10\n" in shown
    assert run("jobs", "cancel", number, "--store", url).stdout == f"job {number} is cancelled\n"
    assert said("jobs", "show", number, "--store", url)["state"] == "cancelled"
    assert isinstance(run("jobs", "cancel", number, "--store", url).exception, ConflictError)
    assert isinstance(run("jobs", "show", number + 1, "--store", url).exception, NotFoundError)


def test_what_a_job_says_is_shown_while_it_runs(url, monkeypatch):
    monkeypatch.setattr(jobs, "SECONDS", 0.01)
    number = a_job(url)
    with open_store(url) as store:
        with stored.running(store, store.namespace(), number) as job:
            job.step(0.25, "epoch 1")
            job.note(version=3)
            assert run("jobs", "log", number, "--store", url).stdout == "epoch 1\n"
            assert "running, 25%\n" in run("jobs", "show", number, "--store", url).stdout
            assert "version 3" in run("jobs", "list", "--store", url).stdout
            asked = run("jobs", "cancel", number, "--store", url).stdout
            assert asked == f"job {number} is asked to stop\n"
            assert "running, asked to stop" in run("jobs", "show", number, "--store", url).stdout
            job.step(0.5, "epoch 2")
        ended = run("jobs", "log", number, "--follow", "--store", url)
    assert ended.stdout == "epoch 1\nepoch 2\n"
    assert f"job {number} is cancelled\n" in ended.stderr


def test_a_log_is_followed_to_its_end(url, monkeypatch):
    monkeypatch.setattr(jobs, "SECONDS", 0.01)
    number = a_job(url)
    with open_store(url) as store:

        def work():
            with stored.running(store, store.namespace(), number) as job:
                for line in range(5):
                    job.step(line / 5, f"line {line}")

        thread = threading.Thread(target=work)
        thread.start()
        done = run("jobs", "log", number, "--follow", "--store", url)
        thread.join()
    assert done.stdout == "".join(f"line {line}\n" for line in range(5))


def test_what_came_to_a_log_is_found_though_its_beginning_is_gone():
    assert jobs._new("a\nb\n", "a\nb\nc\n") == "c\n"
    long = "".join(f"{n}\n" for n in range(2000))
    assert jobs._new(long, f"{long[500:]}more\n") == "more\n"
    assert jobs._new("old\n", "new\n") == "new\n"


def test_a_schedule_is_set_paused_resumed_and_removed(url, tmp_path):
    assert "nothing is scheduled" in run("schedule", "list", "--store", url).stderr
    told = tmp_path / "told.json"
    told.write_text(json.dumps({"model": "ease", "rule": {"days": 3}}))
    made = said("schedule", "set", "1d", "--at", "03:00", "--from", told, "--store", url)
    assert (made["every"], made["due"][-9:], made["paused"]) == ("1d", "03:00:00Z", False)
    assert (made["settings"]["model"], made["settings"]["rule"]["days"]) == ("ease", 3)
    assert said("schedule", "set", "12h", "--store", url)["settings"] == made["settings"]
    assert run("schedule", "pause", "--store", url).stdout == "retrain every 12h, is paused\n"
    assert said("schedule", "list", "--store", url)["schedules"][0]["paused"]
    assert "retrain every 12h, next at 20" in run("schedule", "resume", "--store", url).stdout
    assert "retrain every 12h, next at 20" in run("schedule", "list", "--store", url).stdout
    assert "nothing is retrained" in run("schedule", "remove", "--store", url).stdout
    for gone in ("remove", "pause", "resume"):
        assert isinstance(run("schedule", gone, "--store", url).exception, NotFoundError)
    said("schedule", "set", "1h", "--store", url)
    assert said("schedule", "remove", "--store", url) == {"removed": "retrain"}


def test_the_first_time_is_the_next_one_of_that_hour():
    now = datetime(2026, 11, 28, 3, 0, 0, 1, tzinfo=UTC)
    assert schedule._first("03:01", now) == int(datetime(2026, 11, 28, 3, 1, tzinfo=UTC).timestamp()) * 1_000_000
    assert schedule._first("03:00", now) == int(datetime(2026, 11, 29, 3, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("words", "kind", "text"),
    [
        (("soon",), ParameterError, "every must be a time such as 30m, 12h or 1d"),
        (("1d", "--from", "none.json"), Exception, "cannot read none.json"),
        (("1d", "--from", "bad.json"), ParameterError, "--from: bad.json does not hold JSON"),
        (("1d", "--from", "wrong.json"), ParameterError, "retraining has no field 'modle'; did you mean 'model'"),
    ],
)
def test_what_is_no_schedule_is_refused(url, tmp_path, monkeypatch, words, kind, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "wrong.json").write_text('{"modle": "ease"}')
    with pytest.raises(kind, match=text):
        raise run("schedule", "set", *words, "--store", url).exception
    assert said("schedule", "list", "--store", url) == {"schedules": []}


def test_an_hour_that_is_none_is_wrong_usage(url):
    done = run("schedule", "set", "1d", "--at", "25:00", "--store", url)
    assert done.exit_code == 2
    assert "--at takes an hour and a minute in UTC" in done.stderr


def test_versions_are_added_activated_and_rolled_back(url, model):
    assert "there is no version yet" in run("versions", "list", "--store", url).stderr
    assert run("versions", "add", model, "--store", url).stdout == "version 1 (als) is ready\n"
    assert said("versions", "activate", 1, "--store", url)["state"] == "active"
    assert said("versions", "add", model, "--activate", "--store", url)["version"] == 2
    assert run("versions", "roll-back", "--store", url).stdout == "version 1 (als) is active\n"
    found = said("versions", "list", "--store", url)["versions"]
    assert [(one["version"], one["state"], one["users"], one["verdict"]) for one in found] == [
        (2, "retired", 6, None),
        (1, "active", 6, None),
    ]
    assert "retired" in run("versions", "list", "--store", url).stdout
    assert isinstance(run("versions", "activate", 9, "--store", url).exception, NotFoundError)
    assert isinstance(run("versions", "add", "none.safetensors", "--store", url).exception, ModelFileError)


def refused(url):
    """Write a refusal of the gate beside version 1."""
    with open_store(url) as store:
        ns = store.namespace()
        with store.write() as conn:
            details = {"verdict": {"decision": "refused", "why": "worse by 0.1", "rule": {}}}
            versions.keeping.set_version(conn, ns, 1, details=json.dumps(details))


def test_a_person_overrules_the_gate_by_name(url, model):
    said("versions", "add", model, "--store", url)
    refused(url)
    assert "refused" in run("versions", "list", "--store", url).stdout
    done = said("versions", "overrule", 1, "--by", "Ada", "--why", "a sale", "--store", url)
    assert done["state"] == "active"
    assert (done["verdict"]["overruled_by"]["name"], done["verdict"]["overruled_by"]["why"]) == ("Ada", "a sale")
    assert "overruled by Ada" in " ".join(run("versions", "list", "--store", url).stdout.split())
