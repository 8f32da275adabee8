"""A log of one's own: text ids, faults, no titles, no ratings range.

Shows what a faulty log says, how to mend it, and what to do for people whom the model does not know.
Run it with ``python examples/own_log.py``; it writes into the current folder.
"""

from __future__ import annotations

from pathlib import Path

import palate

LOG = """customer,sku,stars,date
ann@example.org,tea-01,5,2026-03-01
ann@example.org,milk-07,2,2026-03-02
bob@example.org,tea-01,4,2026-03-02
bob@example.org,juice-03,5,2026-03-05
bob@example.org,juice-03,4,2026-03-09
cat@example.org,milk-07,1,2026-03-09
cat@example.org,,3,2026-03-10
dan@example.org,tea-01,lovely,2026-03-11
eve@example.org,juice-03,5,2026-03-12
eve@example.org,tea-01,11,2026-03-12
"""


def main() -> None:
    Path("log.csv").write_text(LOG, encoding="utf-8")
    columns = {"user": "customer", "item": "sku", "value": "stars", "time": "date"}

    try:
        palate.read_ratings("log.csv", columns=columns, rating_range=(1, 5))
    except palate.PalateError as error:
        print(f"As it stands, the log is refused:\n{error}\n")

    log = palate.read_ratings(
        "log.csv", columns=columns, rating_range=(1, 5), on_missing="drop", on_invalid="drop", on_duplicate="last"
    )
    print(f"Mended: {log}")
    for reason, rows in log.dropped.items():
        print(f"  {rows} left out: {reason}")

    model = palate.MatrixFactorization(n_factors=2, random_state=0).fit(log)
    print(model.recommend(["ann@example.org", "cat@example.org"], n=2))
    print(model.recommend("zoe@example.org", n=2, on_unknown="popular"))
    palate.save(model, "log.safetensors")


if __name__ == "__main__":
    main()
