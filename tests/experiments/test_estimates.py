"""Off-policy estimates: against slow twins, other libraries' figures, and the truth."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from simulated_lists import World, best_first, list_probabilities, logged

from palate.errors import DataError
from palate.experiments.clicks import crossfitted, fitted, folds
from palate.experiments.estimates import OffPolicy, Places, clustered, dr, estimate, ips, snips

PEERS = json.loads((Path(__file__).parent / "peers.json").read_text())["cases"]


def some_places(seed: int = 0, n: int = 40, k: int = 3, **more: Any) -> Places:
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {
        "list": np.repeat(np.arange(n), k),
        "place": np.tile(np.arange(1, k + 1), n),
        "propensity": rng.uniform(0.1, 1, n * k),
        "target": rng.uniform(0, 1, n * k),
        "fills": np.ones(n * k),
        "reward": rng.poisson(0.5, n * k).astype(float),
        "person": rng.integers(12, size=n),
        "modelled": rng.uniform(0, 1, n * k),
        "direct": rng.uniform(0, 1, n * k),
    }
    return Places(**(columns | more))


def policies(world: World, seed: int = 5, cold: float = 0.5) -> tuple[list[Any], list[Any]]:
    """Return a policy that ran, by a noisy model, and one by the truth, of each taste."""
    rng = np.random.default_rng(seed)
    right = np.log(world.attraction)
    noisy = right + rng.normal(0, 0.5, right.shape)
    ran, asked = (
        [list_probabilities(world.lists, (row - row.mean()) / row.std() / t) for row in rows]
        for rows, t in ((noisy, 1.0), (right, cold))
    )
    return ran, asked


# -- the formulas ---------------------------------------------------------------------------------------------------


def test_the_estimators_are_their_formulas() -> None:
    places = some_places()
    n, k = 40, 3
    w, r, q, direct = (
        column.reshape(n, k)
        for column in (places.target / places.propensity, places.reward, places.modelled, places.direct)
    )
    assert ips(places).mean() == pytest.approx(sum(w[i, j] * r[i, j] for i in range(n) for j in range(k)) / n)
    by_place = [sum(w[i, j] * r[i, j] for i in range(n)) / sum(w[i, j] for i in range(n)) for j in range(k)]
    assert snips(places).mean() == pytest.approx(sum(by_place))
    robust = sum(direct[i, j] + w[i, j] * (r[i, j] - q[i, j]) for i in range(n) for j in range(k)) / n
    assert dr(places).mean() == pytest.approx(robust)


def test_snips_of_places_that_are_not_always_filled() -> None:
    places = some_places(1)
    fills = np.where(places.place == 3, 0.25, 1.0)
    by_place = [
        (places.weight * places.reward)[places.place == k].sum() / places.weight[places.place == k].sum()
        for k in (1, 2, 3)
    ]
    assert snips(replace(places, fills=fills)).mean() == pytest.approx(by_place[0] + by_place[1] + 0.25 * by_place[2])


def test_the_spread_of_snips_is_that_of_people_drawn_again() -> None:
    """Its z are a linearisation: held against the estimate itself on lists of people drawn with replacement."""
    rng = np.random.default_rng(20)
    places = some_places(20, n=400, person=np.arange(400), target=rng.uniform(0, 0.3, 1200))
    z, again = snips(places), []
    w, r = (column.reshape(400, 3) for column in (places.weight, places.reward))
    for _ in range(2000):
        at = rng.integers(400, size=400)
        again.append(((w[at] * r[at]).sum(axis=0) / w[at].sum(axis=0)).sum())
    assert error_of(z) == pytest.approx(np.std(again), rel=0.06)


@pytest.mark.parametrize("case", PEERS, ids=range(len(PEERS)))
def test_the_figures_are_those_of_skdr_eval(case: dict[str, Any]) -> None:
    """By rank: value, standard error where each list is a person's own, effective size of whole lists."""
    log, theirs = case["log"], case["skdr_eval"]
    places = of_peers(log)
    for name, z in (("ips", ips(places)), ("dr", dr(places))):
        assert z.mean() == pytest.approx(theirs[name]["value"], rel=1e-12)
        assert error_of(z) == pytest.approx(theirs[name]["error"], rel=1e-9)
    whole = estimate(places)["whole_list"]
    z = places.whole * places.sums(places.reward)
    assert z.mean() == pytest.approx(theirs["whole_list"]["value"], rel=1e-12)
    assert whole.effective == pytest.approx(theirs["whole_list"]["effective"], rel=1e-12)


