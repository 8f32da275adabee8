"""A model that knows how sure it is: "4.3 ± 0.9", with the range on the bar."""

from __future__ import annotations

import re
from typing import Any

import pytest
from synthetic import low_rank

from palate.models import ALS, BayesianMF
from palate.ui import cards
from palate.ui.source import Source


@pytest.fixture(scope="module")
def sure() -> Any:
    data = low_rank()
    return BayesianMF(2, n_sweeps=30, n_burn_in=10, n_components=0, random_state=0, n_threads=1).fit(data)


def test_a_prediction_stands_with_its_spread_and_its_range(sure: Any) -> None:
    source = Source(sure)
    (entry, *_) = entries = source.recommended(103, 5, None)
    assert len(entries) == 5
    value, spread = sure.predict(103, entry.item_id, return_std=True)
    assert (entry.value, entry.spread) == (pytest.approx(value[0]), pytest.approx(spread[0]))
    html = cards.answer(source, 103, 3, 5, None)
    assert f'{entry.value:.1f}</span> <span class="pl-spread">± {entry.spread:.1f}</span>' in html
    assert cards.SPREAD in html
    ends = re.findall(r'<span style="left:([\d.]+)%;width:([\d.]+)%"></span><i style="left:([\d.]+)%">', html)
    assert len(ends) == 5
    for left, width, at in ((float(x) for x in one) for one in ends):
        assert 0 <= left <= at <= left + width <= 100.05


def test_a_model_without_distributions_shows_the_prediction_alone(sure: Any) -> None:
    source = Source(ALS(2, n_epochs=2, random_state=0, n_threads=1).fit(low_rank()))
    html = cards.answer(source, 103, 3, 5, None)
    assert not source.shows_spread
    assert "±" not in html
    assert "pl-range" not in html


def test_stars_are_shown_as_expected_stars() -> None:
    data = low_rank()
    whole = type(data)(
        data.user_index, data.item_index, data.values.round(), data.times, data.users, data.items, data.rating_range
    )
    settings = {"n_sweeps": 30, "n_burn_in": 10, "n_components": 0, "random_state": 0, "n_threads": 1}
    model = BayesianMF(2, likelihood="ordinal", **settings).fit(whole)
    for entry in Source(model).recommended(103, 5, None):
        assert 1 <= entry.value <= 5
        assert entry.value == pytest.approx(model.predict(103, entry.item_id)[0])
