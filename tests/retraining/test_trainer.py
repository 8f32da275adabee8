"""Retraining from the log to a version that answers, or to a reason why it does not."""

from __future__ import annotations

import json

import numpy as np
import pytest
from retraining.small_log import DAY, DAYS, START, fill, make, running

from palate import files
from palate.data.interactions import Interactions
from palate.errors import (
    ConflictError,
    DataError,
    DivergenceError,
    ModelFileError,
    NotFoundError,
    ParameterError,
    UnknownParameterError,
)
from palate.models import MODELS
from palate.retraining import KIND, Retraining, checked, memory, overrule, retrain, trainer
from palate.retraining.checks import check_finite, faults, looked_at
from palate.retraining.rule import GateRule
from palate.store import Event, Thing, feedback, forgetting, items, jobs, versions
from palate.store.source import dataset

QUICK = {"fewest": 2, "overlap": 0.0}


def trained(store, ns, **said):
    """Run one retraining here, and return its job."""
    said = {"rule": QUICK, **said}
    number = jobs.only_one(store, ns, KIND, checked(said), held=True)
    try:
        with jobs.running(store, ns, number) as run:
            retrain(run)
    finally:
        with store.read() as conn:
            job = jobs.get(conn, ns, number)
    return job


def active(store, ns):
    found = versions.active_version(store, ns)
    return None if found is None else found.number


def test_the_first_version_comes_from_the_log_alone(store, ns):
    job = trained(store, ns, model="ease")
    assert (job.state, job.progress, active(store, ns)) == ("done", 1.0, 1)
    done = job.outcome
    assert done["version"] == 1
    assert done["activated"]
    assert done["verdict"]["decision"] == "accepted"
    assert done["memory"]["needed"] > 0
    assert done["seconds"] > 0
    (version,) = versions.listed(store, ns)
    assert version.details["verdict"] == done["verdict"]
    assert version.details["job"] == job.number
    assert done["verdict"]["rule"] == GateRule.of(QUICK).as_dict()
    model = versions.load_active(store, ns).model
    fresh = MODELS["ease"]().fit(dataset(store, ns, "clicks"), progress=None)
    np.testing.assert_array_equal(model.rank_index(np.arange(9), 5)[0], fresh.rank_index(np.arange(9), 5)[0])
    assert version.trained_to == dataset(store, ns, "clicks").log.trained_to
    assert "840 rows of 60 users and 40 items to learn from" in job.log
    assert "version 1 answers" in job.log


def test_it_goes_on_as_the_running_model_was_set(store, ns, tmp_path):
    running(store, ns, make("ials", reg=3.0, positive="any"), tmp_path)
    job = trained(store, ns)
    model = versions.load_active(store, ns).model
    assert (model.key, model.reg, model.positive, model.n_factors) == ("ials", 3.0, "any", 4)
    assert "going on from version 1" in job.log
    assert job.outcome["verdict"]["against"] == "its settings"
    assert job.outcome["verdict"]["difference"]["value"] == 0
    changed = trained(store, ns, model="ials", parameters={"reg": 4.0}, warm=False)
    assert versions.load_active(store, ns).model.reg == 4.0
    assert versions.load_active(store, ns).model.n_factors == 4
    assert "going on" not in changed.log


def test_only_models_that_settle_go_on_by_themselves(store, ns, tmp_path):
    assert Retraining().goes_on(make("ials"))
    assert not Retraining(warm=False).goes_on(make("ials"))
    assert not Retraining().goes_on(make("bpr"))
    assert Retraining(warm=True).goes_on(make("bpr"))
    assert not Retraining(warm=True).goes_on(make("ease"))
    running(store, ns, make("ials", n_factors=3), tmp_path)
    assert "going on" not in trained(store, ns, model="ials", parameters={"n_factors": 5}).log
    assert versions.load_active(store, ns).model.user_factors_.shape[1] == 5


def test_a_numeric_rule_of_clicks_gives_way_to_the_kinds(store, ns, tmp_path):
    ratings = Interactions.from_table({"user": ["a", "b", "a"], "item": ["i0", "i0", "i1"], "value": [4.0, 5.0, 4.5]})
    files.save(make("ials", positive=4.0).fit(ratings), tmp_path / "elsewhere.safetensors")
    versions.activate(store, ns, versions.add(store, ns, tmp_path / "elsewhere.safetensors"))
    trained(store, ns)
    assert versions.load_active(store, ns).model.positive is None


