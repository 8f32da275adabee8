"""The page of the interface in a real browser: it shows every operation, and asks this service alone."""

from __future__ import annotations

import threading
import time

import pytest
import uvicorn
from operations_of import OFFERS
from real_browser import started
from standins import make_engine

from palate.serve.app import create_app
from palate.serve.listening import listen
from palate.serve.settings import Settings

pytestmark = pytest.mark.browser


@pytest.fixture
def address(tmp_path):
    app = create_app(Settings(store=f"sqlite:///{tmp_path / 'shop.db'}"), make_engine)
    socket = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    socket.close()


def test_the_page_shows_every_operation_and_asks_no_outside_address(address):
    with started() as browser:
        page = browser.new_page()
        asked, faults = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: faults.append(message.text))
        page.goto(f"{address}/docs")
        page.wait_for_selector("#operations-recommendations-recommend")
        shown = {block.get_attribute("id").rpartition("-")[2] for block in page.query_selector_all(".opblock")}
        page.click("#operations-recommendations-recommend .opblock-summary-control")
        page.wait_for_selector("text=Try it out")
    assert OFFERS.keys() <= shown
    assert all(url.startswith((address, "data:")) for url in asked)
    assert faults == []
