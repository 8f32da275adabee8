"""Presets replayed on lists that were shown, and the estimates made of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from shown_lists import KNOWN, SOFTMAX, click, shown

from palate.experiments.explore import Explore
from palate.serve import off_policy
from palate.serve.engine import replaying
from palate.serve.engine.replaying import replayed, tenant_of
from palate.serve.off_policy import Question
from palate.store import scenarios, versions
from palate.store.presets import Preset
from palate.store.scenarios import Scenario

KEPT = 1e-6  # propensities are kept in single precision


def places_of(world, preset, **more):
    """Return the clicks of all lists as this preset would have made them."""
    question = Question(preset=preset, **more)
    space = tenant_of(world.store, world.ns, versions, 0.1, None)
    log, _ = off_policy._log(world.store, world.ns, question, space.loaded)
    return replayed(space, log, Scenario("asked", 0, preset, 0)).places["clicks"]


@pytest.mark.parametrize(
    ("preset", "request_"),
    [
        (Preset(explore=SOFTMAX), {}),
        (Preset(explore=SOFTMAX, where=("year>=1995",), n=4), {"exclude": ("i9", "i11")}),
        (Preset(explore=SOFTMAX, boosts=(("genres=odd", 2.0),)), {"seen": True, "n": 14}),
        (Preset(explore=SOFTMAX, diversity=0.4), {"where": ("year<2010",)}),
        (Preset(explore=SOFTMAX, exclude=("i3",), not_mine=True), {"include": tuple(f"i{k}" for k in range(20))}),
        (Preset(explore=Explore(policy="softmax", temperature=0.5, depth=5)), {"boosts": (("year>=2000", 1.5),)}),
    ],
    ids=["plain", "filters", "boosts", "diversity", "own", "behind_depth"],
)
def test_the_preset_that_ran_has_the_probabilities_that_were_logged(world, preset, request_):
    """What people did later, clicks on these lists among it, was not known then."""
    world.use()
    world.rate("u1", i3=5, i5=4)
    world.rate("guest", i1=5)
    users = ["u1", "u2", "guest", "nobody_yet", "u7"]
    world.rate("nobody_yet", i0=1)  # without it, the store does not know them
    answers = list(zip(users, shown(world, preset, users=users, **request_), strict=True))
    before = places_of(world, preset)
    np.testing.assert_allclose(before.target, before.propensity, rtol=KEPT)
    assert len(np.unique(before.propensity)) > 5
    np.testing.assert_allclose(before.whole, 1, rtol=1e-6)
    assert click(world, answers, rate=0.9) > 3
    world.rate("guest", i2=5, i4=1)
    after = places_of(world, preset)
    np.testing.assert_allclose(after.target, before.propensity, rtol=KEPT)
    assert after.reward.sum() > 3


def test_thompson_sampling_is_replayed_too(world):
    world.use("bayes")
    preset = Preset(explore=Explore(policy="thompson", uniform=0.2, depth=10))
    shown(world, preset, users=["u1", "u2", "u3"])
    places = places_of(world, preset)
    assert len(places.list) == 30
    np.testing.assert_allclose(places.target, places.propensity, rtol=KEPT)


def test_another_preset_has_the_probabilities_that_its_lists_would_have(world):
    """Held against the place of each item in lists that the preset makes itself, at the same moment."""
    world.use()
    other = Preset(diversity=0.5, where=("year>=1995",))
    scenarios.put(world.store, world.ns, "other", other)
    users = ["u1", "u2", "u3"]
    theirs = {user: world.items(user, scenario="other", n=10) for user in users}
    answers = shown(world, Preset(explore=SOFTMAX), users=users)
    places = places_of(world, other)
    for at, (user, answer) in enumerate(zip(users, answers, strict=True)):
        hit = [float(own.item == their) for own, their in zip(answer.places, theirs[user], strict=True)]
        np.testing.assert_array_equal(places.target[places.list == at], hit)
    assert places.fills.all()


def test_places_that_a_preset_cannot_fill_are_told(world):
    world.use()
    shown(world, Preset(explore=SOFTMAX), users=["u1"])
    places = places_of(world, Preset(where=("year<1995",), seen=True))
    assert places.fills.tolist() == [1] * 5 + [0] * 5
    assert not places.target[5:].any()
    assert not places.direct[5:].any()


def test_what_is_expected_of_a_preset_is_the_mean_over_its_lists(world):
    """The direct part of the doubly robust estimate: over lists that the policy draws, what was shown has this mean."""
    world.use()
    answers = shown(world, Preset(explore=SOFTMAX, n=4), users=["u1"] * 150)
    answers += shown(world, Preset(explore=SOFTMAX, n=4), users=KNOWN)
    click(world, zip(["u1"] * 150 + KNOWN, answers, strict=True))
    places = places_of(world, Preset(explore=SOFTMAX))
    for place in range(1, 5):
        own = (places.list < 150) & (places.place == place)
        assert np.ptp(places.direct[own]) < 1e-12  # of one person, by one model
        error = places.modelled[own].std() / math.sqrt(own.sum())
        assert 0 < abs(places.modelled[own].mean() - places.direct[own].mean()) < 4 * error


def test_stands_are_found_in_an_order():
    order = np.array([5, 2, 9, 0])
    np.testing.assert_array_equal(replaying._stands(order, np.array([9, 7, 5, 0, 11])), [2, -1, 0, 3, -1])
    np.testing.assert_array_equal(replaying._stands(order[:0], np.array([9, 7])), [-1, -1])