def test_what_is_refused_is_kept_and_answers_when_somebody_says_so_by_name(store, ns, tmp_path):
    running(store, ns, make("ease"), tmp_path)
    job = trained(store, ns, model="popularity")
    assert job.state == "done"
    assert job.outcome["verdict"]["decision"] == "refused"
    assert not job.outcome["activated"]
    assert active(store, ns) == 1
    assert "version 2 is kept, and does not answer: NDCG@10" in job.log
    with pytest.raises(
        ConflictError, match=r"version 2 was refused by the gate \(NDCG@10 .*palate versions overrule 2"
    ):
        versions.activate(store, ns, 2)
    assert active(store, ns) == 1
    version = overrule(store, ns, 2, "Ada", "the shop wants bestsellers")
    assert version.state == "active"
    assert active(store, ns) == 2
    said = version.details["verdict"]["overruled_by"]
    assert (said["name"], said["why"]) == ("Ada", "the shop wants bestsellers")
    assert said["time"] > START
    versions.roll_back(store, ns)
    assert active(store, ns) == 1
    assert versions.activate(store, ns, 2).number == 2  # once overruled, it is a version like others


def test_only_what_was_refused_can_be_overruled_and_by_somebody(store, ns, tmp_path):
    running(store, ns, make("ease"), tmp_path)
    with pytest.raises(ConflictError, match="version 1 was not refused by the gate"):
        overrule(store, ns, 1, "Ada")
    with pytest.raises(NotFoundError, match="no model version 9"):
        overrule(store, ns, 9, "Ada")
    with pytest.raises(ParameterError, match="by must have 1 to 200 bytes"):
        overrule(store, ns, 1, "")


def test_without_activation_a_version_waits_for_somebody(store, ns):
    job = trained(store, ns, model="ease", activate=False)
    assert active(store, ns) is None
    assert "is kept for whoever activates it" in job.log
    assert versions.activate(store, ns, job.outcome["version"]).state == "active"


def test_the_last_versions_are_kept_and_one_can_go_back(store, ns):
    for _ in range(4):
        last = trained(store, ns, model="popularity", keep=2)
    assert "the files of 2 were removed" in last.log
    assert [version.state for version in versions.listed(store, ns)] == ["active", "retired", "removed", "removed"]
    assert versions.roll_back(store, ns).number == 3


# -- checks -----------------------------------------------------------------------------------------------


