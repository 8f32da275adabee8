"""Every operation answers as its documentation says, and refuses what it does not describe."""

from __future__ import annotations

import json
import re
import time

import pytest
from in_process import serving
from operations_of import OFFERS, QUERIES, in_parts, requests_of, send
from pydantic import BaseModel

from palate.errors import DataError, PalateError, ParameterError, Remedy, Set, UnavailableError
from palate.serve import problems
from palate.serve.answers import Problem
from palate.serve.app import create_app
from palate.serve.settings import Settings, told
from palate.store import lists
from palate.store.records import Place, ShownList

FOUND = dict.fromkeys(
    (
        *("recommend_next", "recommend_next_by_address", "activate_model", "roll_back_model", "overrule_gate"),
        "cancel_job",
    ),
    404,
)


@pytest.fixture
def stocked(asking):
    """The service with the user and the items that the examples name."""
    things = [{"id": item, "attributes": {"title": f"Film {item}", "year": 1995}} for item in ("50", "181", "5")]
    assert asking("POST", "/v1/items", json={"items": things}).status_code == 200
    users = [{"id": "196"}, {"id": "cookie-7f3"}]
    assert asking("POST", "/v1/users", json={"users": users}).status_code == 200
    for name in ("home", "home-bold", "page"):
        body = {"name": name, "preset": {"n": 5}}
        assert asking("POST", "/v1/scenarios", json=body, role="admin").status_code == 200
    arms = [{"name": name, "share": 0.5, "scenario": name} for name in ("page", "home-bold")]
    body = {"name": "layout", "scenario": "page", "arms": arms}
    assert asking("POST", "/v1/experiments", json=body, role="admin").status_code in (200, 409)  # it may run already
    assert asking("POST", "/v1/schedules", json={"every": "1d"}, role="admin").status_code == 200
    event = {"user": "196", "item": "50", "kind": "click"}
    assert asking("POST", "/v1/feedback", json=event).status_code == 201
    return asking


@pytest.mark.parametrize("name", [name for name in OFFERS if name != "get_list"])
def test_answers_are_as_documented(stocked, name):
    for given in requests_of(name):
        answer = send(stocked, name, given)
        assert answer.status_code in ({*OFFERS[name].answers} if name not in FOUND else {FOUND[name], 409}), answer.text
        if name in FOUND:
            assert Problem.model_validate(answer.json()).status == answer.status_code
        else:
            model: type[BaseModel] = OFFERS[name].answers[answer.status_code]
            model.model_validate_json(answer.content)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-request-id"]
        assert "total;dur=" in answer.headers["server-timing"]


def test_every_answer_to_recommendations_says_how_it_was_made(stocked):
    said = stocked("POST", "/v1/recommendations", json={"user": "196", "n": 2}).json()
    assert said["policy"] == "model"
    assert said["model"] == {"version": 3, "trained": "2023-11-14T22:13:20Z"}
    assert re.fullmatch("[0-9a-f]{32}", said["list_id"])
    assert said["logged"] is True
    assert said["items"][0] == {
        "item": "1",
        "place": 1,
        "score": 4.9,
        "propensity": 1.0,
        "source": "model",
        "attributes": {"title": "Film 1"},
        "why": None,
    }
    assert said.keys() == {
        *("list_id", "items", "policy", "scenario", "experiment", "arm", "explored", "model", "newest_feedback"),
        *("logged", "next", "withheld"),
    }


