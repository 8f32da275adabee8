"""Seconds and memory of EASE's solve of 10,000 items, beside NumPy's own inverse."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import generated
import numpy as np
from common import arguments, machine, markdown, publish

SIZE = (2_000_000, 30_000, 10_000)  # clicks, users, items
RUNS = 3


def palate_ease() -> float:
    from palate import EASE
    from palate.parallel import default_threads

    data = generated.interactions(*generated.clicks(*SIZE), None, *SIZE[1:])
    model = EASE(300.0, store_history=False, n_threads=default_threads())
    model.fit(data.take(np.arange(100)))
    started = time.perf_counter()
    model.fit(data)
    return time.perf_counter() - started


def numpy_ease() -> float:
    import scipy.sparse as sp

    user, item = generated.clicks(*SIZE)
    X = sp.csr_matrix((np.ones(len(user), np.float32), (user, item)), shape=SIZE[1:])
    started = time.perf_counter()
    G = (X.T @ X).toarray()
    G[np.diag_indices(len(G))] += 300.0
    P = np.linalg.inv(G)
    B = P / -np.diag(P)
    np.fill_diagonal(B, 0)
    return time.perf_counter() - started


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] in ("palate", "numpy"):
        import resource

        seconds = palate_ease() if sys.argv[1] == "palate" else numpy_ease()
        print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        return
    options = arguments(__doc__ or "")
    found: dict[str, list[tuple[float, float]]] = {"palate": [], "numpy": []}
    for _ in range(RUNS):
        for name, runs in found.items():
            done = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True, check=True)
            seconds, peak = map(float, done.stdout.split())
            runs.append((seconds, peak))
    least = {name: tuple(np.min(runs, axis=0)) for name, runs in found.items()}
    ours = least["palate"]
    rows = [
        [name, f"{s:.1f}", f"{s / ours[0]:.2f}", f"{peak / 1e9:.2f}", f"{peak / ours[1]:.2f}"]
        for name, (s, peak) in least.items()
    ]
    header = ["library", "s", "ratio to ours", "peak of the process, GB", "ratio to ours"]
    told = f"{SIZE[0]:,} clicks, {SIZE[2]:,} items, {os.cpu_count()} threads; fastest of {RUNS}. {machine('scipy')}"
    publish("ease-speed", f"{markdown(header, rows)}\n\n{told}", write=options.write)


if __name__ == "__main__":
    main()
