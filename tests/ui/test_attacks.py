"""Attacks on a running `palate serve`: it refuses, goes on answering, reads no file, and logs no word of the client."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from attacker import EVENTS, Served, ask, nobody, served
from ui_models import small_model

from palate import files
from palate.errors import ParameterError
from palate.serve.hosts import Hosts
from palate.ui import build_ui, door, incidents
from palate.ui.page import import_gradio

MARK = "Attacker-wrote-this"  # stands in every attack: the log must not have it


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    files.save(small_model(list(range(1, 8)), list(range(10, 130, 10))), path)
    return path


@pytest.fixture(scope="module")
def page(model_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served"), str(model_file)) as running:
        yield running


@pytest.fixture
def unharmed(page: Served) -> Iterator[Served]:
    """The server, which after the attack must answer, have copied no file, and have written nothing of the client's."""
    yield page
    assert page.answers()
    assert [path for path in page.temp.rglob("*") if path.is_file()] == []
    assert MARK not in page.log
    assert "Traceback" not in page.log


def file_of(path: object, **more: Any) -> dict[str, Any]:
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}, "orig_name": MARK, **more}


# -- files that a request names ----------------------------------------------------------------------------------------


def nested(file: Any) -> list[list[Any]]:
    """Return an event's values with a file in many places."""
    return [
        [file, 10, "Any genre", "small"],
        ["1", file, "Any genre", "small"],
        ["1", 10, "Any genre", file],
        ["1", 10, [file], "small"],
        ["1", 10, [[[file]]], "small"],
        ["1", 10, {"a": [{"b": file}]}, "small"],
        [json.dumps(file), 10, json.dumps([file]), "small"],  # text stays text
    ]


@pytest.mark.parametrize("place", range(7))
@pytest.mark.parametrize("kind", ["file", "fifo", "/dev/zero", "/proc/self/environ", "https"])
def test_no_event_makes_the_server_read_a_path(place: int, kind: str, unharmed: Served, tmp_path: Path) -> None:
    target: Any = kind
    if kind == "fifo":
        os.mkfifo(target := tmp_path / "fifo")  # to open it for reading would wait for a writer, for ever
    if kind == "file":
        (target := tmp_path / "canary.txt").write_text(f"{MARK} canary")
    with socket.create_server(("127.0.0.1", 0)) as trap:
        if kind == "https":
            target = f"https://127.0.0.1:{trap.getsockname()[1]}/x.png"
        status, body = unharmed.event(unharmed.honest(data=nested(file_of(target))[place]))
        trap.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has called
            trap.accept()
    assert status in (400, 500)
    assert b"temp" not in body
    assert b"canary" not in body
    assert len(body) < 200


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":["1",10,"Any genre","small"],"data":[%b,10,"Any genre","small"],"fn_index":1,"session_hash":"a"}',
        b'{"data":["1",10,"Any genre","small"],"fn_index":1,"session_hash":"a","event_data":%b}',
        b'{"data":["1",10,"Any genre","small"],"fn_index":1,"session_hash":%b}',
        b'{"data":["1",10,"Any genre","small"],"fn_index":1,"session_hash":"a","request":%b}',
        b'{"data":%b,"fn_index":1,"session_hash":"a"}',
        b'[%b]',
        b'%b',
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32", "utf-8-sig"])
def test_no_encoding_or_doubled_key_smuggles_a_file_in(body: bytes, encoding: str, unharmed: Served) -> None:
    raw = (body % json.dumps(file_of("/dev/zero")).encode()).decode().encode(encoding)
    assert unharmed.event(raw)[0] == 400


def test_of_doubled_keys_gradio_sees_the_one_that_was_checked() -> None:
    seen: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((await receive())["body"])

    raw = b'{"data":[{"path":"/x"}],"data":["a"],"fn_index":0,"session_hash":"a"}'
    ask(door.Door(app, {0: 1}, Hosts()), raw)
    assert [json.loads(one)["data"] for one in seen] == [["a"]]
    assert b"path" not in seen[0]


