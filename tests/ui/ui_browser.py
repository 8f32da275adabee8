"""One tab of a real Chromium, with all that goes on in it; and what the page's browser tests measure."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import playwright.sync_api as playwright_api

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
    *("--disable-component-update", "--disable-sync", "--disable-quic"),
)
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
# the lowest contrast of all words shown, and where it is (WCAG 2: relative luminance against the nearest background)
CONTRAST = """
() => {
  const parse = (c) => (c.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => {
    const [R, G, B] = [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * R + 0.7152 * G + 0.0722 * B;
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  let worst = [99, "nothing", 0];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n = walk.nextNode(); n; n = walk.nextNode()) {
    const e = n.parentElement;
    if (!n.data.trim() || !e.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    if (e.closest(".pl-stars, script, style, .pl-nobody svg")) continue; /* stars are a picture, said in words */
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    worst[2] += 1;
    if (ratio < worst[0]) worst = [ratio, e.className + ": " + n.data.trim().slice(0, 40), worst[2]];
  }
  return worst;
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
