"""Hostile titles, ids, genres, people and uploads on every view: all is text, nothing runs, nothing sticks out."""

from __future__ import annotations

from urllib.parse import quote

import numpy as np
import pytest
from page_browser import VIEWS

import palate
from palate.models import MODELS
from palate.serve.engine.purposes import make_purposes
from palate.serve.web.kinds import add_kinds
from palate.store import items, keys, open_store, versions
from palate.store.records import Thing

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = [pytest.mark.browser, pytest.mark.long]
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "${alert(3)}",
    "{{alert(4)}}",
    '" onmouseover="alert(5)" x="',
    "</title><svg onload=alert(6)>",
    "javascript:alert(7)",
    "\u202eRTL\u202c \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "W" * 300,
    "<b>words</b> " * 24,
)
N = 30  # items and people
PARTS = ("ready", "card", "versions", "jobs", "comparison", "calibration", "traffic", "arms", "refused")
MARKUP = "main script, main img, main b b, [onmouseover], [onload], [onerror], a[href^='javascript:']"


def named(k):
    return f"{HOSTILE[k % len(HOSTILE)]} {k}"


@pytest.fixture(scope="module")
def shop(tmp_path_factory, served):
    """The address of a demonstration in which all that people can name is hostile, and an admin's key of it."""
    folder, rng = tmp_path_factory.mktemp("hostile"), np.random.default_rng(5)
    who, what = np.nonzero(rng.random((N, N)) < 0.5)
    log = {
        "user": [named(u) for u in who],
        "item": [named(i) for i in what],
        "rating": rng.integers(1, 6, len(who)) * 1.0,
    }
    table = {
        "item_id": [named(k) for k in range(N)],
        "title": [f"{named(k)} (1990)" for k in range(N)],
        "genres": [[HOSTILE[k % len(HOSTILE)], HOSTILE[(k + 1) % len(HOSTILE)]] for k in range(N)],
    }
    data = palate.Dataset.from_tables(palate.Interactions.from_table(log), items=table)
    tiny = {"n_factors": 2, "n_sweeps": 6, "n_burn_in": 2, "random_state": 0, "positive": 3.0}
    with open_store(f"sqlite:///{folder / 'shop.db'}") as store:
        ns = store.namespace()
        for key in ("ease", "knn", "bayes"):
            given = {name: value for name, value in tiny.items() if name in MODELS[key].parameter_names()}
            palate.save(MODELS[key](**given).fit(data), folder / f"{key}.safetensors")
            number = versions.add(store, ns, folder / f"{key}.safetensors")
        versions.activate(store, ns, number)
        rows = zip(table["item_id"], table["title"], table["genres"], strict=True)
        facts = {"note": HOSTILE[1], HOSTILE[0]: HOSTILE[8]}
        items.upsert(
            store, ns, [Thing(id_, {"title": title, "genres": genres, **facts}) for id_, title, genres in rows]
        )
        add_kinds(store, ns, (1.0, 5.0))
        make_purposes(store, ns)
        _, key = keys.create(store, ns, "admin")
    with served(folder / "shop.db", None, page="demo") as address:
        yield address, key


def waited(tab):
    """Wait until nothing is on its way."""
    tab.page.wait_for_timeout(50)
    for waiting in (".waits, .waiting, .reasoned[role=status], [aria-busy=true]", "main:empty"):
        expect(tab.page.locator(waiting)).to_have_count(0)


def settled(tab, query):
    tab.open(query)
    waited(tab)
    for folded in tab.page.locator("main summary:visible, .card .why:visible").all()[:4]:
        folded.click()
    waited(tab)


def wrong(tab):
    """Return what of the data became markup, or reaches too far."""
    made = tab.page.locator(MARKUP).count()
    return [*["markup"] * made, *tab.reaches_too_far()]


@pytest.mark.parametrize("width", [320, 1366])
def test_all_is_text_on_every_view(page_tab, shop, width):
    tab = page_tab(width, 768, shop[0])
    tab.expects(404)  # people and films that are not there
    found = {}
    for view in VIEWS:
        for k in range(0, N, 3):
            settled(tab, f"?view={view}&user={quote(named(k))}&item={quote(named(k + 1))}&q={quote(HOSTILE[k % 10])}")
            found[view, k] = wrong(tab)
            if view not in ("film", "by-user", "map"):  # of these each shows another one
                break
    for query in ("genre", "user", "item", "purpose", "left", "part", "n", "from"):
        for view, k in (("film", 1), ("for-you", 0)):
            settled(tab, f"?view={view}&{query}={quote(HOSTILE[k])}")
            found[view, query] = wrong(tab)
    assert {at: told for at, told in found.items() if told} == {}


def test_a_click_on_each_is_told_as_text(page_tab, shop):
    tab = page_tab(360, 740, shop[0]).open()
    tab.page.wait_for_selector(".card")
    for k in range(len(HOSTILE)):
        tab.page.locator(".card .acts > button").first.click()
        tab.page.wait_for_selector(".cards[aria-busy=false]")
        assert wrong(tab) == [], k
    tab.page.locator(".undo button").click()
    assert wrong(tab) == []


def test_all_is_text_behind_the_scenes(page_tab, shop):
    tab = page_tab(320, 768, shop[0]).open("?view=scenes")
    tab.page.fill("input[name=key]", shop[1])
    tab.page.click(".locked button")
    tab.page.wait_for_selector("#part-title")
    for part in PARTS:
        settled(tab, f"?view=scenes&part={part}")
        assert wrong(tab) == [], part


@pytest.mark.parametrize(
    "head", ["title,rating,user", f"{HOSTILE[1]},rating,{HOSTILE[2]}", f"title,{HOSTILE[8]},rating"]
)
def test_uploads_are_text_whatever_is_in_them(page_tab, shop, head):
    tab = page_tab(320, 768, shop[0]).open("?view=data")
    tab.expects(422)
    rows = [
        f'"{named(k).replace(chr(34), chr(34) * 2)}",{(k * 7) % 11 or HOSTILE[0]},"{HOSTILE[0]}"' for k in range(20)
    ]
    body = "\n".join([head, *rows, f"{HOSTILE[1]}", f'"{HOSTILE[8]} {HOSTILE[8]}",<svg onload=alert(8)>,x']).encode()
    tab.page.set_input_files("input[type=file]", {"name": f"{HOSTILE[1]}.csv", "mimeType": "text/csv", "buffer": body})
    tab.page.wait_for_selector(".preview, main [role=alert]")
    waited(tab)
    for folded in tab.page.locator(".preview summary").all():
        folded.click()
    assert wrong(tab) == []
