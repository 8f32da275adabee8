"""`measure` against plain loops over every score, and what it refuses."""

import logging
from itertools import groupby, permutations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics import naive_metrics as naive
from metrics.twins import OF_LISTS
from scipy import stats
from sklearn.metrics import mean_absolute_error, r2_score, roc_auc_score, root_mean_squared_error
from synthetic import interactions, low_rank

from palate.data.features import Features
from palate.data.items import item_table
from palate.data.splits.leaks import overlap, without_overlap
from palate.data.splits.making import make_splits
from palate.errors import DataError, NotFittedError, ParameterError, UnknownIdError
from palate.evaluation import evaluate, measure
from palate.evaluation.measuring import beside, check_offered, checked, measure_part
from palate.metrics import METRICS, named
from palate.models import MODELS, Baseline, MatrixFactorization, Popularity

K = 4


@pytest.fixture(scope="module")
def data():
    return low_rank(n=420)


@pytest.fixture(scope="module")
def parts(data):
    return make_splits(data, "random:0.3:5")[0].apply(data)


@pytest.fixture(scope="module")
def items(data):
    names = ("Comedy", "Drama", "War")
    genres = [[names[i % 3], *(["Musical"] if i % 4 == 0 else [])] for i in range(data.n_items)]
    return item_table(data.items).with_columns(genres=pl.Series(genres))


@pytest.fixture(scope="module", params=["popularity", "baseline", "mf"])
def model(request, parts, items):
    made = {
        "popularity": Popularity(),
        "baseline": Baseline(),
        "mf": MatrixFactorization(n_factors=3, n_epochs=20, learning_rate=0.05, random_state=1),
    }
    return made[request.param].fit(parts[0], items=items)


def popularity_of(train):
    """Return for each item how many have it, and its mean value."""
    rows = [train.values[train.item_index == i].astype(float) for i in range(train.n_items)]
    return [(len(values), sum(values) / max(len(values), 1)) for values in rows]


def groups_of(model, train, user):
    """Return the items that training did not have as groups of equal score, best first; equal in popularity order."""
    scores = model.score_rows(np.array([user]))[0].astype(float)
    popularity, ids = popularity_of(train), train.items.values.to_list()
    seen = set(train.item_index[train.user_index == user].tolist())
    free = [i for i in range(len(scores)) if i not in seen]
    order = sorted(free, key=lambda i: (-scores[i], -popularity[i][0], -popularity[i][1], ids[i]))
    return [list(group) for _, group in groupby(order, key=lambda i: scores[i])]


def lists_of(model, train, users, k=K):
    """Return each user's best items that training did not have, by sorting all scores."""
    return [[i for group in groups_of(model, train, u) for i in group][:k] for u in users]


def orders_of(groups, k=K):
    """Return all beginnings of k items that these groups allow, each as often as another."""
    if not groups or k <= 0:
        return [[]]
    heads = permutations(groups[0], min(k, len(groups[0])))
    rests = orders_of(groups[1:], k - len(groups[0]))
    return [[*head, *rest] for head in heads for rest in rests]


def relevant_of(test, users, positive=None):
    kept = [
        {int(i): float(v) for i, v in zip(test.item_index[rows], test.values[rows], strict=True)}
        for rows in (np.flatnonzero(test.user_index == u) for u in users)
    ]
    return [{i: v for i, v in items.items() if positive is None or v >= positive} for items in kept]


def by_hand(model, train, test, positive=None):
    """Return ranking metrics by loops over all orders of ties, the coverage of the lists, and the users of both."""
    users = [u for u in np.unique(test.user_index) if relevant_of(test, [u], positive)[0]]
    wanted = relevant_of(test, users, positive)
    orders = [orders_of(groups_of(model, train, u)) for u in users]
    figures = {
        name: [np.mean([twin(one, w, K) for one in some]) for some, w in zip(orders, wanted, strict=True)]
        for name, twin in OF_LISTS.items()
    }
    shown = np.array(lists_of(model, train, users))
    return users, figures, {"coverage": len(np.unique(shown)) / test.n_items}


