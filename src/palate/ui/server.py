"""`launch`: serve the page on this machine, without a word to any other host."""

from __future__ import annotations

import logging
import socket
import threading
import time
import webbrowser
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from palate.errors import PalateError
from palate.models.contract.base import Recommender
from palate.progress import ProgressCallback, silent
from palate.serve.asgi import App
from palate.serve.hosts import Hosts
from palate.serve.listening import address, listen
from palate.ui.door import LARGEST_HEAD, Door
from palate.ui.page import build_page, import_gradio, inside_loop
from palate.ui.private import Private
from palate.ui.shelf import Arrivals, Shelf
from palate.ui.theme import head, theme
from palate.warming import warm

log = logging.getLogger(__name__)

START_SECONDS = 30


class PageServer:
    """A running page; ``url`` is its address. Ends with `close`, or at the end of a ``with`` block."""

    def __init__(self, server: Any, sock: socket.socket, host: str) -> None:
        self._server, self._socket = server, sock
        self.closing = threading.Event()
        self.url = address(host, sock)
        self._thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True, name="palate-page")

    def start(self) -> Self:
        """Serve in a thread; return when the page answers.

        Raises:
            PalateError: the server did not start.
        """
        self._thread.start()
        end = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > end:
                self.close()
                raise PalateError(f"the page did not start at {self.url}; the log above says why", subject=self.url)
            time.sleep(0.01)
        return self

    def wait(self) -> None:
        """Return on Ctrl-C, or when the server ends."""
        with suppress(KeyboardInterrupt):
            while self._thread.is_alive():
                self._thread.join(timeout=1)

    def close(self) -> None:
        """Stop serving."""
        self.closing.set()
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def launch(
    model: Recommender | Mapping[str, Recommender],
    host: str = "127.0.0.1",
    port: int = 7860,
    *,
    name: str | None = None,
    data_card: Mapping[str, object] | None = None,
    allow_hosts: Iterable[str] = (),
    trust_proxy: bool = False,
    open_browser: bool = False,
    block: bool = True,
    coming: Mapping[str, Path] | None = None,
    progress: ProgressCallback = silent,
) -> PageServer:
    """Serve the page of a fitted model.

    Args:
        model: a fitted model, or several by name, as in `build_ui`.
        host: the address to listen on; this machine alone by default.
        port: the port; 0 takes a free one.
        name, data_card: as in `build_ui`.
        allow_hosts: names that clients may call this server by, besides those of this machine and ``host``.
        trust_proxy: believe the X-Forwarded-Host and X-Forwarded-Proto of a reverse proxy before this server.
        open_browser: open the page in the system's browser.
        coming: files of further models by name, which may not exist yet; each joins the page when it is there.
        progress: called while what the models need is compiled, before the page is served.
        block: serve until Ctrl-C; otherwise return when the page answers (``wait`` then serves until Ctrl-C).

    Returns:
        The server, to close it; already closed where ``block``.

    Raises:
        MissingExtraError: Gradio is not installed.
        ParameterError: host or port cannot be listened on, or an allowed name is none.
        NotFittedError: the model was not fitted.
    """
    import_gradio()
    hosts = Hosts(host, allow_hosts)
    sock = listen(host, port)  # first: a port in use is told before the page is built
    prepare = partial(warm, progress=progress)
    prepare(model)
    shelf = Shelf(model, coming or (), name=name, data_card=data_card)
    app = page_app(shelf, hosts, trust_proxy=trust_proxy)
    running = PageServer(_server(app), sock, host).start()
    Arrivals(shelf, coming or {}, warm, running.closing).start()
    log.info("the page is at %s", running.url)
    if open_browser:
        webbrowser.open(running.url)
    if block:
        with running:
            running.wait()
    return running


def _server(app: App) -> Any:
    """Return uvicorn's server: HTTP alone, no proxy's headers, no log of what clients send."""
    import uvicorn

    from palate.ui.connections import Connection

    settings: dict[str, Any] = {
        "http": Connection, "ws": "none", "h11_max_incomplete_event_size": LARGEST_HEAD, "proxy_headers": False,
        "server_header": False, "access_log": False, "log_config": None, "timeout_graceful_shutdown": 1,
    }  # fmt: skip
    return uvicorn.Server(uvicorn.Config(app, log_level="warning", **settings))


def page_app(shelf: Shelf, hosts: Hosts, *, trust_proxy: bool = False) -> App:
    """Return the page as an ASGI application; arguments as in `Door`."""
    page = build_page(shelf)
    gr = import_gradio()
    from fastapi import FastAPI

    bare = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    settings = {
        "footer_links": [], "run_history": False, "show_error": False, "ssr_mode": False, "pwa": False,
        "enable_monitoring": False, "mcp_server": False, "theme": theme(), "head": head(),
    }  # fmt: skip
    app = Private(inside_loop(lambda: gr.mount_gradio_app(bare, page, path="/", **settings)))
    events = {number: len(event.inputs) for number, event in page.fns.items() if event.fn is not None}
    return Door(app, events, hosts, trust_proxy=trust_proxy)
