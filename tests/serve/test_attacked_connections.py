"""Bytes that no client library would send, proxies, and crowds that stall: against a real uvicorn worker."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack, closing

import pytest
from serve.attacked import made
from serve.own_service import in_thread
from serve.raw_http import received, request, sent
from serve.real_proxy import ADDED, reverse_proxy

EVENT = {"user": "1", "item": "2", "kind": "click"}
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # sockets that were cut on purpose


@pytest.fixture(scope="module")
def keyless(tmp_path_factory):
    """The address of a service without keys."""
    with in_thread(f"sqlite:///{tmp_path_factory.mktemp('keyless')}/shop.db") as address:
        yield address


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    """The address of a service with keys, and a header with one of each role."""
    url = f"sqlite:///{tmp_path_factory.mktemp('keyed')}/shop.db"
    keys = made(url)
    with in_thread(url, body_bytes=100_000, body_seconds=2.0) as address:
        yield (
            address,
            {role: {"Authorization": f"Bearer {keys['default', role]}"} for role in ("read", "write", "admin")},
        )


def told(address, method, target, body=None, host=None, **headers):
    """Ask under the service's own name, and return the status."""
    return sent(address, request(method, target, body, host or f"127.0.0.1:{address[1]}", **headers)).status


# without a key


def test_a_local_client_needs_no_key_to_read_and_write(keyless):
    assert told(keyless, "POST", "/v1/feedback", EVENT) == 201
    assert told(keyless, "GET", "/v1/recommendations?user=1") == 200
    assert told(keyless, "GET", "/v1/popular", host=f"localhost:{keyless[1]}") == 200


def test_without_a_key_nobody_administers(keyless):
    assert told(keyless, "POST", "/v1/models/activate", {"version": 1}) == 403
    assert told(keyless, "POST", "/v1/models/rollback", {}) == 403


@pytest.mark.parametrize("kind", [kind for kind in ADDED if kind not in {"plain11"}])
def test_behind_a_proxy_a_key_is_needed(keyless, kind):
    with reverse_proxy(keyless, kind) as proxy:
        for method, target, body in (("GET", "/v1/popular", None), ("POST", "/v1/feedback", EVENT)):
            answer = sent(proxy, request(method, target, body, "shop.example"))
            assert answer.status in {401, 421}, answer
            assert answer.headers["content-type"] == "application/problem+json"


def test_a_proxy_that_hides_itself_cannot_be_told(keyless):
    """What docs/security.md says of keyless requests: make a key before a proxy stands in front."""
    with reverse_proxy(keyless, "plain11") as proxy:
        assert sent(proxy, request("GET", "/v1/popular", host="shop.example")).status == 200
        page = request("POST", "/v1/feedback", EVENT, "shop.example", Origin="https://shop.example")
        assert sent(proxy, page).status == 401  # a browser's page tells its own


@pytest.mark.parametrize("headers", [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost.evil.example"},
    {"Forwarded": "for=1.2.3.4"},
    {"X-Forwarded-Anything": "x"},
    {"VIA": "1.1 x"},
    {"X-Real-Ip": "1.2.3.4"},
])  # fmt: skip
def test_without_a_key_foreign_pages_and_forwarded_requests_are_refused(keyless, headers):
    content = json.dumps(EVENT).encode()
    lines = [f"POST /v1/feedback HTTP/1.1\r\nHost: 127.0.0.1:{keyless[1]}\r\nConnection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"]
    assert sent(keyless, "\r\n".join(lines).encode() + content).status == 401


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.nip.io", "", "127.1@evil.example", "[::ffff:1.2.3.4]"])
def test_rebound_names_are_not_answered(keyless, host):
    assert told(keyless, "GET", "/v1/popular", host=host or " ") in {400, 401, 421}


