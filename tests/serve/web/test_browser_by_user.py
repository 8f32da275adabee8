"""Lists by user id in a real Chromium: typed, told where wrong, kept on reload and by Back, near every view."""

from __future__ import annotations

import pytest
from films import copied
from page_browser import VIEWS
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.long]


def typed(tab, user):
    tab.page.fill("input[name=id]", user)
    tab.page.keyboard.press("Enter")


def rows(tab):
    return tab.page.locator("section[aria-labelledby=suggested] tbody tr")


def test_an_id_is_typed_and_its_list_comes_and_wrong_ones_are_told(page_tab, films_address):
    tab = page_tab(address=films_address).open()
    tab.expects(404)
    tab.page.click("footer a[href*=by-user]")
    typed(tab, " p1 ")
    expect(rows(tab)).to_have_count(20)
    assert "★" in rows(tab).first.inner_text()
    assert "user p1" in tab.page.inner_text("#suggested")
    assert "in training data" in tab.page.inner_text("section[aria-labelledby=said] tbody tr")
    assert tab.axe() == []
    first = rows(tab).all_inner_texts()
    typed(tab, "P7x")
    told = tab.page.wait_for_selector("[role=alert]").inner_text()
    assert told == "There is no user “P7x”. Ids look like “p7” or “p70”."
    assert tab.page.locator(".whose").count() == 0
    assert tab.axe() == []
    tab.page.reload()
    assert tab.page.wait_for_selector("[role=alert]").inner_text() == told
    tab.page.go_back()
    expect(rows(tab)).to_have_count(20)
    tab.page.reload()
    expect(rows(tab)).to_have_count(20)
    assert rows(tab).all_inner_texts() == first
    assert tab.page.input_value("input[name=id]") == " p1 "


def test_a_wrong_id_in_any_address_is_told_with_a_way_to_type_another(page_tab, films_address):
    tab = page_tab(320, 844, address=films_address)
    tab.expects(404)
    tab.open("?view=compare&user=%3Cimg%20src%3Dx%3E")
    assert "<img src=x>" in tab.page.wait_for_selector("[role=alert]").inner_text()
    assert tab.stuck_out() == []
    typed(tab, "p2")
    expect(rows(tab)).to_have_count(20)
    assert tab.stuck_out() == []
    tab.page.click(".whose a")
    expect(tab.page.locator(".whose")).to_have_count(0)


@pytest.mark.parametrize("view", VIEWS)
def test_it_is_one_click_from_every_view(page_tab, films_address, view):
    tab = page_tab(address=films_address).open(f"?view={view}&user=p1")
    tab.page.click("footer a[href*=by-user]")
    expect(rows(tab)).to_have_count(20)


def test_visitors_see_their_own_alone_and_are_told_so(page_tab, served, films_file, tmp_path):
    with served(copied(films_file, tmp_path), None, page="visitors") as address:
        tab = page_tab(address=address)
        tab.expects(403)
        tab.open("?user=p1")
        told = tab.page.wait_for_selector("[role=alert]").inner_text()
        assert told == "This page shows everybody their own lists alone."
        assert tab.page.locator("input[name=id]").count() == tab.page.locator("footer a[href*=by-user]").count() == 0
        tab.page.click("main a")
        tab.page.wait_for_selector(".card")
        tab.open("?view=by-user")
        assert "their own lists alone" in tab.page.inner_text(".empty")
        assert tab.page.locator("input").count() == 0