def test_numbers_that_are_none_are_never_kept(store, ns, tmp_path, monkeypatch):
    running(store, ns, make("ease"), tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(trainer._Work, "_judged", lambda self, whole: verdict())
        patched.setattr(trainer, "check_finite", check_of_broken)
        with pytest.raises(DivergenceError, match=r"learned numbers that are none \(item_factors_\): it is not kept"):
            trained(store, ns, model="ials")
    assert [version.number for version in versions.listed(store, ns)] == [1]
    assert active(store, ns) == 1


def check_of_broken(model):
    model.item_factors_[0, 0] = np.nan
    check_finite(model)


def verdict():
    from palate.retraining import Verdict

    return Verdict(decision="accepted", why="as a test wants it", rule={})


def test_lists_that_hold_too_few_items_are_refused(store, ns, tmp_path):
    running(store, ns, make("ease"), tmp_path)
    narrow = {"fewest": 2, "margin": -1.0, "overlap": 0.0, "coverage": 1.0}
    job = trained(store, ns, model="popularity", rule={**narrow, "days": 7})
    found = job.outcome["verdict"]["checks"]
    loaded = versions.load(store, ns, job.outcome["version"])
    lists = loaded.model.rank_index(np.arange(60), 10, excluded=[loaded.model.seen_])[0]
    assert found["coverage"] == len(np.unique(lists))
    assert found["people"] == 60
    assert faults({"coverage": 3, "running_coverage": 10, "overlap": 0.5}, GateRule(coverage=0.5)) == [
        "its lists hold 3 different items, fewer than 0.5 times the 10 of the running lists"
    ]
    assert faults({"coverage": 5, "running_coverage": 10, "overlap": 0.5}, GateRule(coverage=0.5)) == []


def test_lists_that_share_too_little_with_the_running_ones_are_refused(store, ns, tmp_path):
    running(store, ns, make("ease"), tmp_path)
    job = trained(store, ns, model="popularity", rule={"fewest": 2, "margin": -1.0, "coverage": 0.0, "overlap": 1.0})
    assert job.outcome["verdict"]["decision"] == "refused"
    assert active(store, ns) == 1
    assert "of the running lists' items, less than 100.0%" in job.outcome["verdict"]["why"]


def test_the_same_model_shares_all_and_one_of_other_items_nothing(store, ns, tmp_path):
    running(store, ns, make("ease"), tmp_path)
    log = dataset(store, ns, "clicks")
    loaded = versions.load_active(store, ns)
    same = looked_at(make("ease").fit(log, progress=None), loaded, log)
    assert same["overlap"] == 1.0
    assert same["coverage"] == same["running_coverage"]
    other = Interactions.from_table({"user": ["u1", "u2", "u1"], "item": ["x", "y", "z"], "value": [1.0, 1.0, 1.0]})
    nothing = looked_at(make("popularity").fit(other), loaded, log)
    assert nothing["overlap"] == 0.0
    assert nothing["people"] == 2
    assert "overlap" not in looked_at(make("ease").fit(log, progress=None), None, None)


# -- what goes wrong -----------------------------------------------------------------------------------------------


def test_a_version_whose_file_is_damaged_is_not_activated(store, ns, tmp_path, monkeypatch):
    running(store, ns, make("ease"), tmp_path)
    add = versions.add

    def damaged(store, ns, path, **more):
        number = add(store, ns, path, **more)
        file = store.folder / "models" / str(ns.key) / str(number) / "model.safetensors"
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0xFF
        file.write_bytes(content)
        return number

    monkeypatch.setattr(versions, "add", damaged)
    with pytest.raises(ModelFileError, match="damaged"):
        trained(store, ns, model="ease")
    assert active(store, ns) == 1
    assert versions.load_active(store, ns).error is None
    with pytest.raises(ModelFileError, match="damaged"):
        versions.activate(store, ns, 2)
    assert [version.state for version in versions.listed(store, ns)] == ["failed", "active"]


def test_an_active_version_that_cannot_be_read_is_replaced(store, ns, tmp_path):
    number = running(store, ns, make("ease"), tmp_path)
    for file in (store.folder / "models" / str(ns.key) / str(number)).iterdir():
        file.write_bytes(b"nothing")
    job = trained(store, ns, model="ease")
    assert job.state == "done"
    assert job.outcome["verdict"]["running"] is None
    assert active(store, ns) == 2


def test_an_older_version_that_answers_for_a_damaged_one_is_judged_against(store, ns, tmp_path):
    running(store, ns, make("ease"), tmp_path)
    number = running(store, ns, make("popularity"), tmp_path)
    for file in (store.folder / "models" / str(ns.key) / str(number)).iterdir():
        file.write_bytes(b"nothing")
    job = trained(store, ns)
    assert job.outcome["verdict"]["running"] == 1
    assert active(store, ns) == 3


def test_somebody_who_activates_meanwhile_has_the_last_word(store, ns, tmp_path, monkeypatch):
    running(store, ns, make("ease"), tmp_path)
    running(store, ns, make("popularity"), tmp_path)
    looked = trainer._Work._looked_at

    def meanwhile(self, *given):
        versions.activate(store, ns, 1)
        return looked(self, *given)

    monkeypatch.setattr(trainer._Work, "_looked_at", meanwhile)
    job = trained(store, ns, model="ease")
    assert active(store, ns) == 1
    assert not job.outcome["activated"]
    assert "version 3 passed, but version 1 was activated meanwhile" in job.log


def test_memory_that_is_not_there_is_refused_beforehand_with_the_figures(store, ns, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 100_000_000)
    with pytest.raises(ParameterError, match=r"training ease on 840 events of 60 users and 40 items needs about 0\.3"):
        trained(store, ns, model="ease")
    assert versions.listed(store, ns) == []
    with store.read() as conn:
        job = jobs.listed(conn, ns)[0]
    assert job.state == "failed"
    assert "0.10 GB are free" in job.log
    assert job.outcome["memory"]["free"] == 100_000_000


def test_the_estimate_grows_with_the_log_and_the_model(store, ns):
    small = memory.estimated(store, ns, [make("ials")])
    large = memory.estimated(store, ns, [make("ials"), make("ials", n_factors=500)])
    assert (small.events, small.users, small.items) == (840, 60, 40)
    factors = [make("ials", n_factors=n)._bytes_needed(60, 40, 0) for n in (4, 500)]
    assert large.needed - small.needed == 3 * (factors[1] - factors[0])  # itself, its file, and the file read again
    fill(store, ns, people=10, seed=1)
    assert memory.estimated(store, ns, [make("ials")]).needed > small.needed
    assert memory.MemoryEstimate(10, None, 1, 1, 1).check(make("ials")) is None


def test_free_memory_is_what_the_container_leaves(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    without = memory.free_memory()
    for name, text in (
        ("memory.max", "1000000"),
        ("memory.current", "600000"),
        ("memory.stat", "inactive_file 50000\n"),
    ):
        (tmp_path / name).write_text(text)
    assert memory.free_memory() == 450_000 < without
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_memory() > 450_000


def test_a_job_that_is_cancelled_ends_within_the_training_and_activates_nothing(store, ns, tmp_path, monkeypatch):
    running(store, ns, make("ease"), tmp_path)
    monkeypatch.setattr(trainer, "EVERY", 0.0)
    number = jobs.only_one(store, ns, KIND, checked({"model": "ials", "rule": QUICK}), held=True)
    with jobs.running(store, ns, number) as run:
        jobs.cancel(store, ns, number)
        retrain(run)
    with store.read() as conn:
        job = jobs.get(conn, ns, number)
    assert job.state == "cancelled"
    assert active(store, ns) == 1
    assert len(versions.listed(store, ns)) == 1


@pytest.mark.parametrize("stage", ["compare", "fit"])
def test_a_cancelled_training_stops_at_its_next_epoch(store, ns, stage, monkeypatch):
    monkeypatch.setattr(trainer, "EVERY", 0.0)
    number = jobs.only_one(store, ns, KIND, checked({"model": "ials", "rule": QUICK}), held=True)
    steps, stepping = [], trainer._stepping

    def counting(run, first, last, stopped):
        call = stepping(run, first, last, stopped)

        def step(at):
            if (stage == "compare") == (first < 0.5):
                steps.append(at)
                jobs.cancel(store, ns, number)
            call(at)

        return step

    monkeypatch.setattr(trainer, "_stepping", counting)
    with jobs.running(store, ns, number) as run:
        retrain(run)
    with store.read() as conn:
        assert jobs.get(conn, ns, number).state == "cancelled"
    assert len(steps) == 1
    assert versions.listed(store, ns) == []


def test_who_is_forgotten_while_it_trains_is_in_no_version(store, ns, monkeypatch):
    fitted = trainer._Work._fitted

    def meanwhile(self, whole):
        forgetting.forget(store, ns, "u7")
        return fitted(self, whole)

    monkeypatch.setattr(trainer._Work, "_fitted", meanwhile)
    job = trained(store, ns, model="ials")
    loaded = versions.load(store, ns, job.outcome["version"])
    assert "u7" not in loaded.model.users_
    assert "u8" in loaded.model.users_


def test_a_log_without_anything_to_learn_from_is_refused(store):
    empty = store.create_namespace("empty")
    with pytest.raises(DataError, match="the namespace 'empty' has no clicks to learn from"):
        trained(store, empty, model="ease")


def test_integer_ids_and_columns_of_items_go_into_the_model(store):
    shop = store.create_namespace("shop", "integer")
    items.upsert(store, shop, [Thing(str(n), {"title": f"Thing {n}"}) for n in range(20)])
    events = [
        Event(str(u), str((u + k) % 20), "click", None, START + int(k * DAYS / 8 * DAY), f"{u}-{k}")
        for u in range(30)
        for k in range(8)
    ]
    feedback.add(store, shop, events)
    trained(store, shop, model="ease")
    job = trained(store, shop)
    model = versions.load_active(store, shop).model
    assert model.items_.kind == "integer"
    assert model.item_table_["title"][0] == "Thing 0"
    assert job.outcome["verdict"]["checks"]["overlap"] == 1.0


# -- what it is told -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ("often", ParameterError, "retraining must be an object with any of model"),
        ({"modle": "ials"}, ParameterError, "a retraining has no field 'modle'; did you mean 'model'"),
        ({"model": "ails"}, ParameterError, "no model 'ails'"),
        ({"model": "ials", "parameters": {"n_factor": 3}}, UnknownParameterError, "did you mean 'n_factors'"),
        ({"model": "ials", "parameters": {"n_factors": 0}}, ParameterError, "n_factors"),
        ({"parameters": [1]}, ParameterError, "parameters must be an object"),
        ({"warm": "yes"}, ParameterError, "warm must be"),
        ({"activate": 1}, ParameterError, "activate must be"),
        ({"keep": 1}, ParameterError, "keep must be a whole number of at least 2"),
        ({"rule": {"days": -1}}, ParameterError, "days must be a number above 0"),
    ],
)
def test_wrong_settings_are_refused_beforehand(wrong, error, words):
    with pytest.raises(error, match=words):
        checked(wrong)


def test_settings_are_json_and_say_every_field():
    said = checked({"model": "ials", "rule": {"days": 3}})
    assert json.loads(json.dumps(said)) == said == checked(said)
    assert said["rule"]["days"] == 3
    assert said["keep"] == 5
    assert said["warm"] is None
    assert Retraining.of(said) == Retraining(model="ials", rule=GateRule(days=3))
    assert Retraining().candidate(None).key == "ials"


def test_the_package_has_its_names():
    import palate.retraining as package

    assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'train'"):
        package.train  # noqa: B018
