"""Hostile requests: each is refused by a problem document, or taken as the plain data that it is; never a 5xx."""

from __future__ import annotations

import json

import pytest
from serve.attacked import ROLES, made, refused, served

KEEPS = [  # ids that are somebody's
    "a/b",
    "../../etc/passwd",
    "..",
    ".",
    "a b",
    "a?b=c&d#e",
    "%2e%2e%2f",
    "😀",
    "שלום",
    "\u202eevil",
    "a\u0301",
    "\u00e1",
    "'; DROP TABLE events; --",
    '"',
    "<script>alert(1)</script>",
    "\\",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "\ufeffa",
    "\r\nX: y",
    "null",
    "None",
    "true",
    "-1",
    "0",
    "1e3",
    "NaN",
    "x" * 512,
    "é" * 256,
    "\U0010ffff",
]
NEVER = ["", "\0", "a\0b", "x" * 513, "é" * 257, "😀" * 129]
NEVER_JSON = [b'"\\ud800"', b'"a\\udfff"', b'"\\ud83d"', b"1.5", b"true", b"null", b"[]", b"{}", b"9" * 400]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('hostile')}/shop.db"
    keys = made(url)
    with served(url, body_bytes=200_000) as client:
        client.keys = keys
        yield client


@pytest.mark.parametrize("text", KEEPS, ids=range(len(KEEPS)))
def test_an_id_is_bytes_and_nothing_else(shop, text):
    event = {"user": text, "item": text, "kind": "click", "event_id": f"e {text}"[:200]}
    assert shop.ask("POST", "/v1/feedback", json=event).status_code == 201
    assert shop.ask("POST", "/v1/feedback", json=event).json()["status"] == "known"
    assert (
        shop.ask("POST", "/v1/items", json={"items": [{"id": text, "attributes": {"title": text}}]}).status_code == 200
    )
    found = shop.ask("GET", "/v1/items", params={"id": text}).json()
    assert json.dumps(text) in json.dumps(found)
    answer = shop.ask("POST", "/v1/recommendations", json={"user": text})
    assert answer.status_code == 200
    assert shop.ask("GET", "/v1/recommendations", params={"user": text}).status_code == 200
    assert shop.ask("DELETE", "/v1/items", params={"id": text}).status_code in {200, 204}


@pytest.mark.parametrize("text", NEVER, ids=range(len(NEVER)))
def test_what_is_no_id_is_refused_everywhere(shop, text):
    for path, body in bodies(text):
        refused(shop.ask("POST", path, json=body), 422)
    for path, name in (("/v1/recommendations", "user"), ("/v1/items", "id"), ("/v1/items/similar", "item")):
        refused(shop.ask("GET", path, params={name: text}), 422)


@pytest.mark.parametrize("raw", NEVER_JSON)
def test_what_is_no_id_in_json_is_refused_everywhere(shop, raw):
    for path, body in bodies("@"):
        content = json.dumps(body).encode().replace(b'"@"', raw)
        refused(shop.ask("POST", path, content=content, headers={"content-type": "application/json"}), 422)


def bodies(text: str):
    """Yield a request for each path that takes an id."""
    yield "/v1/feedback", {"user": text, "item": "1", "kind": "click"}
    yield "/v1/recommendations", {"user": text}
    yield "/v1/recommendations", {"user": "1", "exclude": [text]}
    yield "/v1/recommendations/session", {"session": [{"item": text}]}
    yield "/v1/items/similar", {"item": text}
    yield "/v1/predictions", {"user": "1", "items": [text]}
    yield "/v1/explanations", {"user": "1", "item": text}
    yield "/v1/items", {"items": [{"id": text}]}
    yield "/v1/users", {"users": [{"id": text}]}
    yield "/v1/users/merge", {"visitor": text, "account": "1"}


DEEP = [b"[" * 50_000, b'{"a":' * 20_000 + b"1" + b"}" * 20_000, b'{"user":' + b"[" * 500 + b"]" * 500 + b"}"]
WRONG_JSON = [
    b"",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b"nul",
    b"{",
    b'{"user":NaN}',
    b'{"user":"1","n":Infinity}',
    b'{"user":"1","n":-1e999}',
    b'{"user":"1","n":1' + b"0" * 5000 + b"}",
    b'{"user":"1"}{"user":"2"}',
    b"[]",
    b'"text"',
    b"1",
    b'{"user":"1","__proto__":{}}',
    b'{"user":"1","diversity":NaN}',
    b'{"user":"\x00"}',
    b"{'user':'1'}",
    b'{"user":"1",}',
    *DEEP,
]


@pytest.mark.parametrize("content", WRONG_JSON, ids=range(len(WRONG_JSON)))
@pytest.mark.parametrize("path", ["/v1/recommendations", "/v1/feedback", "/v1/feedback/batch", "/v1/items"])
def test_wrong_and_deep_json_is_refused(shop, path, content):
    refused(shop.ask("POST", path, content=content, headers={"content-type": "application/json"}), 422)


