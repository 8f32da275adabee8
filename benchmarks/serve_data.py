"""What `serve_load` serves: models of MovieLens 100K and of a large generated log, made once and kept under out/.

The large log has 27,000 items, 138,000 users and 20 million events, the size of MovieLens 20M, with long tails and
tastes to be found (`generated.clicks`); its model is `ials` with 128 factors, trained for two epochs alone: what is
measured is the time of an answer, which does not depend on how good the factors are.
"""

from __future__ import annotations

import time
from pathlib import Path

import generated
import numpy as np
import polars as pl
from common import ROOT

from palate import EASE, BayesianMF, Dataset, ImplicitALS, load_dataset, save

FOLDER = ROOT / "out" / "serve-load"
LARGE = (20_000_000, 138_000, 27_000)  # events, users, items
FACTORS = 128


def model(name: str) -> Path:
    """Return the file of a model, made where it is not there.

    Args:
        name: "ials", "ease" or "bayes" of MovieLens, or "large".
    """
    path = FOLDER / f"{name}.safetensors"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        began = time.perf_counter()
        save(_large() if name == "large" else _small(name), path)
        print(f"made {path.name} in {time.perf_counter() - began:.0f} s", flush=True)
    return path


def _small(name: str):  # type: ignore[no-untyped-def]
    data = load_dataset("ml-100k")
    made = {
        "ials": lambda: ImplicitALS(FACTORS, positive=4.0, random_state=0),
        "ease": lambda: EASE(positive=4.0),
        "bayes": lambda: BayesianMF(random_state=0, n_sweeps=60, n_burn_in=20),
    }
    return made[name]().fit(data)


def _large():  # type: ignore[no-untyped-def]
    user, item = generated.clicks(*LARGE)
    data = generated.interactions(user, item, None, *LARGE[1:])
    numbers = np.arange(LARGE[2])
    items = pl.DataFrame({"item_id": numbers, "title": [f"A generated film, no. {i}" for i in numbers]})
    users = pl.DataFrame({"user_id": np.arange(LARGE[1])})
    fitted = ImplicitALS(FACTORS, n_epochs=2, reg=0.01, unobserved_weight=0.1, random_state=0)
    return fitted.fit(Dataset("generated", data, items, users))


if __name__ == "__main__":
    for each in ("ials", "ease", "bayes", "large"):
        model(each)