def test_what_a_request_carries_reaches_the_engine(shop, asking):
    body = {
        "user": 196,
        "n": 7,
        "where": ["year>=1990"],
        "include": [1, "2"],
        "exclude": ["3"],
        "not_mine": True,
        "seen": True,
        "diversity": 0.5,
        "boosts": [{"where": "genre=Drama", "factor": 2}],
        "why": True,
        "scenario": "home",
    }
    assert asking("POST", "/v1/recommendations", json=body).status_code == 200
    ask = shop.app.state.engine.asked[-1]
    assert (ask.user, ask.n, ask.where, ask.include, ask.exclude) == ("196", 7, ("year>=1990",), ("1", "2"), ("3",))
    assert (ask.not_mine, ask.seen, ask.diversity, ask.boosts, ask.why) == (
        True,
        True,
        0.5,
        (("genre=Drama", 2.0),),
        True,
    )
    assert (ask.scenario, ask.given) == ("home", {"n", "not_mine", "seen", "diversity"})
    session = {"session": [{"item": "50", "value": 4}, {"item": 181}]}
    assert asking("POST", "/v1/recommendations/session", json=session).status_code == 200
    assert shop.app.state.engine.asked[-1].session == (("50", 4.0), ("181", None))
    query = {"user": "a b", "exclude": ["1", "2"], "seen": "true", "diversity": "0.25"}
    assert asking("GET", "/v1/recommendations", params=query).status_code == 200
    ask = shop.app.state.engine.asked[-1]
    assert (ask.user, ask.exclude, ask.seen, ask.diversity) == ("a b", ("1", "2"), True, 0.25)
    assert (ask.scenario, ask.given) == (None, {"seen", "diversity"})


def test_one_request_of_a_batch_that_fails_does_not_keep_back_the_others(shop, asking, monkeypatch):
    engine = shop.app.state.engine
    plain = engine.answer

    def answer(ask):
        if ask.user == "bad":
            raise ParameterError.of("where", "names no column", value="x")
        return plain(ask)

    monkeypatch.setattr(engine, "answer", answer)
    body = {"requests": [{"user": "196"}, {"user": "bad"}, {"session": [{"item": "1"}]}]}
    rows = asking("POST", "/v1/recommendations/batch", json=body).json()["results"]
    assert [row["status"] for row in rows] == [200, 422, 200]
    assert rows[1]["problem"]["subject"] == "where"
    assert rows[1]["list"] is None
    refused = asking("POST", "/v1/recommendations/batch", json={"requests": [{"user": "1"}, {"user": ""}]})
    assert refused.status_code == 422
    assert [fault["where"] for fault in refused.json()["faults"]] == ["requests.1.user"]


def test_a_list_that_was_shown_can_be_asked_for(shop, asking):
    store = shop.app.state.store
    shown = ShownList("ab" * 16, "196", 1_700_000_000_000_000, "model", None, (Place("50", 4.5), Place("5", 4.0, 0.5)))
    store.writer.lists(store.namespace(), [shown]).result(5)
    lists.add_page(store, store.namespace(), "ab" * 16, 3, [Place("181", 3.0)])
    said = asking("GET", f"/v1/lists/{'ab' * 16}", role="read")
    assert said.status_code == 200, said.text
    OFFERS["get_list"].answers[200].model_validate_json(said.content)
    assert [(row["item"], row["place"], row["propensity"]) for row in said.json()["items"]] == [
        ("50", 1, 1.0),
        ("5", 2, 0.5),
        ("181", 3, 1.0),
    ]
    for other in ("cd" * 16, "AB" * 16, "x", "%2e%2e", "a/b"):
        assert asking("GET", f"/v1/lists/{other}", role="read").status_code == 404


def test_feedback_is_new_then_known_and_with_other_content_a_conflict(asking):
    event = {
        "user": "198",
        "item": "50",
        "kind": "rating",
        "value": 5,
        "event_id": "e-1",
        "time": "2026-11-27T10:00:00Z",
    }
    first = asking("POST", "/v1/feedback", json=event)
    assert (first.status_code, first.json()) == (
        201,
        {"event_id": "e-1", "status": "new", "retry_counts_twice": False},
    )
    again = asking("POST", "/v1/feedback", json=event)
    assert (again.status_code, again.json()["status"]) == (200, "known")
    assert "store;dur=" in again.headers["server-timing"]
    other = asking("POST", "/v1/feedback", json={**event, "value": 1})
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    made = asking("POST", "/v1/feedback", json={**event, "event_id": None}).json()
    assert made["retry_counts_twice"]
    undo = {"user": "198", "kind": "undo", "withdraws": "e-1", "event_id": "e-2"}
    assert asking("POST", "/v1/feedback", json=undo).status_code == 201


