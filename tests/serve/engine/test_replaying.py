"""Presets replayed on lists that were shown, and the estimates made of them."""

from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pytest

from palate.errors import NotFoundError, ParameterError
from palate.experiments.explore import Explore
from palate.serve import off_policy
from palate.serve.engine import Ask, replaying
from palate.serve.engine.replaying import replayed, tenant_of
from palate.serve.off_policy import Question, answered
from palate.store import outcomes, scenarios, versions
from palate.store.presets import Preset, Rotation
from palate.store.records import Event
from palate.store.scenarios import Scenario

SOFTMAX = Explore(policy="softmax", temperature=1.0, share=0.8, uniform=0.1, depth=12)
KEPT = 1e-6  # propensities are kept in single precision
KNOWN = [f"u{k}" for k in range(40)]


def shown(world, preset, times=1, users=KNOWN, **more):
    """Show lists by a preset, and return their answers."""
    scenarios.put(world.store, world.ns, "now", preset)
    asks = [Ask(ns=world.ns, user=user, scenario="now", **more) for user in users]
    answers = [answer for _ in range(times) for answer in world.engine.answer(asks)]
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    return answers


def click(world, answers, rate=0.4, seed=0):
    """Let people click some of what they were shown."""
    rng = np.random.default_rng(seed)
    rows = []
    for user, answer in answers:
        for at, place in enumerate(answer.places):
            if rng.random() < rate / (1 + at):
                rows.append(Event(user, place.item, "rating", 5.0, list_id=answer.list_id, place=at + 1))
    receipts = world.store.writer.feedback(world.ns, rows).result(10)
    assert all(receipt.error is None for receipt in receipts)
    return len(rows)


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


# -- the whole answer -----------------------------------------------------------------------------------------------


@pytest.fixture
def logged(world):
    """A store with 240 lists of 40 people, drawn by softmax, and clicks."""
    world.models("ease")  # trained before any list is shown
    world.use()
    answers = shown(world, Preset(explore=SOFTMAX, n=5), times=6)
    click(world, zip(KNOWN * 6, answers, strict=True))
    return world


def test_the_policy_that_ran_brings_what_it_brought(logged):
    found = answered(logged.store, logged.ns, Question(scenario="now"))
    frame = _frame(logged)
    assert found.clicks.logged.value == pytest.approx(frame["clicks"].sum() / 240)
    assert found.replayed == found.clicks.lists == 240
    assert (found.clicks.people, found.left_out) == (40, {})
    for name in ("ips", "snips", "whole_list"):
        assert found.clicks[name].value.value == pytest.approx(found.clicks.logged.value, rel=1e-6)
        assert found.clicks[name].effective == pytest.approx(240)
        assert abs(found.clicks[name].gain.value) < 1e-6
    assert found.clicks["dr"].value.low < found.clicks.logged.value < found.clicks["dr"].value.high
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False)) == found.as_dict()


def _frame(world):
    with world.store.read() as conn:
        return outcomes.frame(conn, world.ns)


def test_another_policy_is_estimated_and_a_far_one_refused(logged):
    warmer = answered(
        logged.store, logged.ns, Question(preset=Preset(explore=Explore(policy="softmax", temperature=1.6, depth=12)))
    )
    assert warmer.clicks["snips"].refused is None
    assert 100 < warmer.clicks["snips"].effective < 240
    assert warmer.clicks["snips"].value.low < warmer.clicks.logged.value < warmer.clicks["snips"].value.high
    far = answered(logged.store, logged.ns, Question(preset=Preset(where=("year<1993",), seen=True)))
    assert "Too little overlap" in far.clicks["snips"].refused


def test_lists_that_teach_nothing_are_left_out_and_counted(logged):
    logged.ask("u1", n=5)  # without the scenario: nothing is left to chance
    logged.ask(None, session=(("i1", 5.0),), scenario="now")
    found = answered(logged.store, logged.ns, Question(scenario="now", most=200))
    assert found.left_out == {"nobody": 1, "certain": 1, "drawn_out": 40}
    assert found.replayed == 200
    assert "1 list of nobody, of whom nothing was known; 1 list in which nothing was left to chance" in found.notes[1]


