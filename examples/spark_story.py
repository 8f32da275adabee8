"""From a table on a cluster to answers over HTTP: reads Parquet, trains on Spark, writes lists for all, serves, asks.

    python examples/spark_story.py                       # MovieLens 100K, on two cores of this machine
    python examples/spark_story.py s3a://bucket/ratings --master spark://HOST:7077 --folder s3a://bucket/palate

It shows that a list which Spark wrote for somebody and the list that the service answers are the same one. The model
file and the store of the service stay in the current folder. Needs the extras 'spark' and 'serve', and Java.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import urlopen

from client import Service

import palate
from palate.spark import evaluate, prepare, recommend_all, split, train
from palate.spark.session import opened

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MODEL = "model.safetensors"
STORE = "sqlite:///story.db"
SECONDS = 120.0  # until the service must answer


def on_spark(spark: SparkSession, ratings: str, folder: str, model: palate.ALS) -> Any:
    """Train, measure, write lists for all and the model file; return the lists."""
    split(spark, ratings, "random:0.2:42", f"{folder}/parts", overwrite=True)
    prepared = prepare(spark, f"{folder}/parts/train", f"{folder}/prepared", overwrite=True)
    print(f"{prepared.n_rows:,} ratings of {prepared.n_users:,} users and {prepared.n_items:,} items")
    trained = train(prepared, model, f"{folder}/trained", overwrite=True)
    print(evaluate(trained, f"{folder}/parts/test", ["rmse", "ndcg@10"]).metrics)
    lists = recommend_all(trained, f"{folder}/lists", n=5, overwrite=True)
    trained.save(MODEL, overwrite=True)
    return lists


@contextmanager
def served(port: int) -> Iterator[str]:
    """Run the service of the model; give its address."""
    url = f"http://127.0.0.1:{port}"
    words = ["serve", MODEL, "--store", STORE, "--port", str(port), "--log", "problems"]
    with subprocess.Popen([sys.executable, "-m", "palate", *words]) as service:
        try:
            wait_for(f"{url}/readyz")
            yield url
        finally:
            service.terminate()


def wait_for(url: str) -> None:
    """Return as soon as there is an answer."""
    until = time.monotonic() + SECONDS
    while True:
        try:
            urlopen(url).close()
        except URLError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("ratings", nargs="?", help="Parquet that Spark reads; MovieLens 100K without it")
    parser.add_argument("--master", default="local[2]", help="where Spark runs")
    parser.add_argument("--folder", default="story", help="where Spark writes")
    parser.add_argument("--factors", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--port", type=int, default=8002, help="of the service")
    asked = parser.parse_args(words)
    ratings = asked.ratings or "ratings.parquet"
    if asked.ratings is None:
        palate.load_movielens("100k").interactions.to_table().write_parquet(ratings)
    with opened(asked.master) as spark:
        model = palate.ALS(asked.factors, n_epochs=asked.epochs, random_state=0)
        lists = on_spark(spark, ratings, asked.folder, model)
        user = lists.first()["user_id"]
        written = [row["item_id"] for row in lists.where(lists.user_id == user).orderBy("rank").collect()]
    with served(asked.port) as url, Service(url) as service:
        answered = [shown["item"] for shown in service.recommend(user, n=5)["items"]]
    print(f"for user {user} Spark wrote {written}; the service answers {answered}")
    print(f"the same list: {[str(item) for item in written] == answered}")


if __name__ == "__main__":
    main()
