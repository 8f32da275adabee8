"""The report in a real Chromium: offline, wide and narrow, light and dark, and on paper."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import playwright.sync_api as playwright_api
import pytest
from made_run import made_run
from real_browser import CONTRAST, started

import palate

pytestmark = pytest.mark.browser

LABELS = ("popularity", "baseline", "mf", "mf(n_factors=10, reg=0.05, learning_rate=0.01)", "als", "ease", "<b>$x$</b>")
TITLES = ("<script>alert(1)</script>", "Alien (1979)", "x" * 200)
PAPER = {"width": 680, "height": 990}  # what A4 leaves between the margins, in pixels of 1/96 inch

# elements that stick out on the right, apart from those inside a part that scrolls by itself
STICKING_OUT = """
() => [...document.querySelectorAll("body *")]
  .filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5 && !e.closest(".scroll"))
  .map((e) => e.tagName + "." + e.className)
"""
# words of figures that leave their figure's box
OUT_OF_FIGURE = """
() => [...document.querySelectorAll("figure")].flatMap((f) => {
  const box = f.getBoundingClientRect();
  return [...f.querySelectorAll("svg text")].filter((t) => {
    const r = t.getBoundingClientRect();
    return r.left < box.left || r.right > box.right || r.top < box.top || r.bottom > box.bottom;
  }).map((t) => t.textContent);
})
"""


@pytest.fixture(scope="module")
def chromium():
    with started() as browser:
        yield browser


@pytest.fixture(scope="module")
def reports(tmp_path_factory) -> dict[str, Path]:
    """A report of three models, and one of many with names and titles that try to break out."""
    folder = tmp_path_factory.mktemp("reports")
    return {
        "plain": palate.write_report(made_run(), folder / "plain.html"),
        "full": palate.write_report(made_run(LABELS, titles=TITLES, n_folds=2), folder / "full.html"),
    }


@pytest.fixture
def open_page(chromium, reports, tmp_path):
    """Open reports without a network; at the end none may have complained, or asked for more than its own file."""
    pictures = Path(os.environ.get("PALATE_SCREENSHOTS") or tmp_path)
    pictures.mkdir(parents=True, exist_ok=True)
    contexts: list[Any] = []
    asked: list[list[str]] = []
    complaints: list[str] = []

    def opened(which: str, width: int = 1280, height: int = 900, **options: Any) -> Any:
        contexts.append(chromium.new_context(viewport={"width": width, "height": height}, offline=True, **options))
        page = contexts[-1].new_page()
        requests: list[str] = []
        asked.append(requests)
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda line: complaints.append(line.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.goto(reports[which].as_uri())
        scheme = options.get("color_scheme", "light")
        page.screenshot(path=pictures / f"report-{which}-{width}-{scheme}.png", full_page=True)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    outside = [url for requests in asked for url in requests if not url.startswith("data:")]
    assert len(outside) == len(asked)  # one a page: the file
    assert {url.rpartition("/")[2] for url in outside} <= {"plain.html", "full.html"}
    assert all(url.startswith("file://") for url in outside)


@pytest.mark.parametrize("which", ["plain", "full"])
def test_it_opens_without_a_network_and_everything_is_named(open_page, which):
    page = open_page(which)
    assert page.title().endswith(" on films · Palate")
    playwright_api.expect(page.get_by_role("heading", level=1)).to_have_count(1)
    assert page.locator("img").count() == 0
    pictures = page.locator("figure svg")
    n = pictures.count()
    assert n > 10
    assert page.locator("figure").get_by_role("img", name=re.compile(r"\d.{40}")).count() == n
    assert page.get_by_role("group", name="Paired tests of RMSE").first.is_visible()
    assert all(pictures.nth(k).bounding_box()["height"] > 80 for k in range(n))
    page.get_by_role("link", name="Example users").click()
    playwright_api.expect(page.locator("#examples h2")).to_be_in_viewport()


def test_titles_are_text(open_page):
    page = open_page("full")
    assert page.locator("script").count() == 0
    assert page.locator("#examples li .title").first.inner_text().startswith("<script>alert(1)</script>")


@pytest.mark.parametrize("which", ["plain", "full"])
@pytest.mark.parametrize("width", [320, 360, 1280])
def test_no_width_makes_the_page_scroll_sideways(open_page, which, width):
    page = open_page(which, width, 800)
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(STICKING_OUT) == []
    assert page.evaluate(OUT_OF_FIGURE) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out(open_page, scheme):
    page = open_page("full", color_scheme=scheme)
    ratio, where, n = page.evaluate(CONTRAST)
    assert n > 500
    assert ratio >= 4.5, where


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_prints_in_black_on_white_with_no_figure_cut(open_page, scheme, tmp_path):
    page = open_page("full", color_scheme=scheme)
    pdf = page.pdf(path=tmp_path / "report.pdf", format="A4", prefer_css_page_size=True)
    n_pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert 5 < n_pages < 60
    page.set_viewport_size(PAPER)
    page.emulate_media(media="print", color_scheme=scheme)
    style = "e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]"
    assert page.eval_on_selector("body", style) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    uncut = "all => all.map((e) => [getComputedStyle(e).breakInside, e.getBoundingClientRect().height])"
    for rule, height in page.eval_on_selector_all("figure, .person", uncut):
        assert rule == "avoid"
        assert height < PAPER["height"]
    assert page.evaluate(STICKING_OUT) == []
    breaks = page.eval_on_selector_all("section", "all => all.map((e) => [e.id, getComputedStyle(e).breakBefore])")
    assert {key for key, rule in breaks if rule == "page"} == {
        "comparison",
        "training",
        "groups",
        "examples",
        "repeating",
    }
