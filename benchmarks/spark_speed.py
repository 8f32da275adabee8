"""Sweeps and lists on Spark beside MLlib's ALS and beside our own solver on one machine, on the same two cores.

    python benchmarks/spark_speed.py                       10 M ratings, explicit and implicit, lists for all
    python benchmarks/spark_speed.py --millions 10 30      more sizes; none: lists alone
    python benchmarks/spark_speed.py --warm                ours alone, in sweeps in which Java compiles no more
    python benchmarks/spark_speed.py --own-rows            what a row's own factors add to the bytes, by blocks
    python benchmarks/spark_speed.py --write               the tables of docs/spark.md

Each measurement is a process of its own on the same Parquet file, one after the other. A sweep of MLlib's is a fit of
several less a fit of one, both ended by an action; ours are what the history says, the first one (nothing compiled,
nothing cached) left out. ``--warm`` leaves two out: Java compiles what it runs often during the second, too.
Objectives are computed here, by one function, from the factors that each gives.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import generated
import numpy as np
import polars as pl
import spark_metrics
from common import machine, markdown, publish

FACTORS, REG, ALPHA = 64, 0.1, 10.0
SWEEPS, LEFT_OUT = 4, 1
WARM_SWEEPS, WARM_LEFT_OUT = 8, 2
INIT_SCALE = 0.06  # suits four sweeps better than our 0.1; MLlib always begins with vectors of length 1: 0.125
MLLIB_BLOCKS = (10,)  # its default
USERS_LISTED, ITEMS_LISTED = 50_000, 20_000
Found = dict[str, Any]


def sizes(n: int) -> tuple[int, int]:
    """Return how many users and items generated ratings have."""
    return n // 80, n // 500


# -- what is measured, each in a process of its own ----


def make(folder: Path, n: int, kind: str, sweeps: int, left_out: int) -> Found:
    """Write the ratings, and the same as clicks."""
    data = generated.ratings(n, *sizes(n))
    table = {"user": data.user_index, "item": data.item_index, "rating": data.values}
    pl.DataFrame(table).write_parquet(folder / "ratings.parquet", row_group_size=1_000_000)
    return {"rows": len(data)}


def one_machine(folder: Path, n: int, kind: str, sweeps: int, left_out: int) -> Found:
    """Return seconds a sweep of our solver without Spark, and its objective."""
    model = estimator(kind, sweeps).fit(interactions(folder, n, kind))
    seconds = [record["seconds"] for record in model.history_[left_out:]]
    P, Q = np.asarray(model.user_factors_), np.asarray(model.item_factors_)
    return {"seconds": seconds, "objective": objective(folder, n, kind, P, Q)}


def on_spark(folder: Path, n: int, kind: str, sweeps: int, left_out: int) -> Found:
    """Return seconds a sweep of our solver on Spark, its objective, and what it shuffled."""
    from palate.spark import prepare, train

    spark = session()
    started = time.perf_counter()
    prepared = prepare(spark, str(folder / "ratings.parquet"), str(folder / "prepared"), overwrite=True)
    taken = time.perf_counter() - started
    first = [-1]

    def told(progress: Any) -> None:  # the first sweep lays the ratings out, too
        if progress.step == left_out:
            first[0] = spark_metrics.last_stage(spark)

    trained = train(prepared, estimator(kind, sweeps), str(folder / "trained"), overwrite=True, progress=told)
    moved = spark_metrics.shuffled(spark, first[0]) / (sweeps - left_out)
    seconds = [record["seconds"] for record in trained.history[left_out:]]
    figure = objective(folder, n, kind, *(gathered(trained, side) for side in ("user", "item")))
    pairs = int(prepared.needed("user").sum() + prepared.needed("item").sum())
    spark.stop()
    return {"seconds": seconds, "objective": figure, "prepare": taken, "shuffled": moved, "bound": 4 * FACTORS * pairs}


def gathered(trained: Any, side: str) -> np.ndarray:
    """Return the factors of a side by id, (highest id + 1, FACTORS), zeros for ids without ratings."""
    table: Any = pl.from_arrow(trained.factors_with_ids(side).toArrow())
    X = np.zeros((int(table["id"].max()) + 1, FACTORS), np.float32)
    X[table["id"].to_numpy()] = np.frombuffer(b"".join(table["factors"].to_list()), np.float32).reshape(-1, FACTORS)
    return X


def mllib(folder: Path, n: int, kind: str, sweeps: int, left_out: int) -> Found:
    """Return seconds a sweep of MLlib's ALS with the better number of blocks, and its objective."""
    from pyspark.ml.recommendation import ALS

    spark = session()
    ratings = spark.read.parquet(str(folder / "ratings.parquet")).repartition(2).persist()
    ratings.count()
    best: Found = {}
    for blocks in MLLIB_BLOCKS:
        times = []
        for number in (left_out, sweeps):
            als = ALS(userCol="user", itemCol="item", ratingCol="rating", rank=FACTORS, maxIter=number, seed=1)
            als.setParams(numUserBlocks=blocks, numItemBlocks=blocks, regParam=REG)
            als.setParams(implicitPrefs=kind == "implicit", alpha=ALPHA)
            started = time.perf_counter()
            model = als.fit(ratings)
            model.userFactors.count()
            times.append(time.perf_counter() - started)
        seconds = (times[1] - times[0]) / (sweeps - left_out)
        if not best or seconds < best["seconds"][0]:
            factors = [
                factors_of(frame, m) for frame, m in zip((model.userFactors, model.itemFactors), sizes(n), strict=True)
            ]
            best = {"seconds": [seconds], "blocks": blocks, "objective": objective(folder, n, kind, *factors)}
    spark.stop()
    return best


