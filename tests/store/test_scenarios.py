"""Scenarios: presets with revisions; what is none is refused; workers are told of each change."""

from __future__ import annotations

import pytest

from palate.errors import ConflictError, NotFoundError, ParameterError
from palate.experiments.explore import Explore
from palate.store import experiments, scenarios
from palate.store.presets import Preset, Rotation

FULL = Preset(
    where=("year>=1990", "genre=Drama"),
    exclude=("tea", "milk"),
    boosts=(("new=1", 1.5),),
    diversity=0.25,
    seen=True,
    not_mine=False,
    n=20,
    new_items_share=0.0,
    explore=Explore(policy="softmax", temperature=0.5, share=0.5, depth=50),
    rotation=Rotation(shown=3, days=7),
    model="ease",
)


def changes(store, ns):
    return store.counters(ns, []).changes


def test_a_preset_is_the_same_as_json():
    assert Preset.of(FULL.as_dict()) == FULL
    assert Preset.of({}) == Preset()
    assert Preset().as_dict() == {}
    assert Preset(seen=False, diversity=0).as_dict() == {"seen": False, "diversity": 0}
    assert FULL.as_dict()["boosts"] == [{"where": "new=1", "factor": 1.5}]


def test_each_change_is_a_revision(store, ns):
    before = changes(store, ns)
    one = scenarios.put(store, ns, "home", FULL)
    assert (one.name, one.revision, one.preset) == ("home", 1, FULL)
    assert scenarios.put(store, ns, "home", Preset.of(FULL.as_dict())) == one  # nothing changed
    assert changes(store, ns) == before + 1
    two = scenarios.put(store, ns, "home", Preset(n=5))
    gone = scenarios.delete(store, ns, "home")
    assert (two.revision, gone.revision, gone.preset) == (2, 3, None)
    assert changes(store, ns) == before + 3
    with store.read() as conn:
        assert scenarios.listed(conn, ns) == []
        assert scenarios.revisions(conn, ns, "home") == [gone, two, one]
        assert scenarios.at(conn, ns, "home", 1) == one
        with pytest.raises(NotFoundError, match="no scenario 'home'"):
            scenarios.get(conn, ns, "home")
        with pytest.raises(NotFoundError, match="revision 9 of the scenario 'home' is not there"):
            scenarios.at(conn, ns, "home", 9)
    four = scenarios.put(store, ns, "home", Preset(n=5))
    scenarios.put(store, ns, "default", Preset())
    with store.read() as conn:
        assert [each.name for each in scenarios.listed(conn, ns)] == ["default", "home"]
        assert scenarios.get(conn, ns, "home") == four
        assert four.revision == 4


def test_a_scenario_is_of_its_namespace(store, ns):
    shop = store.create_namespace("shop", "integer")
    scenarios.put(store, shop, "home", Preset(exclude=("7",)))
    with pytest.raises(ParameterError, match="item must be a whole number"):
        scenarios.put(store, shop, "home", Preset(exclude=("tea",)))
    with store.read() as conn:
        assert scenarios.listed(conn, ns) == []
        with pytest.raises(NotFoundError, match="no scenario 'home'"):
            scenarios.revisions(conn, ns, "home")
    with pytest.raises(NotFoundError, match="no scenario 'home'"):
        scenarios.delete(store, ns, "home")


def test_a_scenario_that_an_experiment_uses_stays(store, ns):
    scenarios.put(store, ns, "bold", Preset(n=5))
    arms = (experiments.Arm("a", 0.5, "default"), experiments.Arm("b", 0.5, "bold"))
    experiments.start(store, ns, "try", "default", arms)
    with pytest.raises(ConflictError, match="the scenario 'bold' is used by the experiment 'try': end that first"):
        scenarios.delete(store, ns, "bold")
    experiments.end(store, ns, "try")
    scenarios.delete(store, ns, "bold")


