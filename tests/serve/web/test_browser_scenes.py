"""Behind the scenes in a real browser: the key, each part, a dialog before a change; and users handed over."""

from __future__ import annotations

import pytest
from films import copied

from palate.serve.web import guards
from palate.serve.web.handover import token
from palate.store import keys, open_store

pytestmark = pytest.mark.long

SECRET = "a secret of the shop"
PARTS = ("ready", "card", "versions", "jobs", "comparison", "calibration", "traffic", "arms", "refused")


@pytest.fixture(scope="module")
def shop(films_file, tmp_path_factory, served):
    """The address of a page for visitors, and an admin's key of it."""
    path = copied(films_file, tmp_path_factory.mktemp("scenes"))
    with open_store(f"sqlite:///{path}") as store:
        _, key = keys.create(store, store.namespace(), "admin")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guards, "TRIES", 100)  # these tests show more keys in a minute than one address may
        with served(path, None, page="visitors", handover_secret=SECRET) as address:
            yield address, key


def opened(tab, key, query="?view=scenes"):
    tab.open(query)
    tab.page.fill("input[name=key]", key)
    tab.page.click(".locked button")
    tab.page.wait_for_selector("#part-title")
    return tab


def test_a_key_opens_the_scenes_and_is_nowhere_in_the_browser(page_tab, shop):
    address, key = shop
    tab = page_tab(address=address)
    tab.expects(401)
    tab.open("?view=scenes&part=card")
    tab.page.fill("input[name=key]", "palate_wrong")
    tab.page.click(".locked button")
    tab.page.wait_for_selector("#key-told:not(:empty)")
    assert "not known, or was revoked" in tab.page.inner_text("#key-told")
    opened(tab, key, "?view=scenes&part=card")
    assert "version 3 (bayes)" in tab.page.inner_text(".facts")
    kept = (
        "[document.cookie, ...Object.values(localStorage), ...Object.values(sessionStorage), document.body.innerHTML]"
    )
    assert key not in str(tab.page.evaluate(kept))
    assert "palate_" not in tab.page.evaluate("document.cookie")
    tab.page.reload()
    tab.page.wait_for_selector(".facts")
    tab.page.click(".leave button")
    tab.page.wait_for_selector(".locked")


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1280, "light")])
def test_every_part_stands_without_a_fault(page_tab, shop, width, scheme):
    tab = opened(page_tab(width, 844, address=shop[0], color_scheme=scheme), shop[1])
    for part in PARTS:
        tab.page.click(f".scenes nav a[href*='part={part}']")
        tab.page.wait_for_selector(f".scenes nav a[href*='part={part}'][aria-current]")
        tab.page.locator("section .empty", has_text="One moment").wait_for(state="detached")
        assert tab.page.locator("section [role=alert]").count() == 0
        assert tab.axe() == []
        assert tab.stuck_out() == []


def test_a_version_is_changed_after_a_second_question(page_tab, shop):
    tab = opened(page_tab(address=shop[0]), shop[1], "?view=scenes&part=versions")
    button = tab.page.get_by_role("button", name="Let version 1 answer")
    button.click()
    assert "everybody's lists come from version 1 (ease)" in tab.page.inner_text("dialog")
    assert tab.page.evaluate("document.activeElement.innerText") == "No, leave it"
    assert tab.axe() == []
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_selector("dialog", state="detached")
    button.click()
    tab.page.click("dialog .strong")
    tab.page.get_by_role("button", name="Let version 3 answer").wait_for()
    assert tab.page.inner_text(".said") == "Version 1 answers from now on."
    tab.page.get_by_role("button", name="Roll back").click()
    tab.page.wait_for_selector("dialog[open]")
    tab.page.keyboard.press("Escape")
    tab.page.wait_for_selector("dialog", state="detached")
    tab.page.get_by_role("button", name="Roll back").click()
    tab.page.click("dialog .strong")
    button.wait_for()


def test_a_session_that_ended_asks_for_the_key_again(page_tab, shop):
    tab = opened(page_tab(address=shop[0]), shop[1])
    tab.expects(403)
    tab.page.context.clear_cookies(name="palate_admin")
    tab.page.click(".scenes nav a[href*='part=card']")
    assert "The session has ended." in tab.page.inner_text(".locked [role=alert]")
    tab.page.fill("input[name=key]", shop[1])
    tab.page.click(".locked button")
    tab.page.wait_for_selector(".facts")
    tab.page.click(".leave button")
    tab.page.wait_for_selector(".locked")
    assert "has ended" not in tab.page.inner_text(".locked")


def test_a_user_whom_an_application_hands_over_is_that_user_and_the_token_is_gone_from_the_address(page_tab, shop):
    tab = page_tab(address=shop[0])
    tab.page.goto(f"{shop[0]}/?view=scenes#token={token(SECRET, 'default', 'p7')}")
    tab.page.wait_for_selector(".locked")
    assert "token" not in tab.page.url
    assert tab.page.evaluate("fetch('web/me').then(r => r.json()).then(m => m.person)") == "p7"
