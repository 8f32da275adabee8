"""The page's further answers in a real Chromium: another model, why this, more like this, a newcomer's list."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import playwright.sync_api as playwright_api
import pytest
from real_browser import CONTRAST
from ui_browser import STICKING_OUT, Tab
from ui_models import HOSTILE

from palate.data.interactions import Interactions
from palate.ui import launch

pytestmark = pytest.mark.browser

PHONE: dict[str, Any] = {"width": 375, "height": 800, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}
FINGER = 43  # pixels: what a finger hits
SMALL = """
(least) => [...document.querySelectorAll("button:not([tabindex='-1']:not([role])), input, label:has(input)")]
  .filter((e) => e.checkVisibility() && !e.closest("label, .wrap-inner") && e.getBoundingClientRect().height < least)
  .map((e) => e.outerHTML.slice(0, 200))
"""
HEAD_WITHOUT_BODY = "[...document.querySelectorAll('table')].filter((e) => !e.querySelector('tbody tr')).length"


def go(tab: Tab, name: str) -> None:
    tab.page.get_by_role("tab", name=name).click()
    tab.page.wait_for_timeout(200)


def choose(tab: Tab, label: str, option: str) -> None:
    field = tab.page.get_by_role("combobox", name=label)
    field.click()
    if field.is_editable():
        field.press_sequentially(option)
    tab.page.get_by_role("option", name=option, exact=True).first.click()


def titles(tab: Tab, where: str) -> list[str]:
    return tab.page.locator(f"{where} tbody .pl-title bdi").all_inner_texts()


def plain(titles: Any) -> list[str]:
    return [re.sub(r"\s*\(\d{4}\)\s*$", "", title) for title in titles]


def rate(tab: Tab, title: str, mark: str) -> None:
    tab.page.get_by_role("radiogroup", name=title).get_by_role("radio", name=mark, exact=True).click()


def numbers(tab: Tab) -> list[float]:
    return [float(text) for text in tab.page.locator("#reason .pl-sum td.pl-number").all_inner_texts()]


def test_another_model_changes_all_that_is_shown(
    open_tab: Callable[..., Tab], both_url: str, films: Any, liked: Any
) -> None:
    tab = open_tab(both_url)
    tab.ask("405")
    tab.shows(405)
    before = tab.titles("next")
    assert before == plain(films.recommend(405, 10)["title"])
    choose(tab, "Model", "EASE (likes)")
    after = plain(liked.recommend(405, 10)["title"])
    playwright_api.expect(tab.page.locator("#answer .pl-next tbody .pl-title bdi")).to_have_text(after)
    assert after != before
    tab.shows(405)
    assert tab.page.locator("#answer .pl-next .pl-bar").count() == 0  # its scores are good for an order alone
    playwright_api.expect(tab.page.locator(".pl-header")).to_contain_text("EASE, learned from 99,991 ratings")
    go(tab, "More like this")
    assert titles(tab, "#like-answer") == plain(liked.similar_items(50, 10)["title"])
    go(tab, "Data")
    playwright_api.expect(tab.page.locator(".pl-report")).to_contain_text("computed in one go")
    choose(tab, "Model", "Matrix factorization (ratings)")
    playwright_api.expect(tab.page.locator(".pl-report")).to_contain_text("Best epoch")


def test_a_change_of_model_is_answered_once(open_tab: Callable[..., Tab], both_url: str) -> None:
    tab = open_tab(both_url)
    before = len(tab.requests)
    choose(tab, "Model", "EASE (likes)")
    playwright_api.expect(tab.page.locator(".pl-header")).to_contain_text("EASE, learned")
    tab.page.wait_for_timeout(1000)
    asked = [one for one in tab.requests[before:] if one.endswith("/predict")]
    assert 5 <= len(asked) <= 10  # header, lists, newcomer's list, likeness and report


def test_why_this_has_parts_that_add_up(open_tab: Callable[..., Tab], both_url: str, films: Any) -> None:
    tab = open_tab(both_url)
    tab.ask("405")
    tab.shows(405)
    third = films.recommend(405, 3)["title"][2]
    choose(tab, "Why this?", third)
    panel = tab.page.locator("#reason .pl-panel")
    playwright_api.expect(panel.get_by_role("heading")).to_have_text(f"Why {third}?")
    *parts, total = numbers(tab)
    assert len(parts) == 2 + 5 + 1  # mean and bias, five titles, all others
    assert sum(parts) == pytest.approx(total, abs=1e-6)
    item = films.recommend(405, 3)["item_id"][2]
    assert total == pytest.approx(films.explain(405, item).score, abs=0.006)
    tab.picture("why")
    choose(tab, "Model", "EASE (likes)")
    playwright_api.expect(panel).to_have_count(0)  # the list is another one
    playwright_api.expect(tab.page.get_by_role("combobox", name="Why this?")).to_have_value("")
    tab.ask("12")
    tab.shows(12)
    tab.page.get_by_role("combobox", name="Why this?").click()
    tab.page.get_by_role("option").first.click()
    playwright_api.expect(panel).to_be_visible()
    *parts, total = numbers(tab)
    assert sum(parts) == pytest.approx(total, abs=1e-6)


def test_more_like_this(open_tab: Callable[..., Tab], both_url: str, films: Any) -> None:
    tab = open_tab(both_url)
    go(tab, "More like this")
    assert titles(tab, "#like-answer") == plain(films.similar_items(50, 10)["title"])  # the best known at first
    choose(tab, "More like which one?", "Fargo (1996)")
    heading = tab.page.locator("#like-answer h3")
    playwright_api.expect(heading).to_have_text("More like Fargo (1996)")
    assert titles(tab, "#like-answer") == plain(films.similar_items(100, 10)["title"])
    tab.picture("like")


def test_a_newcomer_rates_two_and_has_a_list_at_once(open_tab: Callable[..., Tab], both_url: str, films: Any) -> None:
    tab = open_tab(both_url)
    go(tab, "I am new")
    assert tab.page.locator("#for-you table").count() == 0
    rate(tab, "Star Wars (1977)", "5")
    playwright_api.expect(tab.page.locator("#for-you tbody tr")).to_have_count(10)
    rate(tab, "Fargo (1996)", "1")
    playwright_api.expect(tab.page.locator("#for-you .pl-note")).to_have_text("From what you said of 2 titles")
    said = {"user": [0, 0], "item": [50, 100], "value": [5.0, 1.0]}
    assert titles(tab, "#for-you") == plain(films.recommend_for(Interactions.from_table(said), 10)["title"])
    tab.picture("new")
    choose(tab, "Other titles that you love", "Casablanca (1942)")
    playwright_api.expect(tab.page.locator("#for-you .pl-note")).to_have_text("From what you said of 3 titles")
    tab.page.keyboard.press("Escape")
    other = open_tab(both_url)
    go(other, "I am new")
    assert other.page.locator("#for-you table").count() == 0  # what one says is theirs alone
    for title in ("Star Wars (1977)", "Fargo (1996)"):
        rate(tab, title, "Skip")
    playwright_api.expect(tab.page.locator("#for-you .pl-note")).to_have_text("From what you said of 1 title")


def test_the_keys_walk_a_newcomers_marks(open_tab: Callable[..., Tab], both_url: str) -> None:
    tab = open_tab(both_url)
    go(tab, "I am new")
    group = tab.page.get_by_role("radiogroup", name="Star Wars (1977)")
    group.get_by_role("radio", name="Skip").focus()
    tab.page.keyboard.press("ArrowRight")
    playwright_api.expect(group.get_by_role("radio", name="1", exact=True)).to_be_checked()
    playwright_api.expect(tab.page.locator("#for-you tbody tr")).to_have_count(10)
    assert tab.page.evaluate("getComputedStyle(document.activeElement.closest('label')).outlineWidth") == "3px"


def test_the_list_stays_in_sight_of_a_newcomer(open_tab: Callable[..., Tab], both_url: str) -> None:
    tab = open_tab(both_url, height=600)
    go(tab, "I am new")
    rate(tab, "Raiders of the Lost Ark (1981)", "4")
    playwright_api.expect(tab.page.locator("#for-you tbody tr")).to_have_count(10)
    assert tab.page.evaluate("scrollY") > 200
    beside, answer = (tab.page.locator(one).bounding_box() for one in ("#rate", "#for-you"))
    assert answer["y"] > beside["y"] + 100  # it came along


def test_on_a_phone_every_tab_fits(open_tab: Callable[..., Tab], both_url: str) -> None:
    tab = open_tab(both_url, **PHONE)
    boxes = [one.bounding_box() for one in tab.page.get_by_role("tab").all()]
    assert len({box["y"] for box in boxes}) == 1  # in one row, all of them in sight
    tab.page.get_by_role("combobox", name="Why this?").click()
    tab.page.get_by_role("option").first.click()
    tab.page.wait_for_selector("#reason .pl-panel")
    for name in ("For a user", "I am new", "More like this", "Data"):
        go(tab, name)
        if name == "I am new":
            rate(tab, "Star Wars (1977)", "5")
            playwright_api.expect(tab.page.locator("#for-you tbody tr")).to_have_count(10)
        assert tab.page.evaluate("document.documentElement.scrollWidth") == 375
        assert tab.page.evaluate(STICKING_OUT) == [], name
        assert tab.page.evaluate(HEAD_WITHOUT_BODY) == 0
        assert tab.page.evaluate(SMALL, FINGER) == [], name
        tab.picture(f"phone-{name.lower().replace(' ', '-')}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_of_the_further_tabs_stand_out(open_tab: Callable[..., Tab], both_url: str, scheme: str) -> None:
    tab = open_tab(both_url, color_scheme=scheme)
    tab.page.get_by_role("combobox", name="Why this?").click()
    tab.page.get_by_role("option").first.click()
    tab.page.wait_for_selector("#reason .pl-panel")
    for name in ("For a user", "I am new", "More like this"):
        go(tab, name)
        tab.page.wait_for_timeout(300)
        ratio, where, n_words = tab.page.evaluate(CONTRAST)
        assert ratio >= 4.5, (name, where)
        assert n_words > 10


def test_titles_of_any_kind_are_text_in_fields_and_answers(open_tab: Callable[..., Tab], hostile: Any) -> None:
    with launch(hostile, port=0, block=False) as server:
        tab = open_tab(server.url)
        tab.page.get_by_role("combobox", name="Why this?").click()
        tab.page.get_by_role("option").first.click()
        tab.page.wait_for_selector("#reason .pl-panel")
        go(tab, "I am new")
        for title in HOSTILE[:4]:
            assert tab.page.get_by_role("radiogroup").filter(has_text=title[:15]).count() >= 1
        tab.page.get_by_role("radiogroup").first.get_by_role("radio", name="5", exact=True).click()
        tab.page.wait_for_selector("#for-you table")
        go(tab, "More like this")
        choose(tab, "More like which one?", HOSTILE[0])
        playwright_api.expect(tab.page.locator("#like-answer h3")).to_have_text(f"More like {HOSTILE[0]}")
        assert tab.page.locator("#tabs :is(script, img:not(.pl-curve), b, i)").count() == 0
