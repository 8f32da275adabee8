"""Seconds from `import palate` to the end of the first small fit, and from there to the first list for somebody new.

With an empty kernel cache, and with a full one. Beside the time by the clock stands the processor's, which other work
on the machine moves less.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from common import arguments, machine, markdown, publish

from palate import MODELS

LEFT_OUT = ("popularity", "bayes")  # the one counts, the other samples
RUNS = 3
CODE = """
import time
def now(): return time.perf_counter(), time.process_time()
started = now()
import palate
rows = [(u, i, 1.0 + 4 * ((u + i) % 2)) for u in range(8) for i in range(8) if u != i]
data = palate.Interactions.from_table(dict(zip(("user", "item", "value"), map(list, zip(*rows)))))
cls = palate.MODELS["KEY"]
model = cls(**({"positive": 4} if "positive" in cls.parameter_names() else {})).fit(data)
fitted = now()
new = palate.Interactions.from_table({"user": [9, 9], "item": [1, 2], "value": [5.0, 1.0]})
model.recommend_for(new, 2)
listed = now()
print(*(b - a for a, b in (*zip(started, fitted), *zip(fitted, listed))))
"""
Times = tuple[float, float, float, float]  # of the fit and of the list, by the clock and the processor


def main() -> None:
    options = arguments(__doc__ or "")
    rows = []
    for key in (key for key in MODELS if key not in LEFT_OUT):
        with tempfile.TemporaryDirectory() as cache:
            environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
            first, *later = [seconds(key, environment) for _ in range(RUNS + 1)]
        fastest = [min(times) for times in zip(*later, strict=True)]
        cells = [f"{first[n]:.2f} ({first[n + 1]:.2f})" for n in (0, 2)]
        rows.append([f"`{key}`", *cells, f"{fastest[0]:.2f}", f"{fastest[2]:.2f}"])
    header = ["model", "compiled: first fit, s", "first list, s", "cached: first fit, s", "first list, s"]
    note = f"In brackets the processor's seconds. Cached: fastest of {RUNS}. {machine()}"
    publish("first-fit", f"{markdown(header, rows)}\n\n{note}", write=options.write)


def seconds(key: str, environment: dict[str, str]) -> Times:
    code = CODE.replace("KEY", key)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    one, two, three, four = map(float, done.stdout.split()[-4:])
    return one, two, three, four


if __name__ == "__main__":
    main()