@pytest.mark.parametrize("positive", [None, 3.5])
def test_ranking_metrics_are_those_of_plain_loops(model, parts, positive):
    train, test = parts
    users, figures, of_all = by_hand(model, train, test, positive)
    names = [f"{name}@{K}" for name in (*figures, *of_all)]
    found = measure(model, train, test, names, positive=positive)
    assert found.ranked.tolist() == users
    assert found.lists.tolist() == lists_of(model, train, users)
    for name, values in figures.items():
        assert found.values[f"{name}@{K}"] == pytest.approx(np.mean(values), rel=1e-6), name
        summary = found.summaries[f"{name}@{K}"]
        worst = np.sort(values)[: -(-len(values) // 10)]
        assert summary.worst_tenth == pytest.approx(np.mean(worst), abs=1e-12)
        n_tested = len(np.unique(test.user_index))
        assert (summary.n_users, summary.n_left_out) == (len(users), n_tested - len(users))
        np.testing.assert_allclose(found.units[f"{name}@{K}"].num, values, rtol=1e-6)
    assert found.values[f"coverage@{K}"] == of_all["coverage"]
    assert f"coverage@{K}" not in found.units


def test_auc_is_scikit_learns_over_the_candidates(model, parts):
    train, test = parts
    found = measure(model, train, test, ["auc"])
    values = []
    for u in np.unique(test.user_index):
        scores = model.score_rows(np.array([u]))[0].astype(float)
        seen = set(train.item_index[train.user_index == u].tolist())
        kept = [i for i in range(test.n_items) if i not in seen]
        truth = np.isin(kept, test.item_index[test.user_index == u])
        values.append(roc_auc_score(truth, scores[kept]) if truth.any() and not truth.all() else np.nan)
    assert found.values["auc"] == pytest.approx(np.nanmean(values), abs=1e-10)


def test_rating_metrics_are_scikit_learns(parts, items):
    train, test = parts
    model = MatrixFactorization(
        n_factors=12, n_epochs=60, learning_rate=0.03, reg=0.0, init_scale=0.5, validation_fraction=0, random_state=3
    ).fit(train)
    raw = model.predict_index(test.user_index, test.item_index, clip=False)
    clipped = np.clip(raw, 1, 5)
    assert (raw != clipped).any()
    truth = test.values.astype(float)
    own = [
        stats.spearmanr(truth[rows], raw[rows]).statistic
        for u in np.unique(test.user_index)
        for rows in [np.flatnonzero(test.user_index == u)]
        if len(rows) > 1 and len(set(truth[rows])) > 1
    ]
    expected = {
        "rmse": root_mean_squared_error(truth, clipped),
        "rmse_unclipped": root_mean_squared_error(truth, raw),
        "mae": mean_absolute_error(truth, clipped),
        "mae_unclipped": mean_absolute_error(truth, raw),
        "r2": r2_score(truth, clipped),
        "spearman": np.mean(own),
    }
    found = measure(model, train, test, list(expected))
    for name, value in expected.items():
        assert found.values[name] == pytest.approx(value, abs=1e-10), name
        assert found.units[name].value == pytest.approx(value, abs=1e-10), name
    np.testing.assert_array_equal(found.predicted, raw)
    assert (found.lists, found.ranked.tolist()) == (None, [])
    per_user = [np.sqrt(np.mean((truth - clipped)[test.user_index == u] ** 2)) for u in np.unique(test.user_index)]
    worst = np.sort(per_user)[::-1][: -(-len(per_user) // 10)].mean()
    assert found.summaries["rmse"].worst_tenth == pytest.approx(worst)
    assert found.summaries["rmse"].mean == found.values["rmse"]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_user_left_out_of_the_units_is_left_out_of_the_metric(seed):
    data = low_rank(n_users=12, n_items=10, n=60, seed=seed)
    train, test = make_splits(data, "random:0.4:1")[0].apply(data)
    model = Baseline().fit(train)
    names = ["rmse", "rmse_unclipped", "mae", "ndcg@3", "recall@3"]
    whole = measure(model, train, test, names)
    gone = int(test.user_index[0])
    fewer = test.take(np.flatnonzero(test.user_index != gone))
    without = measure(model, train, fewer, names)
    for name in names:
        units = whole.units[name]
        kept = units.user_index != gone
        num, den = units.num[kept].sum(), units.den[kept].sum()
        value = np.sqrt(num / den) if units.form == "root" else num / den
        assert value == pytest.approx(without.values[name], rel=1e-9)


def test_every_metric_that_a_factor_model_can_have_is_measured(parts, items):
    train, test = parts
    model = MatrixFactorization(n_factors=3, n_epochs=5, random_state=1).fit(train, items=items)
    names = [f"{name}@{K}" if one.at_k else name for name, one in METRICS.items()]
    found = measure(model, train, test, names, skip=True)
    assert set(found.skipped) | set(found.values) == set(names)
    assert all("needs a model with a predictive distribution" in reason for reason in found.skipped.values())
    assert set(found.skipped) == {name for name, one in METRICS.items() if "predictive" in one.inputs}
    assert all(np.isfinite(value) for value in found.values.values())
    assert 0 < found.values[f"serendipity@{K}"] <= found.values[f"precision@{K}"]
    popular = measure(Popularity().fit(train), train, test, [f"serendipity@{K}", f"personalisation@{K}"])
    assert popular.values[f"serendipity@{K}"] == 0  # popularity surprises nobody


def test_lists_need_no_dense_scores(parts, monkeypatch):
    train, test = parts
    model = Baseline().fit(train)

    def dense(*_, **__):
        raise MemoryError

    monkeypatch.setattr(Baseline, "ranking_keys", dense)
    names = [f"{name}@{K}" for name in ("ndcg", "recall", "map", "coverage", "novelty", "gini", "serendipity")]
    assert len(measure(model, train, test, names).values) == len(names)
    with pytest.raises(MemoryError):
        measure(model, train, test, ["auc"])


def test_users_without_anything_left_count_as_zero():
    pairs = [(u, i) for u in range(5) for i in range(4)] + [(5, 0), (5, 1)]
    data = interactions(*zip(*pairs, strict=True), np.arange(len(pairs)) % 5 + 1)
    train = data.take(np.flatnonzero(data.user_index < 5))
    test = data.take(np.flatnonzero(data.user_index == 5))
    both = data.take(np.array([0, 20, 21]))  # user 0 has had everything in training: nothing is left to list
    found = measure_part(Popularity().fit(train), train, both, ["hit_rate@2"])
    assert found.ranked.tolist() == [0, 5]
    summary = found.summaries["hit_rate@2"]
    by_chance = 1 - 1 / 6  # all four items are equally popular and liked: two of them are relevant, two are shown
    assert (summary.n_users, summary.n_without_list) == (2, 1)
    assert summary.mean == pytest.approx(by_chance / 2)
    alone = measure(Popularity().fit(train), train, test, ["hit_rate@2"])
    assert alone.values["hit_rate@2"] == pytest.approx(by_chance)


@pytest.mark.parametrize(
    ("metrics", "options", "error", "said"),
    [
        ("rmse", {}, ParameterError, "metrics takes a list of names, such as .*, got the text 'rmse'"),
        ([], {}, ParameterError, "name at least one metric, and each once; got none"),
        (["rmse", "rmse"], {}, ParameterError, "name at least one metric, and each once; got rmse, rmse"),
        (["rsme"], {}, ParameterError, "unknown metric 'rsme': did you mean 'rmse'"),
        (["ndcg@31"], {}, ParameterError, "'ndcg@31' asks for lists of 31 of 30 items: choose k up to 30"),
        (["ndcg"], {}, ParameterError, "ndcg looks at the first k of a list: say how many"),
        (["ndcg@3"], {"positive": 6}, DataError, "no test row has a value of at least 6, the highest is .*: lower it"),
        (
            ["ndcg@3"],
            {"positive": float("nan")},
            ParameterError,
            "positive must be a finite number, or 'any' for every row, got nan",
        ),
        (["ndcg@3"], {"positive": "4"}, ParameterError, "positive must be a finite number, or 'any' .*, got '4'"),
        (
            ["diversity_genres@3"],
            {},
            ParameterError,
            "needs an item table with a column 'genres' .*baseline here does not",
        ),
        (["diversity@3"], {}, ParameterError, "diversity@3 needs a model with item factors .mf, als, "),
        (["crps"], {}, ParameterError, "crps needs a model with a predictive distribution"),
    ],
)
def test_impossible_requests(parts, metrics, options, error, said):
    train, test = parts
    with pytest.raises(error, match=said):
        measure(Baseline().fit(train), train, test, metrics, **options)


def test_an_order_predicts_no_ratings(parts):
    train, test = parts
    with pytest.raises(ParameterError, match=r"rmse needs a model that predicts ratings .*; popularity here does not"):
        measure(Popularity().fit(train), train, test, ["rmse"])
    found = measure(Popularity().fit(train), train, test, ["rmse", "ndcg@3"], skip=True)
    able = ", ".join(key for key, cls in MODELS.items() if cls.score_kind == "rating")
    assert found.skipped == {"rmse": f"rmse needs a model that predicts ratings ({able})"}
    assert list(found.values) == ["ndcg@3"]


def test_what_no_model_offers_is_refused_before_work(items):
    bare = item_table(low_rank().items)
    asked = {name: checked([name], 30) for name in ("rmse", "crps", "calibration@3", "ndcg@3")}
    check_offered(asked["rmse"], [Popularity(), Baseline()], bare)
    check_offered(asked["ndcg@3"], [Popularity()], bare)
    check_offered(asked["calibration@3"], [Popularity()], items)
    for name, models in (("rmse", [Popularity()]), ("crps", [Baseline()]), ("calibration@3", [Baseline()])):
        with pytest.raises(ParameterError, match=f"^{name} needs .*: none here offers it"):
            check_offered(asked[name], models, bare)


def skewed():
    """Return data where the last items are popular, and ratings are noise."""
    rng = np.random.default_rng(0)
    pairs = [(u, i) for u in range(60) for i in range(20) if rng.random() < i / 20]
    data = interactions(*zip(*pairs, strict=True), rng.integers(1, 6, len(pairs)), rating_range=(1, 5))
    return make_splits(data, "random:0.2:1")[0].apply(data)


def test_lists_that_are_all_alike_and_below_popularity_are_warned_of_once(caplog):
    train, test = skewed()
    flat = Baseline(reg_users=1e9, reg_items=1e9).fit(train)
    with caplog.at_level(logging.WARNING, "palate"):
        caplog.clear()
        measure(flat, train, test, ["ndcg@5", "recall@5"])
        below = [m for m in caplog.messages if "rank below mere popularity" in m]
        assert len(below) == 1
        assert below[0].startswith(
            "baseline is made for ratings, and its lists rank below mere popularity here (ndcg@5 0."
        )
        assert "recall@5 0." in below[0]
        caplog.clear()
        measure(Popularity().fit(train), train, test, ["ndcg@5"])
        assert not [m for m in caplog.messages if "below mere popularity" in m]
        caplog.clear()
        measure(flat, train, test, ["rmse"])
        assert not caplog.messages
    few = low_rank(n_users=30, n_items=200, n=300)
    train, test = make_splits(few, "random:0.2:1")[0].apply(few)
    with caplog.at_level(logging.WARNING, "palate"):
        caplog.clear()
        for names in (["ndcg@5"], ["ndcg@5", "list_overlap@5"]):
            caplog.clear()
            measure(Popularity().fit(train), train, test, names)
            assert len([m for m in caplog.messages if "nearly everybody is recommended the same" in m]) == 1


def test_sampled_metrics_warn_of_krichene_and_rendle(parts, caplog):
    train, test = parts
    with caplog.at_level(logging.WARNING, "palate"):
        found = measure(Popularity().fit(train), train, test, ["sampled_hit_rate@3", "sampled_ndcg@3"])
    assert [m for m in caplog.messages if "Krichene & Rendle 2020" in m]
    assert 0 < found.values["sampled_ndcg@3"] < found.values["sampled_hit_rate@3"] <= 1


def test_beside_and_better():
    assert beside(checked(["rmse", "auc"], 30)) == []
    assert beside(checked(["ndcg@3", "recall@9", "novelty@9"], 30)) == [
        "coverage@9",
        "list_overlap@9",
        "popularity_lift@9",
    ]
    assert named("rmse").metric.is_better(1, 2)
    assert named("ndcg@5").metric.is_better(2, 1)
    assert not named("ndcg@5").metric.is_better(1, 1)


def test_rows_that_the_model_was_fitted_on_are_refused(data, parts):
    train, test = parts
    message = (
        r"the model was fitted on 126 of the 126 test rows, such as user \d+ and item \d+: figures on them would say"
    )
    with pytest.raises(DataError, match=message):
        measure(Baseline().fit(data), train, test, ["rmse"])
    half = data.take(np.arange(0, len(data), 2))
    with pytest.raises(DataError, match=r"the model was fitted on \d+ of the 126 test rows"):
        measure(Popularity().fit(half), train, test, ["ndcg@3"])
    assert measure(Baseline(store_history=False).fit(data), train, test, ["rmse"]).values["rmse"] > 0  # it cannot tell


def test_other_ids_than_the_models_are_refused(parts):
    train, test = parts
    other = low_rank(n=420, n_items=31)
    for two in ((other, test), (train, other)):
        with pytest.raises(DataError, match=r"(train|test) has other users or items than the model was fitted with"):
            measure(Baseline().fit(train), *two, ["rmse"])
    with pytest.raises(NotFittedError):
        measure(Baseline(), train, test, ["rmse"])


def restricted(model, train, test, part, positive):
    """Return NDCG and AUC of lists of some items by loops, and the share of them that is shown."""
    users, shown, ndcg, auc = [], set(), [], []
    for u in np.unique(test.user_index):
        wanted = {i: v for i, v in relevant_of(test, [u], positive)[0].items() if i in part}
        groups = [[i for i in group if i in part] for group in groups_of(model, train, u)]
        groups = [group for group in groups if group]
        if not wanted:
            continue
        users.append(int(u))
        shown |= set([i for group in groups for i in group][:K])
        ndcg.append(np.mean([naive.ndcg(one, wanted, K) for one in orders_of(groups)]))
        place = {i: -n for n, group in enumerate(groups) for i in group}
        items = sorted(place)
        auc.append(naive.auc([place[i] for i in items], [items.index(i) for i in wanted], []))
    return users, np.mean(ndcg), np.nanmean(auc), len(shown) / len(part)


@pytest.mark.parametrize("positive", [None, 3.5])
def test_lists_of_a_part_of_the_catalogue_are_judged_within_it(model, parts, positive):
    train, test = parts
    part = set(range(0, 30, 3))
    ids = [int(i) for i in train.items.at(np.array(sorted(part)))]
    others = [i for i in train.items.values.to_list() if i not in ids]
    users, ndcg, auc, shown = restricted(model, train, test, part, positive)
    names = [f"ndcg@{K}", "auc", f"coverage@{K}"]
    for options in ({"allow": ids}, {"deny": others}, {"where": [pl.col("item_id").is_in(ids)]}):
        found = measure(model, train, test, names, positive=positive, **options)
        assert found.ranked.tolist() == users
        assert set(np.unique(found.lists[found.lists >= 0]).tolist()) <= part
        assert list(found.values.values()) == pytest.approx([ndcg, auc, shown])
        n_tested = len(np.unique(test.user_index))
        assert found.summaries[f"ndcg@{K}"].n_left_out == n_tested - len(users)


def test_a_part_without_anything_relevant_is_refused(parts):
    train, test = parts
    nowhere = [i for i in range(train.n_items) if i not in set(test.item_index.tolist())]
    if not nowhere:
        gone = int(test.item_index[0])
        test = test.take(np.flatnonzero(test.item_index != gone))
        nowhere = [gone]
    ids = train.items.at(np.array(nowhere)).to_list()
    for call in (
        lambda: measure(Baseline().fit(train), train, test, ["ndcg@3"], allow=ids),
        lambda: evaluate(Baseline(), train, test, metrics=["ndcg@3"], allow=ids),
    ):
        with pytest.raises(DataError, match=r"none of the relevant test rows is of the \d+ items that may be listed"):
            call()
    with pytest.raises(UnknownIdError):
        measure(Baseline().fit(train), train, test, ["ndcg@3"], allow=[-7])


def test_any_is_every_row(parts):
    train, test = parts
    model = Baseline().fit(train)
    one, other = (measure(model, train, test, ["ndcg@3"], positive=p).values for p in (None, "any"))
    assert one == other


def test_rows_in_both_parts_are_left_out_on_demand(data, parts, caplog):
    train, test = parts
    both = data.take(np.arange(40))
    n_shared = int(overlap(train, both).sum())
    assert 0 < n_shared < 40
    with caplog.at_level(logging.WARNING, "palate"):
        got = evaluate(Baseline(), train, both, on_overlap="drop")
    assert f"given: {n_shared} test rows are also in the training part and left out" in caplog.messages
    assert got.metrics == evaluate(Baseline(), train, without_overlap(train, both)).metrics
    with pytest.raises(DataError, match=r"all of the 294 test rows are also in the training part: nothing is left"):
        evaluate(Baseline(), train, train, on_overlap="drop")
    with pytest.raises(ParameterError, match="on_overlap must be 'raise' or 'drop', got 'keep'"):
        evaluate(Baseline(), train, test, on_overlap="keep")


def test_a_model_that_knows_more_items_by_their_attributes_is_measured_with_them(parts):
    train, test = parts
    ids = [*train.items.values.to_list(), 9001, 9002]
    table = pl.DataFrame({"item_id": ids, "genres": [[("Comedy", "Drama", "War")[i % 3]] for i in range(len(ids))]})
    features = Features.from_table(table, "item", columns=["genres"])
    model = MatrixFactorization(n_factors=2, n_epochs=2, random_state=0).fit(train, item_features=features)
    assert len(model.items_) == 32
    found = measure(model, train, test, ["rmse", "ndcg@32", "coverage@32"])
    assert found.values["coverage@32"] == 1
    assert found.lists.max() == 31
