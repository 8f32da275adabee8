"""Users of Gorse come over: what its dashboard downloads, and its dump."""

from __future__ import annotations

import json
import struct

import pytest

from palate.errors import DataError
from palate.store import feedback, items, open_store, users
from palate.store.bulk import gorse_shapes
from palate.store.bulk.importing import import_into

USERS = [
    {"UserId": "ann", "Labels": ["f", "31"], "Subscribe": None, "Comment": ""},
    {"UserId": "bob", "Labels": {"age": 40, "likes": {"genre": ["Comedy"]}, "vector": [0.5, 1]}, "Comment": "Bob B."},
]
ITEMS = [
    {
        "ItemId": "tea",
        "IsHidden": False,
        "Categories": ["drinks"],
        "Timestamp": "2024-03-11T12:30:00Z",
        "Labels": {"brand": "Earl"},
        "Comment": "Tea, black",
    },
    {
        "ItemId": "old",
        "IsHidden": True,
        "Categories": [],
        "Timestamp": "0001-01-01T00:00:00Z",
        "Labels": None,
        "Comment": "",
    },
]
FEEDBACK = [
    {
        "FeedbackType": "star",
        "UserId": "ann",
        "ItemId": "tea",
        "Value": 4.5,
        "Timestamp": "2024-03-11T12:30:00Z",
        "Comment": "",
    },
    {
        "FeedbackType": "read",
        "UserId": "bob",
        "ItemId": "old",
        "Value": 0,
        "Timestamp": "0001-01-01T00:00:00Z",
        "Comment": "x",
    },
]
TO_PALATE = {"rename": {"read": "impression"}, "new_kinds": True}


@pytest.fixture
def store(sqlite_url):
    """A fresh store."""
    with open_store(sqlite_url) as opened:
        yield opened


@pytest.fixture
def downloads(tmp_path):
    """The three files of the dashboard."""
    folder = tmp_path / "gorse"
    folder.mkdir()
    for name, rows in (("users", USERS), ("items", ITEMS), ("feedback", FEEDBACK)):
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return folder


def field(number, payload):
    if isinstance(payload, bool):
        return bytes([number << 3, payload])
    if isinstance(payload, float):
        return bytes([number << 3 | 1]) + struct.pack("<d", payload)
    payload = payload.encode() if isinstance(payload, str) else payload
    return bytes([number << 3 | 2]) + varint(len(payload)) + payload


def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def moment(seconds, nanos=0):
    return field(5, b"\x08" + varint(seconds % (1 << 64)) + b"\x10" + varint(nanos))


def whole(*fields):
    message = b"".join(fields)
    return struct.pack("<q", len(message)) + message


def part(number, *messages):
    return struct.pack("<q", number) + b"".join(messages)


@pytest.fixture
def dump(tmp_path):
    """A dump with the rows of the downloads; the numbers of fields are those of Gorse's protocol.proto."""
    labels = [json.dumps(row["Labels"]) for row in USERS]
    people = [
        whole(field(1, "ann"), field(2, labels[0])),
        whole(field(1, "bob"), field(2, labels[1]), field(3, "Bob B.")),
    ]
    goods = [
        whole(
            *(field(2, "tea"), field(4, "drinks"), moment(1_710_160_200), field(6, '{"brand": "Earl"}')),
            field(7, "Tea, black"),
        ),
        whole(field(2, "old"), field(3, True), moment(-62_135_596_800), field(6, "null")),
    ]
    events = [
        whole(field(2, "star"), field(3, "ann"), field(4, "tea"), moment(1_710_160_200, 0), field(7, 4.5)),
        whole(
            field(2, "read"), field(3, "bob"), field(4, "old"), moment(-62_135_596_800), field(6, "x"), field(9, 0.0)
        ),
    ]
    path = tmp_path / "gorse.bin"
    path.write_bytes(part(-1, *people) + part(-2, *goods) + part(-3, *events) + part(0) + b'{"Users": 2}')
    return path


def told(store):
    """Return what came over."""
    ns = store.namespace()
    with store.read() as connection:
        people, goods = users.get(connection, ns, ["ann", "bob"]), items.get(connection, ns, ["tea", "old"])
        events = [(e.user, e.item, e.kind, e.value) for _, e in feedback.log(connection, ns)]
        newest = next(e.time for _, e in feedback.log(connection, ns))
    known = {thing.id: (thing.attributes, thing.hidden) for thing in (*people.values(), *goods.values())}
    return known, goods["tea"].created, events, newest


EXPECTED = (
    {
        "ann": ({"labels": ["f", "31"]}, False),
        "bob": ({"age": 40, "likes.genre": ["Comedy"], "comment": "Bob B."}, False),
        "tea": ({"title": "Tea, black", "categories": ["drinks"], "brand": "Earl"}, False),
        "old": ({}, True),
    },
    1_710_160_200_000_000,
    [("ann", "tea", "star", 4.5), ("bob", "old", "impression", 0.0)],
    1_710_160_200_000_000,
)


def test_the_files_of_the_dashboard_come_over_together(store, downloads):
    done = import_into(store, store.namespace(), downloads, **TO_PALATE)
    assert (done.users.new, done.items.new, done.events.new, done.new_kinds) == (2, 2, 2, ("star",))
    assert told(store) == EXPECTED
    again = import_into(store, store.namespace(), downloads, **TO_PALATE)
    assert (again.users.known, again.items.known, again.events.known) == (2, 2, 2)


def test_each_file_of_the_dashboard_is_told_by_its_fields(store, downloads):
    for name in ("feedback", "items", "users"):
        path = downloads / f"any-{name}.jsonl"
        path.write_bytes((downloads / f"{name}.jsonl").read_bytes())
        import_into(store, store.namespace(), path, **TO_PALATE)
    assert told(store) == EXPECTED


