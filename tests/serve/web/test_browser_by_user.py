"""By user id, in a real browser: an id shows that user's list, and a wrong one is told beside the field."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser


def test_an_id_leads_to_that_users_list_and_a_wrong_one_is_told(page_tab, films_address):
    tab = page_tab(390, 844, address=films_address).open("?view=by-user")
    tab.page.click("text=Show the list")
    assert tab.page.inner_text("[role=alert]") == "Type the id of a user first."
    tab.expects(404)
    hostile = "<img src=x onerror=alert(1)>"
    tab.page.fill("#user-id", hostile)
    tab.page.press("#user-id", "Enter")
    tab.page.wait_for_function("document.querySelector('.wrong').innerText.includes('onerror')")
    assert tab.page.get_attribute("#user-id", "aria-invalid") == "true"
    assert tab.page.locator(".wrong img").count() == 0
    assert tab.axe() == []
    assert tab.stuck_out() == []
    tab.page.fill("#user-id", " p3 ")
    tab.page.press("#user-id", "Enter")
    tab.page.wait_for_selector(".whose")
    assert "user p3" in tab.page.inner_text(".whose")
    assert tab.page.url.endswith("?user=p3")
