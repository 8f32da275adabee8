"""The report of an experiment: figures, tests over people, and what it warns of."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from palate.errors import DataError, ParameterError
from palate.experiments.arms import Look, Report, report
from palate.experiments.looks import false_alarm
from palate.experiments.people import Crowd, bootstrap, permutation, ratios
from palate.experiments.planning import ArmShare, Plan, baseline, planned

ARMS = (ArmShare("now", 0.5), ArmShare("new", 0.5))
BY_CLICKS = Plan(metric="clicks")


def lists_of(
    rng: np.random.Generator, people: int, rate: float, arm: str | None, start: int = 0, spread: float = 0.5
) -> pl.DataFrame:
    """Return lists of people who differ in how much they click, and in how many lists they see."""
    own = rng.gamma(1 / spread, spread * rate, people)
    n = 1 + rng.poisson(2, people)
    person = np.repeat(np.arange(start, start + people), n)
    clicks = rng.poisson(np.repeat(own, n))
    return pl.DataFrame(
        {
            "list": np.arange(len(person)) + 1_000_000 * start,
            "person": person,
            "arm": [arm] * len(person),
            "clicks": clicks,
            "positives": rng.binomial(clicks, 0.5),
        },
        schema_overrides={"arm": pl.String},
    )


def experiment(rng: np.random.Generator, sizes: tuple[int, ...], rates: tuple[float, ...]) -> pl.DataFrame:
    starts = np.cumsum([0, *sizes[:-1]]).tolist()
    names = ("now", "new", "other")
    return pl.concat(
        [lists_of(rng, n, rate, names[at], starts[at]) for at, (n, rate) in enumerate(zip(sizes, rates, strict=True))]
    )


def told(frame: pl.DataFrame, arms: tuple[ArmShare, ...] = ARMS, plan: Plan = BY_CLICKS, **more: Any) -> Report:
    return report(frame, arms, plan, **({"n_resamples": 200} | more))


# -- figures --------------------------------------------------------------------------------------------------------


def test_figures_are_sums_over_lists() -> None:
    frame = experiment(np.random.default_rng(0), (60, 80), (0.3, 0.6))
    result = told(frame)
    for arm in result.arms:
        own = frame.filter(pl.col("arm") == arm.name)
        assert (arm.people, arm.lists) == (own["person"].n_unique(), len(own))
        assert arm.clicks.value == pytest.approx(own["clicks"].mean())
        assert arm.positives.value == pytest.approx(own["positives"].mean())
        assert arm.clicks.low < arm.clicks.value < arm.clicks.high
    clicks = result.differences[1]
    assert (clicks.arm, clicks.metric) == ("new", "clicks")
    assert clicks.value == pytest.approx(result.arms[1].clicks.value - result.arms[0].clicks.value)
    assert clicks.relative == pytest.approx(clicks.value / result.arms[0].clicks.value)
    assert "new brings more than now" in result.verdict


def test_several_places_of_a_list_are_one_list() -> None:
    frame = experiment(np.random.default_rng(1), (40, 40), (0.3, 0.3))
    places = pl.concat([frame.with_columns(clicks=pl.lit(0), positives=pl.lit(0)), frame], how="vertical_relaxed")
    assert told(places) == told(frame)


def test_the_report_does_not_depend_on_the_order_of_rows() -> None:
    frame = experiment(np.random.default_rng(2), (50, 50), (0.3, 0.4))
    assert told(frame.sample(fraction=1, shuffle=True, seed=3)) == told(frame)


def test_a_report_is_json() -> None:
    frame = experiment(np.random.default_rng(3), (5, 1), (0.3, 0.4))
    said = told(frame).as_dict()
    assert json.loads(json.dumps(said, allow_nan=False)) == said
    assert said["arms"][1]["clicks"]["low"] is None  # one person has no interval
    assert said["differences"] == []
    assert said["verdict"] == "Nothing to compare: an arm has fewer than two people."


def test_a_report_of_nothing() -> None:
    empty = experiment(np.random.default_rng(3), (5, 5), (0.3, 0.4)).clear()
    result = told(empty)
    assert [arm.lists for arm in result.arms] == [0, 0]
    assert json.dumps(result.as_dict(), allow_nan=False)


# -- tests over people ----------------------------------------------------------------------------------------------


def resampled_by_hand(n: NDArray[Any], y: NDArray[Any], draws: int, rng: np.random.Generator) -> NDArray[Any]:
    at = rng.integers(len(n), size=(draws, len(n)))
    return y[at].sum(axis=1) / n[at].sum(axis=1)


def test_cells_are_resampled_as_people_are() -> None:
    rng = np.random.default_rng(4)
    n = 1.0 + rng.poisson(2, 70)
    y = rng.poisson(0.4 * n).astype(float)
    cells = Crowd.of(np.zeros(70, np.int64), n, y[None], 1)
    drawn = bootstrap(cells, 0, 20_000, rng)[0]
    by_hand = resampled_by_hand(n, y, 20_000, rng)
    np.testing.assert_allclose(
        np.quantile(drawn, [0.025, 0.5, 0.975]), np.quantile(by_hand, [0.025, 0.5, 0.975]), rtol=0.03
    )
    found = ratios(cells.counts, cells.features(0))
    assert found.value[0] == pytest.approx(y.sum() / n.sum())
    assert found.error[0] == pytest.approx(drawn.std(), rel=0.05)


def test_the_error_of_people_with_one_list_each_is_that_of_a_mean() -> None:
    y = np.array([0.0, 1, 0, 3, 2])
    crowd = Crowd.of(np.zeros(5, np.int64), np.ones(5), y[None], 1)
    assert ratios(crowd.counts, crowd.features(0)).error[0] == pytest.approx(y.std(ddof=1) / np.sqrt(5))


def test_the_permutation_test_is_the_share_of_all_exchanges() -> None:
    n, y = np.array([1.0, 2, 3, 1, 2, 4, 2]), np.array([0.0, 1, 3, 1, 2, 4, 0])
    arm = np.array([0, 0, 0, 1, 1, 1, 1])

    def apart(first: NDArray[Any]) -> float:
        means, errors = [], []
        for own in (first, ~first):
            r = y[own].sum() / n[own].sum()
            residual = y[own] - r * n[own]
            means.append(r)
            errors.append(own.sum() / (own.sum() - 1) * (residual**2).sum() / n[own].sum() ** 2)
        return float(abs(means[0] - means[1]) / np.sqrt(sum(errors)))

    observed, reached = apart(arm == 0), []
    for chosen in itertools.combinations(range(7), 3):
        first = np.zeros(7, bool)
        first[list(chosen)] = True
        reached.append(apart(first) >= observed - 1e-9)
    cells = Crowd.of(arm, n, y[None], 2)
    p = permutation(cells, (0, 1), 40_000, np.random.default_rng(5))[0]
    assert p == pytest.approx(np.mean(reached), abs=0.01)


def p_value(rng: np.random.Generator, person: NDArray[Any], clicks: NDArray[Any], n_first: int) -> float:
    """Return the p-value of lists, whose first ``n_first`` people are the first arm."""
    n = np.bincount(person).astype(float)
    y = np.bincount(person, clicks)
    arm = (np.arange(len(n)) >= n_first).astype(np.int64)
    return float(permutation(Crowd.of(arm, n, y[None], 2), (0, 1), 199, rng)[0])


def people_of(
    rng: np.random.Generator, sizes: tuple[int, int], rates: tuple[float, float], spreads: tuple[float, float]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the people and the clicks of lists as `lists_of` makes them."""
    own = np.concatenate([rng.gamma(1 / s, s * r, n) for n, r, s in zip(sizes, rates, spreads, strict=True)])
    person = np.repeat(np.arange(sum(sizes)), 1 + rng.poisson(2, sum(sizes)))
    return person, rng.poisson(own[person])