def test_lists_of_one_scenario_or_span_alone(logged):
    scenarios.put(logged.store, logged.ns, "old", Preset(explore=SOFTMAX))
    answer = logged.ask("u1", scenario="old")
    assert answered(logged.store, logged.ns, Question(scenario="now", lists_of="now")).replayed == 240
    (time,) = _frame(logged).filter(pl.col("list_id") == answer.list_id)["time"].unique()
    assert answered(logged.store, logged.ns, Question(scenario="now", since=time)).replayed == 1
    assert answered(logged.store, logged.ns, Question(scenario="now", until=time)).replayed == 240


def test_without_chance_nothing_is_learned(world):
    world.use()
    shown(world, Preset(n=5), times=3)
    found = answered(world.store, world.ns, Question(preset=Preset(diversity=0.9)))
    assert "Nothing was left to chance in these lists" in found.clicks["ips"].refused
    same = answered(world.store, world.ns, Question(scenario="now"))
    assert same.clicks["ips"].refused is None


def test_lists_that_a_version_may_have_learned_from_are_left_out(logged):
    _, path = logged.models("ease")
    number = versions.add(logged.store, logged.ns, path)
    later = answered(logged.store, logged.ns, Question(scenario="now", model=number))
    assert later.version == number  # trained before the lists were shown: it cannot have learned from them
    with logged.store.write() as conn:
        from sqlalchemy import update

        from palate.store.schema import versions as table

        conn.execute(update(table).where(table.c.number == number).values(newest_event=2 * 10**15))
    with pytest.raises(
        NotFoundError, match="no list to learn from: 240 lists shown before the version's newest training"
    ):
        answered(logged.store, logged.ns, Question(scenario="now", model=number))


def test_rotation_is_left_out_and_said(logged):
    found = answered(
        logged.store, logged.ns, Question(preset=Preset(explore=SOFTMAX, rotation=Rotation(shown=2, days=3)))
    )
    assert any("Rotation is left out" in note for note in found.notes)
    assert found.clicks["ips"].effective > 239


def test_requests_that_a_preset_cannot_answer_are_counted(logged):
    boosts = tuple((f"year>={1990 + k}", 1.1) for k in range(8))
    logged.ask("u1", scenario="now", boosts=(("genres=odd", 1.2),))
    found = answered(logged.store, logged.ns, Question(preset=Preset(boosts=boosts, explore=SOFTMAX)))
    assert found.left_out == {"failed": 1}


@pytest.mark.parametrize(
    ("question", "error", "words"),
    [
        ({}, ParameterError, "ask about a scenario or about a preset, one of the two"),
        ({"scenario": "a", "preset": {}}, ParameterError, "one of the two"),
        ({"scenario": "gone"}, NotFoundError, "gone"),
        ({"preset": {"model": 99}}, NotFoundError, "99"),
        ({"preset": {}, "model": "slim"}, NotFoundError, "no version of the model 'slim'"),
        ({"preset": {"explore": {"policy": "thompson"}}}, ParameterError, "'thompson' shows draws that a model keeps"),
        ({"preset": {}, "most": 0}, ParameterError, "most must be a whole number from 1 to 200,000, got 0"),
        ({"preset": {}, "since": "may"}, ParameterError, "since must be microseconds since 1970, got 'may'"),
        ({"preset": {}, "lists_of": 3}, ParameterError, "lists_of must be a name, got 3"),
        ({"preset": {}, "stop": 3}, ParameterError, "stop"),
        ({"preset": {}}, NotFoundError, "there is no list to learn from, of those asked for"),
    ],
)
def test_a_wrong_question_is_refused(world, question, error, words):
    world.use()
    with pytest.raises(error, match=words):
        answered(world.store, world.ns, Question.of(question))


def test_without_a_model_there_is_nothing_to_replay_by(world):
    with pytest.raises(NotFoundError, match="has no model version to replay lists by"):
        answered(world.store, world.ns, Question(preset=Preset()))


def test_a_question_is_json():
    question = Question(preset=Preset(explore=SOFTMAX, boosts=(("year>=2000", 2.0),)), model="ease", since=7)
    assert Question.of(json.loads(json.dumps(question.as_dict()))) == question


def test_stands_are_found_in_an_order():
    order = np.array([5, 2, 9, 0])
    np.testing.assert_array_equal(replaying._stands(order, np.array([9, 7, 5, 0, 11])), [2, -1, 0, 3, -1])
    np.testing.assert_array_equal(replaying._stands(order[:0], np.array([9, 7])), [-1, -1])
