"""How soon a click on the page is seen, and how soon its first list is.

    python benchmarks/page_clicks.py            prints the table
    python benchmarks/page_clicks.py --write    puts it into docs/benchmarks.md

The service of `make serve` (EASE, BayesianMF, BPR, WARP and item neighbours on MovieLens 100K, one worker, SQLite) and
a headless Chromium share one machine. Times begin with the browser's own time of the click. "Seen" is the first picture
that differs, "new list" the last one: the answer of the service is in it. The first list is that of somebody new, with
nothing kept in the browser: the time from the start of navigation to the picture with the first card, as it is and with
a delay added to every answer.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import ROOT, arguments, machine, markdown, publish

sys.path.insert(0, str(ROOT / "tools"))
from pictures import opened, served

CLICKS, LOADS = 20, 10
REST = 700  # milliseconds until whatever a click sets off has happened
PHONE = {"width": 360, "height": 740}
DELAYS = (0, 100)  # milliseconds, of each answer
MODELS = [ROOT / "out" / f"{key}.safetensors" for key in ("ease", "bayes", "bpr", "warp", "knn")]
WATCH = """
window.painted = [];
const picture = (then) => requestAnimationFrame(() => {
  const after = new MessageChannel();
  after.port1.onmessage = () => then(performance.now());
  after.port2.postMessage(0);
});
addEventListener("click", (event) => {
  performance.mark("click", { startTime: event.timeStamp });
  window.painted = [];
}, true);
new MutationObserver(() => {
  if (window.firstCard === undefined && document.querySelector(".card")) {
    window.firstCard = null;
    picture((now) => (window.firstCard = now));
  }
  picture((now) => window.painted.push(now));
}).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
"""
TIMES = """
() => {
  const began = performance.getEntriesByName("click").at(-1).startTime;
  return [window.painted[0] - began, window.painted.at(-1) - began];
}
"""
ACTS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "rate, For you": ("", lambda page: page.locator(".card .star").nth(3)),
    "not for me": ("", lambda page: page.locator(".card .acts > button").nth(0)),
    "seen": ("", lambda page: page.locator(".card .acts > button").nth(1)),
    "undo": ("", lambda page: page.locator(".undo button")),
    "rate, New here?": ("?view=new", lambda page: page.locator(".question .star").nth(3)),
    "why this one": ("", lambda page: page.locator(".card .why").nth(0)),
}


def main() -> None:
    """Measure, and print or write."""
    options = arguments(str(__doc__).partition("\n")[0])
    if missing := [path.name for path in MODELS if not path.exists()]:
        raise SystemExit(f"not trained yet: {', '.join(missing)}; `make trained` trains them into out/")
    with tempfile.TemporaryDirectory() as folder, served(MODELS, Path(folder)) as address, opened() as browser:
        rows = clicks(browser, address)
        lists = [first_list(browser, address, delay) for delay in DELAYS]
    head = ["click", "seen after, ms", "95 % within", "new list after, ms", "95 % within"]
    told = markdown(head, [[name, *(f"{time:.0f}" for time in times)] for name, times in rows.items()])
    loads = "; ".join(
        f"{'as it is' if not delay else f'{delay} ms added to each answer'}: {np.median(times):.0f} ms"
        for delay, times in zip(DELAYS, lists, strict=True)
    )
    note = (
        f"Medians of {CLICKS} clicks each, on a phone's screen. First list of somebody new, median of {LOADS}: {loads}."
    )
    publish("page-clicks", f"{told}\n\n{note} {machine('playwright')}", write=options.write)


def clicks(browser: Any, address: str) -> dict[str, tuple[float, ...]]:
    """Return for each act the median and the 95th percentile of both times, in milliseconds."""
    context = browser.new_context(viewport=PHONE, reduced_motion="reduce")
    page = context.new_page()
    page.add_init_script(WATCH)
    out = {}
    for name, (query, target) in ACTS.items():
        page.goto(f"{address}/{query}")
        page.wait_for_selector(".card")
        page.wait_for_timeout(3 * REST)  # other views are loaded meanwhile
        times = np.array([_clicked(page, target(page)) for _ in range(CLICKS)])
        middle, most = np.median(times, axis=0), np.quantile(times, 0.95, axis=0)
        out[name] = (middle[0], most[0], middle[1], most[1])
    context.close()
    return out


def _clicked(page: Any, target: Any) -> tuple[float, float]:
    target.wait_for(state="visible")
    target.scroll_into_view_if_needed()
    page.wait_for_timeout(50)
    target.click()
    page.wait_for_timeout(REST)
    first, last = page.evaluate(TIMES)
    return first, last


def first_list(browser: Any, address: str, delay: float) -> list[float]:
    """Return milliseconds until the first card is there, of visitors who have never been here."""
    out = []
    for _ in range(LOADS):
        context = browser.new_context(viewport=PHONE)
        page = context.new_page()
        page.add_init_script(WATCH)
        wire = context.new_cdp_session(page)
        wire.send("Network.enable")
        limits = {"offline": False, "latency": delay, "downloadThroughput": -1, "uploadThroughput": -1}
        wire.send("Network.emulateNetworkConditions", limits)
        page.goto(address)
        page.wait_for_selector(".card")
        page.wait_for_timeout(REST)
        out.append(page.evaluate("window.firstCard"))
        context.close()
    return out


if __name__ == "__main__":
    main()
