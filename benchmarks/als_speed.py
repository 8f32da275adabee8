"""Seconds of a sweep of explicit ALS, and test RMSE, beside cmfrec and Spark MLlib: 10 M generated ratings."""

from __future__ import annotations

import generated
import numpy as np
import peers
from common import arguments, machine, markdown, publish

from palate import ALS

SIZE = (10_000_000, 100_000, 20_000)  # ratings, users, items
FACTORS, REG, EPOCHS = 64, 0.1, 4


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
    rows = []
    for threads in (1, 2):
        model = ALS(FACTORS, n_epochs=EPOCHS, reg=REG, reg_exponent=1.0, random_state=1, n_threads=threads)
        model.fit(train.take(np.arange(1000)))  # compile
        model.set_params(store_history=False).fit(train)
        errors = model.predict_index(test.user_index, test.item_index) - test.values
        found = {
            "palate": {"seconds": [h["seconds"] for h in model.history_], "rmse": float((errors**2).mean() ** 0.5)}
        }
        asked = {"factors": FACTORS, "epochs": EPOCHS, "reg": REG}
        found["cmfrec"] = peers.run("cmfrec_als", arrays, threads, **asked)
        if threads == 2:
            found["Spark MLlib, local[2]"] = peers.run("spark_als", arrays, threads, **asked)
        ours = min(found["palate"]["seconds"])
        rows += [
            [
                str(threads),
                name,
                f"{min(one['seconds']):.2f}",
                f"{min(one['seconds']) / ours:.1f}",
                f"{one['rmse']:.4f}",
            ]
            for name, one in found.items()
        ]
    header = ["threads", "library", "s a sweep", "ratio to ours", f"test RMSE, {EPOCHS} sweeps"]
    told = (
        f"{len(train):,} ratings, {SIZE[1]:,} users, {SIZE[2]:,} items, generated; {FACTORS} factors, weighted penalty "
        f"{REG}. Ours includes the figures of each epoch. cmfrec {peers.version_of('cmfrec')}, pyspark "
        f"{peers.version_of('pyspark')}; {machine()}"
    )
    publish("als-speed", f"{markdown(header, rows)}\n\n{told}", write=options.write)


if __name__ == "__main__":
    main()
