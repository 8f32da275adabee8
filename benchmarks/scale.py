"""A cost model of a sweep on Spark, fitted to measured runs, checked on one that it was not fitted to, and drawn.

    python benchmarks/scale.py            measure, fit, check: some ten minutes
    python benchmarks/scale.py --write    the tables of docs/scale.md, and its figure

Seconds of a sweep of explicit ALS, with N ratings, M users and L items, k factors, C cores and n blocks:

    T = a 2 N k^2 / C  +  b (M + L) k^3 / C  +  c W / C  +  d D / C  +  e                                            (1)

a: a cell's part of the equations; b: a row's factorization; W: bytes of factors that travel, each needed row once a
block (counted in ``prepare``); D: bytes of ratings handed to Python, 16 a rating and sweep; e: starting both jobs.
Fitted by least squares of relative errors, no coefficient below 0.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import spark_speed
from common import ROOT, machine, markdown, publish
from scipy.optimize import nnls

MEASURED = [(n, blocks) for n in (1_000_000, 3_000_000, 8_000_000) for blocks in (2, 6)]
FACTORS = (32, 96)  # of each
CHECKED = (20_000_000, 4)
CHECKED_FACTORS = (64,)
SWEEPS, WARM, CORES = 6, 2, 2  # the first sweeps compile, Java's code and ours
NAMES = ("cells, per N k^2", "rows, per (M + L) k^3", "factors, per byte", "ratings, per byte", "two jobs, s")
FIGURE = ROOT / "docs" / "images" / "scale.png"


@dataclass(frozen=True)
class Job:
    """What decides the cost of a sweep.

    Attributes:
        ratings, users, items, factors: N, M, L, k.
        wire: W, bytes.
        cores: C.
    """

    ratings: float
    users: float
    items: float
    factors: int
    wire: float
    cores: int = CORES

    def terms(self) -> np.ndarray:
        """Return the terms of eq. 1, (5,)."""
        k, rows = self.factors, self.users + self.items
        shared = np.array([2 * self.ratings * k**2, rows * k**3, self.wire, 16 * self.ratings]) / self.cores
        return np.append(shared, 1.0)


def needed(ratings: float, rows: float, blocks: int) -> float:
    """Return how many (row, block) pairs travel: rows of a mean length whose cells fall into blocks at random.

    Of a row with m cells, n (1 - (1 - 1/n)^m) blocks need it; rows of one length need most, so it is a bound from above
    for any spread of lengths (the function is concave).
    """
    return rows * blocks * (1 - (1 - 1 / blocks) ** (ratings / rows))


def estimated(ratings: float, users: float, items: float, factors: int, blocks: int, cores: int) -> Job:
    """Return a job that nobody has counted."""
    pairs = needed(ratings, users, blocks) + needed(ratings, items, blocks)
    return Job(ratings, users, items, factors, 4 * (factors + 1) * pairs, cores)


# -- measuring: a process for each table ----


@dataclass(frozen=True)
class Run:
    """A job that was run, its seconds a sweep, and the most bytes that one of its Python workers held."""

    job: Job
    seconds: float
    worker: int


def measured(n: int, blocks: int, factors: Sequence[int]) -> list[dict[str, Any]]:
    """Return seconds of sweeps, bytes that travel, and a Python worker's memory at its highest, for each k."""
    from palate.spark import prepare

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spark_speed.make(folder, n, "explicit")
        spark = spark_speed.session()
        prepared = prepare(spark, str(folder / "ratings.parquet"), str(folder / "prepared"), n_blocks=blocks)
        found = [swept(prepared, str(folder / f"trained-{k}"), k) for k in factors]
        spark.stop()
    return found


def swept(prepared: Any, path: str, k: int) -> dict[str, Any]:
    """Train with k factors, and return what that took."""
    from palate import ALS
    from palate.spark import train

    watch = Watch()
    model = ALS(k, n_epochs=SWEEPS, reg=0.1, reg_exponent=1.0, reg_biases=0.0, biases=False, random_state=0)
    trained = train(prepared, model, path)
    peak = watch.stop()
    pairs = prepared.needed("user").sum() + prepared.needed("item").sum()
    seconds = [record["seconds"] for record in trained.history[WARM:]]
    counts = prepared.n_rows, prepared.n_users, prepared.n_items
    return {"seconds": median(seconds), "wire": int(pairs) * 4 * (k + 1), "counts": counts, "worker": peak}


class Watch:
    """Looks at the memory of Spark's Python workers, and keeps the largest."""

    def __init__(self) -> None:
        self.peak, self.ended = 0, threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()

    def _look(self) -> None:
        while not self.ended.wait(0.1):
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    if b"pyspark" in place.read_bytes() and b"java" not in place.read_bytes():
                        pages = int((place.parent / "statm").read_text().split()[1])
                        self.peak = max(self.peak, pages * os.sysconf("SC_PAGE_SIZE"))
                except (OSError, IndexError):  # it has ended meanwhile
                    continue

    def stop(self) -> int:
        """Return the most bytes that one worker held."""
        self.ended.set()
        self.thread.join()
        return self.peak


def run(n: int, blocks: int, factors: Sequence[int]) -> list[Run]:
    """Return what a process of its own measured."""
    words = [sys.executable, __file__, "--one", *map(str, (n, blocks, *factors))]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-4000:])
    found = json.loads(done.stdout.splitlines()[-1])
    print(n, blocks, factors, found, file=sys.stderr, flush=True)
    return [
        Run(Job(*one["counts"], k, one["wire"]), one["seconds"], one["worker"])
        for k, one in zip(factors, found, strict=True)
    ]


