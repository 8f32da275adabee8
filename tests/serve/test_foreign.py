"""Every operation asked with every id of another namespace: the answer is that for an id that does not exist.

The requests are made from the documentation: each place of a request that holds an id is filled with a foreign one,
and with one that nobody has. So an operation that is added is asked, too.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
from in_process import serving
from operations_of import OFFERS, requests_of, send

from palate.store import experiments, keys, scenarios
from palate.store.experiments import Arm
from palate.store.presets import Preset
from palate.store.records import Place, ShownList
from palate.store.store import open_store

# Ids that "theirs" has, and ids of the same form that nobody has, by what they are of.
THEIRS = {"user": "their-user", "item": "their-item", "event": "their-event", "list": "1f" * 16, "name": "theirs"}
NOBODYS = {"user": "nones-user", "item": "nones-item", "event": "nones-event", "list": "2e" * 16, "name": "nones"}
KIND_OF = {
    **dict.fromkeys(("user", "visitor", "account", "user_id", "user-id", "UserId"), "user"),
    **dict.fromkeys(("item", "items", "include", "exclude", "ids", "skipped", "item_id", "ItemId"), "item"),
    **dict.fromkeys(("event_id", "withdraws"), "event"),
    "list_id": "list",
    **dict.fromkeys(("name", "scenario", "lists_of"), "name"),
}
NO_IDS = {
    "n",
    "kind",
    "value",
    "diversity",
    "interval",
    "where",
    "factor",
    "hidden",
    "days",
    "version",
    "title",
    "search",
}
NO_IDS |= {"shown", "policy", "temperature", "share", "effect", "rate"}
NO_IDS |= {"time", "source", "place", "year", "genre", "country", "not_mine", "seen", "why", "cursor"}
NO_IDS |= {"job", "every", "first", "paused", "by"}  # a job's number is the store's own: test_jobs.py
NO_IDS |= {"body", "offset", "category", "name", "feedback_type", "FeedbackType", "Value", "Timestamp"}  # of Gorse
NO_IDS |= {"session", "discovery"}
NO_IDS |= {"IsHidden", "Categories", "Comment", "age", "brand"}


def places(name: str, given: Any, key: str = "") -> Iterator[tuple[tuple[Any, ...], str]]:
    """Yield where a request holds ids, and of what."""
    if isinstance(given, dict):
        for each, value in given.items():
            yield from (((each, *rest), kind) for rest, kind in places(name, value, each))
    elif isinstance(given, list) and (not given or not isinstance(given[0], str) or key in KIND_OF):
        for at, value in enumerate(given):
            yield from (((at, *rest), kind) for rest, kind in places(name, value, key))
    elif key == "id":
        yield (), "user" if "user" in name else "item"
    elif key in KIND_OF:
        yield (), KIND_OF[key]
    else:
        assert key in NO_IDS, f"say in KIND_OF or NO_IDS whether '{key}' of {name} is an id"


def filled(given: Any, place: tuple[Any, ...], id: Any) -> Any:  # noqa: A002
    """Return a request with another id in one place."""
    given = copy.deepcopy(given)
    at = given
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = id
    return given


def extended(name: str) -> list[dict[str, Any]]:
    """Return requests of an operation, one of them with every field that it may have."""
    fields = OFFERS[name].asked.model_fields if OFFERS[name].asked else {}
    more = {
        "include": ["5", "6"],
        "exclude": ["50"],
        "list_id": "3d" * 16,
        "event_id": "an-event",
        "withdraws": "another-event",
    }
    more = {field: value for field, value in more.items() if field in fields}
    return [{**given, **more} if more else given for given in requests_of(name)]


CASES = [
    pytest.param(name, given, place, kind, id=f"{name}-{'.'.join(map(str, place))}-{at}")
    for name in OFFERS
    for at, given in enumerate(extended(name))
    for place, kind in places(name, given)
]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A function that asks a service in which "theirs" has a user, an item, an event and a list, and others nothing."""
    path = tmp_path_factory.mktemp("two") / "shop.db"
    with open_store(f"sqlite:///{path}") as store:
        theirs = store.create_namespace("theirs")
        empty = [store.create_namespace(f"ours-{at}") for at in range(2 * len(CASES))]
        scenarios.put(store, theirs, THEIRS["name"], Preset(n=5))
        arms = [Arm(name, 0.5, THEIRS["name"]) for name in "ab"]
        experiments.start(store, theirs, THEIRS["name"], THEIRS["name"], arms)
        secret = {ns.name: keys.create(store, ns, "admin")[1] for ns in (theirs, *empty)}
        shown = ShownList(THEIRS["list"], THEIRS["user"], 1, "model", None, (Place(THEIRS["item"], 1.0),))
        store.writer.lists(theirs, [shown]).result(5)
    with serving(path, engine=None) as client:

        def ask(method, path, *, namespace="ours-0", role=None, **request):
            return client.request(method, path, headers={"x-api-key": secret[namespace]}, **request)

        event = {"user": THEIRS["user"], "item": THEIRS["item"], "kind": "click", "event_id": THEIRS["event"]}
        assert ask("POST", "/v1/feedback", namespace="theirs", json=event).status_code == 201
        item = {"id": THEIRS["item"], "attributes": {"title": "Theirs"}}
        assert ask("POST", "/v1/items", namespace="theirs", json={"items": [item]}).status_code == 200
        yield ask


