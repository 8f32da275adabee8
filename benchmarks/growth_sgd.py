"""How an epoch of SGD grows from 1 to 100 million ratings, in time and in memory, users and items growing too."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import generated
import numpy as np
from common import arguments, machine, markdown, publish

SIZES = (1_000_000, 3_000_000, 10_000_000, 30_000_000, 100_000_000)
NAMES = ("user", "item", "values")


def make(n: int, folder: Path) -> None:
    """Write the ratings: making them takes more memory than learning from them."""
    data = generated.ratings(n, n // 80, n // 500)
    for name, array in zip(NAMES, (data.user_index, data.item_index, data.values), strict=True):
        np.save(folder / f"{name}.npy", array)


def fit(n: int, folder: Path) -> None:
    """Print rows, seconds of an epoch and of the whole fit, and the peak of this process."""
    import resource
    import time

    from palate import MatrixFactorization

    arrays = [np.load(folder / f"{name}.npy") for name in NAMES]
    data = generated.interactions(*arrays, n // 80, n // 500)
    model = MatrixFactorization(32, n_epochs=2, validation_fraction=0.0, store_history=False, random_state=0)
    model.fit(data.take(np.arange(100)))
    started = time.perf_counter()
    model.fit(data)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(len(data), min(h["seconds"] for h in model.history_), seconds, peak)


def main() -> None:
    if len(sys.argv) > 3:
        {"make": make, "fit": fit}[sys.argv[1]](int(sys.argv[2]), Path(sys.argv[3]))
        return
    options = arguments(__doc__ or "")
    found, rows = [], []
    for n in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            for what in ("make", "fit"):
                words = [sys.executable, __file__, what, str(n), folder]
                done = subprocess.run(words, capture_output=True, text=True, check=True)
        one = list(map(float, done.stdout.split()))
        found.append(one)
        rows.append(
            [
                f"{int(one[0]):,}",
                f"{one[1]:.2f}",
                f"{1e9 * one[1] / one[0]:.0f}",
                f"{one[2]:.1f}",
                f"{one[3] / 1e9:.2f}",
            ]
        )
        print(rows[-1], file=sys.stderr, flush=True)
    logs = np.log([one[0] for one in found])
    slopes = [float(np.polyfit(logs, np.log([one[column] for one in found]), 1)[0]) for column in (1, 2)]
    rows.append(["slope", f"{slopes[0]:.2f}", "", f"{slopes[1]:.2f}", ""])
    header = ["ratings", "s an epoch", "ns a rating", "s of a fit of two epochs", "peak of the process, GB"]
    told = (
        "`mf`, 32 factors, two threads, a user for 80 ratings and an item for 500, generated beforehand and read; the "
        "fastest of two epochs. "
    )
    publish("growth-sgd", f"{markdown(header, rows)}\n\n{told}{machine()}", write=options.write)


if __name__ == "__main__":
    main()
