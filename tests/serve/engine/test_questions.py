"""What to ask somebody next: who knows what, what an answer teaches, and how well somebody is known."""

from __future__ import annotations

import numpy as np
import pytest

import palate
from palate.errors import ParameterError
from palate.models.bayes.unknown import DRAWS, ItemsAsked, Unknown
from palate.serve.engine.newcomers import entropies
from palate.serve.engine.questions import SMOOTH, TRUST, Acquaintance, Questions
from palate.sparse import Rows
from palate.store import scenarios
from palate.store.presets import Preset
from palate.store.records import Event

NONE = np.empty(0, np.int32)


def names(answer):
    return [place.item for place in answer.places]


def places_of(*items):
    return np.array(items, np.int32)


def row_of(*items):
    return Rows.of_sizes([len(items)], places_of(*items), np.full(len(items), 4.0, np.float32))


@pytest.fixture
def bayes(models):
    return models("bayes")[0]


# -- who knows what ----------------------------------------------------------------------------------------------------


def chances_by_hand(model, known, unknown, s, t):
    """Eq. 1 and 2, one user after the other."""
    had = [set(model.seen_.row(u)[0].tolist()) for u in range(model.seen_.n_rows)]
    share = [sum(i in own for own in had) / len(had) for i in range(len(model.items_))]
    total, sums = 0.0, np.zeros(len(share))
    for own in had:
        a = np.array([(1 - s) * (i in own) + s * min(max(share[i], 1e-6), 1 - 1e-6) for i in range(len(share))])
        weight = np.prod(a[known]) * np.prod(1 - a[unknown])
        sums += weight**t * a
        total += weight**t
    return sums / total


@pytest.mark.parametrize(("known", "unknown"), [([], []), ([3, 5], []), ([], [4]), ([1, 2, 7], [4, 6])])
def test_chances_are_those_of_the_formula(bayes, known, unknown):
    acquaintance = Acquaintance.of(bayes, 0.2, 0.7)
    found = acquaintance.chances(places_of(*known), places_of(*unknown))
    expected = chances_by_hand(bayes, known, unknown, 0.2, 0.7)[acquaintance.items]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_what_a_crowd_knows_is_asked_of_whoever_belongs_to_it(bayes):
    chances = Acquaintance.of(bayes, SMOOTH, TRUST)
    one, other = (chances.chances(places_of(*own), NONE) for own in ([1, 3, 5], [0, 2, 4]))
    odd = chances.items % 2 == 1  # two crowds, one of odd items and one of even ones
    assert one[odd].mean() > other[odd].mean()
    assert one[~odd].mean() < other[~odd].mean()


def test_without_a_history_everybody_knows_what_is_popular(bayes):
    bare = type(bayes)(4, n_sweeps=8, n_burn_in=2, n_components=0, store_history=False, random_state=0)
    users, items = np.divmod(np.random.default_rng(0).permutation(63)[:45], 7)
    bare.fit(palate.Interactions.from_table({"user": users, "item": items, "rating": (users + items) % 5 + 1.0}))
    chances = Acquaintance.of(bare)
    np.testing.assert_allclose(chances.chances(places_of(1), places_of(2)), chances.shares, rtol=1e-6)
    assert len(Questions(bare).next(None, NONE, NONE, np.ones(7, bool), 3)[0]) == 3


# -- what an answer teaches --------------------------------------------------------------------------------------------


def test_what_a_rating_takes_off_is_what_is_left_less(bayes):
    draws = bayes.learned_.draws
    every = ItemsAsked.of(draws, np.arange(8, dtype=np.int32))
    matters = every.sum(np.linspace(0.1, 1, 8))
    before = Unknown(draws, places_of(2))
    for item in range(8):
        after = Unknown(draws, places_of(2, item))  # the same precision, with the item's ratings once more
        taken = before.error(matters) - after.error(matters)
        assert before.reductions(every, matters)[item] == pytest.approx(taken, rel=1e-6)


def test_a_question_that_is_surely_answered_leaves_what_a_rating_leaves(bayes):
    draws = bayes.learned_.draws
    every = ItemsAsked.of(draws, np.arange(8, dtype=np.int32))
    unknown = Unknown(draws, NONE)
    unknown.ask(every, 5, 1.0)
    np.testing.assert_allclose(unknown.covariance, Unknown(draws, places_of(5)).covariance, rtol=1e-7)
    halved = Unknown(draws, NONE)
    halved.ask(every, 5, 0.5)
    middle = (Unknown(draws, NONE).covariance + unknown.covariance) / 2
    np.testing.assert_allclose(halved.covariance, middle, rtol=1e-7)


def test_a_few_draws_are_looked_at(bayes):
    assert len(Unknown(bayes.learned_.draws, NONE).covariance) == min(DRAWS, bayes.learned_.draws.n_kept)


def test_the_first_question_has_the_highest_value(bayes):
    questions, chances = Questions(bayes), chances_by_hand(bayes, [3], [4], SMOOTH, TRUST)
    chosen, values = questions.next(row_of(3), places_of(3), places_of(4), np.ones(30, bool), 4)
    every = ItemsAsked.of(bayes.learned_.draws, np.arange(30, dtype=np.int32))
    matters = np.where(np.arange(30) == 3, 0, chances)
    worth = chances * Unknown(bayes.learned_.draws, places_of(3)).reductions(every, every.sum(matters))
    worth[[3, 4]] = 0
    assert chosen[0] == np.argmax(worth)
    assert values[0] == pytest.approx(worth.max(), rel=1e-4)
    assert len(set(chosen.tolist())) == 4
    assert values[1] <= values[0]