def test_a_page_that_somebody_mounts_refuses_files_too(caplog: pytest.LogCaptureFixture) -> None:
    page: Any = build_ui(small_model([1, 2, 3], [10, 20, 30, 40]))
    sorry = import_gradio().Error
    number = next(n for n, event in page.fns.items() if len(event.inputs) == 4)
    with pytest.raises(sorry, match="This could not be answered"):
        asyncio.run(page.process_api(page.fns[number], [file_of("/dev/zero"), 10, "Any genre", ""]))
    assert "an event of the page was not answered (ParameterError)" in caplog.text
    assert MARK not in caplog.text


# -- routes ------------------------------------------------------------------------------------------------------------

CLOSED = [
    *("/gradio_api/queue/join", "/gradio_api/queue/join?", "/gradio_api/call/predict", "/gradio_api/call/v2/predict"),
    *("/gradio_api/run/other", "/gradio_api/run/predict/", "/gradio_api/api/predict", "/run/predict", "/queue/join"),
    *("/gradio_api/upload", "/gradio_api/process_recording", "/gradio_api/component_server", "/gradio_api/cancel"),
    *("/gradio_api/stream/x", "/gradio_api/reset", "/gradio_api/vibe-edit", "/gradio_api/vibe-code", "/login"),
    *("/gradio_api/run-history/connect", "/%67radio_api/upload", "//gradio_api/run/predict", "/gradio_api/./upload"),
]  # fmt: skip
UNREAD = [
    *("/gradio_api/file=/etc/hostname", "/gradio_api/file/etc/hostname", "/gradio_api/proxy=https://127.0.0.1:1/"),
    *("/gradio_api/info", "/config", "/gradio_api/openapi.json", "/gradio_api/heartbeat/a", "/monitoring", "/runs"),
    *("/gradio_api/queue/data?session_hash=a", "/gradio_api/custom_component/a/b/c/d", "/static/img/logo.svg"),
    *("/assets/../index.html", "/assets/..%2f..%2findex.html", "/assets/%2e%2e/index.html", "/assets/a/b", "/svelte/x"),
    *("/gradio_api/startup-events", "/gradio_api/dev/reload", "/gradio_api/deep_link", "/manifest.json", "/docs"),
]  # fmt: skip


@pytest.mark.parametrize("path", CLOSED)
def test_routes_that_the_page_does_not_need_are_closed(path: str, unharmed: Served) -> None:
    for body in (unharmed.honest(), unharmed.honest(data=[file_of("/dev/zero")]), {"api_name": MARK}):
        assert unharmed.event(body, path)[0] == 404


@pytest.mark.parametrize("path", UNREAD)
def test_nothing_else_is_given_out(path: str, unharmed: Served) -> None:
    assert unharmed.ask("GET", path)[0] == 404
    assert unharmed.ask("GET", f"{path}{MARK}")[0] == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "POST", "BREW"])
def test_other_methods_are_refused(method: str, unharmed: Served) -> None:
    assert unharmed.ask(method, "/")[0] == 405
    assert unharmed.ask(method, "/assets/index.js")[0] == 405
    if method != "POST":
        assert unharmed.ask(method, EVENTS)[0] == 405


def test_a_query_reaches_nobody(unharmed: Served) -> None:
    plain, asked = (unharmed.ask("GET", f"/{query}") for query in ("", f"?deep_link=../../etc/hostname&page={MARK}"))
    assert (plain[0], asked[0]) == (200, 200)
    assert plain[1] == asked[1]