@pytest.mark.parametrize(("sizes", "spreads"), [((100, 100), (0.5, 0.5)), ((300, 60), (0.1, 3.0))])
def test_the_test_keeps_its_level_also_where_arms_differ_in_spread_and_size(
    sizes: tuple[int, int], spreads: tuple[float, float]
) -> None:
    rng = np.random.default_rng(6)
    ps = [p_value(rng, *people_of(rng, sizes, (0.4, 0.4), spreads), sizes[0]) for _ in range(400)]
    assert 0.02 < np.mean(np.array(ps) <= 0.05) < 0.09


def test_a_test_over_lists_would_be_wrong() -> None:
    """Lists of one person are not independent: taken as people, equal arms differ far too often."""
    rng, over_lists, over_people = np.random.default_rng(7), [], []
    for _ in range(200):
        person, clicks = people_of(rng, (40, 40), (0.5, 0.5), (2.0, 2.0))
        over_people.append(p_value(rng, person, clicks, 40))
        over_lists.append(p_value(rng, np.arange(len(person)), clicks, int((person < 40).sum())))
    assert np.mean(np.array(over_people) <= 0.05) < 0.1
    assert np.mean(np.array(over_lists) <= 0.05) > 0.12


def test_arms_without_any_spread_differ_all_the_same() -> None:
    arm, n = np.repeat([0, 1], 40), np.ones(80)
    apart, alike = (Crowd.of(arm, n, y[None], 2) for y in (0.5 * arm, np.full(80, 0.5)))
    assert permutation(apart, (0, 1), 199, np.random.default_rng(9))[0] == pytest.approx(1 / 200)
    assert permutation(alike, (0, 1), 199, np.random.default_rng(9))[0] == 1


