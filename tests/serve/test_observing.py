"""Each request is named, counted and logged, and nothing of what a client sent is in any of it."""

from __future__ import annotations

import io
import json
import logging
import re

import pytest

pytest.importorskip("fastapi")

from fastapi import FastAPI
from fastapi.testclient import TestClient

from palate.errors import UnavailableError
from palate.serve import logs, measures
from palate.serve.observing import Observed
from palate.serve.routes import health

SECRET = "anna@example.org"


def boom() -> None:
    raise ValueError(f"no such thing: {SECRET}")


@pytest.fixture
def lines():
    """What was logged since, as records; the loggers are as they were afterwards."""
    root, ours, access = logging.getLogger(), logging.getLogger(logs.NAME), logging.getLogger("uvicorn.access")
    palate = logging.getLogger("palate")
    before = root.handlers[:], root.level, ours.level, ours.handlers[:], access.disabled, palate.handlers[:]
    stream = io.StringIO()
    logs.set_up(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], root.level, ours.level, ours.handlers[:], access.disabled, palate.handlers[:] = before


def client(log_level="requests", ready=lambda: None, *, raises=False):
    app = FastAPI()
    app.include_router(health.router)
    app.state.ready = ready

    @app.get("/v1/things/{name}")
    async def thing(name: str) -> dict[str, str]:
        if name == "fails":
            boom()
        return {"name": name}

    return TestClient(Observed(app, log_level), raise_server_exceptions=raises)


def test_a_request_is_logged_by_its_route_and_not_by_its_address(lines):
    answer = client().get(f"/v1/things/{SECRET}?user={SECRET}", headers={"X-Request-Id": SECRET, "User-Agent": SECRET})
    (line,) = lines()
    assert SECRET not in json.dumps(line)
    assert line["route"] == "/v1/things/{name}"
    assert line["status"] == 200
    assert line["bytes"] == len(answer.content)
    assert line["request_id"] == answer.headers["x-request-id"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])


def test_the_id_of_a_proxy_is_taken_over(lines):
    given = "0b0c5f62-2cf4-4a53-9d4a-6f3c0c8e7d55"
    assert client().get("/v1/things/a", headers={"X-Request-Id": given}).headers["x-request-id"] == given
    assert lines()[0]["request_id"] == given


def test_a_log_that_cannot_be_written_costs_no_answer(lines, monkeypatch):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(logs, "_out", [Gone()])
    assert client(raises=True).get("/v1/things/a").status_code == 200


def test_an_error_is_logged_by_its_kind_and_place_alone(lines):
    try:
        boom()
    except ValueError:
        logs.log.exception("a thing failed")
    (line,) = lines()
    assert line["error"] == "ValueError"
    assert line["raised_at"][-1].endswith(" boom")
    assert SECRET not in json.dumps(line)


@pytest.mark.parametrize(("path", "logged"), [("/v1/things/a", 0), ("/v1/things/fails", 1), ("/nowhere", 0)])
def test_problems_alone_are_logged_where_asked(lines, path, logged):
    client("problems").get(path)
    assert sum(line["message"] == "request" for line in lines()) == logged


def test_what_watches_a_service_writes_no_lines_while_all_is_well(lines):
    for path in ("/healthz", "/readyz", "/metrics"):
        client().get(path)
    assert lines() == []


def test_requests_are_counted_by_route_and_status():
    ours = client()

    def counted(**labels):
        return measures.REGISTRY.get_sample_value("palate_requests_total", labels) or 0

    good = {"method": "GET", "route": "/v1/things/{name}", "status": "200"}
    lost, odd = {**good, "route": "unknown", "status": "404"}, {**good, "method": "OTHER", "status": "405"}
    before = counted(**good), counted(**lost), counted(**odd)
    ours.get("/v1/things/a")
    ours.get("/v1/things/b")
    ours.get(f"/{SECRET}")
    ours.request("ANNA", "/v1/things/a")
    assert (counted(**good), counted(**lost), counted(**odd)) == (before[0] + 2, before[1] + 1, before[2] + 1)
    told = ours.get("/metrics").text
    assert 'palate_request_seconds_bucket{le="0.005",route="/v1/things/{name}"}' in told
    assert SECRET not in told
    assert "ANNA" not in told


def test_a_worker_is_alive_also_where_it_is_not_ready(lines):
    ill = True

    def ready():
        if ill:
            raise UnavailableError.of("the store", "cannot be reached")

    ours = client(ready=ready)
    assert ours.get("/healthz").json() == {"status": "alive"}
    answer = ours.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"
    assert "cannot be reached" in answer.json()["detail"]
    assert lines()[-1]["status"] == 503
    ill = False
    assert ours.get("/readyz").json() == {"status": "ready"}
