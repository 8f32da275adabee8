"""What a visitor is told when something ends: the visit, the service, their patience; and where one model is all."""

from __future__ import annotations

import pytest
from films import copied, film_data
from small_models import make

import palate
from palate.serve.web.kinds import add_kinds
from palate.store import open_store, versions

pytestmark = [pytest.mark.browser, pytest.mark.long]
SAID = "fetch('web/mine').then(r => r.json()).then(m => m.ratings.length)"


@pytest.fixture
def visiting_tab(page_tab, films_file, tmp_path, served):
    """Return a function that opens a tab of a service for visitors, over a copy of the films."""
    open_now = []

    def opened(**settings):
        open_now.append(served(copied(films_file, tmp_path), None, page="visitors", **settings))
        return page_tab(address=open_now[-1].__enter__()).open()

    yield opened
    for context in open_now:
        context.__exit__(None, None, None)


def hide(tab):
    """Say of the first film that it is not for one, and return its id."""
    card = tab.page.locator(".card").first
    item = card.get_attribute("data-item")
    card.get_by_role("button", name="is not for me").click()
    return item


def first(tab):
    return tab.page.locator(".card").first.get_attribute("data-item")


def test_a_visit_that_ended_is_told_and_its_last_click_is_nobodys(visiting_tab):
    tab = visiting_tab()
    tab.expects(410)
    tab.page.wait_for_selector(".card")
    tab.page.context.clear_cookies()
    item = hide(tab)
    assert "you go on as another visitor" in tab.page.inner_text(".ended")
    tab.page.wait_for_selector(f".card[data-item='{item}']")
    assert tab.page.evaluate(SAID) == 0
    assert tab.axe() == []
    tab.page.click(".ended button")
    tab.page.wait_for_selector(".ended", state="detached")
    with tab.page.expect_response("**/web/reactions"):
        hide(tab)
    assert tab.page.evaluate(SAID) == 1


def test_a_film_page_says_what_was_refused(visiting_tab):
    tab = visiting_tab(visitor_rate=0.02)
    tab.expects(429)
    tab.open("?view=film&item=f1")
    tab.page.click(".yours .star >> nth=3")
    tab.page.wait_for_selector(".undo button")
    tab.page.click(".yours .star >> nth=4")
    assert tab.page.inner_text(".undo.bad") == "That was not kept: That was very fast: wait a second, then go on."
    tab.page.click("nav a >> nth=0")
    tab.page.wait_for_selector(".card")
    assert tab.page.locator(".undo.bad").count() == 0  # told once


def test_a_service_that_went_away_and_came_back(visiting_tab):
    tab = visiting_tab()
    tab.page.wait_for_selector(".card")
    tab.page.context.set_offline(True)
    item = hide(tab)
    told = "That was not kept: The service cannot be reached just now. Try again in a moment."
    assert tab.page.inner_text(".undo.bad") == told
    assert first(tab) == item
    tab.page.context.set_offline(False)
    with tab.page.expect_response("**/web/reactions"):
        assert hide(tab) == item
    tab.page.wait_for_selector(".undo button")
    assert tab.page.evaluate(SAID) == 1
    tab.faults = [fault for fault in tab.faults if "ERR_INTERNET_DISCONNECTED" not in fault]


@pytest.mark.parametrize("view", ["models", "compare"])
def test_where_one_model_answers_the_page_says_that_there_is_no_choice(page_tab, tmp_path, served, view):
    path = tmp_path / "shop.db"
    with open_store(f"sqlite:///{path}") as store:
        palate.save(make("popularity").fit(film_data()), tmp_path / "popularity.safetensors")
        number = versions.add(store, store.namespace(), tmp_path / "popularity.safetensors")
        versions.activate(store, store.namespace(), number)
        add_kinds(store, store.namespace(), (1.0, 5.0))
    with served(path, None, page="visitors") as address:
        tab = page_tab(address=address).open(f"?view={view}")
        assert "There are no models to choose from here" in tab.page.inner_text("main")
