"""The page's frame in a real browser: its policy holds, it fits every width, and its address is its state."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser


def test_the_frame_stands_without_a_fault(page_tab):
    tab = page_tab().open()
    assert tab.page.title() == "For you · Palate"
    tab.page.wait_for_selector(".card")
    assert tab.axe() == []


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (390, "dark"), (1920, "light")])
def test_the_frame_fits(page_tab, width, scheme):
    tab = page_tab(width, 844, color_scheme=scheme).open()
    assert tab.stuck_out() == []
    assert tab.axe() == []


def test_a_persons_page_is_an_address_that_survives_reload_and_leads_back(page_tab):
    tab = page_tab().open("?user=196")
    assert "user 196" in tab.page.inner_text(".whose")
    tab.page.reload()
    assert "user 196" in tab.page.inner_text(".whose")
    tab.page.click(".whose a")
    tab.page.wait_for_selector(".whose", state="detached")
    tab.page.go_back()
    assert "user 196" in tab.page.inner_text(".whose")


def test_a_late_answer_to_who_asks_does_not_bring_the_other_person_back(page_tab):
    tab = page_tab().open("?user=196")
    tab.page.click(".whose a")
    tab.page.wait_for_selector(".whose", state="detached")
    held = []
    tab.page.route("**/web/me?user=196", lambda route: held.append(route))
    with tab.page.expect_request("**/web/me?user=196"):
        tab.page.go_back()
    with tab.page.expect_response("**/web/me?"):
        tab.page.go_forward()
    with tab.page.expect_response("**/web/me?user=196"):
        held[0].continue_()
    tab.page.evaluate("() => new Promise((done) => setTimeout(done, 100))")
    assert tab.page.locator(".whose").count() == 0


def test_an_id_that_is_markup_is_shown_as_text(page_tab):
    hostile = "<img src=x onerror=alert(1)>${alert(2)}{{3}}"
    tab = page_tab()
    tab.page.goto(f"{tab.url}/?user={hostile.replace('&', '%26')}")
    tab.page.wait_for_selector(".whose")
    assert hostile in tab.page.inner_text(".whose")
    assert tab.page.locator(".whose img").count() == 0


def test_the_browser_itself_refuses_markup_from_text(page_tab):
    tab = page_tab().open()
    refused = "() => { try { document.body.innerHTML = '<b>x</b>'; return 'done'; } catch (e) { return e.name; } }"
    assert tab.page.evaluate(refused) == "TypeError"
    assert len(tab.page.evaluate("window.violations")) == 1
    tab.page.evaluate("window.violations = []")
    tab.faults.clear()


def test_light_and_dark_is_kept(page_tab):
    tab = page_tab(color_scheme="light").open()
    tab.page.click(".theme")
    tab.page.reload()
    tab.page.wait_for_selector("h1")
    assert tab.page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(23, 19, 27)"


def test_a_service_that_refuses_is_told_in_words_and_tried_again(page_tab):
    tab = page_tab()
    tab.expects(500)
    tab.page.route("**/web/me*", lambda route: route.fulfill(status=500, json={"code": "failed", "detail": "Not now."}))
    tab.open()
    assert tab.page.inner_text("[role=alert] p") == "Not now."
    tab.page.unroute("**/web/me*")
    tab.page.click("[role=alert] button")
    tab.page.wait_for_selector(".card")
