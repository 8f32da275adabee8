"""Twenty clicks with four workers, none lost: each event is stateless, so any process may answer it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from films import copied
from own_service import running
from page_browser import tab_of

pytestmark = [pytest.mark.browser, pytest.mark.long]
CLICKS = 20


def test_twenty_clicks_reach_four_workers_and_none_is_lost(films_file, tmp_path, chromium):
    store = f"sqlite:///{copied(films_file, tmp_path)}"
    with running(tmp_path, store, "--workers", "4", "--page", "visitors") as service:
        service.ready()
        address = "http://{}:{}".format(*service.address)
        with tab_of(chromium, address) as tab:
            tab.open()
            for click in range(CLICKS):
                tab.page.wait_for_selector(".cards[aria-busy=false] .card")
                star = tab.page.locator(".card").nth(click % 3).locator(".star").nth(click % 5)
                with tab.page.expect_response("**/web/ratings") as answer:
                    star.click()
                assert answer.value.status == 200
            mine = tab.page.evaluate("fetch('web/mine').then(answer => answer.json())")
            cookies = {one["name"]: one["value"] for one in tab.page.context.cookies()}
        with ThreadPoolExecutor(8) as pool:  # a browser keeps its connection, and so its worker; these have one each
            asked = list(pool.map(lambda _: httpx.get(f"{address}/web/mine", cookies=cookies), range(CLICKS)))
        lines = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith('{"time"')]
    rated = [one for one in lines if one.get("route") == "/web/ratings"]
    assert len(mine["ratings"]) == len(rated) == CLICKS
    assert {answer.text for answer in asked} == {asked[0].text}
    assert asked[0].json() == mine
    assert len({one["process"] for one in lines if one.get("route", "").startswith("/web/")}) > 1
