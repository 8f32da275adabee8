"""Behind the scenes: what admins see and do, asked twice; nothing of it names anybody."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import pytest

from palate.errors import ConflictError
from palate.serve import measures, refusals
from palate.store import feedback, items, keys, readiness, schedules, traffic
from palate.store.records import Event, Receipt, Thing
from palate.store.traffic import HOUR
from palate.store.versions import active_version

EVENT = {"user": "ann", "item": "f1", "kind": "rating", "value": 4}


def admin(service):
    """Return a visitor with the session of an admin."""
    visitor = service()
    there = visitor.app.service
    _, key = keys.create(there.store, there.store.namespace(), "admin")
    there.access.refresh()
    assert visitor.post("/web/admin", json={"key": key}).status_code == 200
    visitor.key = {"authorization": f"Bearer {key}"}
    return visitor


@pytest.fixture
def films(films_service):
    return admin(films_service())


@pytest.fixture
def empty(visiting):
    return admin(visiting())


def seen(visitor, part, **query):
    got = visitor.get(f"/web/scenes/{part}", params=query)
    assert got.status_code == 200, got.text
    return got.json()


def test_the_card_says_what_data_there_is_and_which_model_answers(films):
    card = seen(films, "card")
    assert card["active"]["version"] == 3
    assert card["active"]["model"] == "bayes"
    assert card["namespace"]["items"] == 120
    assert card["store"]["bytes"] > 0


def test_an_empty_store_is_a_normal_state(empty):
    assert seen(empty, "card")["active"] is None
    assert seen(empty, "comparison") == {"versions": []}
    assert seen(empty, "calibration") == {"version": None, "of": None, "bins": []}
    assert seen(empty, "arms") == {"experiments": [], "report": None}
    assert seen(empty, "jobs") == {"jobs": []}
    assert seen(empty, "versions") == {"versions": []}
    assert seen(empty, "refused") == {"refused": []}
    assert [hint["done"] for hint in seen(empty, "ready")["hints"]] == [False] * 7
    assert {(hour["lists"], hour["events"]) for hour in seen(empty, "traffic")["hours"]} == {(0, 0)}


def test_figures_are_told_where_they_were_measured(films):
    store = films.app.service.store
    ns = store.namespace()
    bins = [{"predicted": 3.0, "actual": 3.1, "low": 2.9, "high": 3.3, "n": 10}]
    metrics = {"ndcg@10": {"value": 0.3, "low": 0.2, "high": 0.4}}
    version = active_version(store, ns)
    with store.write() as conn:
        details = {**version.details, "figures": {"of": "a test", "metrics": metrics, "calibration": bins}}
        conn.exec_driver_sql("UPDATE versions SET details = ? WHERE number = 3", (json.dumps(details),))
    assert seen(films, "calibration") == {"version": 3, "of": "a test", "bins": bins}
    told = {one["version"]: one["figures"] for one in seen(films, "comparison")["versions"]}
    assert told[3]["metrics"] == metrics
    assert told[2] is None


def test_a_version_is_chosen_and_taken_back_when_asked_twice(films):
    body = {"version": 1}
    assert films.post("/web/scenes/versions/activate", json=body).status_code == 422
    assert seen(films, "card")["active"]["version"] == 3
    assert films.post("/web/scenes/versions/activate", json=body | {"sure": True}).json()["state"] == "active"
    assert seen(films, "card")["active"]["version"] == 1
    assert films.post("/web/scenes/versions/rollback", json={"sure": True}).json()["version"] == 3
    assert films.post("/web/scenes/versions/activate", json={"version": 9, "sure": True}).status_code == 404


def test_a_job_is_started_looked_at_and_cancelled_when_asked_twice(films):
    assert films.post("/web/scenes/jobs", json={}).json()["subject"] == "sure"
    started = films.post("/web/scenes/jobs", json={"sure": True})
    assert (started.status_code, started.json()["state"]) == (202, "waiting")
    job = started.json()["job"]
    assert films.post("/web/scenes/jobs", json={"sure": True}).status_code == 409
    assert seen(films, "jobs", job=job)["jobs"][0]["log"] is not None
    assert films.post("/web/scenes/jobs/cancel", json={"job": job}).status_code == 422
    cancelled = films.post("/web/scenes/jobs/cancel", json={"job": job, "sure": True})
    assert cancelled.json()["state"] == "cancelled"
    assert films.post("/web/scenes/jobs/cancel", json={"job": job, "sure": True}).status_code == 409


def test_the_report_of_an_experiment_is_a_look_that_is_counted(films):
    arms = [{"name": "a", "share": 0.5, "scenario": "default"}, {"name": "b", "share": 0.5, "scenario": "default"}]
    begun = films.post("/v1/experiments", json={"name": "two", "arms": arms}, headers=films.key)
    assert begun.status_code == 200, begun.text
    assert seen(films, "arms")["report"] is None
    assert seen(films, "arms")["experiments"][0]["looks"] == []
    assert seen(films, "arms", name="two")["report"]["verdict"]
    assert len(seen(films, "arms")["experiments"][0]["looks"]) == 1
    assert films.get("/web/scenes/arms", params={"name": "none"}).status_code == 404


def test_what_was_refused_is_told_without_whose_it_was(films):
    assert films.post("/v1/feedback", json=EVENT | {"kind": "nonsense"}, headers=films.key).status_code == 422
    assert films.post("/v1/feedback", json=EVENT | {"value": "ann@example.org"}, headers=films.key).status_code == 422
    assert films.post("/v1/feedback", json=EVENT | {"ann@example.org": 1}, headers=films.key).status_code == 422
    rows = [EVENT, EVENT | {"kind": "nonsense"}, EVENT | {"kind": "nonsense"}, {"user": "ann"}]
    assert films.post("/v1/feedback/batch", json={"events": rows}, headers=films.key).json()["refused"] == 3
    refused = seen(films, "refused")["refused"]
    assert [(row["path"], row["field"], row["n"]) for row in refused][-3:] == [
        ("/v1/feedback", "", 1),
        ("/v1/feedback", "value", 1),
        ("/v1/feedback", "kind", 1),
    ]
    batch = [(row["n"], row["field"]) for row in refused if row["path"] == "/v1/feedback/batch"]
    assert sum(n for n, _ in batch) == 3
    assert max(batch) == (2, "kind")
    kept = (films.app.service.store.folder / refusals.NAME).read_text()
    assert "ann" not in kept
    assert "nonsense" not in kept


def test_gorses_clients_are_told_of_too(films):
    bad = {"FeedbackType": "nonsense", "UserId": "ann", "ItemId": "f1", "Timestamp": "2026-11-27T16:30:00Z", "Value": 1}
    assert films.post("/api/feedback", json=[bad], headers=films.key).status_code == 400
    call = SimpleNamespace(ns=films.app.service.store.namespace(), service=films.app.service)
    lost = [Receipt("a", "new"), Receipt("b", "refused", ConflictError("of ann", subject="event_id"))]
    refusals.note_receipts(call, "/api/feedback", lost)
    assert [(row["path"], row["code"], row["field"]) for row in seen(films, "refused")["refused"]] == [
        ("/api/feedback", "conflict", "event_id"),
        ("/api/feedback", "unknown_name", "kind"),
    ]


def test_the_newest_refusals_are_kept_and_a_line_cut_short_is_passed_over(films, monkeypatch):
    monkeypatch.setattr(refusals, "LARGEST", 1000)
    monkeypatch.setattr(refusals, "KEPT", 5)
    file = films.app.service.store.folder / refusals.NAME
    file.write_text('{"time": 1, "na\n[]\n')
    assert seen(films, "refused") == {"refused": []}
    for _ in range(12):
        films.post("/v1/feedback", json={}, headers=films.key)
    assert 5 <= len(file.read_text().splitlines()) < 14
    assert len(seen(films, "refused")["refused"]) >= 5


def test_a_refusal_that_cannot_be_kept_is_answered_all_the_same(films, caplog):
    (films.app.service.store.folder / refusals.NAME).mkdir()
    assert films.post("/v1/feedback", json={}, headers=films.key).status_code == 422
    assert "what was refused cannot be written down" in caplog.text


def test_traffic_counts_lists_and_events_by_the_hour(empty):
    there = empty.app.service
    ns = there.store.namespace()
    feedback.add(there.store, ns, [Event("ann", "f1", "rating", 4.0), Event("ann", "f2", "rating", 4.0)])
    hours = seen(empty, "traffic")["hours"]
    assert len(hours) == 24
    assert sum(hour["events"] for hour in hours) == 2
    with there.store.read() as conn:
        later = time.time_ns() // 1000 + 30 * HOUR
        assert {hour["events"] for hour in traffic.hourly(conn, ns, later)} == {0}


def test_latencies_are_bounds_that_so_many_were_answered_within(empty, monkeypatch):
    registry = measures.CollectorRegistry()
    measured = measures.Histogram("palate_request_seconds", "x", ("route",), buckets=(0.1, 1.0), registry=registry)
    monkeypatch.setattr(measures, "_registry", lambda: registry)
    for seconds in [0.05] * 60 + [0.5] * 40:
        measured.labels("/a").observe(seconds)
    measured.labels("/b").observe(5.0)
    assert seen(empty, "traffic")["routes"] == [
        {"route": "/a", "n": 100, "p50": 0.1, "p99": 1.0},
        {"route": "/b", "n": 1, "p50": None, "p99": None},
    ]


def test_hints_say_what_is_missing_and_are_silent_where_it_is_there(films):
    there = films.app.service
    ns = there.store.namespace()
    before = {hint["words"]: hint for hint in seen(films, "ready")["hints"]}
    assert not before["0 events of feedback"]["done"]
    assert before["Version 3 (bayes) answers"] == {"words": "Version 3 (bayes) answers", "done": True, "do": ""}
    told = [Event(f"p{k}", f"f{k}", "rating" if k % 2 else "click", 4.0) for k in range(100)]
    feedback.add(there.store, ns, told)
    items.upsert(there.store, ns, [Thing(f"f{k}", {"title": str(k)}) for k in range(100)])
    schedules.put(there.store, ns, "retrain", "1d")
    assert [hint["done"] for hint in seen(films, "ready")["hints"]] == [True] * 7


def test_an_old_log_is_told_of(empty):
    there = empty.app.service
    ns, now = there.store.namespace(), time.time_ns() // 1000
    feedback.add(there.store, ns, [Event("ann", "f1", "rating", 4.0, now - 20 * 24 * HOUR)])
    (old,) = [hint for hint in readiness.hints(there.store, ns, now) if "newest event" in hint.words]
    assert (old.words, old.done) == ("The newest event is 20 days old", False)


def test_what_admins_see_ends_with_the_session(films):
    films.delete("/web/admin")
    refused = films.get("/web/scenes/card")
    assert (refused.status_code, refused.json()["subject"]) == (403, "session")
