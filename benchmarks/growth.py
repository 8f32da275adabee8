"""How time and memory grow from 1 to 30 million rows: slope of log against log, users and items growing too."""

from __future__ import annotations

import subprocess
import sys

import generated
import numpy as np
from common import arguments, machine, markdown, publish

SIZES = (1_000_000, 3_000_000, 10_000_000, 30_000_000)


def one(name: str, n: int) -> None:
    """Print seconds of an epoch, and bytes of the process at its peak beyond what it held before the fit."""
    import resource

    from palate import ALS, ImplicitALS

    n_users, n_items = n // 80, n // 500
    if name == "als":
        data, model = generated.ratings(n, n_users, n_items), ALS(32, n_epochs=2, random_state=0)
    else:
        data = generated.interactions(*generated.clicks(n, n_users, n_items), None, n_users, n_items)
        model = ImplicitALS(32, n_epochs=2, reg=0.01, unobserved_weight=0.1, random_state=0)
    model.fit(data.take(np.arange(100)))
    generated.clicks.cache_clear()
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    estimate = model.memory_estimate(data)
    model.fit(data)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(min(h["seconds"] for h in model.history_), max(peak - held, 0) * 1024, peak * 1024, estimate, len(data))


def main() -> None:
    if len(sys.argv) > 2:
        one(sys.argv[1], int(sys.argv[2]))
        return
    options = arguments(__doc__ or "")
    rows = []
    for name in ("als", "ials"):
        found = []
        for n in SIZES:
            done = subprocess.run([sys.executable, __file__, name, str(n)], capture_output=True, text=True, check=True)
            found.append(list(map(float, done.stdout.split())))
            rows.append(
                [
                    f"`{name}`, {int(found[-1][4]):,}",
                    f"{found[-1][0]:.2f}",
                    f"{found[-1][2] / 1e9:.2f}",
                    f"{found[-1][3] / 1e9:.2f}",
                ]
            )
        logs = np.log([f[4] for f in found])  # rows: small tables have fewer than asked for, repeated pairs left out
        slopes = [np.polyfit(logs, np.log([f[column] for f in found]), 1)[0] for column in (0, 2, 3)]
        rows.append([f"`{name}`, slope", *(f"{slope:.2f}" for slope in slopes)])
    header = ["model, rows", "s an epoch", "peak of the process, GB", "memory_estimate, GB"]
    told = "32 factors, a user for 80 rows and an item for 500, generated; the peak includes making the data. "
    publish("growth", f"{markdown(header, rows)}\n\n{told}{machine()}", write=options.write)


if __name__ == "__main__":
    main()
