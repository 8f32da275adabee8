"""`/web/questions` and `/v1/onboarding`: what to ask somebody about next, by what they said until now."""

from __future__ import annotations

import pytest


def asked(visitor, **body):
    answer = visitor.post("/web/questions", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def items(answer):
    return [film["item"] for film in answer["questions"]]


def test_somebody_new_is_asked_and_is_not_known(films_service):
    answer = asked(films_service()(), n=6)
    assert answer["known"] == 0
    assert len(set(items(answer))) == 6
    assert set(answer["questions"][0]) == {"item", "title", "year", "genres"}


def test_an_answer_makes_somebody_better_known_and_is_not_asked_again(films_service):
    visitor = films_service()()
    first = asked(visitor, n=5)
    rated, skipped, *_ = items(first)
    event = {"item": rated, "value": 4, "event_id": "00000000-0000-4000-a000-000000000001"}
    assert visitor.post("/web/ratings", json=event).status_code == 200
    then = asked(visitor, n=10, skipped=[skipped])
    assert then["known"] > 0
    assert not {rated, skipped} & set(items(then))
    assert len(items(then)) == 10


def test_what_others_say_changes_nothing(films_service):
    service = films_service()
    ann, bob = service(), service()
    before = asked(ann)
    event = {"item": items(before)[0], "value": 5, "event_id": "00000000-0000-4000-a000-000000000002"}
    bob.post("/web/ratings", json=event)
    assert asked(ann) == before


@pytest.mark.parametrize(
    ("body", "where"),
    [({"n": 0}, "n"), ({"n": 21}, "n"), ({"skipped": "f"}, "skipped"), ({"skipped": [""]}, "skipped"), ({"m": 1}, "m")],
)
def test_bad_requests_say_what_is_wrong(films_service, body, where):
    refused = films_service()().post("/web/questions", json=body)
    assert refused.status_code == 422
    assert where in refused.text


def test_the_service_answers_as_the_page(films_service):
    visitor = films_service()()
    page = asked(visitor, n=7, skipped=["f1"])
    person = visitor.get("/web/me").json()["person"]
    body = {"n": 7, "user": person, "skipped": ["f1"]}
    answer = visitor.post("/v1/onboarding", json=body).json()
    assert [row["item"] for row in answer["items"]] == items(page)
    assert answer["known"] == page["known"]
    by_address = visitor.get("/v1/onboarding", params=body).json()
    assert by_address["items"] == answer["items"]
    session = {"n": 7, "session": [{"item": items(page)[0], "value": 5}]}
    said = visitor.post("/v1/onboarding", json=session).json()
    assert said["known"] > 0
    assert items(page)[0] not in [row["item"] for row in said["items"]]
    refused = visitor.post("/v1/onboarding", json={**body, **session})
    assert refused.status_code == 422
    assert "for a user or for a session" in refused.text
