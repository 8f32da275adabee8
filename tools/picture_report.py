"""Draw docs/images/report.png: the top of a real report, as a browser shows it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

import palate

TARGET = Path(__file__).resolve().parent.parent / "docs" / "images" / "report.png"
CHROMIUM = "/usr/bin/chromium"
SIZE = {"width": 1180, "height": 1240}


def main() -> None:
    metrics = ["rmse", "ndcg@10", "recall@20"]
    found = palate.compare(["popularity", "baseline", "mf"], palate.load_movielens("100k"), "time:0.2", metrics)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        report = palate.write_report(found, Path(folder) / "report.html")
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        page.goto(report.as_uri())
        page.screenshot(path=TARGET)
        browser.close()
    print(f"drawn: {TARGET}, {TARGET.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
