"""Limits: how large, how deep, how long, how often."""

from __future__ import annotations

import asyncio
import json

import pytest
from in_process import serving

from palate.errors import RequestError
from palate.serve.limits import Rates, read_body

PATH = "/v1/recommendations"


def receiving(*messages, seconds=0.0):
    left = iter(messages)

    async def receive():
        await asyncio.sleep(seconds)
        return next(left)

    return receive


def chunk(body, more=True):
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_comes_whole_or_in_chunks():
    whole = receiving(chunk(b"abc", more=False))
    parts = receiving(chunk(b"a"), chunk(b"b"), chunk(b"c", more=False))
    assert asyncio.run(read_body(whole, 3, 3, 5.0)) == asyncio.run(read_body(parts, None, 3, 5.0)) == b"abc"


@pytest.mark.parametrize(
    ("messages", "declared"),
    [
        ([chunk(b"abcd", more=False)], None),
        ([chunk(b"abcd", more=False)], 3),  # declared too small
        ([chunk(b"ab"), chunk(b"cd"), chunk(b"e" * 99)], None),
        ([], 4),
    ],
)
def test_a_body_that_is_too_large_is_refused_before_it_is_read_to_its_end(messages, declared):
    with pytest.raises(RequestError, match="larger than 3 bytes") as refused:
        asyncio.run(read_body(receiving(*messages), declared, 3, 5.0))
    assert refused.value.code == "too_large"


def test_a_body_that_does_not_arrive_is_not_waited_for():
    with pytest.raises(RequestError, match=r"did not arrive within 0\.01 seconds") as refused:
        asyncio.run(read_body(receiving(chunk(b"a"), seconds=5), None, 9, 0.01))
    assert refused.value.code == "slow"


def test_a_client_that_leaves_is_not_waited_for():
    with pytest.raises(RequestError, match="the client left"):
        asyncio.run(read_body(receiving(chunk(b"a"), {"type": "http.disconnect"}), None, 9, 1.0))


def test_over_http_a_large_body_is_413(tmp_path):
    with serving(tmp_path / "shop.db", body_bytes=1024) as client:
        body = json.dumps({"user": "x" * 2000})
        json_type = {"content-type": "application/json"}
        answer = client.post(PATH, content=body, headers=json_type)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        in_chunks = (part.encode() for part in (body[:500], body[500:]))
        assert client.post(PATH, content=in_chunks, headers=json_type).status_code == 413


def test_rates_hold_over_workers_and_end(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("palate.serve.limits.time.monotonic", lambda: now[0])
    one, two = (Rates(tmp_path / "rates", rate=2, burst=3) for _ in range(2))
    for worker in (one, two, one):
        worker.take(7)
    with pytest.raises(RequestError) as refused:
        two.take(7)
    assert refused.value.code == "rate"
    assert refused.value.wait == pytest.approx(0.5)
    two.take(8)  # another key
    now[0] += 0.5
    one.take(7)
    with pytest.raises(RequestError):
        two.take(7)
    now[0] = 3.0  # the machine was started anew
    one.take(7)
    one.close()
    two.close()


def test_without_a_rate_nothing_is_counted(tmp_path):
    rates = Rates(tmp_path / "rates", rate=0, burst=1)
    for _ in range(100):
        rates.take(1)
    rates.close()


def test_over_http_too_many_requests_say_when_to_come_again(tmp_path):
    with serving(tmp_path / "shop.db", rate=0.01, burst=2) as client:
        statuses = [client.post(PATH, json={"user": "1"}).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        refused = client.post(PATH, json={"user": "1"})
        assert 1 <= int(refused.headers["retry-after"]) <= 101


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"user":' * 500 + "1" + "}" * 500,
        '{"user": "1", "diversity": NaN}',
        '{"user": "1", "diversity": Infinity}',
        '{"user": "1", "diversity": 1e999}',
        '{"user": "\\ud800"}',
        '{"user": "a\\u0000b"}',
        '{"user": ""}',
        '{"user": true}',
        '{"user": null}',
        '{"user": 1.5}',
        '{"user": 9007199254740992}',
        '{"user": ' + "9" * 5000 + "}",
        '{"user": "1", "n": "10"}',
        '{"user": "1", "n": 501}',
        '{"user": "1", "typo": 1}',
        '{"user": "1"} {}',
        "\ufeff{}",
        "",
        "null",
        json.dumps({"user": "é" * 257}),
        json.dumps({"user": "1", "exclude": ["2"] * 10_001}),
    ],
)
def test_bodies_that_are_not_right_are_told_where(asking, body):
    answer = asking("POST", PATH, content=body.encode(), headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert answer.json()["faults"][0].keys() == {"where", "what"}
    assert len(answer.content) < 5000  # what was sent is not sent back


def test_the_value_is_told_unless_it_is_an_id(asking):
    said = asking("POST", PATH, json={"user": "Anna\0Secret", "n": 501, "diversity": "much"}).json()
    assert {fault["where"]: fault["what"] for fault in said["faults"]} == {
        "user": "an id is 1 to 512 bytes of UTF-8 without NUL",
        "n": "Input should be less than or equal to 500, got 501",
        "diversity": "Input should be a valid number, got 'much'",
    }
    assert said["detail"].endswith("(and 2 more)")


def test_bytes_that_are_no_utf_8_are_refused(asking):
    answer = asking("POST", PATH, content=b'{"user": "\xff"}', headers={"content-type": "application/json"})
    assert answer.status_code == 422
    for query in ("user=%FF", "user=%ED%A0%80", "user=", "user=a%00", "user=1&n=x", "user=1&user=2", "nix=1", "user"):
        assert asking("GET", f"{PATH}?{query}").status_code == 422, query


@pytest.mark.parametrize(
    "name", ["a/b", "../x", ".", "😀", "שלום", "<b>&'\";--", " ", "x" * 512, "é" * 256, 7, 7.0, 1 - 2**53]
)
def test_ids_of_any_kind_are_taken_in_bodies_and_addresses(asking, name):
    assert asking("POST", PATH, json={"user": name}).status_code == 200
    assert asking("GET", PATH, params={"user": name}).status_code == 200


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "text/json"])
def test_what_is_not_said_to_be_json_is_refused(asking, content_type):
    headers = {} if content_type is None else {"content-type": content_type}
    answer = asking("POST", PATH, content=b'{"user": "1"}', headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "media_type")


def test_a_whole_number_may_be_written_with_a_point_and_a_field_left_out_as_null(asking):
    event = {"user": "1", "item": 2.0, "kind": "click", "event_id": "with-a-point"}
    assert asking("POST", "/v1/feedback", json=event).status_code == 201
    assert asking("POST", "/v1/feedback", json={**event, "item": "2", "place": None}).json()["status"] == "known"
    assert asking("POST", "/v1/feedback", json={**event, "place": 3.5}).json()["subject"] == "place"
    assert asking("POST", "/v1/feedback", json={**event, "place": 0}).json()["code"] == "request"
    assert len(asking("POST", PATH, json={"user": "1", "n": 2.0}).json()["items"]) == 2
    assert asking("GET", "/v1/popular", params={"days": 7}).status_code == 200
