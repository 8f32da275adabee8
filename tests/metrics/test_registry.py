from __future__ import annotations

import re

import numpy as np
import pytest
from metrics.made import padded, rows
from metrics.twins import OF_LISTS

import palate.metrics
from palate.errors import ParameterError
from palate.evaluation.metric_inputs import MetricInputs
from palate.metrics import METRICS, SampledRanks, at, judge, ranking, rating
from palate.metrics.area import Standing
from palate.models.contract.predictive import Predictive

LISTS = padded([[0, 1], [2, 0], []], 2)
RELEVANT = rows([[1], [], [0]])
TRUTH = np.array([1.0, 2.0, 3.0])
AVAILABLE = {
    "truth": TRUTH,
    "predicted": TRUTH + 0.5,
    "rating_range": (1.0, 5.0),
    "user_index": np.array([0, 0, 1]),
    "n_users": 3,
    "judged": judge(LISTS, RELEVANT, 3),
    "lists": LISTS,
    "relevant": RELEVANT,
    "excluded": rows([[], [1], []]),
    "score_block": lambda users: np.arange(3.0) + np.zeros((len(users), 1)),
    "sampled": SampledRanks(
        Standing(np.array([0, 1]), np.array([0, 1]), np.array([0, 1, 1, 2]), np.array([20, 20, 20])), 10
    ),
    "n_items": 3,
    "counts": np.array([1, 2, 3]),
    "history": rows([[2], [1], []]),
    "features": np.eye(3),
    "genres": np.eye(3, dtype=int),
    "expected": LISTS,
    "predictive": Predictive(np.ones((3, 2)), np.ones((3, 2)), np.zeros((2, 0)), np.arange(1.0, 6), 1),
}


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_can_be_had_by_name_from_what_there_is(name):
    metric = METRICS[name]
    got = at(f"{name}@2" if metric.at_k else name, 3)(**AVAILABLE)
    assert metric.kind in ("rating", "ranking", "catalogue")
    if metric.per == "all":
        assert isinstance(got, float)
        assert np.isfinite(got)
    else:
        assert got.shape == (3,)
        assert np.isfinite(got).any()
    assert metric.key == name
    assert all((metric.label, metric.definition, metric.meaning))
    assert set(metric.inputs) <= set(AVAILABLE)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_that_splits_over_users_is_made_again_of_their_shares(name):
    metric, asked = METRICS[name], at(f"{name}@2" if METRICS[name].at_k else name)
    given = {key: AVAILABLE[key] for key in metric.inputs}
    result = asked(**given)
    units = metric.units(result, given, np.arange(3) if metric.per == "user" else AVAILABLE["user_index"])
    if metric.per == "all" and metric.kind == "catalogue":
        assert units is None
    elif units is not None:
        assert units.value == pytest.approx(metric.value(result), abs=1e-12)
        assert (np.diff(units.user_index) > 0).all()
        assert len(units.own) == len(units.user_index)


@pytest.mark.parametrize("name", METRICS)
def test_every_input_of_a_metric_is_a_source(name):
    assert [key for key in METRICS[name].inputs if not hasattr(MetricInputs, key)] == []


def test_each_name_leads_to_the_function_of_that_name():
    others = {
        "spearman": "spearman_within_users",
        "map": "average_precision",
        "mrr": "reciprocal_rank",
        "diversity": "intra_list_diversity",
        "diversity_genres": "intra_list_diversity_genres",
        "calibration": "genre_calibration",
    }
    for name, metric in METRICS.items():
        assert metric.function.__name__ == others.get(name, name)
        assert metric.function.__module__.startswith("palate.metrics.")


def test_a_better_answer_is_better_where_the_registry_says_so():
    """Ratings predicted exactly, and a list that begins with what is relevant, beat their opposites."""
    for name in ("rmse", "rmse_unclipped", "mae", "mae_unclipped", "r2", "spearman"):
        good, bad = (np.nanmean(at(name)(**{**AVAILABLE, "predicted": p})) for p in (TRUTH, np.array([3, 2.5, 1.25])))
        assert (good > bad) == METRICS[name].higher_is_better, name
    good, bad = (judge(padded([one], 3), rows([{0: 2, 1: 1}]), 9) for one in ([0, 1, 2], [3, 4, 1]))
    for name in OF_LISTS.keys() - {"hit_rate"}:  # both lists hit
        assert at(f"{name}@3")(judged=good) > at(f"{name}@3")(judged=bad)
        assert METRICS[name].higher_is_better


def test_a_name_with_k_gives_the_function_at_k():
    request = at("ndcg@1")
    assert (request.name, request.k, request.metric) == ("ndcg@1", 1, METRICS["ndcg"])
    np.testing.assert_array_equal(request(**AVAILABLE), ranking.ndcg(AVAILABLE["judged"], 1))
    assert at("rmse")(**AVAILABLE) == rating.rmse(TRUTH, TRUTH + 0.5, (1, 5)) == 0.5
    assert at("NDCG@10").name == at(" nDCG@10 ").name == "ndcg@10"
    assert at("RMSE").name == "rmse"
    assert at("Hit-Rate@5").name == "hit_rate@5"
    assert at("ndcg@007").name == "ndcg@7"
    assert at("ndcg@3", n_items=3).k == 3


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ndgc@10", "unknown metric 'ndgc@10': did you mean 'ndcg@10'? there are rmse, rmse_unclipped,"),
        ("", "unknown metric '': there are rmse,"),
        ("NDGC@10", "unknown metric 'NDGC@10': did you mean 'ndcg@10'? there are rmse,"),
        ("hit@10", "unknown metric 'hit@10': did you mean 'hit_rate@10'? there are rmse,"),
        ("crps_draws", "unknown metric 'crps_draws': did you mean 'crps'? there are rmse,"),
        ("interval_coverage", "unknown metric 'interval_coverage': did you mean 'coverage_80'?"),
        ("hr@10", "unknown metric 'hr@10': did you mean 'hit_rate@10'?"),
        ("MAP", "map looks at the first k of a list: say how many, such as 'map@10'"),
        ("ndcg", "ndcg looks at the first k of a list: say how many, such as 'ndcg@10'"),
        ("rmse@10", "rmse looks at no list and takes no @k: write 'rmse', not 'rmse@10'"),
        ("auc@10", "auc looks at no list and takes no @k"),
        ("recall@0", "'recall@0': k must be a whole number of at least 1, such as 'recall@10'"),
        ("recall@-1", "k must be a whole number of at least 1"),
        ("recall@", "k must be a whole number of at least 1"),
        ("recall@ten", "k must be a whole number of at least 1"),
        ("recall@1.5", "k must be a whole number of at least 1"),
        ("recall@²", "k must be a whole number of at least 1"),
        ("coverage@2000", "'coverage@2000' asks for lists of 2,000 of 1,682 items: choose k up to 1682"),
    ],
)
def test_a_name_that_means_nothing_says_what_to_write(name, text):
    with pytest.raises(ParameterError, match=re.escape(text)):
        at(name, 1682)


def test_what_is_missing_is_named():
    text = "rmse needs predicted and rating_range, which this model or data does not have"
    with pytest.raises(ParameterError, match=text):
        at("rmse")(truth=TRUTH, predicted=None)


def test_public_names_are_sorted_and_there():
    names = palate.metrics.__all__
    assert names == sorted(names, key=lambda n: (not n.isupper(), n[0].islower(), n))
    for name in names:
        assert getattr(palate.metrics, name) is not None
