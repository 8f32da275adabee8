"""What a model can do follows from what its class implements, and the doors ask for abilities, not for classes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import pytest
from small_models import make
from synthetic import low_rank

import palate
from palate.errors import ParameterError
from palate.models import MODELS
from palate.models.contract.abilities import ABILITIES, PROTOCOLS, AsksQuestions, Checkpoints
from palate.models.contract.base import Recommender
from palate.models.contract.factors import Factored
from palate.models.contract.learned import Array, Learned, Learns, Shape
from palate.models.contract.scoring import FactorScorer
from palate.models.contract.shared import NThreads, StoreHistory

ROOT = Path(palate.__file__).parent
DOORS = ("cli", "ui", "evaluation", "tuning", "report")


@dataclass(frozen=True, eq=False)
class Means(Learned):
    """What the models of this file learn."""

    item_biases: Annotated[Array, Shape("n_items")]


class Bare(Recommender):
    """The least that a model can be: what it learns, and how it scores."""

    key: ClassVar[str] = "bare"
    score_kind: ClassVar[str] = "order"
    learned_ = Learns(Means)
    store_history: StoreHistory = True
    n_threads: NThreads = None

    def _learn(self, training):
        return Means(np.bincount(training.data.item_index, minlength=training.data.n_items).astype(float))

    def _bytes_needed(self, n_users, n_items, n_rows):
        return 8 * n_items

    def _scorer(self):
        n_users, c = len(self.users_), self.learned_.item_biases
        return FactorScorer.of((np.zeros((n_users, 0)), np.zeros((len(c), 0)), np.zeros(n_users), c, 0.0))


class Explaining(Bare):
    """One ability more."""

    takes_weights: ClassVar[bool] = True

    def _parts(self, row, features, item):
        return [], (row.indices, row.values, np.zeros(len(row.indices)))


def test_a_class_has_the_abilities_that_it_implements():
    assert Bare.supports == frozenset()
    assert Explaining.supports == {"explain", "weights"}
    assert Factored.supports >= {"fold_in", "recommend_for"}
    assert {*PROTOCOLS, "predict", "weights"} == set(ABILITIES)


def test_a_bare_model_lists_and_says_what_it_lacks():
    data = low_rank(12, 9, 60)
    model = Bare().fit(data)
    assert model.recommend(100, 3, exclude_seen=False).height == 3
    for ability, call in {
        "fold_in": lambda: model.fold_in(data),
        "fold_in_items": lambda: model.fold_in_items(data),
        "recommend_for": lambda: model.recommend_for(data),
        "similar_items": lambda: model.similar_items(1000),
        "similar_users": lambda: model.similar_users(100),
        "explain": lambda: model.explain(100, 1000),
        "predict": lambda: model.predict(100, 1000),
        "predict_distribution": lambda: model.predict_distribution(100, 1000),
        "warm_start": lambda: Bare().fit(data, start=model),
    }.items():
        with pytest.raises(ParameterError, match=rf"^Bare {ABILITIES[ability]}; .* can$"):
            call()


def test_abilities_of_doors_are_asked_of_the_model():
    able = {name: {key for key, cls in MODELS.items() if isinstance(cls(), kind)} for name, kind in DOORS_ASK.items()}
    assert able == {"questions": {"bayes"}, "checkpoint": {"bayes"}}


DOORS_ASK = {"questions": AsksQuestions, "checkpoint": Checkpoints}


def faults(source: str) -> Iterator[str]:
    """Yield where a door asks for the class of a model, or names one to a reader."""
    names = {cls.__name__ for cls in MODELS.values()}
    tree = ast.parse(source)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            yield from names & {name.id for name in ast.walk(node.args[1]) if isinstance(name, ast.Name)}
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield from (name for name in names if f"{name}(" in node.value or f"{name} " in node.value)


def test_no_door_asks_for_a_class_or_names_one():
    found = {
        str(file.relative_to(ROOT)): list(faults(file.read_text()))
        for door in DOORS
        for file in sorted((ROOT / door).rglob("*.py"))
    }
    assert {file: names for file, names in found.items() if names} == {}


@pytest.mark.parametrize("source", ["isinstance(m, BayesianMF)", "isinstance(m, (int, ALS))", "raise E('EASE cannot')"])
def test_a_door_that_does_is_found(source):
    assert list(faults(source))


@pytest.mark.parametrize("key", MODELS)
def test_a_model_says_whether_it_tells_of_a_validation_part(key, data):
    """Of one that does not, nothing would change by it: commands refuse it there."""
    train, test = palate.split(data)
    history = make(key).fit(train, validation=test).history_
    assert any(name.startswith("validation") for record in history for name in record) == MODELS[key].tells_validation
