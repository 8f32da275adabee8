"""Scenarios and experiments over HTTP, with the real engine in two workers of one store."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack
from urllib.parse import quote

import pytest
from in_process import serving
from serve.own_service import running
from serve.test_whole import ALL, asked, fitted, ids

import palate
from palate.serve.scenario_bodies import ReportSaid
from palate.store import keys, versions
from palate.store.store import open_store


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two workers over a store with two model versions, the first of them active, and an admin's key."""
    folder = tmp_path_factory.mktemp("scenarios")
    with open_store(f"sqlite:///{folder / 'shop.db'}") as store:
        ns = store.namespace()
        for seed in (1, 2):
            palate.save(fitted(seed), folder / f"{seed}.safetensors")
            versions.add(store, ns, folder / f"{seed}.safetensors")
        versions.activate(store, ns, 1)
        secrets = {role: keys.create(store, ns, role)[1] for role in ("admin", "write")}
    with ExitStack() as stack:
        workers = [stack.enter_context(serving(folder / "shop.db", engine=None)) for _ in range(2)]
        for worker in workers:
            worker.headers["x-api-key"] = secrets["admin"]
        workers[0].secrets = secrets
        yield workers


def put(worker, name, **preset):
    answer = worker.post("/v1/scenarios", json={"name": name, "preset": preset})
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer, status):
    assert answer.status_code == status, answer.text
    return answer.json()["detail"]


def test_a_scenario_of_another_version_is_there_for_the_next_request_of_every_worker(two):
    items = [{"id": f"i{k}", "attributes": {"shelf": k % 2}} for k in range(ALL)]
    assert two[0].post("/v1/items", json={"items": items}).status_code == 200
    assert put(two[0], "second", model=2, n=7)["revision"] == 1
    versions_of = [asked(worker, user="u1", scenario="second") for worker in reversed(two)]
    for said in versions_of:
        assert (said["model"]["version"], len(said["items"]), said["scenario"]) == (
            2, 7, {"name": "second", "revision": 1},
        )  # fmt: skip
    assert {asked(worker, user="u1")["model"]["version"] for worker in two} == {1}
    assert put(two[1], "second", where=["shelf=0"])["revision"] == 2
    for worker in two:
        said = asked(worker, user="u1", scenario="second", n=12)
        assert (said["model"]["version"], said["scenario"]["revision"]) == (1, 2)
        assert {int(item[1:]) % 2 for item in ids(said)} == {0}
        page = worker.post("/v1/recommendations/next", json={"cursor": said["next"], "user": "u1"}).json()
        assert {int(item[1:]) % 2 for item in ids(page)} == {0}
        assert page["scenario"] == {"name": "second", "revision": 2}
    kept = two[0].get(f"/v1/lists/{said['list_id']}").json()
    assert (kept["scenario"], kept["request"]["scenario"]) == ({"name": "second", "revision": 2}, "second")


def test_cursors_go_on_by_the_number_of_the_preset(two):
    put(two[0], "three", n=3)
    first = asked(two[0], user="u3", scenario="three")
    page = two[1].post("/v1/recommendations/next", json={"cursor": first["next"], "user": "u3"}).json()
    assert [len(ids(said)) for said in (first, page)] == [3, 3]
    assert ids(first) + ids(page) == ids(asked(two[0], user="u3", n=6))
    assert len(ids(asked(two[0], user="u3", scenario="three", n=10))) == 10  # said, although it is the default
    query = two[1].get("/v1/recommendations?user=u3&scenario=three").json()
    assert ids(query) == ids(first)
    session = two[1].post("/v1/recommendations/session", json={"session": [{"item": "i3"}], "scenario": "three"})
    assert len(ids(session.json())) == 3


def test_a_scenario_that_explores_says_so_in_answer_and_log(two):
    put(two[0], "curious", explore={"policy": "softmax", "temperature": 1.0, "uniform": 0.1}, n=4)
    said = [asked(two[1], user="u5", scenario="curious") for _ in range(5)]
    assert {one["explored"]["policy"] for one in said} == {"softmax"}
    assert all(0 < item["propensity"] < 1 for one in said for item in one["items"])
    assert len({tuple(ids(one)) for one in said}) > 1
    kept = two[0].get(f"/v1/lists/{said[0]['list_id']}").json()
    assert (kept["explored"]["policy"], [item["item"] for item in kept["items"]]) == ("softmax", ids(said[0]))
    assert asked(two[1], user="u5")["explored"] == {}


