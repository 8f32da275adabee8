"""Seconds of a sweep of explicit ALS, and test RMSE, beside cmfrec and Spark MLlib: 10 M generated ratings."""

from __future__ import annotations

from typing import Any

import generated
import numpy as np
import peers
from common import arguments, machine, markdown, publish

from palate import ALS
from palate.data.interactions import Interactions

SIZE = (10_000_000, 100_000, 20_000)  # ratings, users, items
FACTORS, REG, EPOCHS = 64, 0.1, 4
ROUNDS = 2


def main() -> None:
    options = arguments(__doc__ or "")
    data = generated.ratings(*SIZE)
    rng = np.random.default_rng(1)
    held = rng.random(len(data)) < 0.05
    train, test = data.take(np.flatnonzero(~held)), data.take(np.flatnonzero(held))
    arrays = {
        "user": train.user_index, "item": train.item_index, "values": train.values, "n_users": np.array(SIZE[1]),
        "n_items": np.array(SIZE[2]), "test_user": test.user_index, "test_item": test.item_index,
        "test_values": test.values,
    }  # fmt: skip
    asked = {"factors": FACTORS, "epochs": EPOCHS, "reg": REG}
    rows = []
    for threads in (1, 2):
        calls = {"palate": lambda t=threads: ours(train, test, t)}
        calls["cmfrec"] = lambda t=threads: peers.run("cmfrec_als", arrays, t, **asked)
        if threads == 2:
            calls["Spark MLlib, local[2]"] = lambda t=threads: peers.run("spark_als", arrays, t, **asked)
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in calls}
        for turn in range(ROUNDS):  # alternately; Spark, which takes longest, once
            for name, call in calls.items():
                if turn == 0 or not name.startswith("Spark"):
                    found[name].append(call())
        least = {name: min(min(one["seconds"]) for one in several) for name, several in found.items()}
        rows += [
            [str(threads), name, f"{s:.2f}", f"{s / least['palate']:.1f}", f"{found[name][0]['rmse']:.4f}"]
            for name, s in least.items()
        ]
    header = ["threads", "library", "s a sweep", "ratio to ours", f"test RMSE, {EPOCHS} sweeps"]
    told = (
        f"{len(train):,} ratings, {SIZE[1]:,} users, {SIZE[2]:,} items, generated; {FACTORS} factors, weighted penalty "
        f"{REG}. Ours: the fastest sweep, the figures of each epoch included; theirs: (a fit of {EPOCHS} sweeps less "
        f"one of 1) / {EPOCHS - 1}, the less of {ROUNDS} (Spark: one). cmfrec {peers.version_of('cmfrec')}, pyspark "
        f"{peers.version_of('pyspark')}; {machine()}"
    )
    publish("als-speed", f"{markdown(header, rows)}\n\n{told}", write=options.write)


def ours(train: Interactions, test: Interactions, threads: int) -> dict[str, Any]:
    """Return seconds of our sweeps and the test RMSE; a first small fit has compiled the kernels."""
    model = ALS(FACTORS, n_epochs=EPOCHS, reg=REG, reg_exponent=1.0, random_state=1, n_threads=threads)
    model.fit(train.take(np.arange(1000)))
    model.set_params(store_history=False).fit(train)
    errors = model.predict_index(test.user_index, test.item_index) - test.values
    return {"seconds": [h["seconds"] for h in model.history_], "rmse": float((errors**2).mean() ** 0.5)}


if __name__ == "__main__":
    main()
