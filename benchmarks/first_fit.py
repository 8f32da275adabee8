"""Seconds from `import palate` to the end of the first small fit: with an empty kernel cache, and with a full one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from common import arguments, machine, markdown, publish

MODELS = ("baseline", "mf", "als", "ials", "ease")
RUNS = 3
CODE = """
import time
started = time.perf_counter()
import palate
data = palate.Interactions.from_table({"user": [1, 1, 2, 2, 3], "item": [1, 2, 1, 3, 2], "value": [4.0] * 5})
palate.MODELS["KEY"]().fit(data)
print(time.perf_counter() - started)
"""


def main() -> None:
    options = arguments(__doc__ or "")
    rows = []
    for key in MODELS:
        with tempfile.TemporaryDirectory() as cache:
            environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
            runs = [seconds(key, environment) for _ in range(RUNS + 1)]
        rows.append([f"`{key}`", f"{runs[0]:.2f}", f"{min(runs[1:]):.2f}"])
    header = ["model", "s, kernels compiled", "s, kernels cached"]
    publish("first-fit", f"{markdown(header, rows)}\n\nCached: fastest of {RUNS}. {machine()}", write=options.write)


def seconds(key: str, environment: dict[str, str]) -> float:
    code = CODE.replace("KEY", key)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    main()
