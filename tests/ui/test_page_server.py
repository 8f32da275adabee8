"""The page's server at its edges: no gradio, no fit, wrong ports, its end, many at once."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from typing import Any

import pytest

from palate.errors import MissingExtraError, NotFittedError, ParameterError
from palate.models import MatrixFactorization
from palate.ui import build_ui, private, server


def test_missing_gradio_is_said_with_its_command(films: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(
        MissingExtraError, match=re.escape("the web page needs the extra 'ui': pip install 'palate[ui]'")
    ):
        build_ui(films)


def test_a_model_before_fit_is_refused() -> None:
    with pytest.raises(NotFittedError, match=r"call fit\(interactions\) first"):
        build_ui(MatrixFactorization())


@pytest.mark.parametrize("port", [-1, 65536, "80", True, 7.5])
def test_a_wrong_port_is_refused(port: Any) -> None:
    with pytest.raises(ParameterError, match="port must be a whole number from 0 to 65535, got"):
        server.listen("127.0.0.1", port)


def test_a_port_in_use_and_a_foreign_host_are_refused() -> None:
    with server.listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            ParameterError, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already in use; choose"
        ):
            server.listen("127.0.0.1", port)
    with pytest.raises(ParameterError, match=r"cannot listen on 192\.0\.2\.1:0: .*or host"):
        server.listen("192.0.2.1", 0)
    with pytest.raises(ParameterError, match=r"cannot listen on no such host:0"):
        server.listen("no such host", 0)


OUTSIDE = """<head><meta charset="utf-8" /><meta property="og:image"
 content="https://far.example/a.jpg" /><meta name="twitter:title" content="x" />
<meta name="viewport" content="width=1" />
<link rel="preconnect" href="https://fonts.gstatic.com" crossorigin="anonymous" />
<link rel="manifest" href="/manifest.json" />
<link rel="stylesheet" href="//cdn.example/a.css"><link rel="stylesheet" href="./assets/a.css">
<script src="https://cdn.example/iframeResizer.min.js"></script><script type="module" src="./assets/a.js"></script>
<script>window.gradio_config = {"a": "https://kept.example"};</script>
<script>(() => { script.src = "static/js/iframeResizer.contentWindow.min.js"; })();</script></head>"""


def test_tags_of_other_hosts_are_taken_out() -> None:
    kept = private.without_outside(OUTSIDE)
    assert "far.example" not in kept
    assert "cdn.example" not in kept
    assert "gstatic" not in kept
    assert "manifest" not in kept
    assert "iframeResizer" not in kept
    for tag in ('charset="utf-8"', 'name="viewport"', 'href="./assets/a.css"', 'src="./assets/a.js"', "kept.example"):
        assert tag in kept


def test_the_wrapper_rewrites_html_alone() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        html = scope["path"] == "/"
        assert not html or b"accept-encoding" not in dict(scope["headers"])
        kind = b"text/html; charset=utf-8" if html else b"text/javascript"
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", kind), (b"content-length", b"9")],
            }
        )
        await send({"type": "http.response.body", "body": OUTSIDE[:100].encode(), "more_body": True})
        await send({"type": "http.response.body", "body": OUTSIDE[100:].encode()})

    def ask(path: str) -> tuple[int, dict[bytes, bytes], str]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "path": path, "headers": [(b"accept-encoding", b"br")]}
        asyncio.run(private.Private(app)(scope, None, send))  # type: ignore[arg-type]
        return sent[0]["status"], dict(sent[0]["headers"]), b"".join(one.get("body", b"") for one in sent[1:]).decode()

    status, headers, body = ask("/")
    assert (status, body) == (200, private.without_outside(OUTSIDE))
    assert headers[b"content-length"] == b"%d" % len(body.encode())
    assert b"connect-src 'self'" in headers[b"content-security-policy"]
    assert ask("/assets/a.js")[2] == OUTSIDE


ALONE = """
import socket, sys
asked = []
def listen(event, args):
    if event == "socket.connect" and isinstance(args[1], tuple):
        asked.append(args[1][0])
    if event == "socket.getaddrinfo":
        asked.append(args[0])
sys.addaudithook(listen)
from contextlib import suppress
import urllib.request
import polars as pl
from palate.data.interactions import Interactions
from palate.models import BPR, EASE, Baseline, MatrixFactorization, Popularity
from palate.ui import launch
table = pl.DataFrame({"user_id": [1, 1, 2], "item_id": [1, 2, 1], "rating": [1.0, 5.0, 3.0]})
model = MatrixFactorization(n_factors=2, n_epochs=1, random_state=0).fit(Interactions.from_table(table))
with suppress(KeyboardInterrupt), launch(model, port=0, block=False) as page:
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(page.url).read()
    print("asked:", sorted({str(host) for host in asked}), flush=True)
    page.wait()
print("ended", flush=True)
"""


def test_the_server_itself_asks_no_other_host_and_ends_on_ctrl_c() -> None:
    command = [sys.executable, "-c", ALONE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    assert told == "asked: ['127.0.0.1']\n", errors
    assert (process.returncode, rest, errors) == (0, "ended\n", "")
