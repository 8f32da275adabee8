"""What `BayesianMF` loses on Spark, and `ALS` by factors that travel in half the bytes: RMSE on MovieLens 100K.

    python benchmarks/spark_bayes.py                    print the tables
    python benchmarks/spark_bayes.py --part wire        one of them
    python benchmarks/spark_bayes.py --write            replace them in docs/spark.md

One split of 80 and 20 %; all models learn from the same rows, with the same seed, and are asked for the same pairs, of
users and items that both parts have. "By name" is one machine's sampler with the numbers of Spark's, and without what a
pair's own cell brings: what Spark's has to be.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
from common import machine, markdown, publish

import palate
from palate import ALS, BayesianMF, Interactions
from palate.data.splits.making import make_splits
from palate.models.bayes import begin
from palate.spark.prepared import Prepared
from palate.spark.preparing import prepare
from palate.spark.session import opened
from palate.spark.training import train

SPLIT, SEED = "random:0.2:42", 0
SWEEPS = {"n_sweeps": 120, "n_burn_in": 20, "n_chains": 1, "random_state": SEED}
FEW = {**SWEEPS, "n_sweeps": 24, "n_burn_in": 8}  # through Spark, whose sweep of so few ratings is overhead
COLUMNS = ("user_id", "item_id", "rating")


def parts() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the training and the test part, by ids."""
    data = palate.load_movielens("100k", on_missing="keep").interactions
    (one, *_) = make_splits(data, SPLIT)
    train_rows, test_rows = (table_of(data.take(rows)) for rows in (one.train, one.test))
    for name in COLUMNS[:2]:
        test_rows = test_rows.filter(pl.col(name).is_in(train_rows[name].implode()))
    return train_rows, test_rows


def table_of(data: Interactions) -> pl.DataFrame:
    ids = data.users.values[data.user_index], data.items.values[data.item_index]
    return pl.DataFrame(dict(zip(COLUMNS, (*ids, data.values), strict=True)))


def rmse(model: Any, test: pl.DataFrame) -> float:
    guess = model.predict(test["user_id"].to_list(), test["item_id"].to_list())
    return float(np.sqrt(np.mean((guess - test["rating"].to_numpy()) ** 2)))


def by_name(*given: Any, **named: Any) -> Any:
    """Return a chain of one machine that draws its rows as Spark does, and nothing of a pair's own cell."""
    return begin.begun(*given, **named, by_name=True)[0], None


def line(name: str, model: Any, test: pl.DataFrame) -> list[str]:
    seconds = np.median([record["seconds"] for record in model.history_[1:]])
    found = [name, str(len(model.history_)), f"{rmse(model, test):.4f}", f"{seconds:.3f}"]
    print(found, flush=True)
    return found


def bayes(spark: Any, folder: Path, prepared: Prepared, rows: pl.DataFrame, test: pl.DataFrame) -> str:
    sampled = train(prepared, BayesianMF(**FEW, incidence=False), str(folder / "bayes"))
    there = line("Spark, `local[2]`, 2 blocks, `incidence=False`", sampled.collect(), test)
    spark.stop()
    data = Interactions.from_table(rows)
    with patch("palate.models.bayes.run.begun", by_name):
        twins = [
            line(
                "one machine by name, a pair's own cell left out", BayesianMF(**words, incidence=False).fit(data), test
            )
            for words in (FEW, SWEEPS)
        ]
    lines = [
        line("one machine, with the incidence", BayesianMF(**SWEEPS).fit(data), test),
        line("one machine, `incidence=False`", BayesianMF(**SWEEPS, incidence=False).fit(data), test),
        line("the same with `n_components=0`", BayesianMF(**SWEEPS, incidence=False, n_components=0).fit(data), test),
    ]
    return markdown(["`BayesianMF`, one chain", "sweeps", "RMSE", "seconds a sweep"], [there, *twins, *lines])


def wire(spark: Any, folder: Path, prepared: Prepared, rows: pl.DataFrame, test: pl.DataFrame) -> str:
    lines = []
    for name in ("float32", "bfloat16"):
        trained = train(prepared, ALS(random_state=SEED), str(folder / name), wire=name)  # type: ignore[arg-type]
        lines.append([name, f"{trained.history[-1]['objective']:.1f}", f"{rmse(trained.collect(), test):.4f}"])
        print(lines[-1], flush=True)
    return markdown(["`ALS`, what travels", "objective", "RMSE"], lines)


PARTS = {"wire": wire, "bayes": bayes}  # the last one stops Spark, so that the cores are one machine's


def main() -> None:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--write", action="store_true", help="replace the tables in docs/")
    parser.add_argument("--part", choices=PARTS, help="one table alone")
    asked = parser.parse_args()
    rows, test = parts()
    told = f"MovieLens 100K, {len(rows):,} ratings learned, {len(test):,} asked for, seed {SEED}. {machine('pyspark')}."
    with tempfile.TemporaryDirectory() as name, opened("local[2]", conf={"spark.driver.memory": "1g"}) as spark:
        folder = Path(name)
        rows.write_parquet(folder / "ratings.parquet")
        prepared = prepare(spark, str(folder / "ratings.parquet"), str(folder / "prepared"), n_blocks=2)
        for part, measure in PARTS.items():
            if asked.part in (None, part):
                text = measure(spark, folder, prepared, rows, test)
                publish(f"spark-{part}", f"{text}\n\n{told}", write=asked.write)


if __name__ == "__main__":
    main()