def lists_ours(folder: Path, n: int, kind: str, sweeps: int, left_out: int) -> Found:
    """Return seconds of the ten best for everybody, written as Parquet."""
    from palate.spark import recommend_all
    from palate.spark.trained import Trained

    spark = session()
    trained = Trained.open(spark, str(folder / "trained"))
    seconds = []
    for turn in range(3):
        started = time.perf_counter()
        recommend_all(trained, str(folder / f"lists-{turn}"), 10, exclude_seen=False)
        seconds.append(time.perf_counter() - started)
    spark.stop()
    return {"seconds": seconds[1:]}


def lists_mllib(folder: Path, n: int, kind: str, sweeps: int, left_out: int) -> Found:
    """Return the same of MLlib, which leaves nothing out."""
    from pyspark.ml.recommendation import ALS

    spark = session()
    ratings = spark.read.parquet(str(folder / "ratings.parquet"))
    als = ALS(userCol="user", itemCol="item", ratingCol="rating", rank=FACTORS, maxIter=1, seed=1)
    model = als.fit(ratings)
    model.userFactors.persist().count(), model.itemFactors.persist().count()
    started = time.perf_counter()
    model.recommendForAllUsers(10).write.parquet(str(folder / "lists-mllib"))
    seconds = time.perf_counter() - started
    spark.stop()
    return {"seconds": [seconds]}


TASKS: dict[str, Callable[[Path, int, str, int, int], Found]] = {
    "make": make,
    "one machine": one_machine,
    "Spark": on_spark,
    "MLlib": mllib,
    "lists": lists_ours,
    "lists of MLlib": lists_mllib,
}


# -- what they share ----


def session() -> Any:
    """Return a session on both cores, its own page open for the figures of its stages."""
    from palate.spark.session import open_session

    conf = {"spark.ui.enabled": "true", "spark.driver.memory": "8g", "spark.ui.showConsoleProgress": "false"}
    conf["spark.driver.extraJavaOptions"] = "--add-modules=jdk.incubator.vector"  # for MLlib's vector code
    return open_session("local[2]", conf=conf)


def estimator(kind: str, sweeps: int) -> Any:
    """Return our model with MLlib's objective, or what comes nearest to it."""
    from palate import ALS, ImplicitALS

    if kind == "explicit":
        start = {"init_scale": INIT_SCALE, "random_state": 0}
        return ALS(FACTORS, n_epochs=sweeps, reg=REG, reg_exponent=1.0, reg_biases=0.0, biases=False, **start)
    reg = REG * (80 * 500) ** 0.5  # MLlib's penalty grows with a row's length, ours is that of the mean one
    clicks = {"positive": "values", "alpha": ALPHA, "unobserved_weight": 1.0}
    return ImplicitALS(FACTORS, n_epochs=sweeps, reg=reg, reg_exponent=0.0, random_state=0, **clicks)


