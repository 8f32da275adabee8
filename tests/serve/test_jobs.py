"""`/v1/jobs`, `/v1/schedules` and the verdicts of `/v1/models`."""

from __future__ import annotations

import json

import pytest
from in_process import serving
from small_models import make
from starlette.testclient import TestClient

from palate import Interactions, save
from palate.serve import learning
from palate.serve.answers import Versions
from palate.store import jobs, keys, open_store, versions
from palate.store.versions.keeping import set_version


@pytest.fixture
def shop(tmp_path):
    """A service with an admin's key, which runs no jobs itself."""
    path = tmp_path / "shop.db"
    with open_store(f"sqlite:///{path}") as store:
        secret = keys.create(store, store.namespace(), "admin")[1]
    with serving(path) as client:
        client.headers["authorization"] = f"Bearer {secret}"
        client.store, client.ns = client.app.state.store, client.app.state.store.namespace()
        yield client


def test_a_retrain_is_started_looked_at_and_cancelled(shop: TestClient):
    started = shop.post("/v1/jobs", json={"kind": "retrain", "settings": {"model": "ease", "rule": {"days": 2}}})
    assert started.status_code == 202
    job = started.json()
    learning.JobSaid.model_validate_json(started.content)
    assert (job["state"], job["progress"], job["settings"]["model"]) == ("waiting", 0, "ease")
    assert (job["settings"]["rule"]["days"], job["settings"]["rule"]["metric"]) == (2, "ndcg@10")
    again = shop.post("/v1/jobs", json={})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    with jobs.running(shop.store, shop.ns, job["job"]) as run:
        run.step(0.25, "epoch 1")
        run.note(version=4)
        (seen,) = shop.get("/v1/jobs", params={"job": job["job"]}).json()["jobs"]
        assert (seen["state"], seen["progress"], seen["log"]) == ("running", 0.25, "epoch 1\n")
        assert seen["outcome"] == {"version": 4}
        assert shop.post("/v1/jobs/cancel", json={"job": job["job"]}).json()["cancel_asked"]
        run.step(0.5)
    (ended,) = shop.get("/v1/jobs", params={"kind": "retrain", "state": "cancelled"}).json()["jobs"]
    assert (ended["job"], ended["log"]) == (job["job"], None)
    assert shop.get("/v1/jobs", params={"state": "done"}).json() == {"jobs": []}
    assert shop.post("/v1/jobs/cancel", json={"job": job["job"]}).status_code == 409


@pytest.mark.parametrize(
    ("settings", "subject"),
    [
        ({"modle": "ease"}, "modle"),
        ({"model": ["ease"]}, "no model"),
        ({"rule": {"margin": "x"}}, "margin"),
        ({"rule": {"metric": "ndgc@10"}}, "ndgc"),
        ({"keep": 0}, "keep"),
    ],
)
def test_settings_that_no_retrain_has_are_refused_by_jobs_and_schedules(shop, settings, subject):
    for path, more in (("/v1/jobs", {}), ("/v1/schedules", {"every": "1d"})):
        refused = shop.post(path, json={"settings": settings, **more})
        assert refused.status_code == 422, refused.text
        assert subject in refused.json()["detail"]


def test_a_job_that_is_not_there_is_told(shop):
    assert shop.get("/v1/jobs", params={"job": 7}).status_code == 404
    assert shop.post("/v1/jobs/cancel", json={"job": 7}).status_code == 404
    assert shop.get("/v1/jobs", params={"job": 0}).status_code == 422
    assert shop.post("/v1/jobs", json={"kind": "scrub"}).status_code == 422


def test_a_schedule_is_set_listed_paused_and_removed(shop):
    told = {"every": "1d", "first": "2099-01-01T03:00:00Z", "settings": {"model": "ease"}}
    made = shop.post("/v1/schedules", json=told)
    learning.ScheduleSaid.model_validate_json(made.content)
    assert (made.json()["every"], made.json()["due"], made.json()["paused"]) == ("1d", "2099-01-01T03:00:00Z", False)
    assert shop.get("/v1/schedules").json() == {"schedules": [made.json()]}
    assert shop.post("/v1/schedules/pause", json={"paused": True}).json()["paused"]
    assert not shop.post("/v1/schedules/pause", json={"paused": False}).json()["paused"]
    assert shop.delete("/v1/schedules").json() == {"deleted": True}
    assert shop.delete("/v1/schedules").status_code == 404
    assert shop.post("/v1/schedules/pause", json={}).status_code == 404
    refused = shop.post("/v1/schedules", json={"every": "daily"})
    assert (refused.status_code, refused.json()["subject"]) == (422, "every")


def test_a_version_tells_the_verdict_of_the_gate_and_is_overruled_by_name(shop, tmp_path):
    table = {"user": ["a", "b"], "item": ["x", "y"], "rating": [1.0, 2.0]}
    save(make("als", n_factors=1, n_epochs=1).fit(Interactions.from_table(table)), tmp_path / "m")
    number = versions.add(shop.store, shop.ns, tmp_path / "m")
    assert shop.post("/v1/models/overrule", json={"version": number, "by": "Ada"}).status_code == 409
    details = {"users": 2, "items": 2, "verdict": {"decision": "refused", "why": "worse by 0.1", "rule": {}}}
    with shop.store.write() as conn:
        set_version(conn, shop.ns, number, details=json.dumps(details))
    said = shop.get("/v1/models")
    Versions.model_validate_json(said.content)
    (version,) = said.json()["versions"]
    assert (version["users"], version["verdict"]["why"], version["error"]) == (2, "worse by 0.1", None)
    refused = shop.post("/v1/models/activate", json={"version": number})
    assert refused.status_code == 409
    assert "refused by the gate" in refused.json()["detail"]
    done = shop.post("/v1/models/overrule", json={"version": number, "by": "Ada", "why": "a sale"}).json()
    assert (done["state"], done["verdict"]["overruled_by"]["name"]) == ("active", "Ada")
    assert shop.post("/v1/models/overrule", json={"version": 99, "by": "Ada"}).status_code == 404


def test_who_is_no_admin_sees_no_job_and_starts_none(keyless):
    for method, path in (("GET", "/v1/jobs"), ("POST", "/v1/jobs"), ("GET", "/v1/schedules")):
        request = {"json": {}} if method == "POST" else {}
        assert keyless.request(method, path, **request).status_code == 403


def test_a_job_of_another_namespace_is_none(shop):
    theirs = jobs.only_one(shop.store, shop.store.create_namespace("theirs"), "retrain")
    for asked in (theirs, theirs + 1):
        assert shop.get("/v1/jobs", params={"job": asked}).status_code == 404
        assert shop.post("/v1/jobs/cancel", json={"job": asked}).status_code == 404
    assert shop.get("/v1/jobs").json() == {"jobs": []}
    assert shop.post("/v1/jobs", json={}).status_code == 202  # theirs is not in the way