def test_each_row_of_many_has_a_result(asking):
    event = {"user": "7", "item": "1", "kind": "click", "event_id": "rows-1"}
    rows = [
        event,
        event,
        {**event, "item": "2"},
        {"user": "7"},
        "text",
        None,
        {**event, "event_id": "rows-2", "user": ""},
    ]
    said = asking("POST", "/v1/feedback/batch", json={"events": rows}).json()
    assert [row["status"] for row in said["results"]] == ["new", "known", *["refused"] * 5]
    assert [row["problem"]["status"] for row in said["results"][2:]] == [409, 422, 422, 422, 422]
    assert said["results"][3]["problem"]["faults"][0]["where"] == "events.3.kind"
    assert (said["new"], said["known"], said["refused"]) == (1, 1, 5)
    assert asking("POST", "/v1/feedback/batch", json={"events": []}).status_code == 422
    assert asking("POST", "/v1/feedback/batch", json={"events": [event] * 10_001}).status_code == 422


def test_ten_thousand_events_at_once(asking):
    rows = [
        {"user": str(at % 50), "item": str(at % 70), "kind": "click", "event_id": f"many-{at}"} for at in range(10_000)
    ]
    said = asking("POST", "/v1/feedback/batch", json={"events": rows}).json()
    assert (said["new"], len(said["results"])) == (10_000, 10_000)


def test_items_that_meet_conditions_are_those_that_the_engine_says(shop, asking):
    things = [{"id": item, "attributes": {"title": title}} for item, title in (("1", "Alpha"), ("99", "Alphabet"))]
    assert asking("POST", "/v1/items", json={"items": things}).status_code == 200
    found = asking("GET", "/v1/items", params={"search": "alpha", "where": "year>1990"}).json()["items"]
    assert [one["id"] for one in found] == ["1"]
    assert shop.app.state.engine.asked[-1] == ("latest", 500, ("year>1990",), ("1", "99"), None)
    found = asking("GET", "/v1/items", params={"where": ["year>1990", "genre=War"], "n": 5}).json()["items"]
    assert "1" in [one["id"] for one in found]
    assert shop.app.state.engine.asked[-1] == ("latest", 5, ("year>1990", "genre=War"), None, None)


def test_users_and_items_are_written_found_hidden_and_deleted(asking):
    film = {"id": "new/film", "attributes": {"title": "Ein <b>neuer</b> Film", "year": 2026, "genre": ["A", "B"]}}
    assert asking("POST", "/v1/items", json={"items": [film]}).json() == {"written": 1}
    (found,) = asking("GET", "/v1/items", params={"id": "new/film"}, role="read").json()["items"]
    assert (found["attributes"], found["hidden"]) == (film["attributes"], False)
    assert [one["id"] for one in asking("GET", "/v1/items", params={"search": "neu"}).json()["items"]] == ["new/film"]
    assert asking("POST", "/v1/items/hide", json={"ids": ["new/film", "of-a-model"]}).json() == {"written": 2}
    assert asking("GET", "/v1/items", params={"id": "of-a-model"}).json()["items"][0]["hidden"]
    shown = {"ids": ["of-a-model", "nowhere"], "hidden": False}
    assert asking("POST", "/v1/items/hide", json=shown).json() == {"written": 1}
    assert asking("GET", "/v1/items", params={"id": "new/film"}).json()["items"][0]["hidden"]
    assert asking("DELETE", "/v1/items", params={"id": "new/film"}).json() == {"deleted": True}
    for method, params in (("GET", {"id": "new/film"}), ("DELETE", {"id": "new/film"})):
        assert asking(method, "/v1/items", params=params).status_code == 404