def read(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "ratings.parquet")


def interactions(folder: Path, n: int, kind: str) -> Any:
    """Return the ratings on one machine."""
    table = read(folder)
    return generated.interactions(
        table["user"].to_numpy(), table["item"].to_numpy(), table["rating"].to_numpy(), *sizes(n)
    )


def factors_of(frame: Any, n: int) -> np.ndarray:
    """Return MLlib's factors, (n, FACTORS), zeros for ids without ratings."""
    table = pl.from_arrow(frame.toArrow())
    X = np.zeros((n, FACTORS), np.float32)
    X[table["id"].to_numpy()] = np.stack(table["features"].to_numpy())
    return X


def objective(folder: Path, n: int, kind: str, P: np.ndarray, Q: np.ndarray) -> float:
    """Return MLlib's objective, a rating, of factors."""
    table = read(folder)
    user, item = table["user"].to_numpy(), table["item"].to_numpy()
    values = table["rating"].to_numpy().astype(np.float64)
    total = 0.0
    for part in np.array_split(np.arange(len(user)), max(1, len(user) // 500_000)):
        scores = np.einsum("nk,nk->n", P[user[part]], Q[item[part]], dtype=np.float64)
        if kind == "explicit":
            total += float(np.square(values[part] - scores).sum())
        else:
            confidence = 1 + ALPHA * values[part]
            total += float((confidence * np.square(1 - scores) - np.square(scores)).sum())
    if kind == "implicit":
        total += float((P.T.astype(np.float64) @ P * (Q.T.astype(np.float64) @ Q)).sum())
    for X, index in ((P, user), (Q, item)):
        counts = np.bincount(index, minlength=len(X))
        total += REG * float(counts @ np.square(X, dtype=np.float64).sum(axis=1))
    return total / len(user)


def run(task: str, folder: Path, n: int, kind: str, sweeps: int = SWEEPS, left_out: int = LEFT_OUT) -> Found:
    """Return what a task finds in a process of its own."""
    words = [sys.executable, __file__, "--task", task, str(folder), str(n), kind, str(sweeps), str(left_out)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{task}, {n:,} ratings: {done.stderr[-4000:]}")
    found: Found = json.loads(done.stdout.splitlines()[-1])
    print(f"{task}, {n:,}, {kind}: {found}", file=sys.stderr, flush=True)
    return found


# -- tables ----


def sweep_rows(folder: Path, n: int, kinds: list[str]) -> list[list[str]]:
    rows = []
    for kind in kinds:
        found = {task: run(task, folder, n, kind) for task in ("one machine", "Spark", "MLlib")}
        seconds = {task: median(one["seconds"]) for task, one in found.items()}
        ours, moved = seconds["Spark"], found["Spark"]["shuffled"]
        rows.append(
            [
                f"{n / 1e6:g} M, {kind}",
                *(f"{seconds[task]:.2f}" for task in ("Spark", "one machine", "MLlib")),
                f"{ours / seconds['one machine']:.2f}",
                f"{seconds['MLlib'] / ours:.1f}",
                f"{found['Spark']['objective']:.4f}, {found['MLlib']['objective']:.4f}",
                f"{moved / 1e6:.0f} MB, {moved / found['Spark']['bound']:.2f}",
                f"{found['Spark']['prepare']:.0f}",
            ]
        )
    return rows


def warm_rows(folder: Path, n: int, kinds: list[str]) -> list[list[str]]:
    rows = []
    for kind in kinds:
        here, there = (run(task, folder, n, kind, WARM_SWEEPS, WARM_LEFT_OUT) for task in ("one machine", "Spark"))
        one, both = median(here["seconds"]), median(there["seconds"])
        moved = there["shuffled"]
        figures = [f"{both:.2f}", f"{one:.2f}", f"{both / one:.2f}", f"{both - one:.2f}"]
        rows.append([f"{n / 1e6:g} M, {kind}", *figures, f"{moved / 1e6:.0f} MB, {moved / there['bound']:.2f}"])
    return rows


def warm(options: argparse.Namespace) -> None:
    """Measure our sweeps once Java is warm."""
    rows: list[list[str]] = []
    for millions in options.millions:
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
            run("make", Path(name), int(millions * 1e6), "explicit")
            rows += warm_rows(Path(name), int(millions * 1e6), options.kinds)
    header = ["ratings", "Spark, s a sweep", "one machine", "Spark / one machine", "more, s"]
    told = f"Rank {FACTORS}, `local[2]`, the median of sweeps {WARM_LEFT_OUT + 1} to {WARM_SWEEPS}. "
    table = markdown([*header, "shuffled a sweep, / bound"], rows)
    publish("spark-warm", f"{table}\n\n{told}{machine('pyspark')}", write=options.write)


def own_rows(options: argparse.Namespace) -> None:
    """Count what clicks send: each needed row once a block, and each row's own last factors."""
    n, blocks = int(options.millions[0] * 1e6), (2, 4, 8, 16, 32)
    data = generated.ratings(n, *sizes(n))
    sides = (data.user_index.astype(np.int64), data.item_index.astype(np.int64))
    own, row = sum(len(np.unique(index)) for index in sides), []
    for k in blocks:
        needed = 0
        for index, other in (sides, sides[::-1]):
            needed += int(np.count_nonzero(np.bincount(index * k + other % k)))
        row.append(f"{(needed + own) / needed:.2f}")
    table = markdown(["ratings", *(f"{k} blocks" for k in blocks)], [[f"{n / 1e6:g} M", *row]])
    publish("spark-own-rows", table, write=options.write)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", nargs="*", type=float, default=[10.0])
    parser.add_argument("--kinds", nargs="*", default=["explicit", "implicit"])
    parser.add_argument("--no-lists", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--warm", action="store_true")
    parser.add_argument("--own-rows", action="store_true")
    parser.add_argument("--task", nargs=6, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        task, folder, n, kind, sweeps, left_out = options.task
        print(json.dumps(TASKS[task](Path(folder), int(n), kind, int(sweeps), int(left_out))))
        return
    if options.warm or options.own_rows:
        (warm if options.warm else own_rows)(options)
        return
    rows: list[list[str]] = []
    for millions in options.millions:
        n = int(millions * 1e6)
        with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as name:
            run("make", Path(name), n, "explicit")
            rows += sweep_rows(Path(name), n, options.kinds)
    header = ["ratings", "Spark, s a sweep", "one machine", "MLlib", "Spark / one machine", "MLlib / Spark"]
    header += ["MLlib's objective: ours, theirs", "shuffled a sweep, / bound", "prepare, s"]
    told = (
        f"Rank {FACTORS}, `local[2]`, the median of sweeps 2 to {SWEEPS}; MLlib with its 10 blocks. Objectives are "
        f"those after {SWEEPS} sweeps, from each solver's own start (ours with init_scale={INIT_SCALE} for ratings). "
        "The bound is each needed row of the other side once a block; steps of conjugate gradients need a row's own "
        "last factors, too. "
    )
    if rows:
        publish("spark-sweeps", f"{markdown(header, rows)}\n\n{told}{machine('pyspark')}", write=options.write)
    if options.no_lists:
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = generated.ratings(2_000_000, USERS_LISTED, ITEMS_LISTED)
        table = {"user": data.user_index, "item": data.item_index, "rating": data.values}
        pl.DataFrame(table).write_parquet(folder / "ratings.parquet")
        run("Spark", folder, 2_000_000, "explicit")
        ours, theirs = (median(run(task, folder, 0, "")["seconds"]) for task in ("lists", "lists of MLlib"))
    rows = [[f"{USERS_LISTED:,} x {ITEMS_LISTED:,}", f"{ours:.1f}", f"{theirs:.1f}", f"{theirs / ours:.1f}"]]
    header = ["ten best for everybody", "Palate, s", "MLlib, s", "MLlib / Palate"]
    publish(
        "spark-lists",
        f"{markdown(header, rows)}\n\nRank {FACTORS}, `local[2]`. {machine('pyspark')}",
        write=options.write,
    )


if __name__ == "__main__":
    main()
