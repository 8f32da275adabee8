"""Discovery: eq. 1 of `palate.serve.engine.discovering`, against a twin written from it, and in lists."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palate.errors import ParameterError
from palate.serve.engine import Ask
from palate.serve.engine.asking import Left
from palate.serve.engine.discovering import lesser_known

CANDIDATES = st.lists(st.tuples(st.integers(-40, 40), st.integers(0, 1000)), min_size=1, max_size=12)


def naive(scores, counts, discovery):
    """Return the order of eq. 1, by plain Python."""

    def standard(values):
        spread = statistics.pstdev(values)
        return [(value - statistics.fmean(values)) / spread if spread else 0.0 for value in values]

    worth = [
        s - discovery * c
        for s, c in zip(standard(scores), standard([math.log1p(count) for count in counts]), strict=True)
    ]
    return worth, sorted(range(len(scores)), key=lambda k: -worth[k])


@given(CANDIDATES, st.sampled_from([0.0, 0.3, 1.0]))
def test_it_is_the_equation(candidates, discovery):
    scores, counts = (list(map(float, column)) for column in zip(*candidates, strict=True))
    got = lesser_known(np.array(scores), np.array(counts), discovery)
    worth, wanted = naive(scores, counts, discovery)
    assert sorted(got) == list(range(len(scores)))
    np.testing.assert_allclose([worth[k] for k in got], [worth[k] for k in wanted], atol=1e-9)


def test_equal_ones_stay_and_those_without_a_score_stay_behind():
    scores, counts = np.array([2.0, np.nan, 2.0, 1.0]), np.array([5, 0, 5, 5])
    assert lesser_known(scores, counts, 0.5).tolist() == [0, 2, 3, 1]


def test_lists_go_towards_what_few_know(world):
    model = world.use("ials")
    order = model.item_order
    counts = {str(id_): int(order.counts[at]) for at, id_ in enumerate(model.items_.values.to_list())}
    known = [np.mean([counts[item] for item in world.items(n=5, discovery=d)]) for d in (0.0, 1.0)]
    assert known[1] < known[0]
    assert world.items(n=5, discovery=0.0) == world.items(n=5)


def test_left_counts_what_a_list_is_chosen_from(world):
    world.use("ials")
    assert world.engine.left(Ask(ns=world.ns, user="nobody")) == Left(30, 30, known=False, varies=True)
    assert world.engine.left(Ask(ns=world.ns, user="nobody", where=("genres=odd",))).left == 15
    world.rate("nobody", i1=5, i2=1)
    assert world.engine.left(Ask(ns=world.ns, user="nobody")) == Left(28, 30, known=True, varies=True)
    assert world.engine.left(Ask(ns=world.ns, user="nobody", seen=True)).left == 30
    assert len(world.items("nobody", n=100)) == 28


def test_without_a_model_nothing_is_known(world):
    world.rate("nobody", i1=5)
    assert not world.engine.left(Ask(ns=world.ns, user="nobody")).known


def test_discovery_out_of_range_is_refused(world):
    with pytest.raises(ParameterError, match="discovery must be a number from 0 to 1"):
        world.ask(discovery=1.5)
