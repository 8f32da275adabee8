"""What a retraining holds at its peak, beside what was estimated before it began.

python benchmarks/retrain_memory.py [EVENTS …]

A log of so many clicks of made-up people and items is imported into a store, and models are trained on it by
`palate retrain`, each in its process; the peak is that of the process, as the system tells it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

MODELS: dict[str, tuple[str, ...]] = {
    "popularity": (),
    "ials": ("n_factors=64", "n_epochs=3", "reg=0.1"),
    "ease": (),
    "knn": (),
    "bpr": ("n_factors=32", "n_epochs=2"),
}
DAYS, START = 200, 1_700_000_000


def log_of(n: int, path: Path) -> None:
    """Write n clicks, some items far more popular than others."""
    chance = np.random.default_rng(0)
    users, items = chance.integers(n // 40, size=n), (chance.pareto(1.2, size=n) * 40).astype(np.int64) % 6_000
    times = START + chance.integers(DAYS * 86_400, size=n)
    kind = pl.lit("click").alias("kind")
    pl.DataFrame({"user": users, "item": items, "time": times}).with_columns(kind).write_parquet(path)


def main() -> None:
    """Print a line a model and size."""
    print("| events | model | estimated, MB | peak, MB | seconds |\n| ---: | --- | ---: | ---: | ---: |")
    for n in [int(word) for word in sys.argv[1:]] or [100_000, 1_000_000]:
        with tempfile.TemporaryDirectory() as folder:
            store = f"sqlite:///{folder}/log.db"
            log_of(n, Path(folder) / "log.parquet")
            palate("store", "import", f"{folder}/log.parquet", "--store", store)
            for model, settings in MODELS.items():
                words = [word for setting in settings for word in ("--set", setting)]
                done = json.loads(palate("retrain", "--store", store, "--model", model, *words, "--json"))
                figures = f"{done['memory']['needed'] / 1e6:,.0f} | {done['peak_mb']:,.0f} | {done['seconds']:,.1f}"
                print(f"| {n:,} | `{model}` | {figures} |", flush=True)


def palate(*words: str) -> str:
    """Run a command and return what it prints."""
    command = [sys.executable, "-m", "palate", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
