"""What is measured of the models that `make serve` starts with: benchmarks/figures/ml-100k.json, which its page tells.

    python benchmarks/demo_figures.py --write

Each model has the settings of the Makefile and learns from 80 % of MovieLens 100K; the figures are of the other 20 %,
with intervals over people. Films are relevant from four stars on.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from common import machine, markdown

import palate
from palate.store.versions.figures import compared

FILE = Path(__file__).parent / "figures" / "ml-100k.json"
SPLIT, POSITIVE, SEED = "random:0.2:42", 4, 42
METRICS = ["ndcg@10", "rmse", "coverage_80"]


def main() -> None:
    """Measure, print, and with --write keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"replace {FILE.name}")
    options = parser.parse_args()
    models = [
        palate.Popularity(),
        palate.EASE(positive=POSITIVE),
        palate.BayesianMF(random_state=SEED),
        palate.BPR(positive=POSITIVE, random_state=SEED),
        palate.WARP(positive=POSITIVE, random_state=SEED),
        palate.ItemKNN(positive=POSITIVE),
    ]
    run = palate.compare(models, palate.load_movielens(), SPLIT, METRICS, positive=POSITIVE)
    figures = compared(run)
    rows = [
        [f"`{key}`", metric, *(four(one[name]) for name in ("value", "low", "high"))]
        for key, record in figures.items()
        for metric, one in record["metrics"].items()
    ]
    print(markdown(["model", "metric", "mean", "low", "high"], rows))
    print(machine())
    if options.write:
        FILE.parent.mkdir(exist_ok=True)
        told = {key: {**record, "machine": machine()} for key, record in figures.items()}
        FILE.write_text(json.dumps(told, indent=1) + "\n")


def four(value: float | None) -> str:
    """Return a number with four places, nothing for none: a share over all pairs has no interval over people."""
    return "" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    main()
