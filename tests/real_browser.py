"""A real Chromium for tests of what people see, and the lowest contrast of its words."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import playwright.sync_api as playwright_api
import pytest

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
    *("--disable-component-update", "--disable-sync", "--disable-quic"),
)
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
    const style = getComputedStyle(e);
    const [a, b] = [light(parse(e.closest("svg") ? style.fill : style.color)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    worst[2] += 1;
    if (ratio < worst[0]) worst = [ratio, e.tagName + "." + e.className + ": " + n.data.trim().slice(0, 40), worst[2]];
  }
  return worst;
}
"""


@contextmanager
def started() -> Iterator[Any]:
    """Start the Chromium that is found, and close it; where there is none the test is skipped with what to install."""
    found = os.environ.get("PALATE_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)
    with playwright_api.sync_playwright() as play:
        own = play.chromium.executable_path
        path = found or (own if Path(own).exists() else None)
        if path is None:
            pytest.skip("no Chromium found; install Debian's package 'chromium', or run 'playwright install chromium'")
        browser = play.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()