@pytest.mark.parametrize(
    ("name", "preset", "kind", "words"),
    [
        ("", {}, ParameterError, "the name of a scenario must be 1 to 64 small letters"),
        ("Home", {}, ParameterError, "the name of a scenario must be"),
        ("a/b", {}, ParameterError, "the name of a scenario must be"),
        ("home", {"model": "none"}, ParameterError, "no model 'none'"),
        ("home", {"model": 7}, NotFoundError, "model version 7 is not there"),
    ],
)
def test_what_is_no_scenario(store, ns, name, preset, kind, words):
    with pytest.raises(kind, match=words):
        scenarios.put(store, ns, name, Preset.of(preset))


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        ([], "a preset is an object with where, "),
        ({"wher": ["a=1"]}, "a preset has no field 'wher'; did you mean 'where'"),
        ({"where": "a=1"}, "where must be a list"),
        ({"where": ["a"]}, "a condition must be such as 'year>=1990', got 'a'"),
        ({"where": [7]}, "a condition must be such as"),
        ({"where": ["a=1"] * 33}, "where has at most 32 conditions, got 33"),
        ({"exclude": ["x"] * 10_001}, "exclude has at most 10,000 items, got 10,001"),
        ({"boosts": [{"where": "a=1", "factor": 2}] * 9}, "boosts has at most 8 conditions"),
        ({"boosts": [{"where": "a=1", "factor": 0}]}, "the factor of the boost 'a=1' must be a number above 0"),
        ({"boosts": [{"where": "a=1"}]}, "a boost needs factor"),
        ({"boosts": ["a=1"]}, "a boost is an object with where, factor"),
        ({"diversity": 1.5}, "diversity must be a number from 0 to 1, got 1.5"),
        ({"diversity": float("nan")}, "diversity must be a number from 0 to 1"),
        ({"new_items_share": True}, "new_items_share must be a number from 0 to 1"),
        ({"seen": 1}, "seen must be true or false, got 1"),
        ({"n": 0}, "n must be a whole number from 1 to 500, got 0"),
        ({"n": 501}, "n must be a whole number from 1 to 500"),
        ({"model": True}, "model must be a version's number or the key of a model"),
        ({"model": 0}, "model must be a version's number or the key of a model"),
        ({"rotation": {"shown": 3}}, "rotation needs days"),
        ({"rotation": {"shown": 0, "days": 1}}, "rotation.shown must be a whole number from 1 to 1000"),
        ({"rotation": {"shown": 1, "days": 0}}, "rotation.days must be a number above 0, to 3650"),
        ({"explore": "softmax"}, "explore is an object such as"),
        ({"explore": {"policies": "softmax"}}, "explore has no field 'policies'"),
        ({"explore": {"policy": "chance"}}, "explore.policy must be 'none', 'softmax' or 'thompson', got 'chance'"),
        (
            {"explore": {"policy": "softmax", "temperature": 0}},
            "explore.temperature must be a number from 0.01 to 1000",
        ),
        ({"explore": {"policy": "softmax", "share": 0}}, "explore.share must be a number above 0, to 1"),
        ({"explore": {"policy": "softmax", "depth": 501}}, "explore.depth must be a whole number from 2 to 500"),
        ({"explore": {"policy": "softmax", "uniform": -1}}, "explore.uniform must be a number from 0 to below 1"),
        ({"explore": {"policy": "thompson", "uniform": 0}}, "explore.uniform must be above 0 for 'thompson'"),
    ],
)
def test_what_is_no_preset(preset, words):
    with pytest.raises(ParameterError) as caught:
        Preset.of(preset)
    assert words in str(caught.value)


def test_thompson_mixes_in_a_uniform_share_and_softmax_none():
    assert Explore(policy="thompson").uniform == 0.05
    assert Explore(policy="softmax").uniform == 0
    assert Explore.of(Explore(policy="thompson").as_dict()) == Explore(policy="thompson")
