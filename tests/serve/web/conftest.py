"""A service with a page, in this process and for a browser; and visitors, each with a cookie."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest
import uvicorn
from films import copied, film_store
from in_process import Visitor, serving
from page_browser import tab_of
from real_browser import started
from standins import make_engine

from palate.serve.app import create_app
from palate.serve.listening import listen
from palate.serve.settings import Settings
from palate.store import open_store, users
from palate.store.records import Thing

HOSTILE_USER = "<img src=x onerror=alert(1)>${alert(2)}{{3}}"


@pytest.fixture
def visiting(tmp_path):
    """Return a function that makes a service with a page, and of it a function that makes visitors."""
    open_now = []

    def service(page="visitors", **settings):
        context = serving(tmp_path / "shop.db", page=page, **settings)
        client = context.__enter__()
        open_now.append(context)
        return lambda: Visitor(client.app)

    yield service
    for context in open_now:
        context.__exit__(None, None, None)


@pytest.fixture(scope="session")
def films_file(tmp_path_factory):
    """The file of a store of films with three real models; copy it (`films.copied`) before anything is written."""
    return film_store(tmp_path_factory.mktemp("films"))


@pytest.fixture
def films_service(films_file, tmp_path):
    """Return what `visiting` returns, over a copy of the films, with the real engine: nobody else writes into it."""
    open_now = []

    def service(page="visitors", **settings):
        context = serving(copied(films_file, tmp_path), page=page, engine=None, **settings)
        client = context.__enter__()
        open_now.append(context)
        return lambda: Visitor(client.app)

    yield service
    for context in open_now:
        context.__exit__(None, None, None)


@contextmanager
def page_at(store, engine=make_engine, **settings):
    """Serve a page by a real uvicorn worker in a thread of this process, and yield its address."""
    app = create_app(Settings(store=f"sqlite:///{store}", run_jobs=False, **settings), engine)
    socket = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    socket.close()


@pytest.fixture(scope="session")
def served():
    """Return `page_at`."""
    return page_at


@pytest.fixture(scope="module")
def demo_address(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "shop.db"
    with open_store(f"sqlite:///{path}") as store:
        users.upsert(store, store.namespace(), [Thing(each, {}) for each in ("196", HOSTILE_USER)])
    with page_at(path, page="demo") as address:
        yield address


@pytest.fixture(scope="module")
def films_address(films_file, tmp_path_factory):
    """The address of a demonstration over a copy of the films, with the real engine, of a module's own."""
    with page_at(copied(films_file, tmp_path_factory.mktemp("shown")), None, page="demo") as address:
        yield address


@pytest.fixture(scope="module")
def chromium():
    with started() as browser:
        yield browser


@pytest.fixture
def page_tab(chromium, demo_address):
    """Return a function that opens tabs of the demonstration; each must end without a fault."""
    contexts = []

    def opened(width=1280, height=900, address=demo_address, **options):
        contexts.append(tab_of(chromium, address, width, height, **options))
        return contexts[-1].__enter__()

    yield opened
    for context in contexts:
        context.__exit__(None, None, None)