def test_scenarios_are_listed_and_deleted_and_their_revisions_stay(two):
    for n in (2, 4):
        put(two[0], "gone", n=n)
    assert put(two[1], "gone", n=4)["revision"] == 2  # nothing changed
    listed = {one["name"]: one for one in two[1].get("/v1/scenarios").json()["scenarios"]}
    assert listed["gone"]["preset"] == {"n": 4}
    assert two[0].delete("/v1/scenarios?name=gone").json() == {"deleted": True}
    for worker in two:
        answer = worker.post("/v1/recommendations", json={"user": "u1", "scenario": "gone"})
        assert "no scenario 'gone'" in refused(answer, 422)
    revisions = two[1].get("/v1/scenarios/revisions?name=gone").json()["scenarios"]
    assert [(one["revision"], one["preset"]) for one in revisions] == [(3, None), (2, {"n": 4}), (1, {"n": 2})]


@pytest.mark.parametrize(
    ("preset", "status", "words"),
    [
        ({"model": 9}, 404, "has no model version 9"),
        ({"model": "ease"}, 404, "has no version of the model 'ease'"),
        ({"where": ["colour=red"]}, 422, "colour"),
        ({"boosts": [{"where": "colour=red", "factor": 2}]}, 422, "colour"),
        ({"explore": {"policy": "thompson", "uniform": 0}}, 422, "above 0 for 'thompson'"),
        ({"explore": {"temperature": 1}}, 422, "policy"),
        ({"explore": {"policy": "thompson"}}, 409, "ImplicitALS keeps none: use 'softmax'"),
        ({"rotation": {"shown": 0, "days": 1}}, 422, "rotation.shown"),
        ({"n": 501}, 422, "n"),
        ({"colour": 1}, 422, "colour"),
    ],
)
def test_a_preset_that_no_list_can_be_made_by_is_refused(two, preset, status, words):
    item = {"id": "i1", "attributes": {"shelf": 1}}
    assert two[0].post("/v1/items", json={"items": [item]}).status_code == 200
    answer = two[0].post("/v1/scenarios", json={"name": "wrong", "preset": preset})
    assert answer.status_code == status, answer.text
    assert words in answer.text
    assert "wrong" not in two[1].get("/v1/scenarios").text


def test_only_an_admin_changes_what_is_shown(two):
    headers = {"x-api-key": two[0].secrets["write"]}
    for method, path in (("POST", "/v1/scenarios"), ("POST", "/v1/experiments"), ("POST", "/v1/experiments/end")):
        assert two[0].request(method, path, json={}, headers=headers).status_code == 403
    assert two[0].delete("/v1/scenarios?name=x", headers=headers).status_code == 403
    assert two[0].get("/v1/experiments/report?name=x", headers=headers).status_code == 403
    assert two[0].get("/v1/scenarios", headers=headers).status_code == 200