def plain(answer: Any, ids: dict[str, str]) -> tuple[int, str]:
    """Return an answer without what differs from request to request, and with ids named by what they are of."""
    text = re.sub(r'"(request_id|list_id|next|created|updated|Timestamp)":"[^"]*"', r'"\1":"…"', answer.text)
    text = re.sub(r'"job":\d+|ours-\d+', "ours", text)
    for kind, id in ids.items():  # noqa: A001
        text = text.replace(id, f"<{kind}>")
    return answer.status_code, text


@pytest.mark.parametrize("at", range(len(CASES)), ids=[case.id for case in CASES])
def test_a_foreign_id_is_as_one_that_does_not_exist(two, at):
    """Each asked for a namespace of its own that has nothing yet."""
    name, given, place, kind = CASES[at].values
    none = send(two, name, filled(given, place, NOBODYS[kind]), namespace=f"ours-{2 * at}")
    foreign = send(two, name, filled(given, place, THEIRS[kind]), namespace=f"ours-{2 * at + 1}")
    assert plain(foreign, THEIRS) == plain(none, NOBODYS)
    assert foreign.status_code < 500


def test_a_foreign_list_in_a_path(two):
    answers = [plain(two("GET", f"/v1/lists/{ids['list']}"), ids) for ids in (THEIRS, NOBODYS)]
    assert answers[0] == answers[1]
    assert answers[0][0] == 404
    assert two("GET", f"/v1/lists/{THEIRS['list']}", namespace="theirs").status_code == 200


def test_whoever_asked_for_a_foreign_id_has_it_still(two):
    """The tests above deleted, hid and forgot it, in "ours" alone."""
    (item,) = two("GET", "/v1/items", params={"id": THEIRS["item"]}, namespace="theirs").json()["items"]
    assert (item["attributes"], item["hidden"]) == ({"title": "Theirs"}, False)
    assert two("GET", "/v1/users", params={"id": THEIRS["user"]}, namespace="theirs").status_code == 200
    event = {"user": THEIRS["user"], "item": THEIRS["item"], "kind": "click", "event_id": THEIRS["event"]}
    assert two("POST", "/v1/feedback", json=event, namespace="theirs").json()["status"] == "known"


def test_every_kind_of_id_is_asked_for():
    asked = {case.values[3] for case in CASES}
    assert asked == {*THEIRS}
    assert len(CASES) > 50