@pytest.mark.parametrize("path", ["/", EVENTS, "/gradio_api/queue/join", "/ws"])
def test_web_sockets_are_refused(path: str, unharmed: Served) -> None:
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade, close", "Sec-WebSocket-Version": "13"}
    status, _ = unharmed.ask("GET", path, headers={**upgrade, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    assert status in (200, 404, 405)  # an ordinary answer to an ordinary request; never 101


# -- bodies ------------------------------------------------------------------------------------------------------------


def test_a_large_body_is_refused_before_it_is_read(unharmed: Served) -> None:
    large = json.dumps(unharmed.honest(data=["1" * door.LARGEST_BODY, 10, "Any genre", "small"])).encode()
    status, body = unharmed.event(large)
    assert (status, body) == (413, b"a body of more than 16,384 bytes\n")
    assert unharmed.event(b"x", Content_Length="99999999999999999999")[0] in (400, 413)
    assert unharmed.event(b"x", Content_Length="-1")[0] == 400


def test_a_chunked_body_has_the_same_bound(unharmed: Served) -> None:
    chunk = b"1000\r\n" + b"[" * 0x1000 + b"\r\n"
    head = f"POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
    raw = head.encode() + b"Transfer-Encoding: chunked\r\n\r\n"
    assert unharmed.send(raw + 8 * chunk + b"0\r\n\r\n").startswith(b"HTTP/1.1 413 ")
    assert unharmed.send(raw + 2000 * chunk)[:13] in (b"HTTP/1.1 413 ", b"")  # endless: cut while it is still sent
    assert unharmed.send(raw + 3 * chunk + b"0\r\n\r\n").startswith(b"HTTP/1.1 400 ")  # deep brackets


@pytest.mark.parametrize(
    "changed",
    [
        {"fn_index": 999}, {"fn_index": True}, {"fn_index": "1"}, {"fn_index": None}, {"fn_index": -1}, {"data": []},
        {"data": MARK}, {"data": None}, {"data": ["1"] * 5}, {"session_hash": MARK}, {"session_hash": ["a"]},
        {"trigger_id": MARK}, {"trigger_id": 1.5}, {"batched": True}, {"simple_format": True}, {"event_id": MARK},
        {"data": ["\ud800", 10, "Any genre", "small"]}, {"data": [10**400, 10, "Any genre", "small"]},
        {"data": [float("nan"), 10, "Any genre", "small"]}, {"data": ["1", float("inf"), "Any genre", "small"]},
    ],
)  # fmt: skip
def test_an_event_unlike_the_pages_is_refused(changed: dict[str, Any], unharmed: Served) -> None:
    assert unharmed.event(unharmed.honest(**changed))[0] == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content_Type": "text/plain"}, 415), ({"Content_Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content_Encoding": "gzip"}, 415), ({"Content_Type": "application/json;charset=utf-16"}, 200),
    ],
)  # fmt: skip
def test_only_json_is_read(headers: dict[str, str], status: int, unharmed: Served) -> None:
    assert unharmed.event(unharmed.honest(), **headers)[0] == status


def test_a_get_has_no_body(unharmed: Served) -> None:
    assert unharmed.ask("GET", "/", b"{}")[0] == 400
    assert unharmed.ask("GET", "/", b"0\r\n\r\n", {"Transfer-Encoding": "chunked"})[0] == 400


def test_a_slow_body_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "BODY_SECONDS", 0.0)
    assert ask(door.Door(nobody, {0: 1}, Hosts()), None) == (408, "the body did not arrive within 0 seconds\n")


def test_a_client_that_goes_away_is_no_incident(caplog: pytest.LogCaptureFixture) -> None:
    assert ask(door.Door(nobody, {0: 1}, Hosts()), b"", kind="http.disconnect")[0] == 400
    assert caplog.records == []


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00" + MARK.encode(),
        b"GET / HTTP/1.1\r\nConnection: close\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\nxxxx",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
    ],
)
def test_what_is_no_http_is_answered_with_400(raw: bytes, unharmed: Served) -> None:
    assert unharmed.send(raw).startswith(b"HTTP/1.1 400 ")


