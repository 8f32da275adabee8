"""Model files for tests: a small model with every kind of column, and files taken apart and put together again.

The writer here follows the words of `palate.files.container` and `palate.files`, not their code.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from small_mf import model as small_model
from synthetic import interactions, low_rank

from palate.data.features import Features
from palate.data.interactions import Interactions
from palate.models import (
    ALS,
    BPR,
    EASE,
    MODELS,
    Baseline,
    BayesianMF,
    Blend,
    ImplicitALS,
    ItemKNN,
    MatrixFactorization,
    Popularity,
)

NUMBERS = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "U8": "u1"}


def item_columns(ids) -> pl.DataFrame:
    """Return an item table with nulls and every dtype that a model file holds."""
    n = len(ids)

    def every_third(value):
        return [value if k % 3 else None for k in range(n)]

    return pl.DataFrame(
        {
            "item_id": ids,
            "title": [f"Film “{one}” ½ 🎬" for one in ids],
            "year": pl.Series(every_third(1995), dtype=pl.Int32),
            "stars": every_third(0.1),
            "short": pl.Series(every_third(0.1), dtype=pl.Float32),
            "big": pl.Series(every_third(2**64 - 1), dtype=pl.UInt64),
            "colour": every_third(True),
            "release_date": every_third(datetime.date(1899, 12, 31)),
            "added": every_third(datetime.datetime(2001, 2, 3, 4, 5, 6, 7)),
            "genres": [["Comedy", "War"], None, [], ["Film-Noir", None]] * (n // 4) + [None] * (n % 4),
            "empty": [None] * n,
        }
    )


def number_model(**changes) -> MatrixFactorization:
    """Return a fitted model of integer ids with a rich item table."""
    data = low_rank(12, 9, 80)
    return small_model(**{"n_epochs": 3, **changes}).fit(data, items=item_columns(data.items.values.to_list()))


def text_model(**changes) -> MatrixFactorization:
    """Return a fitted model of text ids, some of them beyond ASCII, without titles."""
    users = ["ann", "bob", "ann", "çelik", "李", "bob"]
    items = ["x", "x", "é", "🎬", "x", "long id with spaces"]
    return small_model(**{"n_epochs": 2, **changes}).fit(interactions(users, items, [1, 2, 3, 4, 5, 4]))


def popularity_model(**changes) -> Popularity:
    """Return popularity with recent rows counting more, of integer ids and a rich item table."""
    data = low_rank(12, 9, 80)
    settings = {"half_life_days": 2.5, **changes}
    return Popularity(**settings).fit(data, items=item_columns(data.items.values.to_list()))


def baseline_model(**changes) -> Baseline:
    """Return a baseline of text ids, some of them beyond ASCII."""
    users = ["ann", "bob", "ann", "çelik", "李", "bob"]
    return Baseline(**{"reg_users": 3, **changes}).fit(interactions(users, ["x", "x", "é", "🎬", "x", "y"], range(6)))


def als_model(**changes) -> ALS:
    """Return alternating least squares of text ids, some of them beyond ASCII."""
    users = ["ann", "bob", "ann", "çelik", "李", "bob"]
    items = ["x", "x", "é", "🎬", "x", "y"]
    return ALS(**{"n_factors": 3, "n_epochs": 2, "random_state": 4, **changes}).fit(
        interactions(users, items, range(6))
    )


def ials_model(**changes) -> ImplicitALS:
    """Return implicit ALS of text ids, with features of users and sample weights."""
    users = ["ann", "bob", "ann", "çelik", "李", "bob"]
    table = {"user": users, "item": ["x", "x", "é", "🎬", "x", "y"], "w": [1.0, 2, 1, 0.5, 1, 1]}
    data = Interactions.from_table(table, columns={"weight": "w"})
    people = {"user_id": sorted(set(users)), "age": [20, 30, None, 50], "town": ["A", "B", "A", "B"]}
    features = Features.from_table(people, "user", columns=["age", "town"])
    settings = {"n_factors": 3, "n_epochs": 2, "random_state": 4, **changes}
    return ImplicitALS(**settings).fit(data, user_features=features)


def bpr_model(**changes) -> BPR:
    """Return pairwise ranking of text ids, with features of users."""
    users = ["ann", "bob", "ann", "çelik", "李", "bob"]
    people = {"user_id": sorted(set(users)), "age": [20, 30, None, 50]}
    settings = {"n_factors": 3, "n_epochs": 2, "random_state": 4, "negatives": "popular", **changes}
    data = interactions(users, ["x", "x", "é", "🎬", "x", "y"])
    return BPR(**settings).fit(data, user_features=Features.from_table(people, "user"))


def ease_model(**changes) -> EASE:
    """Return EASE of integer ids, its weights sparse."""
    data = low_rank(12, 9, 40)
    return EASE(**{"reg": 3.0, "n_neighbors": 2, "positive": 3, **changes}).fit(data)


def knn_model(**changes) -> ItemKNN:
    """Return nearest neighbours of integer ids."""
    return ItemKNN(**{"n_neighbors": 3, "positive": 3, "idf": True, **changes}).fit(low_rank(12, 9, 40))


def blend_model(**changes) -> Blend:
    """Return a blend of integer ids, with features of users for one of its parts."""
    data = low_rank(12, 9, 40)
    people = {"user_id": data.users.values, "age": np.arange(12.0)}
    parts = "ease(reg=3.0), ials(n_factors=2, n_epochs=2)"
    features = Features.from_table(people, "user")
    return Blend(parts, **{"positive": 3, "random_state": 4, **changes}).fit(data, user_features=features)


def bayes_model(**changes) -> BayesianMF:
    """Return Bayesian factorization of text ids, with features of users and offsets by day."""
    users = ["ann", "bob", "ann", "çelik", "李", "bob"]
    table = {"user": users, "item": ["x", "x", "é", "🎬", "x", "y"], "rating": [1.0, 2, 3, 4, 5, 4]}
    data = Interactions.from_table(table | {"time": [0, 9, 90_000, 9, 9, 9]})
    people = {"user_id": sorted(set(users)), "age": [20, 30, None, 50]}
    settings = {"n_factors": 2, "n_sweeps": 6, "n_burn_in": 2, "n_kept": 2, "n_components": 1, "random_state": 4}
    settings |= {"time_effects": "day", "likelihood": "ordinal", **changes}
    return BayesianMF(**settings).fit(data, user_features=Features.from_table(people, "user"))


def small_model_of(key, **changes):
    """Return any model of integer ids, with parameters that make it small."""
    given = {"n_factors": 3, "n_epochs": 2, "n_neighbors": 3, "positive": 3, "random_state": 4, **changes}
    names = MODELS[key].parameter_names()
    return MODELS[key](**{name: value for name, value in given.items() if name in names}).fit(low_rank(12, 9, 40))


MADE = {key: partial(small_model_of, key) for key in MODELS} | {
    "mf": number_model,
    "popularity": popularity_model,
    "baseline": baseline_model,
    "als": als_model,
    "ials": ials_model,
    "bpr": bpr_model,
    "ease": ease_model,
    "knn": knn_model,
    "bayes": bayes_model,
    "blend": blend_model,
}  # of every model one that says much of its file


WHOLE = [key for key in MADE if not MODELS[key].made_of_parts]  # what a folder holds


def assert_same_model(one, other):
    """Compare all that two models are, bit for bit."""
    a, b = one.state(), other.state()
    for part, its_twin in zip(one.fitted_parts, other.fitted_parts, strict=True):
        assert_same_model(part, its_twin)
    assert (a.key, dict(a.parameters), a.users, a.items) == (b.key, dict(b.parameters), b.users, b.items)
    assert (a.users.what, a.items.what) == (b.users.what, b.items.what)
    assert json.loads(json.dumps(a.learned)) == json.loads(json.dumps(b.learned))
    for name, array in a.arrays.items():
        assert array.dtype == b.arrays[name].dtype
        np.testing.assert_array_equal(array, b.arrays[name])
    assert a.item_table.schema == b.item_table.schema
    assert a.item_table.equals(b.item_table)
    assert (a.seen is None) == (b.seen is None)
    for part in ("indptr", "indices", "values") if a.seen is not None else ():
        np.testing.assert_array_equal(getattr(a.seen, part), getattr(b.seen, part))
    if a.seen is not None:
        assert (a.seen.weights is None) == (b.seen.weights is None)
        np.testing.assert_array_equal(a.seen.weights, b.seen.weights)


@dataclass
class Parts:
    """A model file taken apart: its ``palate`` header, and its arrays in file order; change them at will."""

    palate: dict
    arrays: dict[str, np.ndarray]

    @classmethod
    def of(cls, path: Path) -> Parts:
        data = path.read_bytes()
        n = int.from_bytes(data[:8], "little")
        table = json.loads(data[8 : 8 + n])
        palate = json.loads(table.pop("__metadata__")["palate"])
        arrays = {}
        for name, entry in table.items():
            begin, end = entry["data_offsets"]
            numbers = np.frombuffer(data[8 + n + begin : 8 + n + end], NUMBERS[entry["dtype"]])
            arrays[name] = numbers.reshape(entry["shape"]).copy()
        return cls(palate, arrays)

    def table(self) -> dict:
        """Return the header's entries for the arrays."""
        words = {np.dtype(code): word for word, code in NUMBERS.items()}
        ends = np.cumsum([0, *(array.nbytes for array in self.arrays.values())]).tolist()
        return {
            name: {"dtype": words[array.dtype], "shape": list(array.shape), "data_offsets": ends[k : k + 2]}
            for k, (name, array) in enumerate(self.arrays.items())
        }

    def sum_up(self) -> Parts:
        """Give every array its true checksum."""
        self.palate["sha256"] = {name: hashlib.sha256(a.tobytes()).hexdigest() for name, a in self.arrays.items()}
        return self

    def bytes(self, **changes) -> bytes:
        """Return the file, sealed; ``changes`` as in `sealed`."""
        data = b"".join(array.tobytes() for array in self.arrays.values())
        return sealed({"palate": json.dumps(self.palate)}, self.table(), data, **changes)

    def items_json(self) -> dict:
        return json.loads(self.arrays["item_table"].tobytes())

    def set_items_json(self, document) -> None:
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.arrays["item_table"] = np.frombuffer(data, np.uint8)


def sealed(metadata: dict, table: dict, data: bytes, *, edit=lambda text: text) -> bytes:
    """Return a safetensors file whose header fits its checksum, its text changed by ``edit`` before."""
    zeros = "0" * 64
    header = edit(json.dumps({"__metadata__": {"header_sha256": zeros, **metadata}, **table})).encode()
    header += b" " * (-(8 + len(header)) % 64)
    digest = hashlib.sha256(header).hexdigest()
    return len(header).to_bytes(8, "little") + header.replace(zeros.encode(), digest.encode(), 1) + data