def test_several_arms_are_corrected_for_their_number() -> None:
    arms = (ArmShare("now", 0.4), ArmShare("new", 0.3), ArmShare("other", 0.3))
    result = told(experiment(np.random.default_rng(8), (80, 60, 60), (0.4, 0.4, 0.9)), arms)
    by_arm = {one.arm: one for one in result.differences if one.metric == "clicks"}
    assert by_arm["other"].p_corrected == pytest.approx(2 * by_arm["other"].p)
    assert by_arm["new"].p_corrected >= by_arm["new"].p


# -- warnings -------------------------------------------------------------------------------------------------------


def test_sizes_that_do_not_fit_the_shares_are_warned_of() -> None:
    frame = experiment(np.random.default_rng(9), (300, 200), (0.4, 0.4))
    assert told(frame).sample_ratio < 0.001
    assert any(
        "do not fit their shares: now 300 (share 0.5), new 200 (share 0.5)" in line for line in told(frame).warnings
    )
    fitting = told(frame, (ArmShare("now", 0.3), ArmShare("new", 0.2)))
    assert fitting.sample_ratio == pytest.approx(1)
    assert not any("shares" in line for line in fitting.warnings)


def test_early_looks_are_warned_of_with_the_chance_of_a_false_alarm() -> None:
    frame = experiment(np.random.default_rng(10), (200, 200), (0.4, 0.4))
    plan = Plan(metric="clicks", lists=(500, 500))
    looks = [Look(1, (100, 120)), Look(2, (200, 230)), Look(3, (300, 310)), Look(4, (400, 430)), Look(5, (505, 600))]
    result = told(frame, plan=plan, looks=looks)
    assert result.early == 4
    assert result.false_alarm == pytest.approx(0.142, abs=0.005)
    assert any("looked at 4 times" in line and "14% of the time" in line for line in result.warnings)
    assert told(frame, plan=plan, looks=looks[4:]).warnings == ()
    assert told(frame, plan=plan, looks=[Look(1, (0, 0)), looks[4]]).warnings == ()  # nothing was to be seen


@pytest.mark.parametrize(
    ("n_looks", "chance"), [(1, 0.05), (2, 0.083), (3, 0.107), (4, 0.126), (5, 0.142), (10, 0.193)]
)
def test_the_chance_of_a_false_alarm_is_the_published_one(n_looks: int, chance: float) -> None:
    """Armitage, McPherson & Rowe 1969, table 2, of equally spaced looks at a test of 5 %."""
    assert false_alarm([at / n_looks for at in range(1, n_looks)]) == pytest.approx(chance, abs=0.001)


def test_an_experiment_without_its_planned_lists_has_no_verdict() -> None:
    frame = experiment(np.random.default_rng(11), (200, 200), (0.2, 0.9))
    early = told(frame, plan=Plan(metric="clicks", lists=(10_000, 10_000)))
    assert early.verdict.startswith("Too early to tell: the planned lists are not there yet (now ")
    assert any("No size was planned" in line for line in told(frame).warnings)


def test_nobody_and_people_of_several_arms_are_left_out_and_counted() -> None:
    frame = experiment(np.random.default_rng(12), (60, 60), (0.4, 0.4))
    nobody = frame.head(7).with_columns(person=pl.lit(None, pl.Int64), list=pl.col("list") + 5_000_000_000)
    twice = frame.filter(pl.col("person") == 3).with_columns(arm=pl.lit("new"), list=pl.col("list") + 9_000_000_000)
    result = told(pl.concat([frame, nobody, twice]))
    assert (result.nobody, result.several) == (7, 1)
    assert result.arms[0].people == 59
    assert any("1 people have lists of several arms" in line for line in result.warnings)


