"""New here? in a real browser: a list before any click, questions that cost one, and a list that moves in sight."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.long]


@pytest.fixture
def newcomer(page_tab, films_address):
    def opened(width=390, height=844, **options):
        tab = page_tab(width, height, address=films_address, **options).open("?view=new")
        tab.page.wait_for_selector(".question")
        tab.page.wait_for_selector(".in-sight .card")
        return tab

    return opened


def titles(tab, of=".question h3"):
    return tab.page.locator(of).all_inner_texts()


def until(tab, holds):
    """Wait until something holds; `wait_for_function` evaluates text, which the page's policy forbids."""
    for _ in range(400):
        if holds():
            return
        tab.page.wait_for_timeout(25)
    pytest.fail("it did not happen in ten seconds")


def asked_about(tab):
    return tab.page.locator(".question").count()


def known(tab):
    return tab.page.eval_on_selector("#known", "bar => bar.value")


def test_on_a_phone_questions_lie_below_a_list_that_moves(newcomer):
    tab = newcomer()
    sheet = tab.page.locator(".sheet").bounding_box()
    assert sheet["y"] + sheet["height"] == pytest.approx(844, abs=1)
    card = tab.page.locator(".in-sight .card").first.bounding_box()
    assert card["y"] + 40 < sheet["y"]
    before, first = titles(tab, ".in-sight h2 bdi"), titles(tab)[0]
    assert known(tab) == 0
    tab.page.locator(".question .star").nth(4).click()
    until(tab, lambda: known(tab) > 0)
    assert first not in titles(tab)
    assert titles(tab, ".in-sight h2 bdi") != before
    assert tab.page.locator(".in-sight .mark").count() > 0
    assert tab.axe() == []


def test_not_seen_costs_nothing_and_is_not_asked_again(newcomer):
    tab = newcomer(1280)
    round_ = titles(tab)
    requests = len(tab.asked)
    tab.page.locator(".question > button").first.click()
    until(tab, lambda: asked_about(tab) == len(round_) - 1)
    assert len(tab.asked) == requests
    for _ in round_[2:]:
        tab.page.locator(".question > button").first.click()
    tab.page.locator(".question > button").first.click()
    until(tab, lambda: asked_about(tab) == len(round_))
    assert not set(round_) & set(titles(tab))
    assert known(tab) == 0


def test_the_round_survives_a_reload_and_can_be_left(newcomer):
    tab = newcomer(320, color_scheme="dark")
    assert tab.stuck_out() == []
    tab.page.locator(".question > button").first.click()
    round_ = titles(tab)
    tab.page.reload()
    tab.page.wait_for_selector(".question")
    assert titles(tab) == round_
    tab.page.click(".ways button")
    until(tab, lambda: asked_about(tab) and not set(round_) & set(titles(tab)))
    assert not set(round_) & set(titles(tab))
    tab.page.click(".enough")
    assert tab.page.inner_text("h1") == "For you"


def test_a_rating_is_taken_back(newcomer):
    tab = newcomer()
    tab.page.locator(".question .star").nth(1).click()
    tab.page.wait_for_selector(".last button")
    until(tab, lambda: known(tab) > 0)
    tab.page.click(".last button")
    until(tab, lambda: known(tab) == 0)


def test_what_cannot_be_asked_or_kept_is_told_and_tried_again(newcomer, page_tab, films_address):
    tab = page_tab(390, 844, address=films_address)
    tab.expects(503)
    problem = {"code": "unavailable", "detail": "Not now."}
    tries = []
    tab.page.route("**/web/questions", lambda route: (tries.append(route), route.fulfill(status=503, json=problem)))
    tab.open("?view=new")
    until(tab, lambda: len(tries) == 2)  # at once, and when the list has come
    tab.page.wait_for_selector(".sheet [role=alert]")
    assert "Not now." in tab.page.inner_text(".sheet [role=alert]")
    tab.page.unroute("**/web/questions")
    tab.page.click(".sheet [role=alert] button")
    tab.page.wait_for_selector(".question")
    tab.page.route("**/web/ratings", lambda route: route.fulfill(status=503, json=problem))
    asked = titles(tab)
    tab.page.locator(".question .star").nth(1).click()
    tab.page.wait_for_selector(".last.bad")
    until(tab, lambda: asked_about(tab) == len(asked))
    assert titles(tab) == asked
