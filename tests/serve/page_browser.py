"""One tab of a real Chromium on the service's page, with all that goes on in it; and the names of its views."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from palate.serve.web.document import FOLDER

VIEWS = re.findall(r'\{ name: "([a-z-]+)"', (FOLDER / "views.js").read_text("utf-8"))
AXE = Path(__file__).parent / "web" / "axe.min.js"  # axe-core 4.14.1 of npm, MPL-2.0
GRAVE = ("serious", "critical")
WATCH = """
window.violations = [];
const told = (e) => window.violations.push(`${e.violatedDirective} ${e.blockedURI}`);
document.addEventListener("securitypolicyviolation", told);
"""
SIDEWAYS = "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
WIDER = """
() => [...document.querySelectorAll("body *")]
  .filter((e) => e.getBoundingClientRect().width && e.getBoundingClientRect().right > innerWidth + 0.5)
  .filter((e) => { // what lies in something that scrolls by itself can be reached
    for (let box = e.parentElement; box && box !== document.body; box = box.parentElement)
      if (["auto", "scroll"].includes(getComputedStyle(box).overflowX)) return false;
    return true;
  })
  .map((e) => e.tagName + "." + e.className)
"""


class PageTab:
    """A page in a fresh session: ``page`` is Playwright's; what went wrong on it stands in ``faults``."""

    def __init__(self, context: Any, url: str) -> None:
        self.page, self.url = context.new_page(), url
        self.asked: list[str] = []
        self.faults: list[str] = []
        self._expected: set[int] = set()
        self.page.add_init_script(WATCH)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda line: line.type in ("error", "warning") and self.faults.append(line.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))

    def open(self, query: str = "") -> PageTab:
        """Open an address of the page, and wait for its heading."""
        self.page.goto(f"{self.url}/{query}")
        self.page.wait_for_selector("h1")
        return self

    def expects(self, *statuses: int) -> None:
        """Let answers of these statuses be no faults: the browser complains of each on its console."""
        self._expected |= set(statuses)

    def stuck_out(self) -> list[str]:
        """Return what reaches beyond the right edge."""
        return list(self.page.evaluate(WIDER))

    def reaches_too_far(self) -> list[str]:
        """Return what sticks out, and whether the page scrolls sideways."""
        return [*self.stuck_out(), *["scrolls sideways"] * (self.page.evaluate(SIDEWAYS) > 0)]

    def axe(self) -> list[str]:
        """Return the serious and critical violations that axe-core finds."""
        session = self.page.context.new_cdp_session(self.page)  # outside the page's policy, as a debugger is
        session.send("Runtime.evaluate", {"expression": AXE.read_text("utf-8"), "returnByValue": False})
        run = "axe.run().then(r => r.violations.map(v => [v.impact, v.id, v.nodes[0].html].join(' ')))"
        got = session.send("Runtime.evaluate", {"expression": run, "awaitPromise": True, "returnByValue": True})
        return [one for one in got["result"]["value"] if one.startswith(GRAVE)]

    def check(self) -> None:
        """Fail where something went wrong, or something was asked of another host."""
        told = [f for f in self.faults if not any(f"status of {status}" in f for status in self._expected)]
        told += self.page.evaluate("window.violations")
        assert told == [], told
        assert [one for one in self.asked if not one.startswith((self.url, "data:"))] == []
        assert len(self.asked) > 5  # the recorder did listen


@contextmanager
def tab_of(browser: Any, url: str, width: int = 1280, height: int = 900, **options: Any) -> Iterator[PageTab]:
    """Yield a tab in a session of its own, which must end without a fault."""
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    context.set_default_timeout(10_000)
    tab = PageTab(context, url)
    yield tab
    try:
        tab.check()
    finally:
        context.close()
