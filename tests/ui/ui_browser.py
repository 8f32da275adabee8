"""One tab of a real Chromium, with all that goes on in it; and what the page's browser tests measure."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import playwright.sync_api as playwright_api

FIELD = "#user-id input"


WATCH = """
() => {
  window.shifts = [];
  new PerformanceObserver((list) => { for (const e of list.getEntries()) window.shifts.push(e.value); })
    .observe({ type: "layout-shift", buffered: false });
  window.violations = [];
  document.addEventListener("securitypolicyviolation", (e) => window.violations.push(e.blockedURI));
}
"""
# elements that stick out on the right, apart from those inside a part that scrolls by itself
STICKING_OUT = """
() => [...document.querySelectorAll("body *")]
  .filter((e) => e.getBoundingClientRect().width && e.getBoundingClientRect().right > innerWidth + 0.5)
  .filter((e) => !e.closest("#examples .wrap, .pl-scroll, caption"))
  .map((e) => e.tagName + "." + e.className)
"""


class Tab:
    """One page in a fresh session, with all that went on in it."""

    def __init__(self, page: Any, url: str, pictures: Path) -> None:
        self.page, self.url, self.pictures = page, url, pictures
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda line: line.type in ("error", "warning") and self.complaints.append(line.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("response", lambda got: got.status >= 400 and self.complaints.append(f"{got.status} {got.url}"))
        page.goto(url)
        page.wait_for_selector("#answer .pl-answer >> visible=true")
        page.wait_for_selector(f"{FIELD}[aria-describedby]")
        page.evaluate(WATCH)

    def ask(self, typed: str) -> None:
        self.page.fill(FIELD, typed)
        self.page.press(FIELD, "Enter")

    def shows(self, user: object) -> None:
        playwright_api.expect(self.page.locator(".pl-person h2")).to_have_text(f"User {user}")

    def says(self, sentence: str) -> None:
        playwright_api.expect(self.page.locator("#user-id-message")).to_have_text(sentence)

    def titles(self, side: str) -> list[str]:
        return self.page.locator(f".pl-{side} tbody .pl-title bdi").all_inner_texts()

    def picture(self, name: str) -> None:
        self.page.mouse.move(0, 0)
        self.page.wait_for_timeout(250)  # transitions of colours
        self.page.screenshot(path=self.pictures / f"{name}.png", full_page=True)

    def report(self) -> None:
        self.page.get_by_role("tab", name="Data").click()
        playwright_api.expect(self.page.locator(".pl-report")).to_be_visible()

    def outside(self) -> list[str]:
        """Return what was asked of other hosts; data: URIs ask nobody."""
        return [one for one in self.requests if urlsplit(one).hostname != "127.0.0.1" and not one.startswith("data:")]