def test_an_experiment_from_its_start_to_its_report(two):
    put(two[0], "page", n=5)
    put(two[0], "page-two", n=5, model=2)
    arms = [{"name": "one", "share": 0.5, "scenario": "page"}, {"name": "two", "share": 0.5, "scenario": "page-two"}]
    body = {"name": "which", "scenario": "page", "arms": arms, "plan": {"metric": "clicks", "effect": 0.5, "rate": 0.5}}
    started = two[0].post("/v1/experiments", json=body)
    assert started.status_code == 200, started.text
    assert started.json()["plan"]["lists"][0] > 20
    assert "which" in refused(two[1].post("/v1/experiments", json=body), 409)
    assert "used by the experiment 'which'" in refused(two[0].delete("/v1/scenarios?name=page-two"), 409)
    arm_of = {}
    for at in range(40):
        said = asked(two[at % 2], user=f"u{at}", scenario="page")
        again = asked(two[1 - at % 2], user=f"u{at}", scenario="page")
        arm_of[said["arm"]] = arm_of.get(said["arm"], 0) + 1
        assert (said["arm"], said["experiment"]) == (again["arm"], "which")
        assert said["model"]["version"] == {"one": 1, "two": 2}[said["arm"]]
        if said["arm"] == "two":
            click = {"user": f"u{at}", "item": ids(said)[0], "kind": "click", "list_id": said["list_id"], "place": 1}
            assert two[0].post("/v1/feedback", json=click).status_code == 201
    assert asked(two[0], user="u1")["experiment"] is None
    answer = two[1].get("/v1/experiments/report?name=which")
    ReportSaid.model_validate_json(answer.content)
    report = answer.json()["report"]
    assert {arm["name"]: (arm["people"], arm["lists"]) for arm in report["arms"]} == {
        name: (n, 2 * n) for name, n in arm_of.items()
    }
    assert [arm["clicks"]["value"] for arm in report["arms"]] == [0, 0.5]
    assert report["verdict"].startswith("Too early to tell")
    assert len(answer.json()["experiment"]["looks"]) == 1
    assert two[0].post("/v1/experiments/end", json={"name": "which"}).json()["ended"] is not None
    assert asked(two[1], user="u2", scenario="page")["experiment"] is None
    again = two[1].get(f"/v1/experiments/report?name={quote('which')}").json()
    assert (len(again["experiment"]["looks"]), again["report"]["early"]) == (1, 1)
    assert [one["name"] for one in two[1].get("/v1/experiments").json()["experiments"]] == ["which"]


def test_experiments_that_cannot_be_are_refused(two):
    put(two[0], "shelf", n=5)
    arms = [{"name": name, "share": 0.5, "scenario": "shelf"} for name in "ab"]

    def start(**more):
        return two[0].post("/v1/experiments", json={"name": "x", "scenario": "shelf", "arms": arms, **more})

    assert "at most 1 together" in refused(start(arms=[{**arm, "share": 0.7} for arm in arms]), 422)
    assert "no scenario 'nowhere'" in refused(start(scenario="nowhere"), 404)
    assert "say effect, too" in refused(start(plan={"rate": 0.1}), 422)
    assert "too small to be found" in refused(start(plan={"effect": 1e-300, "rate": 1}), 422)
    assert "say the rate" in refused(start(plan={"effect": 0.1}), 422)
    assert "no experiment 'nothing'" in refused(two[0].get("/v1/experiments/report?name=nothing"), 404)
    assert "no experiment 'nothing'" in refused(two[0].post("/v1/experiments/end", json={"name": "nothing"}), 404)


@pytest.mark.long
def test_two_processes_follow_each_change_under_load_without_a_dropped_request(tmp_path):
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    with open_store(url) as store:
        ns = store.namespace()
        for seed in (1, 2):
            palate.save(fitted(seed), tmp_path / f"{seed}.safetensors")
            versions.add(store, ns, tmp_path / f"{seed}.safetensors")
        versions.activate(store, ns, 1)
        secret = {"X-API-Key": keys.create(store, ns, "admin")[1]}
    with running(tmp_path, url, "--workers", "2") as service:
        ended, seen = threading.Event(), []

        def load():
            while not ended.is_set():
                seen.append(service.ask("POST", "/v1/recommendations", {"user": "u1"}, **secret).status)

        thread = threading.Thread(target=load)
        thread.start()
        try:
            for revision in range(1, 13):
                preset = {"n": revision, "model": 1 + revision % 2}
                done = service.ask("POST", "/v1/scenarios", {"name": "home", "preset": preset}, **secret)
                assert done.status == 200, done.body
                for user in ("u2", "u3", "u4"):  # each by a connection of its own, to whichever worker takes it
                    body = {"user": user, "scenario": "home"}
                    said = json.loads(service.ask("POST", "/v1/recommendations", body, **secret).body)
                    assert said["scenario"]["revision"] in (revision - 1, revision)  # until its version is loaded
                    assert len(said["items"]) == said["scenario"]["revision"]
        finally:
            ended.set()
            thread.join()
        assert set(seen) == {200}
        assert len(seen) > 30
