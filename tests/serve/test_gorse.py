"""Gorse's own client for Python against a real service: a shop that changed the address, and nothing else."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
import requests
from gorse import AsyncGorse, Gorse, GorseException
from serve.own_service import in_thread
from small_models import make

import palate
from palate.store import Event, feedback, items, keys, open_store, versions
from palate.store.configuring import set_kinds
from palate.store.kinds import EventKind, Kinds
from palate.store.records import Thing
from palate.store.rule import interactions

KINDS = Kinds(
    (
        EventKind(name="star"),
        EventKind(name="like", positive="value >= 2"),
        EventKind(name="read", positive="value >= 3"),
    )
)
FILMS = [f"film:{n}" for n in range(1, 31)]
WHEN = "2022-02-24T00:00:00Z"


def stocked(url: str) -> str:
    """Make a store with a model of 30 films in two categories, and return a key."""
    with open_store(url) as store:
        ns = store.namespace()
        set_kinds(store, ns, KINDS)
        films = [
            Thing(film, {"title": f"Film {n}", "categories": ["odd" if n % 2 else "even", "film"]}, created=1 + n)
            for n, film in enumerate(FILMS, 1)
        ]
        items.upsert(store, ns, films)
        told = [Event(f"u{u}", FILMS[(u + i * i) % 30], "star") for u in range(1, 16) for i in range(1, 6)]
        feedback.add(store, ns, told)
        with store.read() as connection:
            model = make("ials", positive=None).fit(interactions(connection, ns))
        store.folder.mkdir(parents=True, exist_ok=True)
        palate.save(model, store.folder / "new.safetensors")
        versions.activate(store, ns, versions.add(store, ns, store.folder / "new.safetensors"))
        return keys.create(store, ns, "write")[1]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """The address and the store of a service."""
    url = f"sqlite:///{tmp_path_factory.mktemp('shop')}/shop.db"
    key = stocked(url)
    with in_thread(url) as (host, port):
        yield f"http://{host}:{port}", key, url


@pytest.fixture
def client(shop):
    return Gorse(*shop[:2])


def status_of(function, *given, **more) -> tuple[int, str]:
    with pytest.raises(GorseException) as refused:
        function(*given, **more)
    return refused.value.status_code, refused.value.message


def test_a_user_comes_and_goes(client):
    bob = {"UserId": "bob", "Labels": {"gender": "M", "age": 24, "likes": {"genre": ["War"]}}, "Comment": "my user"}
    assert client.insert_user(bob) == {"RowAffected": 1}
    assert client.get_user("bob") == {**bob, "Subscribe": []}
    assert client.insert_users([{"UserId": "ann", "Labels": ["a", "b"]}, {"UserId": "cy"}]) == {"RowAffected": 2}
    assert client.get_user("ann")["Labels"] == ["a", "b"]
    assert client.get_user("cy") == {"UserId": "cy", "Labels": None, "Subscribe": [], "Comment": ""}
    assert client.delete_user("bob") == {"RowAffected": 1}
    assert status_of(client.get_user, "bob") == (404, "there is no user 'bob'")
    assert client.delete_user("nobody") == {"RowAffected": 1}


def test_an_item_is_written_changed_hidden_and_deleted(client):
    vue = {
        "ItemId": "vuejs:vue",
        "IsHidden": False,
        "Labels": {"language": "JavaScript"},
        "Categories": ["framework"],
        "Timestamp": WHEN,
        "Comment": "Vue.js framework",
    }
    assert client.insert_item(vue) == {"RowAffected": 1}
    assert client.get_item("vuejs:vue") == vue
    assert [item["ItemId"] for item in client.search_items("vue")] == ["vuejs:vue"]
    assert client.update_item("vuejs:vue", is_hidden=True) == {"RowAffected": 1}
    assert client.get_item("vuejs:vue") == {**vue, "IsHidden": True}
    client.update_item("vuejs:vue", categories=["library"], labels=["js"], timestamp="2023-01-02", comment="Vue")
    changed = {"Categories": ["library"], "Labels": ["js"], "Timestamp": "2023-01-02T00:00:00Z", "Comment": "Vue"}
    assert client.get_item("vuejs:vue") == {**vue, **changed, "IsHidden": True}
    assert client.delete_item("vuejs:vue") == {"RowAffected": 1}
    assert client.delete_item("vuejs:vue") == {"RowAffected": 0}
    assert status_of(client.get_item, "vuejs:vue")[0] == 404
    assert status_of(client.update_item, "vuejs:vue", is_hidden=True) == (404, "there is no item 'vuejs:vue'")


@pytest.mark.parametrize("what", ["users", "items", "feedbacks"])
def test_pages_hold_everything_once(client, what):
    get, name = getattr(client, f"get_{what}"), {"users": "UserId", "items": "ItemId"}.get(what)
    seen, cursor, pages = [], "", 0
    while pages == 0 or cursor:
        rows, cursor = get(7, cursor)
        seen += [row[name] if name else tuple(sorted(row.items())) for row in rows]
        pages += 1
    assert len(seen) == len(set(seen)) > 14
    assert pages == -(-len(seen) // 7)
    assert status_of(get, 7, "no cursor at all!") == (400, "there is no such cursor: take that of the page before")


def values_of(client, user, kind="like"):
    return {row["ItemId"]: row["Value"] for row in client.list_feedbacks(kind, user)}


def test_post_adds_up_and_put_takes_the_place(client, shop):
    assert client.insert_feedback("like", "dan", "film:1", WHEN, value=1) == {"RowAffected": 1}
    assert client.insert_feedback("like", "dan", "film:1", WHEN, value=1.5) == {"RowAffected": 1}
    assert values_of(client, "dan") == {"film:1": 2.5}
    row = {"FeedbackType": "like", "UserId": "dan", "ItemId": "film:1", "Timestamp": WHEN, "Value": 2}
    answer = requests.put(f"{shop[0]}/api/feedback", json=[row, {**row, "Value": 4}], headers={"X-API-Key": shop[1]})
    assert answer.json() == {"RowAffected": 2}
    assert values_of(client, "dan") == {"film:1": 4}
    assert client.insert_feedbacks([row, row, {**row, "ItemId": "film:2"}]) == {"RowAffected": 3}
    assert values_of(client, "dan") == {"film:1": 8, "film:2": 2}
    assert client.list_feedbacks("like", "dan")[0] == {**row, "Value": 8, "Comment": ""}
    with open_store(shop[2]) as store, store.read() as connection:
        rows = feedback.of_user(connection, store.namespace(), "dan")
    assert [(event.item, event.value) for event in rows] == [("film:1", 8.0), ("film:2", 2.0)]


def test_feedback_is_deleted(client):
    for kind in ("star", "like"):
        client.insert_feedback(kind, "eve", "film:3", WHEN, value=2)
    client.insert_feedback("star", "eve", "film:4", WHEN)
    assert "film:3" not in ids(client.get_recommend("eve", n=30))
    assert client.delete_feedback("eve", "film:3") == {"RowAffected": 2}
    assert client.delete_feedback("eve", "film:3") == {"RowAffected": 0}
    assert values_of(client, "eve", "star") == {"film:4": 0}
    assert "film:3" in ids(client.get_recommend("eve", n=30))


def ids(scores) -> list[str]:
    return [score.id for score in scores]


def test_recommendations_know_the_newest_feedback_and_are_cut(client):
    whole = client.get_recommend("fay", n=30)
    client.insert_feedback("star", "fay", ids(whole)[0], WHEN)
    client.insert_feedback("read", "fay", ids(whole)[1], WHEN)
    after = client.get_recommend("fay", n=30)
    assert not {*ids(whole)[:2]} & {*ids(after)}
    scores = [score.score for score in after if score.score]  # a film that the model has not learned has none
    assert scores == sorted(scores, reverse=True)
    assert ids(client.get_recommend("fay", n=5, offset=3)) == ids(after)[3:8]
    assert client.get_recommend("fay", n=5, offset=10_000) == client.get_recommend("fay", n=0) == []
    assert len(client.get_recommend("fay", n=5_000)) == 28
    odd = ids(client.get_recommend("fay", "odd", n=30))
    assert odd == [film for film in ids(after) if int(film[5:]) % 2]
    assert client.get_recommend("fay", "no such category") == []


def test_a_write_back_counts_as_read(client):
    first = ids(client.get_recommend("gus", n=4, write_back_type="read"))
    second = ids(client.get_recommend("gus", n=4, write_back_type="read"))
    assert not {*first} & {*second}
    assert values_of(client, "gus", "read") == dict.fromkeys([*first, *second], 0)
    assert status_of(client.get_recommend, "gus", write_back_type="reed")[0] == 400


def test_a_write_back_of_later_does_not_count_yet(client):
    """That it does from then on, tests/serve/engine/test_waiting.py says."""
    first = ids(client.get_recommend("hal", n=4, write_back_type="read", write_back_delay="1h10m"))
    assert ids(client.get_recommend("hal", n=4)) == first
    assert values_of(client, "hal", "read") == {}
    client.insert_feedback("read", "hal", first[0], WHEN)
    assert values_of(client, "hal", "read") == {first[0]: 0}
    assert ids(client.get_recommend("hal", n=3)) == first[1:]


def test_sessions_neighbours_and_their_refusals(client):
    session = [{"FeedbackType": "star", "UserId": "x", "ItemId": "film:5", "Timestamp": WHEN}]
    found = client.session_recommend(session, n=5)
    assert len(found) == 5
    assert "film:5" not in {row["Id"] for row in found}
    neighbours = client.get_neighbors("film:5", n=6)
    assert len(neighbours) == 6
    assert client.get_neighbors("film:5", n=3, offset=3) == neighbours[3:]
    assert client.get_neighbors("no such film") == []
    status, words = status_of(client.session_recommend, [{**session[0], "FeedbackType": "stare"}])
    assert (status, words) == (
        400,
        "no event kind 'stare'; did you mean 'star'? this namespace has star, like, read, impression, undo",
    )


def test_what_is_not_right_is_refused_as_a_whole(client):
    row = {"FeedbackType": "like", "UserId": "ida", "ItemId": "film:1", "Timestamp": WHEN}
    for wrong in ({"FeedbackType": "lick"}, {"Timestamp": "yesterday"}, {"UserId": ""}, {"ItemId": None}):
        status, words = status_of(client.insert_feedbacks, [row, {**row, **wrong}])
        assert status == 400, words
    assert (
        "'yesterday' is no time; write it as 2026-11-27T16:30:00Z"
        in status_of(client.insert_feedback, "like", "ida", "film:1", "yesterday")[1]
    )
    assert client.list_feedbacks("like", "ida") == []


def test_keys_hold(shop):
    assert status_of(Gorse(shop[0], "wrong").get_items, 1) == (401, "this key is not known, or was revoked")
    with open_store(shop[2]) as store:
        reader = Gorse(shop[0], keys.create(store, store.namespace(), "read")[1])
    while True:  # workers look for new keys four times a second
        try:
            reader.get_items(1)
            break
        except GorseException:
            time.sleep(0.05)
    assert status_of(reader.insert_user, {"UserId": "x"})[0] == 403
    assert status_of(reader.get_recommend, "x", write_back_type="read")[0] == 403
    assert len(reader.get_recommend("x", n=3)) == 3


def test_the_client_that_does_not_wait(shop):
    async def flow():
        client = AsyncGorse(*shop[:2])
        await client.insert_feedback("read", "joe", "film:9", WHEN)  # without a value
        return await client.list_feedbacks("read", "joe"), await client.get_recommend("joe", n=3)

    told, found = asyncio.run(flow())
    assert [(row["ItemId"], row["Value"]) for row in told] == [("film:9", 0)]
    assert len(found) == 3


@pytest.mark.parametrize("id_", ["a b", "ü", "😀", "100%", "a:b@c", "a+b", "red/42?x=1#y", "~.-_"])
def test_ids_of_odd_characters(client, id_):
    client.insert_feedback("star", id_, "film:1", WHEN)
    in_path = quote(id_, safe="") if "/" in id_ or "?" in id_ else id_  # the client writes the others so itself
    assert [row["UserId"] for row in client.list_feedbacks("star", in_path)] == [id_]
    assert len(client.get_recommend(in_path, n=2)) == 2
    client.insert_item({"ItemId": id_})
    assert client.get_item(in_path)["ItemId"] == id_
    assert client.delete_item(in_path) == {"RowAffected": 1}


def test_times_are_read_as_gorse_reads_them(client):
    forms = {
        "2022-02-24": 0,
        "2022-02-24T01:00:00+01:00": 0,
        "2022-02-24 00:00:00": 0,
        "2022/02/24": 0,
        "1645660800": 0,
        "1645660800000": 0,
        "2022-02-24T00:00:00.123456789Z": 123456,
        "Thu, 24 Feb 2022 00:00:00 GMT": 0,
    }
    base = datetime(2022, 2, 24, tzinfo=UTC)
    for n, (text, micros) in enumerate(forms.items()):
        client.insert_feedback("star", f"time-{n}", "film:1", text)
        (row,) = client.list_feedbacks("star", f"time-{n}")
        assert datetime.fromisoformat(row["Timestamp"]) == base.replace(microsecond=micros), text


HARMLESS = (
    *({"n": n} for n in ("0", "1", "501", "2147483647", "")),
    *({"offset": offset} for offset in ("499", "500", "2147483647", "")),
    *({"cursor": cursor} for cursor in ("", "YQ", "w6k")),
    *({"category": category} for category in ("", "odd", ["odd", "film"], "none")),
    *({"user-id": user} for user in ("", "u1", "nobody")),
    {"write-back-delay": "", "write-back-type": "", "no": "such parameter", "q": "film"},
)
WRONG = (
    *({"n": n} for n in ("-1", "x", "1.5", "99999999999999999999")),
    {"cursor": "AA"},
    {"cursor": "%%%"},
    {"cursor": "gA"},
    {"category": "x\0"},
    {"category": "=x"},
    {"user-id": "\0"},
    {"write-back-type": "\0"},
    {"write-back-delay": "25h"},
    {"write-back-delay": "-1h"},
    {"offset": "-1"},
)
PATHS = ("users", "items", "feedback", "feedback/star", "recommend/u1", "latest", "popular", "item/film:1/neighbors")
PATHS = (
    *PATHS,
    "non-personalized/trending",
    "item-to-item/any/film:1",
    "recommend/u1/odd/",
    "latest/odd",
    "popular/odd",
)


@pytest.mark.parametrize("path", PATHS)
def test_every_query_is_answered_or_refused(shop, path):
    with requests.Session() as session:
        session.headers["X-API-Key"] = shop[1]
        for query in HARMLESS:
            answer = session.get(f"{shop[0]}/api/{path}", params=query)
            assert answer.status_code == 200, (query, answer.text)
        for query in WRONG:
            answer = session.get(f"{shop[0]}/api/{path}", params=query)
            assert answer.status_code in (200, 400), (query, answer.text)  # 200 where it has no such parameter
            assert answer.status_code == 200 or answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert session.get(f"{shop[0]}/api/{path}", params={"n": "-1"}).status_code == 400
        assert len(session.get(f"{shop[0]}/api/{path.rstrip('/')}/?n=0").json()) in (0, 2)


def test_fields_are_read_in_any_case_and_bodies_of_gets_are_left_out(shop):
    with requests.Session() as session:
        session.headers["X-API-Key"] = shop[1]
        item = {"itemId": "mug", "ishidden": True, "COMMENT": "Mug", "Unknown": [1]}
        assert session.post(f"{shop[0]}/api/items/", json=[item]).json() == {"RowAffected": 1}
        found = session.get(f"{shop[0]}/api/item/mug", data="null")  # as the client for Go sends it
        assert (found.json()["IsHidden"], found.json()["Comment"]) == (True, "Mug")
        for method in ("PUT", "DELETE"):
            assert session.request(method, f"{shop[0]}/api/item/mug/category/d%2Fx").json() == {"RowAffected": 1}
            categories = session.get(f"{shop[0]}/api/item/mug").json()["Categories"]
            assert categories == (["d/x"] if method == "PUT" else [])
        plain = session.get(f"{shop[0]}/api/recommend/u1", params={"n": 2}).json()
        assert all(isinstance(id_, str) for id_ in plain)
        assert session.post(f"{shop[0]}/api/item", data="{}").status_code == 415
        refused = session.post(f"{shop[0]}/api/item", json={"ItemId": "x" * 513})
        assert (refused.status_code, refused.text) == (400, "ItemId: an id is 1 to 512 bytes of UTF-8 without NUL")
        assert session.get(f"{shop[0]}/api/feedback/star/nobody/mug").status_code == 404
        assert session.get(f"{shop[0]}/api/non-personalized/mine").status_code == 404
        assert session.get(f"{shop[0]}/api/user/u1/neighbors").status_code == 404
        assert session.put(f"{shop[0]}/api/user", json={}).status_code == 405
    for name in ("live", "ready"):
        said = requests.get(f"{shop[0]}/api/health/{name}").json()
        assert (said["Ready"], said["DataStoreError"]) == (True, None)


def test_a_shop_begins_with_nothing(tmp_path):
    """No model, no items, no categories: nothing is refused, and what comes in is known at once."""
    url = f"sqlite:///{tmp_path}/new.db"
    with open_store(url) as store:
        set_kinds(store, store.namespace(), KINDS)
        key = keys.create(store, store.namespace(), "write")[1]
    with in_thread(url) as (host, port):
        client = Gorse(f"http://{host}:{port}", key)
        assert client.get_recommend("ann") == client.get_recommend("ann", "drinks") == []
        assert client.get_neighbors("tea") == client.session_recommend([]) == client.get_items(5)[0] == []
        client.insert_item({"ItemId": "tea", "Timestamp": WHEN, "Categories": ["drinks"]})
        client.insert_feedbacks([])
        assert ids(client.get_recommend("ann")) == ids(client.get_recommend("ann", "drinks")) == ["tea"]
        client.insert_feedback("star", "ann", "tea", WHEN)
        assert client.get_recommend("ann") == []
        assert [row["Id"] for row in client.session_recommend([])] == ["tea"]
        client.update_item("tea", is_hidden=True)
        assert client.get_recommend("bob") == []