def test_two_host_headers_are_refused(keyless):
    head = (
        f"GET /v1/popular HTTP/1.1\r\nHost: 127.0.0.1:{keyless[1]}\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    )
    assert sent(keyless, head.encode()).status in {400, 422}


# wrong HTTP


HERE = b"Host: 127.0.0.1\r\n"
GET, POST = b"GET /v1/popular HTTP/1.1\r\n", b"POST /v1/feedback HTTP/1.1\r\n" + HERE
CHUNKED = b"Transfer-Encoding: chunked"
WRONG_HTTP = [
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /v1/popular\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /v1/popular HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET http://evil.example/ HTTP/1.1\r\nHost: x\r\n\r\n",
    GET + b"Host : 127.0.0.1\r\n\r\n",
    GET + b"\r\n",
    GET + HERE + b"X: a\nb\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\n" + HERE + b"\r\n",
    POST + b"Content-Length: -1\r\n\r\n",
    POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    POST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n\r\n0\r\n\r\n",
    POST + CHUNKED + b", identity\r\n\r\n0\r\n\r\n",
    POST + CHUNKED + b"\r\n\r\nzz\r\n",
    GET + HERE + b"X: y\r\n" * 100_000 + b"\r\n",
    b"GET /" + b"x" * 200_000,
    b"A" * 300_000,
    GET + b"X: " + b"y" * 300_000,
]


@pytest.mark.parametrize("data", WRONG_HTTP, ids=range(len(WRONG_HTTP)))
def test_wrong_http_is_cut_or_refused_and_nobody_else_notices(keyed, data):
    address, keys = keyed
    with closing(socket.create_connection(address, timeout=20)) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            status = received(connection).status
        except (BrokenPipeError, ConnectionResetError, OSError):
            status = 0
    assert status == 0 or 400 <= status < 500, status
    assert told(address, "GET", "/v1/popular", **keys["read"]) == 200


def test_bodies_larger_than_declared_or_endless_are_cut(keyed):
    address, keys = keyed
    lines = "".join(f"{name}: {value}\r\n" for name, value in keys["write"].items())
    head = f"POST /v1/feedback HTTP/1.1\r\nHost: 127.0.0.1:{address[1]}\r\nContent-Type: application/json\r\n{lines}"
    endless = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"
    assert sent(address, endless + b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n").status == 413
    assert sent(address, f"{head}Content-Length: 100001\r\n\r\n".encode()).status == 413
    assert sent(address, f"{head}Content-Length: 99999999999999999999999\r\n\r\n".encode()).status in {0, 400, 413}
    compressed = f"{head}Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n".encode() + b"\x1f\x8b\x08"
    assert sent(address, compressed).status in {415, 422}


def test_a_body_that_does_not_come_is_told_so(keyed):
    address, keys = keyed
    lines = "".join(f"{name}: {value}\r\n" for name, value in keys["write"].items())
    head = f"POST /v1/feedback HTTP/1.1\r\nHost: 127.0.0.1:{address[1]}\r\nContent-Type: application/json\r\n{lines}"
    assert sent(address, f"{head}Content-Length: 50\r\n\r\n{{".encode()).status == 408


def test_two_hundred_stalled_connections_stop_nobody(keyed):
    address, keys = keyed
    lines = "".join(f"{name}: {value}\r\n" for name, value in keys["write"].items())
    starts = [
        b"",
        b"GET /v1/pop",
        f"GET /v1/popular HTTP/1.1\r\nHost: 127.0.0.1:{address[1]}\r\n".encode(),
        f"POST /v1/feedback HTTP/1.1\r\nHost: 127.0.0.1:{address[1]}\r\n{lines}Content-Type: application/json\r\n"
        "Content-Length: 99\r\n\r\n{".encode(),
    ]
    with ExitStack() as stack:
        for number in range(200):
            stalled = stack.enter_context(closing(socket.create_connection(address, timeout=20)))
            stalled.sendall(starts[number % 4])
        for number in range(20):
            event = EVENT | {"event_id": f"stalled {number}"}
            assert told(address, "POST", "/v1/feedback", event, **keys["write"]) == 201
            assert told(address, "GET", f"/v1/recommendations?user={number}", **keys["read"]) == 200


def test_a_client_that_reads_nothing_stops_nobody(keyed):
    address, keys = keyed
    body = {"requests": [{"user": str(number), "n": 40} for number in range(500)]}
    with closing(socket.create_connection(address, timeout=20)) as deaf:
        for _ in range(5):
            deaf.sendall(request("POST", "/v1/recommendations/batch", body, f"127.0.0.1:{address[1]}", **keys["read"]))
        assert told(address, "GET", "/v1/popular", **keys["read"]) == 200
