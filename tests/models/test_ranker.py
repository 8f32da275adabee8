"""A fitted model has one ranker: made once, shared by all threads, replaced by the next fit, in no copy."""

from __future__ import annotations

import copy
import pickle
import threading
from functools import partial

import numpy as np
import pytest
import small_models
from polars.testing import assert_frame_equal
from synthetic import low_rank

import palate
from palate import MODELS
from palate.models.contract import lists, scoring
from palate.models.items.clicks import clicks_of
from palate.topk import ItemSide

make = partial(small_models.make, n_epochs=3)


def counted(monkeypatch, owner, name):
    """Return a list that grows with each computation of a derived property."""
    calls, descriptor = [], vars(owner)[name]
    compute = descriptor.compute
    monkeypatch.setattr(descriptor, "compute", lambda self: [calls.append(self), compute(self)][1])
    return calls


@pytest.mark.parametrize("key", MODELS)
def test_nothing_is_derived_twice(key, data, monkeypatch, tmp_path):
    palate.save(make(key).fit(data), tmp_path / "m")
    m = palate.load(tmp_path / "m")
    calls = [counted(monkeypatch, lists.ItemOrder, "order")]
    calls += [counted(monkeypatch, ItemSide, name) for name in ("Q32", "c32", "longest")]
    users, items = data.users.values.to_list(), data.items.values.to_list()
    for user in users[:3]:
        m.recommend(user, 3)
        m.recommend(user, 3, deny=items[:2])
        m.recommend([user, users[4]], 3)
        if "recommend_for" in m.supports:
            m.recommend_for({items[0]: 4.0, items[3]: 5.0}, 3)
    assert len(calls[0]) == 1
    for sides in calls[1:]:  # those of newcomers in each draw are others
        assert len(sides) == len({id(side) for side in sides}) <= (2 if key == "bayes" else 1)


def test_many_threads_at_once_find_one_ranker(data):
    m, found = make("als").fit(data), []
    barrier = threading.Barrier(8)

    def ask():
        barrier.wait(20)
        found.append((m.ranker, m.ranker.scorer, m.item_order.places, m.recommend(data.users.values[0], 5)))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in found:
        assert all(a is b for a, b in zip(one[:3], found[0][:3], strict=True))
        assert_frame_equal(one[3], found[0][3])


@pytest.mark.parametrize("key", ["als", "knn", "popularity"])
def test_a_second_fit_brings_its_own(key, data):
    m, other = make(key).fit(data), low_rank(seed=3)
    before = m.ranker
    m.recommend(data.users.values[0], 3)
    m.fit(other)
    assert m.ranker is not before
    assert_frame_equal(m.recommend(other.users.values[0], 3), make(key).fit(other).recommend(other.users.values[0], 3))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_make_their_own(copied, data):
    m = make("als").fit(data)
    table = m.recommend(data.users.values[0], 3)
    twin = copied(m)
    assert twin.ranker is not m.ranker
    assert_frame_equal(twin.recommend(data.users.values[0], 3), table)
    twin.fit(low_rank(seed=4))
    assert_frame_equal(m.recommend(data.users.values[0], 3), table)


def test_a_log_is_not_read_whole_for_one_user(data, monkeypatch):
    m, seen = make("knn").fit(data), []
    m.recommend(data.users.values[0], 3)

    def watched(rows, positive, what):
        seen.append(rows.n_rows)
        return clicks_of(rows, positive, what)

    monkeypatch.setattr("palate.models.items.item_weights.clicks_of", watched)
    assert isinstance(m.ranker.scorer, scoring.WeightScorer)
    m.recommend(data.users.values[1], 3)
    m.score_rows(np.array([2, 3]))
    assert seen == [1, 2]
