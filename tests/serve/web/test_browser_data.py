"""Your data in a real browser: a file is looked at, taken, taken back; downloads; forgotten after asking twice."""

from __future__ import annotations

import pytest
from films import HOSTILE, films

pytestmark = [pytest.mark.browser, pytest.mark.long]
FILMS = films()
CSV = "Title,Year,Stars,When\n" + "".join(
    f'"{title.rsplit(" (", 1)[0].replace(chr(34), chr(34) * 2)}",{year},{stars},2020-01-0{k + 1}\n'
    for k, (title, year, stars) in enumerate(
        zip(
            FILMS["title"][-4:] + FILMS["title"][3:6],
            FILMS["year"][-4:] + FILMS["year"][3:6],
            (5, 4, 3, 2, 1, 9, 4),
            strict=True,
        )
    )
)
UNKNOWN = f'"{HOSTILE[0]} of old",1901,4,2020-01-01\n'
FILE = {"name": "<b>mine</b>.csv", "mimeType": "text/csv", "buffer": (CSV + UNKNOWN).encode()}


@pytest.fixture
def tab(page_tab, films_address):
    return page_tab(390, 844, films_address).open("?view=data")


def test_a_file_is_shown_taken_and_taken_back(tab):
    page = tab.page
    page.set_input_files("input[type=file]", FILE)
    page.wait_for_selector(".preview .sum")
    assert "<b>mine</b>.csv" in page.inner_text(".preview h3")
    assert HOSTILE[0] in page.inner_text(".preview")
    assert page.locator(".preview img, .preview b").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert tab.axe() == []
    page.select_option("select[aria-label*='When']", "none")
    page.wait_for_selector(".preview[aria-busy=false]")
    page.click(".preview .strong")
    page.wait_for_selector(".done")
    assert "7 films of <b>mine</b>.csv taken" in page.inner_text(".done")
    page.reload()
    page.wait_for_selector(".done")
    page.click(".done button")
    page.wait_for_selector(".done:has-text('7 films taken back')")


def test_what_cannot_be_taken_is_told_in_words(tab):
    tab.expects(422)
    hostile = {"name": "<img src=x onerror=alert(1)>.csv", "mimeType": "text/csv", "buffer": b"nothing"}
    tab.page.set_input_files("input[type=file]", hostile)
    told = tab.page.wait_for_selector("[role=alert]").inner_text()
    assert "<img src=x onerror=alert(1)>.csv" in told
    assert "has one column only" in told
    assert tab.page.locator("main img").count() == 0


def test_my_data_is_downloaded(tab):
    with tab.page.expect_download() as download:
        tab.page.click("a[download][href*='mine'][href*='csv']")
    assert download.value.suggested_filename == "palate-ratings.csv"


def test_being_forgotten_asks_twice_and_makes_somebody_new(tab):
    before = tab.page.evaluate("fetch('web/me').then(r => r.json())")
    tab.page.click(".grave")
    assert tab.page.evaluate("document.activeElement.textContent") == "No, leave it"
    assert tab.axe() == []
    tab.page.keyboard.press("Escape")
    assert tab.page.locator("dialog").count() == 0
    tab.page.click(".grave")
    tab.page.click("dialog .strong")
    tab.page.wait_for_url(lambda url: "view=data" not in url)
    tab.page.wait_for_selector("h1")
    assert tab.page.evaluate("fetch('web/me').then(r => r.json())")["person"] != before["person"]
    assert [key for key in tab.page.evaluate("Object.keys(localStorage)") if before["person"] in key] == []