@pytest.mark.parametrize(
    "row",
    [
        {"user": "1", "item": "1", "kind": "click", "value": "NaN"},
        None,
        [],
        "x",
        {"user": "1"},
        {"user": "1", "item": "1", "kind": "no"},
        {"user": "1", "item": "1", "kind": "rating"},
        {"user": "1", "item": "1", "kind": "click", "time": "9999-12-31T23:59:59Z"},
        {"user": "1", "item": "1", "kind": "click", "time": "0001-01-01T00:00:00+14:00"},
        {"user": "1", "item": "1", "kind": "click", "place": 10**9},
        {"user": "1", "item": "1", "kind": "click", "list_id": "f" * 32},
        {"user": "1", "item": None, "kind": "undo", "withdraws": "nothing"},
    ],
)
def test_a_wrong_row_of_a_batch_is_refused_alone(shop, row):
    good = {"user": "2", "item": "3", "kind": "click", "event_id": json.dumps(row)[:200]}
    answer = shop.ask("POST", "/v1/feedback/batch", json={"events": [row, good]})
    assert answer.status_code == 200
    first, second = answer.json()["results"]
    assert (first["status"], second["status"]) == ("refused", "new"), first
    assert first["problem"]["status"] in {404, 409, 422}


TEXTS = [
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "\u202etxt",
    "a\nb",
    "=cmd|' /C calc'!A0",
    "\ud7ff",
    "\U0001d54f" * 40,
    "%s%s%n",
    "../x",
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_texts_of_attributes_come_back_as_they_were_given(shop, text):
    thing = {"id": "texts", "attributes": {"title": text, text[:20]: [text, text]}}
    assert shop.ask("POST", "/v1/items", json={"items": [thing]}).status_code == 200
    answer = shop.ask("GET", "/v1/items", params={"id": "texts"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert json.dumps(text)[1:-1] in json.dumps(answer.json())
    assert shop.ask("GET", "/v1/items", params={"search": text}).status_code in {200, 422}


CONDITIONS = [
    "title='x' OR 1=1",
    "1=1; DROP TABLE items",
    "year>=",
    "year>=NaN",
    "year>=" + "9" * 900,
    "no_such_column=1",
    "=",
    ">=<",
    "title=%",
    "*",
    "year>=1990 UNION SELECT hash FROM keys",
    "__class__=1",
    "attributes.title=x",
    "title~(a+)+$",
    "(" * 500,
]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditions_are_a_small_language_and_never_sql(shop, condition):
    for method, path, request in (
        ("GET", "/v1/items", {"params": {"where": condition}}),
        ("GET", "/v1/popular", {"params": {"where": condition}}),
        ("POST", "/v1/recommendations", {"json": {"user": "1", "where": [condition]}}),
        ("POST", "/v1/recommendations", {"json": {"user": "1", "boosts": [{"where": condition, "factor": 2}]}}),
    ):
        assert shop.ask(method, path, **request).status_code in {200, 422}
    assert shop.ask("GET", "/v1/items", params={"id": "1"}).status_code == 200


@pytest.mark.parametrize(
    "target",
    [
        "/v1/lists/../../etc/passwd",
        "/v1/lists/..%2f..%2fetc%2fpasswd",
        "/v1/lists/%00",
        "/v1/lists/" + "f" * 32,
        "/v1/lists/" + "f" * 31,
        "/docs/../../settings.py",
        "/docs/%2e%2e/%2e%2e/app.py",
        "/docs/..%2fapp.py",
        "//v1/models",
        "/v1//models",
        "/v1/models/",
        "/V1/models",
        "/v1/" + "x" * 5000,
        "/static/x",
        "/.git/config",
        "/v1/recommendations/../models",
    ],
)
def test_paths_lead_nowhere_else(shop, target):
    answer = shop.ask("GET", target)
    assert answer.status_code in {404, 422} or answer.url.path in {"/v1/models", "/v1/lists/" + "f" * 32}, answer.url
    assert b"root:" not in answer.content
    assert b"import " not in answer.content


@pytest.mark.parametrize("version", [0, -1, 2**31, 10**30, "../../1", "1/../..", "/etc/passwd", None, 1.5, True, "1"])
def test_models_are_numbers_and_no_paths(shop, version):
    refused(shop.ask("POST", "/v1/models/activate", json={"version": version}), (404, 422))


def test_large_bodies_are_refused_before_they_are_read(shop):
    large = b'{"user":"' + b"x" * 300_000 + b'"}'
    refused(shop.ask("POST", "/v1/feedback", content=large, headers={"content-type": "application/json"}), 413)
    pieces = (b"x" * 1000 for _ in range(1000))
    refused(shop.ask("POST", "/v1/feedback", content=pieces, headers={"content-type": "application/json"}), 413)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "text/json"]
)
def test_bodies_that_a_foreign_page_could_send_are_no_json(shop, kind):
    content = b'{"user":"1","item":"1","kind":"click"}'
    refused(shop.ask("POST", "/v1/feedback", content=content, headers={"content-type": kind}), 415)


@pytest.mark.parametrize(
    "query",
    ["user=%ff", "user=1&user=2", "user=1&n=1&n=2", "user=1&n=1e1", "us%00er=1", "user=1&x=2", "user"],
)
def test_wrong_queries_are_refused(shop, query):
    refused(shop.ask("GET", f"/v1/recommendations?{query}"), 422)


# keys


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic dXNlcjpwYXNz",
        "bearer  ",
        "Bearer \u00e9",
        "Bearer " + "x" * 8000,
        "Token x",
    ],
)
def test_wrong_keys_are_refused(shop, given):
    answer = shop.request("GET", "/v1/models", headers={"authorization": given.encode("latin-1")})
    refused(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_no_key_opens_nothing_where_keys_exist(shop):
    for path in ("/v1/models", "/v1/recommendations?user=1", "/v1/popular"):
        refused(shop.request("GET", path), 401)


def test_a_changed_or_shortened_key_is_no_key(shop):
    key = shop.keys["default", "admin"]
    for wrong in (key[:-1], key + "x", key.upper(), key.swapcase(), key[::-1], " " + key[1:], key.replace("_", "-")):
        refused(shop.request("GET", "/v1/models", headers={"authorization": f"Bearer {wrong}"}), 401)


def test_roles_end_where_they_end(shop):
    """Every operation of the document, asked by every role below its own."""
    document = shop.app.openapi()
    asked = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            needed = operation.get("x-role", "read")
            for role in ROLES[: ROLES.index(needed)]:
                answer = shop.ask(
                    method.upper(),
                    path.replace("{list_id}", "f" * 32),
                    role=role,
                    json={} if method in ("post", "put", "patch") else None,
                )
                if path.startswith("/api/"):  # Gorse's clients are told as text
                    assert answer.status_code == 403, answer.url
                else:
                    refused(answer, 403)
                asked += 1
    assert asked > 10


def test_the_key_decides_the_namespace(shop):
    event = {"user": "77", "item": "7", "kind": "click", "event_id": "only-here"}
    assert shop.ask("POST", "/v1/feedback", json=event, namespace="numbers").status_code == 201
    assert (
        shop.ask("POST", "/v1/feedback", json=event).status_code == 201
    )  # no conflict: another namespace's id is nobody's
    undo = {"user": "1", "kind": "undo", "withdraws": "numbers-1-1"}
    refused(shop.ask("POST", "/v1/feedback", json=undo), 404)


def test_a_replayed_event_counts_once_and_an_altered_one_is_a_conflict(shop):
    event = {"user": "5", "item": "6", "kind": "rating", "value": 4, "event_id": "replayed"}
    assert [shop.ask("POST", "/v1/feedback", json=event).status_code for _ in range(3)] == [201, 200, 200]
    for change in ({"value": 5}, {"user": "6"}, {"item": "7"}, {"kind": "click"}):
        refused(shop.ask("POST", "/v1/feedback", json=event | change), 409)


def test_a_cursor_is_for_its_key_and_its_person(shop):
    first = shop.ask("POST", "/v1/recommendations", json={"user": "1", "n": 3}, role="read").json()
    cursor = first["next"]
    assert cursor, first
    page = {"cursor": cursor, "user": "1"}
    assert shop.ask("POST", "/v1/recommendations/next", json=page, role="read").status_code == 200
    for role, namespace in (("write", "default"), ("admin", "default"), ("read", "numbers")):
        refused(shop.ask("POST", "/v1/recommendations/next", json=page, role=role, namespace=namespace), 404)
    for change in (
        {"user": "2"},
        {"user": None},
        {"cursor": cursor[:-1]},
        {"cursor": cursor + "A"},
        {"cursor": cursor[::-1]},
        {"cursor": "A" * 64},
    ):
        refused(shop.ask("POST", "/v1/recommendations/next", json=page | change, role="read"), (404, 422))


# names and origins


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
        "a b",
        "[::1",
        "127.0.0.1@evil.example",
        "0x7f.1",
    ],
)
def test_other_names_are_not_answered(shop, host):
    refused(shop.ask("GET", "/v1/popular", headers={"host": host}), 421)


def test_answers_are_not_for_pages_of_others(shop):
    answer = shop.ask("GET", "/v1/popular", headers={"origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    preflight = shop.ask("OPTIONS", "/v1/feedback", headers=asked)
    assert preflight.status_code in {404, 405}
    assert not [name for name in preflight.headers if name.startswith("access-control")]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