@pytest.mark.parametrize("case", PEERS, ids=range(len(PEERS)))
def test_the_figures_of_one_place_are_those_of_scikit_rec(case: dict[str, Any]) -> None:
    places = of_peers(case["log"], 1)
    for name, z in (("ips", ips(places)), ("snips", snips(places)), ("dr", dr(places))):
        assert z.mean() == pytest.approx(case["scikit_rec"][name]["value"], rel=1e-12)


def of_peers(log: dict[str, Any], k: int = 3) -> Places:
    items, clicks = np.array(log["items"])[:, :k], np.array(log["clicks"], float)[:, :k]
    ran, asked, model = (np.array(log[name])[:k] for name in ("ran", "asked", "model"))
    n, at = len(items), np.arange(k)
    return Places(
        list=np.repeat(np.arange(n), k),
        place=np.tile(at + 1, n),
        propensity=ran[at, items].ravel(),
        target=asked[at, items].ravel(),
        fills=np.ones(n * k),
        reward=clicks.ravel(),
        person=np.arange(n),
        modelled=model[at, items].ravel(),
        direct=np.tile((asked * model).sum(axis=1), n),
        whole=np.array(log["list_weight"]),
    )


def error_of(z: Any) -> float:
    """Return the standard error that the interval of independent lists was made from."""
    off = z - z.mean()
    freedom = min(len(z) - 1, 2 * len(z) / (stats.kurtosis(off, fisher=False) - 1))
    return float((clustered(z, np.arange(len(z))).high - z.mean()) / stats.t.ppf(0.975, freedom))


def test_an_interval_is_of_people() -> None:
    """Ten copies of each list tell no more than one; as lists of other people they would."""
    rng = np.random.default_rng(2)
    z, person = rng.normal(size=60), np.arange(60)
    once, copies = clustered(z, person), np.repeat(z, 10)
    assert clustered(copies, np.repeat(person, 10)).high == pytest.approx(once.high)
    assert clustered(copies, np.arange(600)).high - once.value < 0.4 * (once.high - once.value)


def test_an_interval_without_spread_or_of_one_person() -> None:
    assert clustered(np.ones(5), np.arange(5)) == clustered(np.ones(9), np.arange(9))
    assert math.isnan(clustered(np.arange(5.0), np.zeros(5)).low)


def test_the_order_of_places_does_not_matter() -> None:
    world = World.made()
    places = logged(world, *policies(world), 200, np.random.default_rng(3))
    at = np.random.default_rng(4).permutation(len(places.list))
    names = ("list", "place", "propensity", "target", "fills", "reward", "modelled", "direct")
    turned = replace(places, **{name: getattr(places, name)[at] for name in names})
    for one, other in zip(estimate(places).estimates, estimate(turned).estimates, strict=True):
        assert one.value.high == pytest.approx(other.value.high, rel=1e-12)


# -- the truth ------------------------------------------------------------------------------------------------------


def coverage(world: World, people: int, times: int, seed: int = 1, deterministic: bool = False) -> dict[str, Any]:
    """Return for each estimator how often its interval holds the truth, and its mean."""
    rng = np.random.default_rng(seed)
    ran, asked = policies(world)
    if deterministic:
        k = len(world.examination)
        asked = [best_first(row, k, world.lists) for row in world.attraction]
    truth, rows = world.value(asked), []
    for _ in range(times):
        found = estimate(logged(world, ran, asked, people, rng))
        rows.append([(one.value.low <= truth <= one.value.high, one.value.value) for one in found.estimates])
    told = np.array(rows, float)  # (times, n_estimators, 2)
    return {
        one.name: (told[:, at, 0].mean(), told[:, at, 1].mean() / truth - 1) for at, one in enumerate(found.estimates)
    }


def test_estimates_are_of_the_truth() -> None:
    found = coverage(World.made(), 300, 120)
    assert all(0.89 <= held <= 0.99 for held, _ in found.values()), found
    assert all(abs(off) < 0.03 for _, off in found.values()), found


