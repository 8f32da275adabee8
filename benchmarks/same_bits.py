"""Whether two checkouts learn and answer the same, bit for bit: what every model is and answers on MovieLens 100K.

    python benchmarks/same_bits.py [OLD]        OLD: a commit, a tag or a folder; prints what differs

Each checkout runs in a process of its own and asks public functions only. Digests are of bits, not of rounded numbers:
they are compared on one machine, and kept nowhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

ROOT = Path(__file__).resolve().parent.parent
BEFORE = "5dfac45"  # the last commit before defaults followed from the data: here the numbers are given
USERS = 200
CLICKS = {"positive": 4}
PRIORS = {"n_factors": 16, "noise_shape": 1.0, "noise_rate": 1.0, "wishart_df": 0.0, "wishart_scale": 1.0}
STEPS = {"learning_rate": 0.008, "reg": 0.065, "reg_biases": 0.02, "init_scale": 0.02}
WEIGHTS = {"n_factors": 64, "reg": 0.01, "alpha": 1.0, "unobserved_weight": 0.1}
PENALTIES = {"n_factors": 64, "reg_users": 0.03, "reg_items": 0.005, "reg_negatives": 0.01, "reg_biases": 0.01}
FITS: dict[str, tuple[str, dict[str, Any]]] = {
    "popularity": ("Popularity", {}),
    "baseline": ("Baseline", {"reg_users": 1.0, "reg_items": 3.0}),
    "mf": ("MatrixFactorization", {"n_epochs": 8, "random_state": 0, **STEPS}),
    "als": ("ALS", {"n_epochs": 4, "random_state": 0, "reg": 1.4, "reg_biases": 2.0, "init_scale": 0.1}),
    "ials": ("ImplicitALS", {"n_epochs": 3, "random_state": 0, **WEIGHTS, **CLICKS}),
    "bpr": ("BPR", {"n_epochs": 4, "random_state": 0, "learning_rate": 0.1, **PENALTIES, **CLICKS}),
    "warp": ("WARP", {"n_epochs": 4, "random_state": 0, "n_factors": 64, "reg_biases": 0.1, **CLICKS}),
    "ease": ("EASE", {"reg": 250.0, **CLICKS}),
    "knn": ("ItemKNN", {"n_neighbors": 100, "shrinkage": 10.0, "idf": False, **CLICKS}),
    "rp3beta": ("RP3beta", {"n_neighbors": 100, "alpha": 1.0, "beta": 0.6, **CLICKS}),
    "bayes": ("BayesianMF", {"n_sweeps": 24, "n_burn_in": 8, "random_state": 0, **PRIORS}),
    "bayes ordinal": (
        "BayesianMF",
        {"n_sweeps": 16, "n_burn_in": 8, "random_state": 0, "likelihood": "ordinal", **PRIORS},
    ),
}
FEATURED = ("mf", "als", "ials", "bpr", "warp", "bayes")


def main() -> None:
    if sys.argv[1:2] == ["--digests"]:
        print(json.dumps(dict(digests())))
        return
    with tempfile.TemporaryDirectory() as folder:
        old = checkout(sys.argv[1] if len(sys.argv) > 1 else BEFORE, Path(folder))
        before, after = (digests_of(place) for place in (old, ROOT))
    differing = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    print(f"{len(before)} digests before, {len(after)} after, {len(differing)} differ")
    for name in differing:
        print(f"  {name}: {before.get(name, 'not there')[:60]} -> {after.get(name, 'not there')[:60]}")
    sys.exit(bool(differing))


def checkout(name: str, folder: Path) -> Path:
    """Return the folder of a checkout: as named, or made of a commit."""
    if Path(name).is_dir():
        return Path(name)
    archive = subprocess.run(["git", "archive", name], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    return folder


def digests_of(place: Path) -> dict[str, str]:
    """Return {what: digest} of a checkout's models."""
    command = [sys.executable, str(Path(__file__).resolve()), "--digests"]
    env = {**os.environ, "PYTHONPATH": str(place / "src")}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=env)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def digests() -> Iterator[tuple[str, str]]:
    """Yield names and digests of all that the models of this checkout learn and answer."""
    import palate

    data = palate.load_movielens("100k")
    train, test = palate.split(data.interactions, test=0.2, random_state=42)
    some = train.users.values[:USERS].to_list()
    features = {
        "user_features": palate.Features.from_table(users_table(data), "user"),
        "item_features": palate.Features.from_table(data.items.select("item_id", "year", "genres"), "item"),
    }
    for name, (cls, parameters) in FITS.items():
        model = getattr(palate, cls)(**parameters).fit(train, items=data.items)
        yield from of_model(name, model, some, test)
        if name in FEATURED:
            own = {side: table.only(getattr(train, f"{side[:4]}s")) for side, table in features.items()}
            model = getattr(palate, cls)(**parameters).fit(train, items=data.items, **own)
            yield from of_model(f"{name} with features", model, some, test)


def users_table(data: Any) -> pl.DataFrame:
    table: pl.DataFrame = data.users.select("user_id", "age", "gender", "occupation")
    return table


def of_model(name: str, model: Any, users: list[Any], test: Any) -> Iterator[tuple[str, str]]:
    """Yield the digests of one fitted model."""
    import palate

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        palate.save(model, path)
        for key, array in arrays_of(path):
            yield f"{name}: file {key}", digest(array)
        again = palate.load(path)
    answers: dict[str, Callable[[], Any]] = {
        "lists": lambda: model.recommend(users, n=10),
        "lists of the loaded model": lambda: again.recommend(users, n=10),
        "users of an item": lambda: model.recommend_users(model.items_.values[:5].to_list(), n=10),
        "similar items": lambda: model.similar_items(model.items_.values[:20].to_list(), n=10),
        "similar users": lambda: model.similar_users(users[:20], n=10),
        "scores": lambda: model.score_index(test.user_index[:5000], test.item_index[:5000]),
        "predictions": lambda: model.predict_index(test.user_index[:5000], test.item_index[:5000]),
        "intervals": lambda: np.array(model.predict_interval(users, model.items_.values[:USERS].to_list())),
        "lists of newcomers": lambda: model.recommend_for(test, n=10),
        "explanation": lambda: model.explain(users[0], model.items_.values[0]).parts,
    }
    for what, answer in answers.items():
        try:
            yield f"{name}: {what}", digest(answer())
        except palate.PalateError as error:
            yield f"{name}: {what}", f"refused: {type(error).__name__}"


def arrays_of(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the arrays of a model file, by what the format alone says."""
    whole = path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    for key, entry in json.loads(whole[8 : 8 + length]).items():
        if key != "__metadata__":
            first, last = entry["data_offsets"]
            yield key, np.frombuffer(whole[8 + length + first : 8 + length + last], np.uint8)


def digest(answer: Any) -> str:
    """Return a digest of an array's or a table's bits."""
    if isinstance(answer, pl.DataFrame):
        parts = [repr(answer.schema), *(repr(column.to_list()) for column in answer)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return hashlib.sha256(np.ascontiguousarray(answer).tobytes()).hexdigest()


if __name__ == "__main__":
    main()
