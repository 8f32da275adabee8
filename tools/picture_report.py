"""Draw docs/images/report.png: the top of a real report, as a browser shows it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pictures import opened, stored

import palate

SIZE = {"width": 1180, "height": 1240}


def main() -> None:
    metrics = ["rmse", "ndcg@10", "recall@20"]
    found = palate.compare(["popularity", "baseline", "mf"], palate.load_movielens("100k"), "time:0.2", metrics)
    with tempfile.TemporaryDirectory() as folder, opened() as browser:
        report = palate.write_report(found, Path(folder) / "report.html")
        page = browser.new_page(viewport=SIZE)
        page.goto(report.as_uri())
        stored(page.screenshot(), "report.png")


if __name__ == "__main__":
    main()