# -- the model ----


def fitted(jobs: list[Job], seconds: list[float]) -> np.ndarray:
    """Return the coefficients of eq. 1."""
    A = np.array([job.terms() for job in jobs]) / np.array(seconds)[:, None]
    scale = A.max(axis=0)
    found, _ = nnls(A / scale, np.ones(len(jobs)))
    return found / scale


def draw(jobs: list[Job], seconds: list[float], costs: np.ndarray, check: tuple[Job, float]) -> None:
    """Write the figure: points measured, the model's lines, and the run that it was not fitted to."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FixedLocator, NullLocator

    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for k, colour in zip(sorted({job.factors for job in jobs}), ("#3b6ea5", "#c2683a"), strict=True):
        own = [
            (job.ratings / 1e6, s, float(job.terms() @ costs))
            for job, s in zip(jobs, seconds, strict=True)
            if job.factors == k
        ]
        for number, (x, y, model) in enumerate(sorted(own)):
            axes.plot(x, y, "o", color=colour, label=f"{k} factors, 2 and 6 blocks, measured" if not number else None)
            axes.plot(x, model, "_", ms=16, color=colour, label="the model" if not number else None)
    axes.plot(check[0].ratings / 1e6, check[1], "k*", ms=12, label=f"{check[0].factors} factors, not fitted to")
    axes.plot(check[0].ratings / 1e6, float(check[0].terms() @ costs), "k_", ms=20)
    axes.set(xscale="log", yscale="log", xlabel="ratings, millions", ylabel="seconds a sweep, two cores")
    for axis, ticks in ((axes.xaxis, (1, 2, 5, 10, 20)), (axes.yaxis, (1, 1.5, 2, 3, 5, 10))):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend(fontsize=8)
    figure.savefig(FIGURE, dpi=130)


CLUSTERS = (  # ratings, users, items, factors, blocks, cores
    ("100 M ratings, 2 M users, 200,000 items", 1e8, 2e6, 2e5, 64, 64, 64),
    ("1 billion, 10 M users, 1 M items", 1e9, 1e7, 1e6, 64, 320, 320),
    ("1 billion, 100 M users, 10 M items", 1e9, 1e8, 1e7, 64, 320, 320),
    ("10 billion, 100 M users, 10 M items", 1e10, 1e8, 1e7, 64, 1280, 320),
)
BYTES_A_SECOND = 10e9 / 8  # of an executor's network
EXECUTOR_CORES = 16


def plan(costs: np.ndarray) -> list[list[str]]:
    """Return rows of what larger jobs take on executors of 16 cores with 10 Gbit/s each."""
    rows = []
    for name, ratings, users, items, factors, blocks, cores in CLUSTERS:
        job = estimated(ratings, users, items, factors, blocks, cores)
        executors = cores // EXECUTOR_CORES
        computed, network = float(job.terms() @ costs), job.wire / executors / BYTES_A_SECOND
        cells = 2 * 12 * ratings / blocks  # both layouts' cells of a block: position, value, and Python's copy
        received = 4 * factors * max(needed(ratings, users, blocks), needed(ratings, items, blocks)) / blocks
        own = 4 * factors * max(users, items) / blocks
        at_once = EXECUTOR_CORES * (cells + 2 * received + 2 * own)
        rows.append(
            [
                name,
                f"{executors} x {EXECUTOR_CORES}, {blocks}",
                f"{job.wire / 1e9:,.0f} GB",
                f"{computed:,.0f}",
                f"{network:,.0f}",
                f"{at_once / 1e9:,.0f} GB",
            ]
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--one", nargs="+", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        n, blocks, *factors = options.one
        print(json.dumps(measured(n, blocks, factors)))
        return
    started = time.perf_counter()
    runs = [found for n, blocks in MEASURED for found in run(n, blocks, FACTORS)]
    jobs, seconds = [one.job for one in runs], [one.seconds for one in runs]
    costs = fitted(jobs, seconds)
    (checked,) = run(*CHECKED, CHECKED_FACTORS)
    job, taken, worker = checked.job, checked.seconds, checked.worker
    expected = float(job.terms() @ costs)
    errors = [abs(float(j.terms() @ costs) / s - 1) for j, s in zip(jobs, seconds, strict=True)]
    if options.write:
        draw(jobs, seconds, costs, (job, taken))
    rows = [[name, f"{cost:.3g} s"] for name, cost in zip(NAMES, costs, strict=True)]
    told = (
        f"Fitted to {len(jobs)} runs of 1 to 8 M ratings (median error {100 * median(errors):.0f} %, largest "
        f"{100 * max(errors):.0f} %). Checked on {job.ratings / 1e6:.0f} M ratings, {job.factors} factors: expected "
        f"{expected:.1f} s a sweep, measured {taken:.1f} s; its largest Python worker held {worker / 1e9:.2f} GB. "
        f"Measured in {time.perf_counter() - started:,.0f} s. {machine('pyspark')}"
    )
    publish("scale-costs", f"{markdown(['coefficient', 'a core'], rows)}\n\n{told}", write=options.write)
    header = [
        "job",
        "executors x cores, blocks",
        "moved a sweep",
        "s a sweep, computed",
        "s on the network",
        "memory an executor",
    ]
    publish("scale-plan", markdown(header, plan(costs)), write=options.write)


if __name__ == "__main__":
    main()
