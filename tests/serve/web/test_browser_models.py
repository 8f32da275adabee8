"""Models by purpose and two side by side, in a real browser."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.long]


def test_models_are_told_by_purpose_with_what_was_measured(page_tab, films_address):
    tab = page_tab(390, 844, address=films_address).open("?view=models")
    tab.page.wait_for_selector(".purpose")
    told = tab.page.locator(".purpose").all_inner_texts()
    assert [one.split("\n")[0] for one in told] == [
        "Best lists start here",
        "Stars, and how sure",
        "Because you liked …",
    ]
    assert "Its first 10 are 40 % as good as the best possible order (30 % to 50 %); the popular list: 20 %." in told[0]
    assert "Measured on films: 20 % of its ratings, drawn at random." in told[0]
    assert "off by 0.90" in told[1]
    assert "79 % did" in told[1]
    assert "Your lists are made by this one" in told[1]
    assert tab.axe() == []
    assert tab.stuck_out() == []
    tab.page.click(".purpose >> nth=0 >> a.button")
    assert "purpose=lists" in tab.page.url
    tab.page.go_back()
    tab.page.wait_for_selector(".purpose")


def test_two_lists_stand_side_by_side_and_the_choice_is_an_address(page_tab, films_address):
    tab = page_tab(address=films_address).open("?view=compare&user=p1")
    tab.page.wait_for_selector(".compared")
    assert tab.page.locator(".sides h2").all_inner_texts() == ["Best lists", "Stars, and how sure"]
    assert tab.page.locator(".compared li").count() == 20
    overlap = tab.page.inner_text(".overlap")
    assert overlap == f"{tab.page.locator('.compared >> nth=0').locator('.shared').count()} of 10 are on both lists."
    tab.page.select_option("select >> nth=1", "popular")
    tab.page.wait_for_function("document.querySelectorAll('.sides h2')[1].textContent === 'Popular with everybody'")
    assert "right=popular" in tab.page.url
    assert tab.axe() == []
    tab.page.reload()
    tab.page.wait_for_selector(".compared")
    assert tab.page.locator(".sides h2").all_inner_texts()[1] == "Popular with everybody"
    tab.page.click(".filters summary")
    tab.page.get_by_label("Genre").select_option("Comedy")
    tab.page.wait_for_selector(".filters .mark")
    assert "genre=Comedy" in tab.page.url


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1920, "light")])
def test_both_fit(page_tab, films_address, width, scheme):
    tab = page_tab(width, 844, address=films_address, color_scheme=scheme).open("?view=compare&user=p1")
    tab.page.wait_for_selector(".compared")
    assert tab.stuck_out() == []
    assert tab.axe() == []


def test_without_purposes_it_is_said_what_to_do(page_tab):
    tab = page_tab().open("?view=models")
    assert "There are no models to choose from here" in tab.page.inner_text(".empty")
    assert "palate versions add" in tab.page.inner_text(".empty")
