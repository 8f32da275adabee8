"""A search begins with the settings that a model derives from the data, where the model was given none."""

import json
from dataclasses import KW_ONLY, dataclass
from typing import Annotated

import numpy as np
import pytest
from sklearn.metrics import root_mean_squared_error
from synthetic import low_rank

from palate.data.splits.making import make_splits
from palate.errors import DataError, ParameterError
from palate.models import MODELS, ItemKNN, Recommender
from palate.models.contract.learned import Attribute, Learned, Learns, Shape, Used
from palate.models.contract.parameters import Above
from palate.models.contract.scoring import FactorScorer
from palate.models.contract.shared import StoreHistory, ThreadsToRecommend
from palate.models.search import Range
from palate.topk import ItemSide
from palate.tuning import tune


@pytest.fixture(scope="module")
def data():
    return low_rank()


@dataclass(frozen=True, eq=False)
class Means(Learned):
    mean: float
    item_biases: Annotated[np.ndarray, Shape("n_items")]
    reg: Annotated[float, Used()]


class DerivedMeans(Recommender):
    """The means of items, its penalty from the data where none is given."""

    key, score_kind, learned_ = "derived-means", "rating", Learns(Means)
    reg_, item_biases_ = Attribute[float](), Attribute[np.ndarray]()
    reg: Annotated[float | None, Above(0), Range(0.5, 8.0), "penalty."] = None
    _: KW_ONLY
    store_history: StoreHistory = True
    n_threads: ThreadsToRecommend = None

    def _learn(self, training):
        data = training.data
        reg = len(data) / data.n_items / 10 if self.reg is None else self.reg
        if self.reg is not None and self.reg > 7:
            raise ParameterError("too large")
        sums = np.bincount(data.item_index, data.values - data.values.mean(), data.n_items)
        counts = np.bincount(data.item_index, minlength=data.n_items)
        return Means(float(data.values.mean()), sums / (counts + reg), reg)

    def _scorer(self):
        n_users, n_items = len(self.users_), len(self.items_)
        side = ItemSide(np.zeros((n_items, 0)), self.item_biases_, self.learned_.mean)
        return FactorScorer(np.zeros((n_users, 0)), np.zeros(n_users), side)

    def _bytes_needed(self, n_users, n_items, n_rows):
        return 16 * n_items


def test_a_search_begins_with_what_the_model_derives_and_returns_it_where_nothing_is_better(data):
    found = tune(DerivedMeans(), data, n_trials=6, split="none")
    learn, validate = make_splits(data, "random:0.2:42")[0].apply(data)
    start = json.loads(found.trials["parameters"][0])
    assert start == {"reg": len(learn) / learn.n_items / 10}
    assert found.default_value == found.trials["value"][0]
    guess = DerivedMeans().fit(learn).predict_index(validate.user_index, validate.item_index)
    assert found.default_value == pytest.approx(root_mean_squared_error(validate.values, guess), rel=1e-6)
    worse = tune(DerivedMeans(), data, n_trials=1, split="none")
    assert worse.model.reg is None  # derived anew, of all rows
    assert worse.parameters == {"reg": worse.model.reg_} == {"reg": len(data) / data.n_items / 10}
    narrow = tune(DerivedMeans(), data, n_trials=3, space={"reg": Range(7.5, 8.0)}, split="none")
    assert narrow.trials["state"].to_list() == ["complete", "failed", "failed"]
    assert narrow.parameters == {"reg": narrow.model.reg_}


def test_a_resumed_search_knows_that_it_has_begun(data, tmp_path, monkeypatch):
    monkeypatch.setitem(MODELS, "derived-means", DerivedMeans)
    whole = tune(DerivedMeans(), data, n_trials=5, out=tmp_path / "whole")
    tune(DerivedMeans(), data, n_trials=1, out=tmp_path / "parts")
    resumed = tune(DerivedMeans(), data, n_trials=5, out=tmp_path / "parts")
    assert resumed.trials.height == whole.trials.height == 5
    assert resumed.default_value == whole.default_value


class Underived(DerivedMeans):
    key = "underived-means"

    def _learn(self, training):
        if self.reg is None:
            raise ParameterError("nothing to derive reg from")
        return super()._learn(training)


def test_a_start_that_fails_is_told_and_the_search_goes_on(data):
    found = tune(Underived(), data, n_trials=3, space={"reg": Range(0.5, 6.0)}, split="none")
    assert found.trials["state"].to_list() == ["failed", "complete", "complete"]
    assert found.trials["error"][0] == "nothing to derive reg from"
    assert found.default_value is None
    assert found.model.reg == found.parameters["reg"]


def test_a_relative_range_lies_around_what_was_used_at_the_start(data, tmp_path, monkeypatch):
    monkeypatch.setitem(MODELS, "derived-means", DerivedMeans)
    around = {"reg": Range(0.9, 1.1, relative=True)}
    found = tune(DerivedMeans(), data, n_trials=3, space=around, split="none", out=tmp_path)
    found = tune(DerivedMeans(), data, n_trials=5, space=around, split="none", out=tmp_path)  # resumed
    start, *others = (json.loads(text)["reg"] for text in found.trials["parameters"])
    assert all(0.9 * start <= other <= 1.1 * start for other in others)
    assert len({start, *others}) == 5
    given = tune(DerivedMeans(reg=2.0), data, n_trials=4, space=around, split="none")
    start, *others = (json.loads(text)["reg"] for text in given.trials["parameters"])
    assert start == 2.0
    assert all(1.8 <= other <= 2.2 for other in others)
    assert Range(0.5, 4, whole=True, relative=True).around(3) == Range(2, 12, whole=True)


def test_a_relative_range_is_not_searched_where_the_start_failed(data):
    space = {"reg": Range(0.5, 2.0, relative=True)}
    with pytest.raises(DataError, match="no trial came to an end: nothing to derive reg from"):
        tune(Underived(), data, n_trials=3, space=space, split="none")


def test_a_search_of_truth_values_begins_with_the_one_that_the_model_derives(data):
    """`log_values` of nearest neighbours is a choice, and left to the model where it begins."""
    found = tune(ItemKNN(positive="values"), data, metric="ndcg@10", n_trials=2, split="none", progress=None)
    first = json.loads(found.trials["parameters"][0])
    assert found.default_value == found.trials["value"][0]
    assert first["log_values"] is True
    assert first["user_power"] == 0.5