def test_the_dump_comes_over(store, dump):
    import_into(store, store.namespace(), dump, **TO_PALATE)
    assert told(store) == EXPECTED


def test_kinds_that_are_not_said_are_told(store, downloads):
    with pytest.raises(
        DataError, match=r"kind is no event kind of this namespace.*'star': 2 of 2 .lines 1, 2."
    ) as caught:
        import_into(store, store.namespace(), downloads)
    assert "new_kinds=True adds them" in str(caught.value)
    with store.read() as connection:
        assert users.get(connection, store.namespace(), ["ann"]) == {}


CSV = {  # as dashboards of version 0.4 wrote them
    "users": "user_id,labels\nann,f|31\nbob,\n",
    "items": (
        "item_id,is_hidden,categories,time_stamp,labels,description\n"
        'tea,false,drinks|hot,2024-03-11 12:30:00 +0000 UTC,"{""brand"": ""Earl""}","Tea, black"\n'
        "old,true,,0001-01-01 00:00:00 +0000 UTC,,\n"
    ),
    "feedback": (
        "feedback_type,user_id,item_id,time_stamp\n"
        "star,ann,tea,2024-03-11 12:30:00 +0000 UTC\nread,bob,old,2024-03-11 14:30:00.5 +0200 CEST\n"
    ),
}


@pytest.mark.parametrize("together", [True, False])
def test_csv_files_of_older_dashboards_come_over(store, tmp_path, together):
    folder = tmp_path / "gorse"
    folder.mkdir()
    for name, text in CSV.items():
        (folder / f"{name}.csv").write_text(text)
    sources = [folder] if together else [folder / f"{name}.csv" for name in ("feedback", "users", "items")]
    done = [import_into(store, store.namespace(), source, **TO_PALATE) for source in sources]
    counts = [sum(getattr(one, kind).new for one in done) for kind in ("users", "items", "events")]
    assert counts == ([2, 2, 2] if together else [0, 0, 2])
    known, created, events, newest = told(store)
    assert known["ann"] == ({"labels": ["f", "31"]}, False)
    assert known["tea"] == ({"title": "Tea, black", "categories": ["drinks", "hot"], "brand": "Earl"}, False)
    assert known["old"] == ({}, True)
    assert events == [("ann", "tea", "star", 0.0), ("bob", "old", "impression", 0.0)]
    assert newest == 1_710_160_200_000_000
    if together:
        assert created == newest
    again = [import_into(store, store.namespace(), source, **TO_PALATE) for source in sources]
    assert sum(one.events.known for one in again) == 2
    assert sum(one.items.known for one in again) == sum(one.users.known for one in again) == 2


def test_a_value_that_a_dump_leaves_out_is_zero(store, tmp_path):
    """Messages of protocol buffers have no zeros; the same rows of both exports count once."""
    star = whole(field(2, "star"), field(3, "ann"), field(4, "tea"), moment(1_710_160_200))
    (tmp_path / "gorse.bin").write_bytes(part(-3, star) + part(0))
    (tmp_path / "feedback.jsonl").write_text(f"{json.dumps({**FEEDBACK[0], 'Value': 0})}\n")
    sources = [tmp_path / "gorse.bin", tmp_path / "feedback.jsonl"]
    done = [import_into(store, store.namespace(), source, **TO_PALATE) for source in sources]
    assert [(one.events.new, one.events.known) for one in done] == [(1, 0), (0, 1)]


def test_labels_come_back_as_they_were():
    for labels in (None, ["a", "b"], {"age": 4}, {"a": {"b": {"c": ["x"]}}, "d": True}, {"a.b": 1, "c": 2.5}):
        item = {"Labels": labels, "Comment": "Tea", "Categories": ["drinks"]}
        back = gorse_shapes.item_fields(gorse_shapes.item_attributes(item))
        assert back == {**item, "Labels": {"a": {"b": 1}, "c": 2.5} if labels and "a.b" in labels else labels}
    titled = {"Labels": {"title": "T", "a": {"b": 1}}, "Comment": "C", "Categories": []}
    assert gorse_shapes.item_fields(gorse_shapes.item_attributes(titled)) == titled
    clashing = {"Labels": {"a": 1, "a.b": 2}, "Subscribe": ["x"], "Comment": "me"}
    assert gorse_shapes.user_fields(gorse_shapes.user_attributes(clashing)) == clashing


DAMAGED = {
    "unpack requires a buffer of 8 bytes": lambda whole: whole[:-14],
    "a message is cut off": lambda whole: whole[: whole.index(b"star") + 6],
    "there is no part -9": lambda whole: whole.replace(struct.pack("<q", -2), struct.pack("<q", -9)),
    "a field is cut off": lambda whole: whole.replace(b"\x0a\x03ann", b"\x0a\x7fann"),
    "a field has the unknown kind 3": lambda whole: whole.replace(b"\x0a\x03ann", b"\x0b\x03ann"),
    "codec can't decode": lambda whole: whole.replace(b"ann", b"\xff\xff\xff"),
    "a number is longer than 64 bits": lambda whole: whole[:16] + b"\xff" * 12 + whole[28:],
    "index out of range": lambda whole: part(-1) + struct.pack("<q", 1) + b"\xff",
}


@pytest.mark.parametrize("said", DAMAGED)
def test_a_damaged_dump_is_refused_with_its_place(store, dump, said):
    dump.write_bytes(DAMAGED[said](dump.read_bytes()))
    with pytest.raises(DataError, match=rf"is no whole dump of Gorse: .*{said}.* \(after \d rows, at byte [\d,]+\)"):
        import_into(store, store.namespace(), dump, **TO_PALATE)
