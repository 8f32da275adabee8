"""What it costs to bring a half sweep's sums to the driver: by the job that writes it, or by a second one that reads.

    python benchmarks/spark_jobs.py --write    the table of docs/spark.md

Both ways take turns, sweep by sweep, in one training, so that other work on the machine meets both. Seconds of the
processors are those of Python, Java and all workers.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import generated
import polars as pl
from common import machine, markdown, publish
from spark_speed import FACTORS, estimator, session, sizes

LEFT_OUT, SWEEPS = 4, 44
TICK = os.sysconf("SC_CLK_TCK")
WAYS = ("one job", "two jobs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=float, default=1.0)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    n = int(options.millions * 1e6)
    with tempfile.TemporaryDirectory() as name:
        found = {kind: measured(Path(name), n, kind) for kind in ("explicit", "implicit")}
    rows = []
    for kind, ways in found.items():
        figures = [median(column) for way in WAYS for column in zip(*ways[way], strict=True)]
        rows.append([f"{options.millions:g} M, {kind}", *(f"{figure:.2f}" for figure in figures)])
    header = ["ratings", *(f"{way}, {what}" for way in WAYS for what in ("s a sweep", "s of processors"))]
    told = (
        f"Rank {FACTORS}, `local[2]`, medians of {(SWEEPS - LEFT_OUT) // 2} sweeps each, in turns, other work beside."
    )
    publish("spark-jobs", f"{markdown(header, rows)}\n\n{told} {machine('pyspark')}", write=options.write)


def measured(folder: Path, n: int, kind: str) -> dict[str, list[tuple[float, float]]]:
    """Return (seconds, seconds of processors) of each sweep by the way it took."""
    from palate.spark import prepare, sweeps, train

    spark = session()
    if not (folder / "ratings.parquet").exists():
        data = generated.ratings(n, *sizes(n))
        table = {"user": data.user_index, "item": data.item_index, "rating": data.values}
        pl.DataFrame(table).write_parquet(folder / "ratings.parquet")
    prepared = prepare(spark, str(folder / "ratings.parquet"), str(folder / "prepared"), overwrite=True)
    ways = dict(zip(WAYS, (sweeps.told, told_by_two), strict=True))
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    spent = [0.0]

    def turn(progress: Any) -> None:
        now, way = processors(), WAYS[progress.step % 2]
        if progress.step > LEFT_OUT:
            found[WAYS[1 - progress.step % 2]].append((progress.record["seconds"], now - spent[0]))
        spent[0], sweeps.told = now, ways[way]

    train(prepared, estimator(kind, SWEEPS), str(folder / "trained"), overwrite=True, progress=turn)
    spark.stop()
    sweeps.told = ways["one job"]
    return found


def told_by_two(records: Any, path: str, names: Any, kinds: Any) -> tuple[Any, list[Any]]:
    """Do what `palate.spark.sweeps.told` does by reading what was written."""
    from palate.spark.sweeps import written

    read = written(records, path)
    return read, read.where(read["kind"].isin(*kinds)).select(*names).collect()


def processors() -> float:
    """Return the seconds that this process and all below it have spent so far."""
    spent: dict[int, int] = {}
    children: dict[int, list[int]] = defaultdict(list)
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        spent[int(place.name)] = sum(map(int, words[11:15]))
        children[int(words[1])].append(int(place.name))
    total, left = 0, [os.getpid()]
    while left:
        process = left.pop()
        total += spent.get(process, 0)
        left += children[process]
    return total / TICK


if __name__ == "__main__":
    main()