@pytest.mark.long
@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("people", [300, 1000])
def test_intervals_of_95_percent_hold_the_truth_93_to_97_percent_of_the_time(people: int, deterministic: bool) -> None:
    found = coverage(World.made(), people, 2500, seed=7, deterministic=deterministic)
    held = {name: share for name, (share, _) in found.items() if name != "whole_list"}
    assert all(0.925 <= share <= 0.975 for share in held.values()), held  # 2,500 times: two standard errors are 0.9 %


def test_a_wrong_click_model_makes_estimates_by_place_wrong_and_whole_lists_stay_right() -> None:
    """People who end at their first click: what stands above then matters, and the stated model is wrong."""
    found = coverage(World.made(cascade=True), 600, 60)
    for name in ("ips", "snips", "dr"):
        assert found[name][1] > 0.04, found  # of 5 %, too high
        assert found[name][0] < 0.8, found  # the intervals do not hold the truth
    assert abs(found["whole_list"][1]) < 0.02, found
    assert found["whole_list"][0] >= 0.88, found


def test_doubly_robust_is_right_where_either_side_is() -> None:
    world = World.made(spread=0.0)
    ran, asked = policies(world)
    truth = world.value(asked)
    places = logged(world, ran, asked, 20_000, np.random.default_rng(8))
    no_model = replace(places, modelled=np.full(len(places.list), 0.7), direct=np.full(len(places.list), 0.7))
    assert dr(no_model).mean() == pytest.approx(truth, rel=0.02)
    taste = np.random.default_rng(8)
    n = 1 + taste.poisson(1, 20_000)
    own = np.repeat(taste.integers(len(ran), size=20_000), n)[places.list]
    at = places.place - 1
    q = world.attraction[:, None, :] * world.examination[:, None]  # (n_tastes, k, m): the truth
    pi = np.stack([world.marginals(p) for p in asked])
    right_model = replace(places, modelled=_shown(q, own, at, world, places, ran), direct=(q * pi).sum(axis=2)[own, at])
    wrong = replace(right_model, propensity=np.full(len(at), 0.5))
    assert abs(ips(wrong).mean() / truth - 1) > 0.1
    assert dr(wrong).mean() == pytest.approx(truth, rel=0.03)


def _shown(q: Any, own: Any, at: Any, world: World, places: Places, ran: list[Any]) -> Any:
    """Return q of the items shown: each is told by its propensity, which no other item of its place has."""
    before = np.stack([world.marginals(p) for p in ran])[own, at]
    return q[own, at, np.argmin(abs(before - places.propensity[:, None]), axis=1)]


# -- the reward model -----------------------------------------------------------------------------------------------


def test_the_click_model_finds_examination_and_attraction() -> None:
    rng = np.random.default_rng(9)
    theta, gamma = np.array([1.0, 0.6, 0.3]), rng.beta(2, 5, 8)
    place, item = rng.integers(1, 4, 200_000), rng.integers(8, size=200_000)
    model = fitted(place, item, rng.binomial(1, theta[place - 1] * gamma[item]).astype(float), 3, 10)
    np.testing.assert_allclose(model.examination, theta, atol=0.02)
    np.testing.assert_allclose(model.attraction[:8], gamma, atol=0.02)
    assert model.attraction[8] == model.attraction[9] == pytest.approx(np.mean(gamma), rel=0.05)


@pytest.mark.parametrize("reward", [np.zeros(6), np.array([])])
def test_the_click_model_of_no_clicks_and_of_nothing(reward: Any) -> None:
    model = fitted(np.arange(len(reward)) % 3 + 1, np.zeros(len(reward), int), reward, 3, 2)
    assert not model.expected(np.array([1, 3]), np.array([0, 1])).any()


def test_nobody_is_judged_by_a_model_of_their_own_clicks() -> None:
    rng = np.random.default_rng(10)
    person = rng.integers(20, size=200)
    fold = folds(person)
    assert all(len(set(fold[person == p].tolist())) == 1 for p in range(20))
    assert np.bincount(fold).min() > 0
    place, item, reward = rng.integers(1, 4, 200), rng.integers(5, size=200), rng.poisson(1, 200).astype(float)
    before = crossfitted(fold, place, item, reward, 3, 5)
    for own in range(5):
        changed = crossfitted(fold, place, item, np.where(fold == own, 99.0, reward), 3, 5)
        np.testing.assert_array_equal(changed[own].attraction, before[own].attraction)
        assert (changed[(own + 1) % 5].attraction != before[(own + 1) % 5].attraction).any()


