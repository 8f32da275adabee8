"""Search, a film's page and the taste map in a real browser: by keyboard, on a phone, and with hostile titles."""

from __future__ import annotations

import pytest
from films import HOSTILE

expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = [pytest.mark.browser, pytest.mark.long]


@pytest.fixture
def tab_at(page_tab, films_address):
    return lambda query, **options: page_tab(address=films_address, **options).open(query)


def test_somebody_types_and_comes_to_a_film_by_keyboard_alone(tab_at):
    page = tab_at("?view=search").page
    page.wait_for_selector(".hits a")
    page.keyboard.type("hidden let ii")
    expect(page.locator(".hits a")).to_have_count(1)
    assert "q=hidden" in page.url
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector(".film h1")
    assert page.inner_text(".film h1") == "Hidden Letters II"
    assert page.locator(".bars tr").count() == 6
    assert page.locator(".cards .card").count() == 8
    page.go_back()
    page.wait_for_selector(".hits a")
    assert page.input_value(".finder input") == "hidden let ii"


def test_nothing_found_and_no_such_film_are_told(tab_at):
    tab = tab_at("?view=search&q=zzz")
    assert "zzz" in tab.page.inner_text(".empty")
    tab.expects(404)
    tab.open("?view=film&item=f999")
    assert "no such film" in tab.page.inner_text(".empty")
    tab.open("?view=film")
    assert "Which film?" in tab.page.inner_text(".empty")


def test_a_rating_on_a_films_page_is_kept(tab_at):
    page = tab_at("?view=film&item=f12").page
    page.click(".yours .star >> nth=3")
    expect(page.locator("#yours")).to_have_text("You gave it 4.")
    page.reload()
    page.wait_for_selector("#yours")
    assert page.inner_text("#yours") == "You gave it 4."


@pytest.mark.parametrize("query", ["?view=search&q=e", "?view=film&item=f119", "?view=map&item=f116&user=p7"])
@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1280, "dark")])
def test_the_views_fit_and_axe_finds_nothing(tab_at, query, width, scheme):
    tab = tab_at(query, width=width, height=844, color_scheme=scheme)
    tab.page.wait_for_selector(".hits, .film, .taste")
    assert tab.stuck_out() == []
    assert tab.axe() == []


def test_the_map_is_walked_by_arrows_and_pointer_and_its_table_leads_anywhere(tab_at):
    page = tab_at("?view=map&item=f12&user=p7").page
    page.wait_for_selector(".taste")
    assert page.locator(".mine circle").count() > 5
    assert "Hidden Letters" in page.inner_text(".beside caption")
    page.focus(".plane .chosen")
    before = page.get_attribute(".plane .chosen", "aria-label")
    for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"):  # at an edge some lead nowhere
        page.keyboard.press(key)
        if page.get_attribute(".plane .chosen", "aria-label") != before:
            break
    expect(page.locator(".beside caption")).not_to_have_text("Near Hidden Letters")
    first = page.get_attribute(".plane .chosen", "aria-label")
    assert first.split(",")[0] in page.inner_text(".beside caption")
    assert first in page.inner_text("[role=status]")
    page.fill(".beside input", "golden")
    page.click(".beside tbody button >> nth=0")
    assert page.get_attribute(".plane .chosen", "aria-label").startswith("Golden")
    box = page.locator(".plane .chosen circle").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector(".over")
    page.focus(".plane .chosen")
    page.keyboard.press("+")
    page.keyboard.press("Enter")
    page.wait_for_selector(".film h1")
    assert page.inner_text(".film h1").startswith("Golden")


def test_hostile_titles_are_text_on_the_map_and_on_their_page(tab_at):
    tab = tab_at("?view=film&item=f115")
    assert tab.page.inner_text(".film h1") == HOSTILE[0]
    tab.open("?view=map&item=f115")
    tab.page.wait_for_selector(".taste")
    assert HOSTILE[0] in tab.page.inner_text("figcaption")
    assert tab.page.locator("main img").count() == 0
