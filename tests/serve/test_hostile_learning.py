"""Odd values at the doors of learning and experiments: refused by a sentence that names the field, never a 5xx."""

from __future__ import annotations

import pytest
from serve.attacked import made, refused, served

from palate.errors import NotFoundError
from palate.store import open_store, versions

HUGE = 10**400


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('learning')}/shop.db"


@pytest.fixture(scope="module")
def shop(url):
    keys = made(url)
    with served(url, run_jobs=False) as client:
        client.keys = keys
        yield client


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/schedules"])
@pytest.mark.parametrize("field", ["days", "margin", "level", "positive", "coverage", "overlap"])
def test_a_number_that_no_float_holds_is_refused(shop, path, field):
    body = {"settings": {"rule": {field: HUGE}}} | ({"every": "1d"} if path == "/v1/schedules" else {})
    assert f"{field} must be a number" in refused(shop.ask("POST", path, json=body), 422)["detail"]
    assert shop.ask("GET", "/v1/jobs").json()["jobs"] == []


@pytest.mark.parametrize("first", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1969-12-31T23:59:59Z"])
def test_a_first_time_that_no_calendar_tells_is_refused(shop, first):
    problem = refused(shop.ask("POST", "/v1/schedules", json={"every": "1d", "first": first}), 422)
    assert "first must be a time from 1970 to 2999" in problem["detail"]
    assert shop.ask("GET", "/v1/schedules").json()["schedules"] == []


@pytest.mark.parametrize("model", [True, [], 0, 2**31, "", "a\0b"])
def test_a_model_that_is_none_is_refused_in_plain_words(shop, model):
    for path, body in (
        ("/v1/scenarios", {"name": "home", "preset": {"model": model}}),
        ("/v1/off-policy", {"preset": {}, "model": model}),
    ):
        problem = refused(shop.ask("POST", path, json=body), 422)
        assert problem["detail"].split(":")[0] in {"model", "preset.model"}
        assert "function" not in str(problem)


@pytest.mark.parametrize(
    ("question", "status", "words"),
    [
        ({"preset": {"exclude": [None]}}, 422, "item must be text or a whole number"),
        ({"preset": {"exclude": ["a\0b"]}}, 422, "NUL"),
        ({"preset": {"where": ["colour=red"]}}, 422, "no column 'colour'"),
        ({"preset": {"explore": {"policy": "thompson"}}}, 409, "keeps none"),
        ({"preset": {"model": "a\0b"}}, 422, "no model"),
        ({"preset": {}, "experiment": "nope"}, 404, "no experiment 'nope'"),
        ({"preset": {}, "lists_of": "nope"}, 404, "no scenario 'nope'"),
        (
            {"preset": {}, "since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
            422,
            "until must be later than since",
        ),
    ],
)
def test_an_off_policy_question_that_cannot_be_answered_starts_no_job(shop, question, status, words):
    assert words in refused(shop.ask("POST", "/v1/off-policy", json=question), status)["detail"]
    assert shop.ask("GET", "/v1/jobs").json()["jobs"] == []


def test_a_version_is_not_looked_for_by_what_is_no_key(shop, url):
    with open_store(url) as store, store.read() as conn, pytest.raises(NotFoundError, match="no version of the model"):
        versions.wanted_by(conn, store.namespace(), "a\0b")