def test_headers_have_a_bound(unharmed: Served) -> None:
    assert unharmed.ask("GET", "/", headers={"X": MARK * 900})[0] == 431
    assert unharmed.ask("GET", "/", headers={f"X-{n}": MARK for n in range(900)})[0] == 431
    assert unharmed.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + MARK.encode() * 40_000)[:13] in (
        b"HTTP/1.1 400 ",
        b"",
    )


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "127.0.0.1:1", "[::1]", "127.8.8.8", socket.gethostname()])
def test_names_of_this_machine_are_answered(host: str, unharmed: Served) -> None:
    assert unharmed.ask("GET", "/", headers={"Host": host})[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "8.8.8.8", "", "localhost/x", "localhost:x",
        "localhost, evil.example", "user@localhost", "[::ffff:8.8.8.8]", "0x7f000001", "2130706433", "localhost:123456",
        MARK,
    ],
)  # fmt: skip
def test_other_names_are_refused(host: str, unharmed: Served) -> None:
    for method, path in (("GET", "/"), ("POST", EVENTS), ("GET", "/assets/index.js"), ("GET", "/nowhere")):
        status, body = unharmed.ask(method, path, headers={"Host": host, "X-Forwarded-Host": "localhost"})
        assert status in (400, 421)
        if status == 421:
            assert b"does not answer to that name" in body
            assert b"--allow-host and the name" in body


def test_headers_of_proxies_are_ignored_unless_trusted(unharmed: Served) -> None:
    told = ("X-Forwarded-Host", "X-Gradio-Server", "Forwarded", "X-Forwarded-For", "X-Forwarded-Prefix", "X-Direct-Url")
    forged = {**dict.fromkeys(told, f"https://{MARK}.example"), "X-Forwarded-Proto": "https"}
    assert unharmed.ask("GET", "/", headers=forged) == unharmed.ask("GET", "/")


def a_proxy_names_host_and_scheme(page: Served) -> None:
    ours = {"X-Forwarded-Host": "films.example", "X-Forwarded-Proto": "https"}
    status, shown = page.ask("GET", "/", headers=ours)
    assert status == 200
    assert b'"root":"https://films.example"' in shown.replace(b" ", b"")
    for name in ("films.example", "xn--bch-hoa.example"):
        assert page.ask("GET", "/", headers={"Host": name})[0] == 200
    assert page.ask("GET", "/", headers={"X-Forwarded-Host": "evil.example"})[0] == 421
    assert page.ask("GET", "/", headers={"Host": "evil.example", "X-Forwarded-Host": "films.example"})[0] == 421


@pytest.mark.parametrize("name", ["https://films.example", "films.example:80", "a b", "", "*", "a/b", "x" * 300])
def test_an_allowed_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ParameterError, match=r"allow_hosts takes names alone, such as palate\.example\.org"):
        Hosts("127.0.0.1", [name])


def test_the_address_that_was_reached_is_a_name() -> None:
    hosts = Hosts("0.0.0.0", ["10.9.9.9", "[2001:DB8::1]"])
    for host in ("192.168.1.5:7860", "10.9.9.9", "[2001:db8:0::1]:80"):
        assert hosts.know(host, "192.168.1.5")
    assert not hosts.know("192.168.1.6", "192.168.1.5")


# -- what the log says -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [["1", 10, MARK, "small"], ["1", 7, "Any genre", "small"], [MARK, 10, "Any genre", MARK], [1, 1, 1, 1]]
)
def test_a_value_that_no_field_offers_is_one_line_without_it(data: list[Any], unharmed: Served) -> None:
    status, body = unharmed.event(unharmed.honest(data=data))
    assert status == 500
    assert json.loads(body)["error"] == incidents.UNANSWERED
    assert MARK.encode() not in body


def told(page: Served) -> list[str]:
    """Return the lines of the log, but for what was compiled at the start."""
    return [line for line in page.log.splitlines() if not line.startswith("compiling ")]


