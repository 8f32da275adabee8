"""The simulated month: a bad model is refused, the better arm is found, intervals hold what is true."""

from __future__ import annotations

import importlib
import sys
from contextlib import closing
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
PARTS = ("simulated_month", "month_replications", "month_world", "month_figure", "common")


@pytest.fixture(scope="module")
def month():
    """The module of the month, found as its command finds it."""
    pytest.importorskip("matplotlib")
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("simulated_month")
    finally:
        sys.path.remove(str(BENCHMARKS))
        for name in PARTS:
            sys.modules.pop(name, None)


@pytest.mark.long
def test_what_the_log_says_is_what_is_true(month, tmp_path):
    with closing(month.Month(tmp_path, month.Size())) as lived:
        lived.live()
        decisions = {one["day"]: one["verdict"]["decision"] for one in lived.verdicts}
        assert decisions[lived.size.bad] == "refused"
        assert {decisions[day] for day in lived.size.good} == {"accepted"}
        assert lived.report is not None
        assert "keen brings more than exploring" in lived.report.verdict
        assert lived.report.early == 0
        truths = month.Truths.of(lived)
        told = lived.asked("keen").clicks["dr"]
        reach = told.value.high - told.value.low  # twice that of 95 %: this is one sample, coverage is looked at below
        assert abs(told.value.value - truths.worth("keen")) < reach
        policies = truths.exploring, truths.keen
        people = len(truths.shop.of)
        kept, broken = (
            month.replications.coverage(truths.shop, *policies, how, n=1000, n_people=people)
            for how in month.replications.CLICK_MODELS
        )
        assert all(0.93 <= one.covered <= 0.97 for one in kept), kept
        assert all(one.covered < 0.8 for one in broken), broken
        found, _ = month.replications.found(truths.shop, policies, same=False, n=200)
        alarms, _ = month.replications.found(truths.shop, policies, same=True, n=200)
    assert found > 0.68
    assert alarms < 0.1
