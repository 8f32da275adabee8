"""Which model serves which purpose, by what was measured and without."""

from __future__ import annotations

import pytest

from palate.errors import ParameterError
from palate.serve.engine.purposes import KINDS, make_purposes, purposes, scenario_of
from palate.store import scenarios, versions


def add(world, *keys):
    for key in keys:
        versions.add(world.store, world.ns, world.models(key)[1])


def measured(world, **values):
    """Keep one figure a model: key=(metric, value)."""
    figures = {
        key: {"of": "x", "metrics": {metric.replace("_at_", "@"): {"value": value}}}
        for key, (metric, value) in values.items()
    }
    versions.keep_figures(world.store, world.ns, figures)


def served(world):
    make_purposes(world.store, world.ns)
    with world.store.read() as conn:
        return {one.name: one.version.model for one in purposes(conn, world.store, world.ns)}


def test_without_a_model_there_is_no_purpose(world):
    assert served(world) == {}


def test_without_figures_the_order_of_the_benchmarks_chooses(world):
    add(world, "knn", "popularity")
    assert served(world) == {"lists": "knn", "because": "knn"}
    add(world, "bayes", "ease")
    assert served(world) == {"lists": "ease", "stars": "bayes", "because": "knn"}
    assert next(iter(served(world))) == "lists"


def test_what_was_measured_chooses(world):
    add(world, "ease", "ials", "als", "bayes", "knn")
    measured(world, ease=("ndcg@10", 0.3), ials=("ndcg@10", 0.4), als=("rmse", 0.9), bayes=("rmse", 0.95))
    assert served(world) == {"lists": "ials", "stars": "als", "because": "ease"}


def test_a_purpose_tells_its_version_and_its_figures(world):
    world.use("bayes")
    add(world, "ease")
    record = {"of": "x", "metrics": {"rmse": {"value": 0.9, "low": 0.8, "high": 1.0}, "coverage_80": {"value": 0.79}}}
    versions.keep_figures(world.store, world.ns, {"bayes": record})
    make_purposes(world.store, world.ns)
    with world.store.read() as conn:
        lists, stars, because = purposes(conn, world.store, world.ns)
    assert (stars.version.number, stars.is_active, stars.figure.low, stars.sure.value) == (1, True, 0.8, 0.79)
    assert (lists.version.number, lists.is_active, lists.figure, lists.sure) == (2, False, None, None)
    assert because.name == "because"


def test_lists_predictions_and_reasons_come_by_purpose(world):
    world.use("bayes")
    add(world, "ease", "knn")
    make_purposes(world.store, world.ns)
    world.engine.refresh()
    assert {world.ask(scenario=scenario_of(name)).version for name in KINDS} == {1, 2, 3}
    assert world.engine.explain(world.ns, "u1", "i7", scenario="purpose-because").version == 3
    with pytest.raises(ParameterError, match="EASE predicts no ratings"):
        world.engine.predict(world.ns, "u1", ["i7"], scenario="purpose-lists")


def test_scenarios_that_stand_so_stay(world):
    add(world, "ease")
    for _ in range(2):
        make_purposes(world.store, world.ns)
    with world.store.read() as conn:
        assert [one.revision for one in scenarios.listed(conn, world.ns)] == [1, 1]