@pytest.mark.long
def test_one_line_an_incident_and_a_trusted_proxy_names_host_and_scheme(model_file: Path, tmp_path: Path) -> None:
    options = ("--trust-proxy", "--allow-host", "films.example", "--allow-host", "Büch.example")
    with served(tmp_path, *options, str(model_file)) as page:
        page.event(page.honest(data=["1", 10, MARK, "small"]))
        page.event(page.honest(data=[file_of(MARK)]))
        page.ask("GET", "/", headers={"Host": MARK})
        page.ask("POST", f"/gradio_api/upload?{MARK}")
        page.ask("GET", f"/{MARK}")  # such as an icon that a browser looks for: no incident
        page.ask(MARK, "/")
        page.send(MARK.encode() + b"\r\n\r\n")
        assert told(page) == [
            "warning: an event of the page was not answered (Error)",
            f"warning: refused with 400, {EVENTS}: an event unlike those of the page",
            "warning: refused with 421, /: this page does not answer to that name; open it at the address that it said "
            "when it started, or start it with --allow-host and the name",
            "warning: refused with 404, a route that the page does not need: not a part of this page",
            "warning: refused with 405, /: this takes GET or HEAD alone",
            "warning: Invalid HTTP request received.",
        ]
        for _ in range(40):
            page.event(page.honest(data=[file_of(MARK)]))
        lines = told(page)
        assert len(lines) == incidents.MOST_LINES
        assert lines[-1].endswith("; more of this minute are counted alone")
        a_proxy_names_host_and_scheme(page)


def test_what_was_not_shown_is_counted() -> None:
    now = [0.0]
    sparing = incidents.Sparing(lambda: now[0])

    def line(error: bool = False) -> str | None:
        cause = (KeyError, KeyError(MARK), None) if error else None
        record = logging.LogRecord("x", logging.WARNING, __file__, 1, "bad\n%s", ("thing",), cause)
        return record.getMessage() if sparing.filter(record) and not record.exc_info else None

    assert line(error=True) == "bad thing (KeyError)"
    lines = [line() for _ in range(incidents.MOST_LINES + 4)]
    assert lines.count(None) == 5
    now[0] = 61.0
    assert line() == "bad thing (5 more before it were not shown)"
    assert line() == "bad thing"


# -- crowds and slow clients -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crowd", [100, 450])
def test_many_idle_connections_leave_room_for_others(unharmed: Served, crowd: int) -> None:
    idle = [socket.create_connection(("127.0.0.1", unharmed.port)) for _ in range(crowd)]
    for sock in idle:
        with suppress(OSError):  # the server may have cut it already
            sock.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n")
    assert unharmed.answers()
    for sock in idle:
        sock.close()


class Loop:
    def __init__(self) -> None:
        self.later: list[Any] = []

    def call_later(self, seconds: float, *what: Any) -> Any:
        self.later.append(what)
        return self

    def cancel(self) -> None:
        pass

    def time(self) -> float:
        return 9.0


class Transport:
    aborted = False

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted

    def get_extra_info(self, name: str) -> None:
        return None


def connection(crowd: set[Any]) -> Any:
    import uvicorn
    from uvicorn.server import ServerState

    from palate.ui.connections import Connection

    state = ServerState()
    state.connections = crowd
    made = Connection(uvicorn.Config(nobody, log_config=None), state, {}, Loop())  # type: ignore[arg-type]
    made.connection_made(Transport())  # type: ignore[arg-type]
    return made


def test_a_connection_that_finishes_nothing_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    slow = connection(set())
    slow._answered += 1  # one request was answered in time: it is watched anew
    (look, *rest) = slow.loop.later.pop()
    look(*rest)
    assert not slow.transport.aborted
    (look, *rest) = slow.loop.later.pop()
    look(*rest)
    assert slow.transport.aborted
    look(*rest)
    assert slow.loop.later == []
    assert caplog.messages == ["cut: a connection that finished no request within 60 seconds"]


def test_the_oldest_connection_without_an_answer_makes_room(caplog: pytest.LogCaptureFixture) -> None:
    crowd: set[Any] = set()
    answered, silent, young = (connection(crowd) for _ in range(3))
    answered._answered = 1
    answered._begun, silent._begun, young._begun = 1.0, 2.0, 3.0
    crowd |= set(range(398))
    last = connection(crowd)
    assert [one.transport.aborted for one in (answered, silent, young, last)] == [False, True, False, False]
    assert caplog.messages == ["cut: more than 400 connections at a time"]


def test_where_all_have_had_answers_the_newest_is_cut() -> None:
    crowd: set[Any] = set(range(400))
    assert connection(crowd).transport.aborted