def test_lists_without_an_arm_are_no_part_of_it() -> None:
    frame = experiment(np.random.default_rng(13), (60, 60), (0.4, 0.4))
    besides = lists_of(np.random.default_rng(14), 30, 0.9, None, start=500)
    assert told(pl.concat([frame, besides])) == told(frame)


def test_few_people_are_warned_of() -> None:
    frame = experiment(np.random.default_rng(15), (29, 40), (0.4, 0.4))
    assert any("Fewer than 30 people in an arm (now 29)" in line for line in told(frame).warnings)


def test_lists_of_an_arm_that_is_not_there_are_refused() -> None:
    frame = experiment(np.random.default_rng(16), (9, 9, 9), (0.4, 0.4, 0.4))
    with pytest.raises(ParameterError, match="arms have no 'other', and lists of it were shown"):
        told(frame)


# -- planning -------------------------------------------------------------------------------------------------------


def test_a_plan_for_two_proportions_is_the_textbook_one() -> None:
    """Equal arms and a small effect, alpha 5 %, power 80 %: 16 v / d^2 (Lehr 1992), 15.7 exactly."""
    plan = planned(ARMS, 1e6, 0.02, variance=0.09)
    assert plan.lists == (3532, 3532)
    assert planned(ARMS, 1e6, 0.02, variance=0.09, lists_per_person=5, correlation=0.25).lists == (7064, 7064)
    assert planned(ARMS, 0.1, 0.02, variance=0.09).lists == (3886, 3886)  # the better arm's variance is 1.2 times it
    uneven = planned((ArmShare("now", 0.6), ArmShare("new", 0.2)), 0.1, 0.02, variance=0.09)
    assert uneven.lists[0] == pytest.approx(3 * uneven.lists[1], abs=3)
    assert Plan.of(json.loads(json.dumps(plan.as_dict()))) == plan


def test_a_planned_experiment_finds_its_effect_as_often_as_planned() -> None:
    rng, found = np.random.default_rng(17), 0
    past = baseline(lists_of(rng, 4000, 0.4, "now"), "clicks")
    assert past.rate == pytest.approx(0.4, rel=0.05)
    plan = planned(
        ARMS,
        past.rate,
        0.06,
        metric="clicks",
        variance=past.variance,
        lists_per_person=past.lists_per_person,
        correlation=past.correlation,
    )
    people = round(plan.lists[0] / 3)
    for _ in range(300):
        person, clicks = people_of(rng, (people, people), (0.4, 0.46), (0.5, 0.5))
        found += p_value(rng, person, clicks, people) <= 0.05
    assert 0.73 < found / 300 < 0.87


def test_the_baseline_finds_the_correlation_of_a_persons_lists() -> None:
    rng = np.random.default_rng(18)
    frame = lists_of(rng, 4000, 0.5, "now", spread=1.0)
    within, between = 0.5, 0.25  # of a Poisson with a gamma's mean: mean and mean^2 * spread
    assert baseline(frame, "clicks").correlation == pytest.approx(between / (within + between), abs=0.03)
    alone = frame.unique("person")
    assert baseline(alone, "clicks").correlation == 0
    with pytest.raises(DataError, match="at least two people, and there are 1"):
        baseline(frame.filter(pl.col("person") == 1))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"rate": 0.0}, "rate must be a number above 0, got 0.0"),
        ({"effect": float("nan")}, "effect must be a number above 0, got nan"),
        ({"effect": float("inf")}, "effect must be a number above 0, got inf"),
        ({"lists_per_person": 0.5}, "lists_per_person must be a number from 1, got 0.5"),
        ({"correlation": 2.0}, "correlation must be a number from 0 to 1, got 2.0"),
        ({"power": 1.0}, "power must be a number between 0 and 1, got 1.0"),
        ({"metric": "sales"}, "metric must be 'positives' or 'clicks', got 'sales'"),
        ({"arms": ARMS[:1]}, "arms must be at least two, got 1"),
        ({"arms": (ARMS[0], ARMS[0])}, "arms have one name twice: now, now"),
        (
            {"arms": (ArmShare("a", 0.7), ArmShare("b", 0.7))},
            "shares must be above 0 and together at most 1, got 1.4 together",
        ),
        ({"arms": (ArmShare("a", 0.0), ArmShare("b", 0.7))}, "shares must be above 0 and together at most 1"),
    ],
)
def test_a_wrong_plan_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        planned(**({"arms": ARMS, "rate": 0.1, "effect": 0.02} | wrong))
