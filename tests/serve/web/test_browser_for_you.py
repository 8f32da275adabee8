"""For you in a real Chromium: a click moves the list, and is taken back; keys, reasons, filters, refusals, a phone."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.browser
ITEMS = "() => [...document.querySelectorAll('.card')].map(card => card.dataset.item)"
ABOVE = (
    "() => [...document.querySelectorAll('.card')].filter(c => c.getBoundingClientRect().bottom <= innerHeight).length"
)
MODULE = "document.querySelector('script[src$=\"/app.js\"]').src.replace('app.js', %r)"
CONTRASTS = """
async () => {
  const { colours } = await import(%s);
  const light = (colour) => {
    const box = document.createElement("i");
    box.style.color = colour;
    document.body.append(box);
    const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = getComputedStyle(box).color.match(/[\\d.]+/g).map((v) => linear(v / 255));
    box.remove();
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const genres = Array.from({ length: 200 }, (_, k) => `Genre ${k}`);
  const every = new Set(genres.flatMap((genre) => colours({ title: "", genres: [genre] })));
  return [every.size, Math.min(...[...every].map((colour) => 1.05 / (light(colour) + 0.05)))];
}
""" % (MODULE % "posters.js")


@pytest.fixture
def tab(page_tab, films_address):
    return page_tab(address=films_address).open()


def items(tab):
    return tab.page.evaluate(ITEMS)


def settled(tab, act, path="/web/"):
    """Do something that asks the service, and wait for its list."""
    with tab.page.expect_response(lambda answer: path in answer.url and answer.request.method != "OPTIONS"):
        act()
    tab.page.wait_for_selector(".cards[aria-busy=false]")


def card(tab, at=0):
    return tab.page.locator(".card").nth(at)


def star(tab, at, value):
    return card(tab, at).locator(".star").nth(value - 1)


def test_a_click_moves_the_list_and_undo_after_a_reload_takes_it_back(tab):
    tab.page.wait_for_selector(".card")
    before = items(tab)
    settled(tab, star(tab, 0, 5).click)
    tab.page.wait_for_selector(".mark.new")
    after = items(tab)
    assert before[0] not in after
    assert tab.page.locator(".policy").count() == 0
    assert "5 stars" in tab.page.locator("[role=status].said").text_content()
    tab.open()
    tab.page.wait_for_selector(".card")
    assert items(tab) == after
    settled(tab, tab.page.get_by_role("button", name="Undo").click)
    assert items(tab) == before


def test_a_refused_change_comes_back_and_says_why(tab):
    tab.page.wait_for_selector(".card")
    before = items(tab)
    problem = {"code": "unavailable", "detail": "the store cannot be written now"}
    tab.expects(503)
    tab.page.route("**/web/ratings", lambda route: route.fulfill(status=503, body=json.dumps(problem)))
    star(tab, 1, 2).click()
    assert tab.page.get_by_role("alert").text_content() == "That was not kept: the store cannot be written now"
    assert items(tab) == before
    assert tab.page.get_by_role("button", name="Undo").count() == 0


def test_a_card_leaves_before_the_service_answers(tab):
    tab.page.wait_for_selector(".card")
    before = items(tab)
    held = []
    tab.page.route("**/web/reactions", lambda route: held.append(route))
    card(tab).get_by_role("button", name="is not for me").click()
    assert items(tab) == before[1:]
    settled(tab, lambda: held[0].continue_())
    assert before[0] not in items(tab)


def test_keys_go_through_the_list_and_rate(tab):
    tab.page.wait_for_selector(".card")
    before = items(tab)
    card(tab).focus()
    tab.page.keyboard.press("ArrowRight")
    assert tab.page.evaluate("document.activeElement.dataset.item") == before[1]
    settled(tab, lambda: tab.page.keyboard.press("4"))
    assert before[1] not in items(tab)
    assert tab.page.evaluate("document.activeElement.className") == "card"
    settled(tab, lambda: tab.page.keyboard.press("u"))
    assert items(tab) == before
    tab.page.keyboard.press("?")
    assert "not for me" in tab.page.locator("dialog").text_content()
    tab.page.keyboard.press("Escape")
    tab.page.locator("dialog").wait_for(state="detached")


def test_why_says_words_first_and_adds_up_behind_a_click(tab):
    tab.open("?user=p1")
    settled(tab, card(tab).locator("button.why").click, "/web/why")
    assert "Because you " in card(tab).locator(".reasoned li").first.text_content()
    shares = [int(text.split("(")[-1].split()[0]) for text in card(tab).locator(".reasoned li").all_text_contents()]
    assert sum(shares) == 100
    card(tab).get_by_text("The arithmetic").click()
    cells = [text.replace("\u2212", "-") for text in card(tab).locator(".reasoned td").all_text_contents()]
    *parts, total = map(float, cells)
    assert sum(parts) == pytest.approx(total, abs=0.0005 * len(cells))


def test_filters_and_sliders_stand_in_the_address_and_mark_what_moved(tab):
    tab.open("?user=p1")
    tab.page.wait_for_selector(".card")
    tab.page.locator(".filters summary").click()
    settled(tab, lambda: tab.page.get_by_label("Discovery").fill("1"))
    assert tab.page.locator(".mark.up, .mark.new").count() > 0
    assert "discovery=1" in tab.page.url
    tab.open("?user=p1&genre=Comedy&from=1990")
    tab.page.wait_for_selector(".card")
    left, of = (int(word) for word in tab.page.locator(".left").text_content().split() if word.isdecimal())
    assert 0 < left < of == 120
    assert tab.page.locator(".filters .mark").all_inner_texts() == ["Comedy", "from 1990"]
    tab.page.locator(".filters summary").click()
    settled(tab, lambda: tab.page.get_by_label("Genre").select_option("Drama"))
    settled(tab, tab.page.go_back)
    assert "genre=Comedy" in tab.page.url
    tab.open("?genre=Nothing")
    assert "No film meets all of these" in tab.page.locator(".empty").text_content()
    settled(tab, tab.page.locator(".empty button").click)
    assert "genre" not in tab.page.url


def test_a_phone_sees_three_films_at_once_and_nothing_sticks_out(page_tab, films_address):
    tab = page_tab(390, 844, films_address).open("?n=100")
    tab.page.wait_for_selector(".card")
    assert tab.page.evaluate(ABOVE) >= 3
    assert tab.stuck_out() == []
    assert len(items(tab)) == 100
    assert tab.axe() == []


def test_each_view_is_one_click_away_and_stands(tab):
    views = {
        "New here?": ".question",
        "Search": ".hits a",
        "Taste map": ".taste",
        "Models": ".purpose",
        "Compare": ".compared li",
        "Your data": ".drop",
        "Behind the scenes": ".locked",
        "For you": ".for-you .card",
    }
    for name, shown in views.items():
        tab.page.get_by_role("link", name=name, exact=True).click()
        tab.page.wait_for_selector(shown)
        assert tab.page.inner_text("h1") == name
    for name, shown in (("Help", ".help section"), ("By user id", ".typing")):
        tab.page.click(f"footer a[href*={name.split()[0].lower()}]")
        tab.page.wait_for_selector(shown)
        assert tab.page.inner_text("h1") == name
    tab.page.go_back()
    tab.page.wait_for_selector(".help section")
    tab.open("?view=film&item=f12")
    tab.page.wait_for_selector(".film h1")


def test_what_an_address_says_wrongly_of_the_list_is_as_if_not_said(tab):
    tab.open("?n=abc&from=1e9&to=x&variety=many&discovery=7&purpose=<b>&seen=maybe")
    tab.page.wait_for_selector(".card")
    assert len(items(tab)) == 20
    assert tab.page.locator(".filters .mark").all_inner_texts() == ["discovery 100 %"]  # 1 is the most
    tab.open("?genre=%01&to=1990")
    tab.page.wait_for_selector(".card")
    assert tab.page.locator(".filters .mark").all_inner_texts() == ["to 1990"]


def test_posters_have_contrast_whatever_the_genre(tab):
    colours, lowest = tab.page.evaluate(CONTRASTS)
    assert colours == 36
    assert lowest > 4.5
