"""The shop and the client of `examples/` on a real service: somebody looks, buys, takes back, logs in, is forgotten."""

from __future__ import annotations

import re
import sys
import threading
from html import unescape
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest
from serve.own_service import in_thread

from palate.store.feedback import of_user
from palate.store.records import Event
from palate.store.store import open_store

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def modules():
    """The examples, imported as a user has them: both files in one folder."""
    sys.path.insert(0, str(EXAMPLES))
    import client
    import shop

    yield client, shop
    sys.path.remove(str(EXAMPLES))
    for name in ("client", "shop"):
        sys.modules.pop(name)


@pytest.fixture
def store_url(tmp_path):
    return f"sqlite:///{tmp_path / 'shop.db'}"


@pytest.fixture
def service(store_url):
    with in_thread(store_url) as (host, port):
        yield f"http://{host}:{port}"


class Browser:
    """A visitor's browser: keeps cookies, follows links, presses buttons."""

    def __init__(self, port: int) -> None:
        self.url, self.cookies = f"http://127.0.0.1:{port}", CookieJar()
        self._open = build_opener(HTTPCookieProcessor(self.cookies)).open

    def see(self, path: str, form: dict[str, str] | None = None) -> str:
        body = None if form is None else urlencode(form).encode()
        with self._open(self.url + path, body) as answer:
            return unescape(answer.read().decode())

    def press(self, page: str, word: str, of: str = "") -> str:
        """Press the button of this word, the first behind the text ``of``."""
        form = re.search(
            rf'<form method="post" action="([^"]*)">((?:(?!<form).)*?)<button>{word}', page[page.index(of) :]
        )
        assert form is not None
        return self.see(form[1], dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[2])))

    @property
    def who(self) -> str:
        return next(cookie.value.strip('"') for cookie in self.cookies)


@pytest.fixture
def client(modules, service):
    with modules[0].Service(service) as client:
        yield client


@pytest.fixture
def browser(modules, service):
    with modules[1].Shop(service, port=0) as shop:
        thread = threading.Thread(target=shop.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Browser(shop.server_address[1])
        shop.shutdown()
        thread.join()


def cards(page: str) -> list[str]:
    return re.findall(r'<li><a href="[^"]*">([^<]*)</a>', page)


def test_a_visitor_of_the_shop(browser, store_url):
    first = browser.see("/")
    assert "popular with others" in first
    assert len(cards(first)) == 8
    visitor = browser.who
    title = cards(first)[2]
    bought = browser.press(first, "Buy", of=f">{title}<")
    assert title not in cards(bought)
    again = browser.press(bought, "Take it back")
    assert title in cards(again)
    assert title not in cards(browser.press(again, "Not for me", of=f">{title}<"))
    clicked = [event for event in kept(store_url, visitor) if event.kind == "hide"]
    assert [event.place for event in clicked] == [cards(again).index(title) + 1]
    assert clicked[0].list_id is not None
    browser.see("/login", {"account": "Ann"})
    assert browser.who == "account:Ann"
    assert title not in cards(browser.see("/"))
    browser.press(browser.see("/"), "Forget me")
    assert browser.who.startswith("visitor:")
    assert browser.who != visitor
    assert kept(store_url, visitor) == kept(store_url, "account:Ann") == []


def test_what_was_on_the_screen_is_an_impression_and_what_was_answered_is_not(client, browser, store_url):
    browser.see("/")
    events = kept(store_url, browser.who)
    assert [event.place for event in events if event.kind == "impression"] == list(range(1, 9))
    client.recommend(browser.who)
    assert kept(store_url, browser.who) == events


def test_the_client_says_what_the_service_refuses(modules, client):
    with pytest.raises(modules[0].ServiceError, match=r"422: .*kind 'sneeze'") as refused:
        client.tell("ann", "tea/1", "sneeze")
    assert refused.value.problem["code"] == "unknown_name"


def test_the_client_sends_an_event_again_with_the_same_id(client, store_url, monkeypatch):
    sent = client._once
    errors = iter([OSError("the connection broke")])

    def broken_once(*request):
        answer = sent(*request)
        for error in errors:
            raise error  # the service has it, and nobody knows
        return answer

    monkeypatch.setattr(client, "_once", broken_once)
    client.tell("ann", "tea/1", "click")
    assert len(kept(store_url, "ann")) == 1


def test_pages_follow_without_repeats_and_end(client):
    client.write_items({"id": n, "attributes": {"title": f"Tea {n}"}} for n in range(12))
    page, shown = client.recommend("ann", n=5), []
    while page is not None:
        shown += [item["item"] for item in page["items"]]
        page = client.more(page, "ann")
    assert sorted(shown) == sorted(map(str, range(12)))


def kept(store_url: str, user: str) -> list[Event]:
    """Return what counts of a user's events in the store."""
    with open_store(store_url) as store, store.read() as connection:
        return of_user(connection, store.namespace(), user)