def test_all_that_is_asked_of_items_holds(shop, asking):
    things = [{"id": "7", "attributes": {"title": "Sieben Samurai"}}]
    assert asking("POST", "/v1/items", json={"items": things}).status_code == 200
    for params, found in (
        ({"id": "7"}, ["7"]),
        ({"id": "7", "search": "sam"}, ["7"]),
        ({"id": "7", "search": "sam sieb"}, ["7"]),
        ({"id": "7", "search": "amurai"}, []),
        ({"id": "7", "where": "year>1"}, ["7"]),
    ):
        assert [one["id"] for one in asking("GET", "/v1/items", params=params).json()["items"]] == found, params
    assert "7" in [one["id"] for one in asking("GET", "/v1/items").json()["items"]]
    assert shop.app.state.engine.asked[-1] == ("latest", 10, (), None, None)


@pytest.mark.parametrize("value", [float("nan"), 2**63, {"a": 1}, [1], [["a"]], "a\0b", "x" * 10_001])
def test_attributes_are_numbers_texts_and_lists_of_texts(asking, value):
    body = json.dumps({"items": [{"id": "1", "attributes": {"a": value}}]})
    answer = asking("POST", "/v1/items", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["faults"][0]["where"].startswith("items.0.attributes.a")


def test_ids_of_a_namespace_of_integers(asking):
    event = {"user": 1, "item": 2, "kind": "click", "event_id": "n-1"}
    assert asking("POST", "/v1/feedback", json=event, namespace="numbers").status_code == 201
    same = {**event, "user": "1", "item": "2"}
    assert asking("POST", "/v1/feedback", json=same, namespace="numbers").json()["status"] == "known"
    for wrong in ("01", "x", "1.0", " 1", "1" * 30):
        refused = asking("POST", "/v1/recommendations", json={"user": wrong}, namespace="numbers")
        assert (refused.status_code, refused.json()["subject"]) == (422, "user"), wrong


def test_each_error_has_its_status_and_no_step_of_python():
    error = DataError("the values differ", Remedy(": say how, such as ", Set("positive", 4)), subject="value")
    said = problems.document(error, "r1")
    assert (said["status"], said["detail"], said["remedies"]) == (422, "the values differ", [])
    Problem.model_validate(said)
    for code, status in problems.STATUS.items():
        assert problems.status_of(PalateError("x", code=code, subject="x")) == status


def test_the_store_away_is_503_and_a_fault_of_ours_500_without_a_word_of_it(shop, asking, caplog):
    engine = shop.app.state.engine
    try:
        engine.fails = UnavailableError("the store is away", subject="store")
        answer = asking("POST", "/v1/recommendations", json={"user": "Anna Secret"})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        engine.fails = KeyError("Anna Secret")
        answer = asking("POST", "/v1/recommendations", json={"user": "Anna Secret"})
        assert (answer.status_code, answer.json()["code"]) == (500, "failed")
        assert answer.json()["request_id"] in caplog.text
        assert "Anna" not in caplog.text + answer.text
    finally:
        engine.fails = None


def test_paths_and_methods_that_are_not_there(asking):
    assert asking("GET", "/v1/nothing").json()["code"] == "not_found"
    refused = asking("PUT", "/v1/recommendations")
    assert (refused.status_code, refused.headers["allow"], refused.json()["code"]) == (405, "GET, POST", "method")
    assert asking("POST", "/v1/lists/" + "0" * 32).headers["allow"] == "GET"
    assert asking("GET", "/v1/recommendations/").status_code == 404
    for path in ("/healthz", "/docs"):
        refused = asking("TRACE", path)
        assert (refused.status_code, refused.headers["allow"][:3]) == (405, "GET")


def test_the_service_starts_without_its_store_and_heals(tmp_path, monkeypatch):
    from palate.serve import app as module

    monkeypatch.setattr(module, "AGAIN", 0.01)
    away = [True]
    plain = module.opened

    def opened(*given):
        if away[0]:
            raise UnavailableError("the database is away", subject="store")
        return plain(*given)

    monkeypatch.setattr(module, "opened", opened)
    with serving(tmp_path / "shop.db") as client:
        answer = client.post("/v1/recommendations", json={"user": "1"})
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        away[0] = False
        end = time.monotonic() + 5
        while client.get("/readyz").status_code != 200:
            assert time.monotonic() < end
        assert client.post("/v1/recommendations", json={"user": "1"}).status_code == 200


def test_settings_come_from_the_environment_and_wrong_ones_are_named(monkeypatch):
    monkeypatch.setenv("PALATE_RATE", "5")
    assert told(store="sqlite://").rate == 5
    assert "password" not in repr(told(store="postgresql://me:password@there/shop"))
    monkeypatch.setenv("PALATE_BODY_SECONDS", "-1")
    with pytest.raises(ParameterError, match=r"body_seconds is not right \(the environment's PALATE_BODY_SECONDS\)"):
        told(store="secret")
    with pytest.raises(ParameterError, match="port is not right: Input should be less than or equal to 65535"):
        told(store="secret", port=70_000)


def test_what_the_page_is_told_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("PALATE_PAGE_NAME", "Films of ours")
    monkeypatch.setenv("PALATE_UPLOAD_BYTES", "2048")
    settings = told(store="sqlite://")
    assert (settings.page_name, settings.upload_bytes) == ("Films of ours", 2048)
    for wrong in ("", "   ", "a\nb", "x" * 61):
        with pytest.raises(ParameterError, match="page_name is not right: String should"):
            told(store="sqlite://", page_name=wrong)
    with pytest.raises(ParameterError, match=r"upload_bytes is not right: .* or equal to 1024"):
        told(store="sqlite://", upload_bytes=0)


def test_the_document_has_every_operation_with_examples_and_all_refusals(asking):
    document = asking("GET", "/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    seen = {}
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            seen[said["operationId"]] = (path, method)
            of_gorse = path.startswith("/api") and "/health/" not in path
            if path.startswith("/v1") or of_gorse:
                codes = {"401", "403", "421", "400" if of_gorse else "422", "429", "500", "503"}
                assert codes <= said["responses"].keys(), path
                assert said["summary"]
                for status, response in said["responses"].items():
                    media = "application/problem+json" if int(status) >= 400 else "application/json"
                    media = "text/plain" if status == "400" or (of_gorse and int(status) >= 400) else media
                    assert response["content"].keys() == {media}, (path, status)
                if method == "post":
                    assert {"408", "413", "415"} <= said["responses"].keys()
                    assert said["requestBody"]["content"]["application/json"]["examples"]
    assert OFFERS.keys() <= seen.keys()
    assert {name for name, offer in OFFERS.items() if not (offer.has_body or in_parts(offer))} == {*QUERIES, "get_list"}
    assert "HTTPValidationError" not in json.dumps(document)
    for reference in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)):
        assert reference in document["components"]["schemas"], reference


def test_the_page_of_the_interface_asks_no_outside_address(asking):
    page = asking("GET", "/docs")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(parts) == 4
    for part in parts:
        assert ":" not in part or part == "data:,"
        if part != "data:,":
            got = asking("GET", f"/{part}")
            assert got.status_code == 200
            assert got.headers["content-type"].startswith(("text/javascript", "text/css"))
    assert b"3.1" in asking("GET", "/docs/swagger-ui-bundle.js").content
    assert asking("GET", "/docs/../settings.py").status_code == 404


def test_making_an_application_opens_nothing(tmp_path):
    create_app(Settings(store=f"sqlite:///{tmp_path / 'none.db'}"))
    assert list(tmp_path.iterdir()) == []