# -- refusals -------------------------------------------------------------------------------------------------------


def world_of(people: int = 400, **more: Any) -> Places:
    world = World.made()
    return replace(logged(world, *policies(world), people, np.random.default_rng(11)), **more)


def refusal(found: OffPolicy) -> str:
    words = {one.refused for one in found.estimates if one.name != "whole_list"}
    assert len(words) == 1
    assert all(math.isnan(one.value.value) and math.isnan(one.gain.low) for one in found.estimates)
    return str(words.pop())


def test_lists_without_chance_teach_nothing_of_another_policy() -> None:
    places = world_of()
    other = replace(places, propensity=np.ones(len(places.list)), target=(places.target > 0.4).astype(float))
    assert "Nothing was left to chance in these lists (explore: none)" in refusal(estimate(other))
    same = replace(other, target=np.ones(len(places.list)), whole=None, modelled=None)
    found = estimate(same)  # the policy that ran itself
    assert found["ips"].value == found.logged
    assert found["ips"].gain.value == 0


def test_too_small_an_effective_size_is_refused_with_the_figure() -> None:
    few = refusal(estimate(world_of(60)))
    assert "weighted, the lists are worth" in few
    assert "at least 100 are needed" in few
    assert "lists of 20 people, and at least 30 are needed" in refusal(estimate(world_of(20)))


def test_whole_lists_are_refused_where_only_they_have_too_little_overlap() -> None:
    found = estimate(world_of(100))
    assert found["ips"].refused is None
    assert str(found["whole_list"].refused).startswith(
        "Too little overlap as whole lists: weighted, the lists are worth"
    )


def test_what_was_never_shown_is_refused_with_its_share() -> None:
    places = world_of(3000)
    gone = replace(places, target=np.where(places.reward > 0, 0.0, places.target))
    assert "of what the policy would show was never shown at its place" in refusal(estimate(gone))


def test_propensities_that_cannot_be_right_are_refused() -> None:
    places = world_of(3000)
    assert "The logged propensities cannot be right: weights are 1.25" in refusal(
        estimate(replace(places, propensity=places.propensity * 0.8))
    )


def test_no_lists_at_all() -> None:
    none = np.empty(0)
    empty = some_places(n=0, propensity=none, target=none, fills=none, reward=none, modelled=none, direct=none)
    found = estimate(empty)
    assert refusal(found) == "There are no lists to estimate from."
    assert json.dumps(found.as_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("propensity", 0.0, "propensity must be above 0 and at most 1, got 0.0 in row 7"),
        ("propensity", math.nan, "propensity must be above 0 and at most 1, got nan in row 7"),
        ("target", 1.5, "target must be from 0 to 1, got 1.5 in row 7"),
        ("target", math.nan, "target must be from 0 to 1, got nan in row 7"),
        ("fills", -1.0, "fills must be from 0 to 1"),
        ("reward", math.inf, "reward must be finite, got inf in row 7"),
        ("place", 0, "place must be from 1, got 0 in row 7"),
        ("list", 40, "list must be from 0 to 39, got 40 in row 7"),
    ],
)
def test_wrong_columns_are_refused(column: str, value: Any, words: str) -> None:
    places = some_places()
    getattr(places, column)[7] = value
    with pytest.raises(DataError, match=words):
        estimate(places)


def test_a_doubly_robust_estimate_needs_a_reward_model() -> None:
    with pytest.raises(DataError, match="give modelled and direct"):
        dr(some_places(modelled=None))


def test_the_answer_tells_its_click_model_and_is_json() -> None:
    found = estimate(world_of())
    said = found.as_dict()
    assert json.loads(json.dumps(said, allow_nan=False)) == said
    assert "and on nothing else in the list" in said["click_model"]
    assert found.overlap == pytest.approx(1, abs=0.1)
    assert found["snips"].gain.low < found["snips"].value.value - found.logged.value < found["snips"].gain.high
