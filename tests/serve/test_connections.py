"""Clients that are slow on purpose, or many, hold nobody else up."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import ExitStack, closing, contextmanager

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("httptools")

import uvicorn

from palate.serve import connections
from palate.serve.connections import BoundedConnection, allow_files
from palate.serve.listening import listen

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


async def app(scope, receive, send):
    """Answer with what was sent; /slow takes its time."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    if scope["path"] == "/slow":
        await asyncio.sleep(1.0)
    head = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def served(**options):
    """Serve in a thread; give a function that connects."""
    sock = listen("127.0.0.1", 0, backlog=1024)
    given = {"http": BoundedConnection, "ws": "none", "lifespan": "off", "log_config": None, "access_log": False}
    server = uvicorn.Server(uvicorn.Config(app, **given, **options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    with ExitStack() as opened:

        def connect():
            return opened.enter_context(closing(socket.create_connection(sock.getsockname(), timeout=10)))

        yield connect, server
    server.should_exit = True
    thread.join(timeout=10)
    assert not thread.is_alive()


def answer(connection, content=REQUEST):
    connection.sendall(content)
    return connection.recv(1000)[:12]


def ended(connection):
    """Return whether the server cut a connection."""
    try:
        return connection.recv(1000) == b""
    except ConnectionResetError:
        return True


def test_two_hundred_stalled_connections_stop_nobody():
    with served() as (connect, _):
        for _ in range(100):
            connect()  # sends nothing
            connect().sendall(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\nno end")
        began = time.perf_counter()
        assert answer(connect()) == b"HTTP/1.1 200"
        assert time.perf_counter() - began < 5


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\nno"])
def test_a_request_that_does_not_end_is_cut(sent, monkeypatch):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.3)
    with served() as (connect, _):
        slow = connect()
        slow.sendall(sent)
        assert ended(slow)


def test_a_second_request_that_does_not_end_is_cut(monkeypatch):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.3)
    with served() as (connect, _):
        slow = connect()
        assert answer(slow) == b"HTTP/1.1 200"
        slow.sendall(b"GET / HT")
        assert ended(slow)


def test_a_connection_may_rest_between_requests_for_longer_than_one_may_take(monkeypatch):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.2)
    with served(timeout_keep_alive=30) as (connect, _):
        kept = connect()
        for _ in range(2):
            assert answer(kept) == b"HTTP/1.1 200"
            time.sleep(0.7)  # more than the cut could take to come
        assert answer(kept) == b"HTTP/1.1 200"


def test_a_crowd_makes_room_by_cutting_the_oldest_that_asked_nothing(monkeypatch):
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 5)
    with served() as (connect, _):
        asked = connect()
        assert answer(asked) == b"HTTP/1.1 200"
        silent = [connect() for _ in range(4)]
        assert answer(connect()) == b"HTTP/1.1 200"
        assert ended(silent[0])
        assert answer(asked) == b"HTTP/1.1 200"


def test_the_end_waits_for_requests_that_are_underway():
    with served(timeout_graceful_shutdown=10) as (connect, server):
        waiting, idle = connect(), connect()
        assert answer(idle) == b"HTTP/1.1 200"
        waiting.sendall(b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n")
        time.sleep(0.2)
        server.should_exit = True
        assert waiting.recv(1000).startswith(b"HTTP/1.1 200")
        assert ended(idle)


def test_a_process_may_open_as_many_files_as_its_connections_need():
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        allow_files(300)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 300
        allow_files(100)  # never fewer
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 300
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