def test_nothing_is_asked_that_is_known_or_not_allowed(bayes):
    lets = np.zeros(30, bool)
    lets[:6] = True
    chosen, _ = Questions(bayes).next(row_of(0), places_of(0, 1), places_of(2), lets, 10)
    assert sorted(chosen.tolist()) == [3, 4, 5]
    assert Questions(bayes).next(None, NONE, NONE, np.zeros(30, bool), 3)[0].tolist() == []


def test_models_that_do_not_know_how_sure_they_are_ask_what_is_known_and_judged_differently(models):
    model = models("als")[0]
    chosen, values = Questions(model).next(row_of(3), places_of(3), NONE, np.ones(30, bool), 5)
    expected = chances_by_hand(model, [3], [], SMOOTH, TRUST) * entropies(model)
    expected[3] = 0
    np.testing.assert_allclose(values, np.sort(expected)[::-1][:5], rtol=1e-4)
    given = model.seen_.values[model.seen_.indices == chosen[0]]
    shares = np.unique(given, return_counts=True)[1] / len(given)
    assert entropies(model)[chosen[0]] == pytest.approx(-(shares * np.log(shares)).sum())


# -- how well somebody is known ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["bayes", "als"])
def test_each_answer_makes_somebody_better_known(models, key):
    questions = Questions(models(key)[0])
    known = [questions.knowledge(row) for row in (None, row_of(1), row_of(1, 2), row_of(*range(12)))]
    assert known[0] == pytest.approx(0, abs=1e-9)
    assert known == sorted(known)
    assert len(set(known)) == 4
    assert known[-1] < 1


# -- the engine --------------------------------------------------------------------------------------------------------


def test_the_engine_asks_about_what_somebody_did_not_say(world):
    world.use("bayes")
    first = world.engine.onboarding(world.ns, 5, user="ann")
    assert (first.policy, first.known, len(first.places), len(first.list_id)) == ("onboarding", 0.0, 5, 32)
    assert names(first) == names(world.engine.onboarding(world.ns, 5))  # nobody is known yet
    asked, skipped, hidden, *_ = names(first)
    world.rate("ann", **{asked: 5})
    world.events("ann", (hidden, "hide", None))
    then = world.engine.onboarding(world.ns, 30, user="ann", skipped=(skipped,))
    assert not {asked, skipped, hidden} & set(names(then))
    assert len(then.places) == 27
    assert 0 < then.known < 1


def test_somebody_of_the_training_is_known(world):
    model = world.use("bayes")
    answer = world.engine.onboarding(world.ns, 30, user="u1")
    own = model.items_.at(model.seen_.row(int(model.users_.index(["u1"])[0]))[0]).to_list()
    assert set(own) & set(names(answer)) == set()
    assert answer.known > 0.1


def test_a_session_is_asked_as_its_answers_say(world):
    world.use("bayes")
    session = (("i1", 5.0), ("i3", 4.0))
    answer = world.engine.onboarding(world.ns, 30, session=session)
    assert not {"i1", "i3"} & set(names(answer))
    assert answer.known > 0
    with pytest.raises(ParameterError, match="the session has an item without a rating"):
        world.engine.onboarding(world.ns, session=(("i1", None),))
    with pytest.raises(ParameterError, match="a list is for a user or for a session"):
        world.engine.onboarding(world.ns, user="ann", session=session)
    assert {int(item[1:]) % 2 for item in names(world.engine.onboarding(world.ns, 30, where=("genres=odd",)))} == {1}
    assert "i1" not in names(world.engine.onboarding(world.ns, 30, exclude=("i1",)))


def test_a_version_that_knows_how_sure_it_is_asks_where_another_makes_the_lists(world):
    world.use("bayes")
    asked = names(world.engine.onboarding(world.ns, 6))
    world.use("ease")
    scenarios.put(world.store, world.ns, "purpose-stars", Preset(model=1))
    world.engine.refresh()
    answer = world.engine.onboarding(world.ns, 6)
    assert (names(answer), answer.version) == (asked, 1)


def test_questions_without_a_model_are_what_is_popular(world):
    world.events("ann", ("x", "click", None), ("y", "click", None))
    world.events("bob", ("x", "click", None))
    answer = world.engine.onboarding(world.ns, 5)
    assert (names(answer), answer.policy, answer.known, len(answer.list_id)) == (["x", "y"], "onboarding", 0.0, 32)
    assert names(world.engine.onboarding(world.ns, 5, user="bob", skipped=("z",))) == ["y"]
    assert names(world.engine.onboarding(world.ns, 5, user="eve", skipped=("x",))) == ["y"]


def test_what_was_asked_is_kept(world):
    world.use("bayes")
    answer = world.engine.onboarding(world.ns, 5, user="ann")
    event = Event("ann", names(answer)[1], "rating", 4.0, list_id=answer.list_id, place=2)
    (receipt,) = world.store.writer.feedback(world.ns, [event]).result(10)
    assert (receipt.status, receipt.error) == ("new", None)
