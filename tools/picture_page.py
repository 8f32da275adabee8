"""Draw docs/images/page.png: the page's first screen, of the models that make serve offers, in a browser."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import sync_playwright

import palate
from palate.ui import launch

TARGET = Path(__file__).resolve().parent.parent / "docs" / "images" / "page.png"
CHROMIUM = "/usr/bin/chromium"
SIZE = {"width": 1280, "height": 1320}


def main() -> None:
    data = palate.load_movielens("100k")
    models = {
        "bayes": palate.BayesianMF(random_state=42).fit(data),
        "ease": palate.EASE(positive=4).fit(data),
        "bpr": palate.BPR(positive=4, random_state=42).fit(data),
        "warp": palate.WARP(positive=4, random_state=42).fit(data),
        "knn": palate.ItemKNN(positive=4).fit(data),
    }
    with launch(models, port=0, block=False) as server, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        page.goto(server.url)
        page.wait_for_selector("#user-id input[aria-describedby]")
        page.screenshot(path=TARGET)
        browser.close()
    print(f"drawn: {TARGET}, {TARGET.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
