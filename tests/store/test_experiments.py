"""Experiments in the store: who is in which arm, one at a time on a scenario, and who looked when."""

from __future__ import annotations

import numpy as np
import pytest

from palate.errors import ConflictError, NotFoundError, ParameterError
from palate.store import experiments, scenarios
from palate.store.experiments import Arm
from palate.store.presets import Preset

ARMS = (Arm("usual", 0.5, "default"), Arm("bold", 0.25, "bold"))


@pytest.fixture(autouse=True)
def bold(store, ns):
    return scenarios.put(store, ns, "bold", Preset(diversity=1))


def test_an_experiment_starts_and_ends(store, ns):
    before = store.counters(ns, []).changes
    made = experiments.start(store, ns, "spring", "default", ARMS, {"metric": "clicks"})
    assert (made.name, made.arms, made.plan, made.looks, made.ended) == ("spring", ARMS, {"metric": "clicks"}, (), None)
    look = {"time": 7, "lists": [3, 4]}
    assert experiments.looked(store, ns, "spring", look).looks == (look,)
    assert experiments.looked(store, ns, "spring", {**look, "time": 8}).looks == (look,)  # a page that asks on and on
    later = {"time": 9, "lists": [5, 6]}
    assert experiments.looked(store, ns, "spring", later).looks == (look, later)
    ended = experiments.end(store, ns, "spring")
    assert ended.started <= ended.ended
    assert experiments.looked(store, ns, "spring", look) == ended  # no early look any more
    assert store.counters(ns, []).changes == before + 2
    with pytest.raises(ConflictError, match="the experiment 'spring' has ended already"):
        experiments.end(store, ns, "spring")
    autumn = experiments.start(store, ns, "autumn", "default", ARMS)
    assert autumn.salt != made.salt
    with store.read() as conn:
        assert experiments.get(conn, ns, "spring") == ended
        assert experiments.listed(conn, ns) == [autumn, ended]
        assert experiments.listed(conn, ns, running=True) == [autumn]
        assert experiments.listed(conn, ns, running=False) == [ended]


def test_a_scenario_has_one_experiment_at_a_time(store, ns):
    experiments.start(store, ns, "spring", "default", ARMS)
    with pytest.raises(ConflictError, match="the scenario 'default' has the experiment 'spring', which runs"):
        experiments.start(store, ns, "autumn", "default", ARMS)
    with pytest.raises(ConflictError, match="the experiment 'spring' is there already: take another name"):
        experiments.start(store, ns, "spring", "bold", ARMS)
    experiments.start(store, ns, "autumn", "bold", ARMS)


def test_shares_of_arms_and_independence_of_experiments(store, ns):
    one = experiments.start(store, ns, "spring", "default", ARMS)
    two = experiments.start(store, ns, "autumn", "bold", ARMS)
    people = [f"person {at}" for at in range(20_000)]
    of_one, of_two = ([getattr(each.arm_of(who), "name", None) for who in people] for each in (one, two))
    shares = np.array([of_one.count("usual"), of_one.count("bold"), of_one.count(None)]) / len(people)
    np.testing.assert_allclose(shares, [0.5, 0.25, 0.25], atol=0.015)  # four standard errors
    both = sum(a == b == "usual" for a, b in zip(of_one, of_two, strict=True)) / len(people)
    assert abs(both - 0.25) < 0.015
    with store.read() as conn:
        again = experiments.get(conn, ns, "spring")
    assert [getattr(again.arm_of(who), "name", None) for who in people] == of_one


@pytest.mark.parametrize(
    ("name", "scenario", "arms", "kind", "words"),
    [
        ("Spring!", "default", ARMS, ParameterError, "the name of an experiment must be 1 to 64 small letters"),
        ("spring", "default", ARMS[:1], ParameterError, "arms must be 2 to 20, got 1"),
        ("spring", "default", ARMS * 2, ParameterError, "arms have one name twice among usual, bold, usual, bold"),
        (
            "spring",
            "default",
            (*ARMS, Arm("c", 0.3, "bold")),
            ParameterError,
            "the shares of the arms must be at most 1 together",
        ),
        ("spring", "home", ARMS, NotFoundError, "no scenario 'home'"),
        ("spring", "default", (*ARMS, Arm("c", 0.1, "home")), NotFoundError, "no scenario 'home'"),
    ],
)
def test_what_is_no_experiment(store, ns, name, scenario, arms, kind, words):
    with pytest.raises(kind, match=words):
        experiments.start(store, ns, name, scenario, arms)
    with store.read() as conn:
        assert experiments.listed(conn, ns) == []
        with pytest.raises(NotFoundError, match="no experiment 'spring'"):
            experiments.get(conn, ns, "spring")


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("usual", "an arm is an object with name, share, scenario"),
        ({"name": "a", "share": 1}, "an arm needs scenario"),
        ({"name": "a", "share": 0, "scenario": "b"}, "the share of the arm 'a' must be a number above 0, to 1, got 0"),
        ({"name": "", "share": 1, "scenario": "b"}, "the name of an arm must be"),
        ({"name": "a", "share": 1, "scenario": ""}, "the scenario of an arm must be"),
    ],
)
def test_what_is_no_arm(record, words):
    with pytest.raises(ParameterError, match=words):
        Arm.of(record)
    assert Arm.of({"name": "a", "share": 1, "scenario": "b"}) == Arm("a", 1, "b")
