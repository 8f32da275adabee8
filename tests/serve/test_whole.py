"""The service with its real engine: two workers over one store tell the same story."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import pytest
from in_process import serving, wait_until
from small_models import make

import palate
from palate.store import keys, versions
from palate.store.store import open_store

ALL = 60  # users, and items


def fitted(seed):
    """Return a small model of clicks: users and items of the same third like each other."""
    rng = np.random.default_rng(seed)
    users = rng.integers(0, ALL, 1500)
    items = (users % 3 + 3 * rng.integers(0, ALL // 3, 1500)) % ALL
    pairs = sorted({(int(user), int(item)) for user, item in zip(users, items, strict=True)})
    table = {"user": [f"u{user}" for user, _ in pairs], "item": [f"i{item}" for _, item in pairs]}
    return make("ials", random_state=seed, positive=None).fit(palate.Interactions.from_table(table))


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two workers over a store with two model versions, the first of them active, and an admin's key."""
    folder = tmp_path_factory.mktemp("whole")
    with open_store(f"sqlite:///{folder / 'shop.db'}") as store:
        ns = store.namespace()
        for seed in (1, 2):
            palate.save(fitted(seed), folder / f"{seed}.safetensors")
            versions.add(store, ns, folder / f"{seed}.safetensors")
        versions.activate(store, ns, 1)
        secret = keys.create(store, ns, "admin")[1]
    with ExitStack() as stack:
        workers = [stack.enter_context(serving(folder / "shop.db", engine=None)) for _ in range(2)]
        for worker in workers:
            worker.headers["x-api-key"] = secret
        yield workers


def asked(worker, **body):
    answer = worker.post("/v1/recommendations", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(said):
    return [item["item"] for item in said["items"]]


def test_three_clicks_change_the_next_answer_of_every_worker(two):
    before = [asked(worker, user="newcomer") for worker in two]
    assert {said["policy"] for said in before} == {"popular"}
    for at, item in enumerate(("i3", "i9", "i15")):
        event = {"user": "newcomer", "item": item, "kind": "click", "list_id": before[0]["list_id"], "place": at + 1}
        assert two[0].post("/v1/feedback", json=event).status_code == 201
        after = [asked(worker, user="newcomer", why=True) for worker in two]
        assert ids(after[0]) == ids(after[1])
        assert item not in ids(after[0])
        assert after[0]["newest_feedback"] is not None
    assert {said["policy"] for said in after} == {"model"}
    assert sum(int(item[1:]) % 3 == 0 for item in ids(after[0])) >= 8
    assert {row["item"] for row in after[0]["items"][0]["why"] if "item" in row} <= {"i3", "i9", "i15"}


def test_a_hidden_item_is_in_no_list_of_any_worker(two):
    first = ids(asked(two[1], user="u1"))[0]
    assert two[0].post("/v1/items/hide", json={"ids": [first]}).json() == {"written": 1}
    for worker in two:
        assert first not in ids(asked(worker, user="u1", n=50))


def test_a_list_goes_on_after_a_model_switch_that_reaches_all_workers(two):
    whole = ids(asked(two[0], user="u2", n=30))
    page = asked(two[0], user="u2", n=10)
    assert page["model"]["version"] == 1
    assert two[1].post("/v1/models/activate", json={"version": 2}).status_code == 200
    seen = ids(page)
    while len(seen) < 30:
        page = two[1].post("/v1/recommendations/next", json={"cursor": page["next"], "user": "u2"}).json()
        assert page["model"]["version"] == 1
        assert page["withheld"] == 0
        seen += ids(page)
    assert seen == whole
    wait_until(lambda: versions_of(two) == {2}, 5.0)  # a worker goes on with the old one until the new one is loaded
    assert two[0].post("/v1/models/rollback", json={}).json()["version"] == 1
    wait_until(lambda: versions_of(two) == {1}, 5.0)


def versions_of(workers):
    return {asked(worker, user="u2")["model"]["version"] for worker in workers}


def test_what_a_request_carries_is_obeyed(two):
    full = ids(asked(two[0], user="u4", n=20))
    assert ids(asked(two[0], user="u4", n=3, exclude=full[:2])) == full[2:5]
    assert sorted(ids(asked(two[0], user="u4", n=5, include=full[10:12]))) == sorted(full[10:12])
    rows = two[0].post("/v1/recommendations/batch", json={"requests": [{"user": f"u{at}"} for at in range(40)]}).json()
    assert [ids(row["list"]) for row in rows["results"]] == [ids(asked(two[1], user=f"u{at}")) for at in range(40)]


def test_everything_about_a_list_can_be_asked_for(two):
    said = asked(two[0], user="u5")
    shown = two[1].get(f"/v1/lists/{said['list_id']}").json()
    assert (shown["user"], shown["version"], shown["policy"]) == ("u5", 1, "model")
    places = [[(row["item"], row["place"]) for row in of["items"]] for of in (shown, said)]
    assert places[0] == places[1]
    assert two[0].get("/readyz").status_code == 200


def test_a_person_who_is_forgotten_is_as_one_who_never_was(two):
    event = {"user": "u7", "item": "i30", "kind": "click"}
    assert two[0].post("/v1/feedback", json=event).status_code == 201
    said = asked(two[1], user="u7")
    assert two[0].request("DELETE", "/v1/users", params={"id": "u7"}).json() == {"forgotten": True}
    assert {worker.get("/v1/users", params={"id": "u7"}).status_code for worker in two} == {404}
    for worker in two:
        now = asked(worker, user="u7")
        assert (now["policy"], now["newest_feedback"]) == ("popular", None)
        assert worker.get(f"/v1/lists/{said['list_id']}").status_code == 404
        following = worker.get("/v1/recommendations/next", params={"cursor": said["next"], "user": "u7"})
        assert following.status_code == 404
