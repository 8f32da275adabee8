"""`tune`: nested, seeded, resumable, and never worse than where it began."""

import json
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import root_mean_squared_error
from synthetic import interactions, low_rank

from palate import load
from palate.data.splits.making import make_splits
from palate.errors import DataError, MissingExtraError, ParameterError
from palate.files.config import read_config
from palate.models import ALS, MODELS, Baseline, MatrixFactorization, Popularity
from palate.models.search import Choice, Range
from palate.tuning import tune
from palate.tuning.parts import make_parts

GIVEN = {"learning_rate": 0.008, "reg": 0.065}
SMALL = {"n_factors": 2, "n_epochs": 8, **GIVEN}
SPACE = {"learning_rate": Range(0.001, 0.05, log=True), "reg": Range(0.001, 0.3, log=True)}
KILLED = """
import sys
sys.path.insert(0, sys.argv[2])
from synthetic import low_rank
from palate.models import Baseline
from palate.tuning import tune

def slow(step):
    if step.stage == "trials finished" and step.step == 3:
        print("three", flush=True)
        __import__("time").sleep(60)

tune(Baseline(), low_rank(), n_trials=6, out=sys.argv[1], progress=slow)
"""

KILLED_AT_FIRST = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
import optuna
from synthetic import low_rank
from palate.models import MatrixFactorization
from palate.models.search import Range
from palate.tuning import tune

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def in_the_first(step):
    if step.task and step.step == 2:
        die()

if sys.argv[3] == "before":
    optuna.study.Study.optimize = die
space = {"learning_rate": Range(0.001, 0.05, log=True), "reg": Range(0.001, 0.3, log=True)}
small = MatrixFactorization(2, n_epochs=8, learning_rate=0.008, reg=0.065)
tune(small, low_rank(), space=space, n_trials=3, out=sys.argv[1], progress=in_the_first)
"""


@pytest.fixture(scope="module")
def data():
    return low_rank()


def trials(tuned):
    """Return what a trial is, without the clock."""
    return tuned.trials.drop("seconds")


@pytest.mark.parametrize("key", [key for key, cls in MODELS.items() if not cls.made_of_parts])
def test_search_spaces_name_parameters_hold_the_defaults_and_are_allowed(key):
    model = MODELS[key]()
    assert model.search_space
    for name, space in model.search_space.items():
        start = model.get_params()[name]
        assert start in space or (start is None and f"{name}_" in type(model).learned_.kind.USED), name
        space = space.around(start or 8) if isinstance(space, Range) and space.relative else space
        ends = space.values if isinstance(space, Choice) else (space.low, space.high)
        for end in ends:
            whole = isinstance(space, Range) and space.whole
            type(model)(**{name: int(end) if whole else end}).check_parameters()
        outside = "neither" if isinstance(space, Choice) else space.high * 2
        assert outside not in space
    assert True not in Range(0, 5, whole=True)
    assert 2.5 not in Range(0, 5, whole=True)


def test_a_search_tries_what_it_may_of_each_part():
    space = MODELS["blend"]("ease, ials").searched()
    assert space["ease__reg"] == MODELS["ease"].search_space["reg"]
    assert {name.partition("__")[0] for name in space} == {"ease", "ials"}


def test_a_range_of_a_whole_number_is_searched_in_whole_numbers(data):
    space = {"n_factors": Range(1, 4), "reg": Range(1, 4)}
    tuned = tune(ALS(n_epochs=1, random_state=0), data, space=space, n_trials=4)
    tried = [json.loads(text) for text in tuned.trials["parameters"]]
    assert {type(values["n_factors"]) for values in tried} == {int}
    assert float in {type(values["reg"]) for values in tried}


def test_the_best_is_refitted_and_measured_once_on_the_test_part(data):
    space = {name: Range(0.1, 100, log=True) for name in ("reg_users", "reg_items")}
    given = Baseline(50, reg_items=3)
    tuned = tune(given, data, space=space, n_trials=15, split="random:0.2:7", random_state=3)
    train, test = make_splits(data, "random:0.2:7")[0].apply(data)
    learn, validate = make_splits(train, "random:0.2:3")[0].apply(train)

    def error(model, part):
        return root_mean_squared_error(part.values, model.predict_index(part.user_index, part.item_index))

    found = Baseline(**tuned.parameters)
    assert tuned.value == pytest.approx(error(found.fit(learn), validate), rel=1e-6)
    assert tuned.test_value == pytest.approx(error(found.fit(train), test), rel=1e-6)
    assert tuned.default_value == pytest.approx(error(given.fit(learn), validate), rel=1e-6)
    assert tuned.value < tuned.default_value
    np.testing.assert_array_equal(tuned.model.user_biases_, found.user_biases_)
    assert tuned.trials["value"].min() == tuned.value
    assert (tuned.trials.height, tuned.trials["state"].unique().to_list()) == (15, ["complete"])
    assert json.loads(tuned.trials["parameters"][0]) == {"reg_users": 50, "reg_items": 3}
    assert sum(tuned.importances.values()) == pytest.approx(1)


@pytest.mark.parametrize("split", ["random:0.2:42", "time:0.2", "cold-items:0.2:1", "last:2"])
def test_poisoning_the_test_part_changes_no_trial(data, split):
    clean = tune(MatrixFactorization(**SMALL), data, split=split, space=SPACE, n_trials=6)
    rows = make_splits(data, split)[0].test
    values = data.values.copy()
    values[rows] = np.random.default_rng(0).choice([-1e6, 1e6], len(rows))
    poisoned = tune(MatrixFactorization(**SMALL), replace(data, values=values), split=split, space=SPACE, n_trials=6)
    assert trials(poisoned).equals(trials(clean))
    assert poisoned.parameters == clean.parameters
    np.testing.assert_array_equal(poisoned.model.user_factors_, clean.model.user_factors_)
    assert poisoned.test_value > 1000 > clean.test_value  # and the poison was there


def test_the_inner_split_asks_what_the_outer_one_asks(data):
    for split, inner in (
        ("time:0.3", "time:0.2"),
        ("rolling:1:0.3", "time:0.2"),
        ("last:2", "last:2"),
        ("cold-users:0.1:5", "cold-users:0.2:9"),
        ("random:0.1:5", "random:0.2:9"),
        ("none", "random:0.2:9"),
    ):
        parts = make_parts(data, split, None, 9)
        assert parts.validation == inner
        assert len(parts.learn) + len(parts.validate) == len(parts.train)
        assert (parts.test is None) == (split == "none")
    late = make_parts(data, "time:0.3", None, 9)
    assert late.learn.times.max() < late.validate.times.min() <= late.train.times.max() < late.test.times.min()
    assert make_parts(data, "time:0.3", "last:1", 9).validation == "last:1"


def test_a_search_repeats_and_begins_with_what_it_was_given(data):
    options = {"space": SPACE, "n_trials": 12}
    one, two = (tune(MatrixFactorization(**SMALL), data, **options) for _ in range(2))
    assert trials(one).equals(trials(two))
    start = json.loads(one.trials["parameters"][0])
    assert start == {"learning_rate": 0.008, "reg": 0.065}
    assert one.value <= one.default_value
    other = tune(MatrixFactorization(**SMALL), data, **options, random_state=1)
    assert not trials(other).equals(trials(one))
    outside = tune(MatrixFactorization(**{**SMALL, "reg": 5.0}), data, **options)
    assert outside.default_value is None
    assert outside.trials.height == 12


def test_trials_that_fall_behind_are_pruned_where_the_model_tells_the_metric(data):
    space = {"learning_rate": Range(1e-6, 0.1, log=True)}
    model = MatrixFactorization(n_factors=2, n_epochs=30, **GIVEN)
    tuned = tune(model, data, space=space, n_trials=20)
    states = tuned.trials["state"].value_counts()
    assert dict(states.iter_rows())["pruned"] >= 3
    steps = []
    listed = tune(model, data, metric="ndcg@5", space=space, n_trials=8, progress=steps.append)
    assert (listed.trials["state"] == "complete").all()
    assert listed.value == listed.trials["value"].max()
    assert {s.task for s in steps if s.stage == "training"} == {"", *(f"trial {n}" for n in range(1, 9))}
    assert [s.step for s in steps if s.stage == "trials finished"] == list(range(1, 9))


def test_diverged_trials_are_kept_as_failed_and_the_search_goes_on(data):
    space = {"learning_rate": Choice((0.01, 1e6))}
    tuned = tune(MatrixFactorization(**SMALL), data, space=space, n_trials=8)
    failed = tuned.trials.filter(state="failed")
    assert "training diverged in epoch 1" in failed["error"][0]
    assert tuned.parameters == {"learning_rate": 0.01}
    with pytest.raises(DataError, match="no trial came to an end: training diverged in epoch 1"):
        tune(MatrixFactorization(**SMALL), data, space={"learning_rate": Choice((1e6,))}, n_trials=2)


def test_patience_and_time_end_a_search(data):
    steps = []
    tuned = tune(Baseline(), data, space={"reg_users": Choice((5.0,))}, n_trials=50, patience=4)
    assert tuned.trials.height == 5
    assert tuned.importances == {}
    with pytest.raises(DataError, match="no trial came to an end: there was no time for one"):
        tune(Baseline(), data, n_trials=50, seconds=1e-9)
    short = tune(Baseline(), data, n_trials=10**6, seconds=0.5, progress=steps.append)
    assert 1 <= short.trials.height < 10**5


def test_workers_run_the_same_number_of_trials(data, tmp_path):
    tuned = tune(MatrixFactorization(**SMALL), data, space=SPACE, n_trials=10, n_workers=2, out=tmp_path)
    assert tuned.trials.height == 10
    assert tuned.model.n_threads is None


def test_a_folder_has_model_config_and_trials(data, tmp_path):
    out = tmp_path / "deep" / "er"
    tuned = tune(MatrixFactorization(**SMALL), data, space=SPACE, n_trials=5, out=out)
    assert {p.name for p in out.iterdir()} == {"study.db", "model.safetensors", "config.json", "trials.parquet"}
    np.testing.assert_array_equal(load(out / "model.safetensors").user_factors_, tuned.model.user_factors_)
    again = read_config(out / "config.json")
    assert {name: again.get_params()[name] for name in tuned.parameters} == tuned.parameters
    assert again.random_state == 42
    assert pl.read_parquet(out / "trials.parquet").equals(tuned.trials)
    with pytest.raises(DataError, match=r"cannot write the result to .*study\.db"):
        tuned.save(out / "study.db")
    record = json.loads((out / "config.json").read_text())["tuned"]
    assert (record["metric"], record["split"], record["trials"]["failed"]) == ("rmse", "random:0.2:42", 0)
    assert {"optuna", "palate", "numpy"} <= set(record["versions"])


def test_the_same_call_goes_on_where_it_was(data, tmp_path):
    first = tune(Baseline(), data, n_trials=4, out=tmp_path)
    seen = []
    more = tune(Baseline(), data, n_trials=7, out=tmp_path, progress=seen.append)
    assert [s.step for s in seen if s.stage == "trials finished"] == [5, 6, 7]
    assert trials(more).head(4).equals(trials(first))
    assert trials(more)["parameters"].n_unique() == 7  # nothing is drawn twice
    same = tune(Baseline(), data, n_trials=7, out=tmp_path)
    assert trials(same).equals(trials(more))


@pytest.mark.long
def test_a_killed_search_goes_on(data, tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path / "t"), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "three\n"
        process.kill()
    database = sqlite3.connect(tmp_path / "t" / "study.db")
    database.execute("UPDATE trials SET state = 'RUNNING' WHERE number = 2")  # as if killed inside the third
    database.commit()
    database.close()
    resumed = tune(Baseline(), data, n_trials=6, out=tmp_path / "t")
    assert resumed.trials.height == 6
    assert 3 not in resumed.trials["trial"].to_list()


@pytest.mark.parametrize(
    ("kills", "n_workers"),
    [(["in"], 2), pytest.param(["before", "in"], 1, marks=pytest.mark.long)],
    ids=["in-2", "before-in-1"],
)
def test_the_default_is_tried_first_also_after_a_kill(data, tmp_path, kills, n_workers):
    for where in kills:
        command = [sys.executable, "-c", KILLED_AT_FIRST, str(tmp_path / "t"), str(Path(__file__).parent), where]
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    resumed = tune(MatrixFactorization(**SMALL), data, space=SPACE, n_trials=3, out=tmp_path / "t", n_workers=n_workers)
    default = MatrixFactorization(**GIVEN).get_params()
    started = {name: default[name] for name in SPACE}
    first = [json.loads(found) for found in resumed.trials["parameters"]]
    assert first[0] == started
    assert first.count(started) == 1
    assert resumed.trials.height == 3
    whole = tune(MatrixFactorization(**SMALL), data, space=SPACE, n_trials=1)
    assert resumed.default_value == whole.value == resumed.trials["value"][0]


def test_ctrl_c_ends_a_search_and_keeps_finished_trials(data, tmp_path):
    def stop(step):
        if step.task == "trial 3" and step.stage == "training" and step.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(MatrixFactorization(**SMALL), data, space=SPACE, n_trials=9, out=tmp_path, progress=stop)
    assert not (tmp_path / "config.json").exists()
    resumed = tune(MatrixFactorization(**SMALL), data, space=SPACE, n_trials=4, out=tmp_path)
    assert resumed.trials["trial"].to_list() == [1, 2, 4, 5]


def test_another_question_is_not_answered_from_the_same_folder(data, tmp_path):
    tune(Baseline(), data, n_trials=1, out=tmp_path)
    for change, said in (
        ({"metric": "mae"}, "another metric: choose another folder, or remove that one"),
        ({"split": "time:0.2"}, "another split and validation:"),
        ({"random_state": 1}, "another validation and random_state:"),
        ({"positive": 4.0}, "another positive:"),
        ({"space": {"reg_users": Range(1, 2)}}, "another space:"),
        ({"model": Baseline(reg_items=4)}, "another model:"),
        ({"data": low_rank(seed=1)}, "another fingerprint:"),
    ):
        asked = {"model": Baseline(), "data": data, **change}
        with pytest.raises(DataError, match=f"holds a search with {said}"):
            tune(asked.pop("model"), asked.pop("data"), n_trials=1, out=tmp_path, **asked)


def test_what_is_no_study_is_refused(data, tmp_path):
    (tmp_path / "study.db").write_text("my thesis")
    with pytest.raises(DataError, match=r"study\.db is no study: remove it, or choose another folder"):
        tune(Baseline(), data, n_trials=1, out=tmp_path)
    assert (tmp_path / "study.db").read_text() == "my thesis"
    (tmp_path / "study.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    with pytest.raises(DataError, match=r"study\.db cannot be read as a study .*: remove it"):
        tune(Baseline(), data, n_trials=1, out=tmp_path)
    with pytest.raises(DataError, match=r"cannot keep the study in .*study\.db"):
        tune(Baseline(), data, n_trials=1, out=tmp_path / "study.db")


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"model": "nope"}, ParameterError, "no model 'nope'; there is popularity, baseline, mf"),
        ({"model": "MF"}, ParameterError, "no model 'MF'; did you mean 'mf'?"),
        ({"model": 3}, ParameterError, "model must be a model or one of popularity, baseline, .*, got 3"),
        ({"metric": "rsme"}, ParameterError, "unknown metric 'rsme': did you mean 'rmse'"),
        ({"metric": "ndcg@31"}, ParameterError, "choose k up to 30"),
        ({"metric": "popularity_lift@5"}, ParameterError, "popularity_lift@5 has no better end to search for"),
        (
            {"metric": "rmse", "model": "popularity"},
            DataError,
            "no trial came to an end: rmse needs a model that predicts",
        ),
        ({"n_trials": 0}, ParameterError, "n_trials must be a whole number of at least 1, got 0"),
        ({"n_workers": 1.5}, ParameterError, "n_workers must be a whole number of at least 1, got 1.5"),
        ({"patience": 0}, ParameterError, "patience must be a whole number of at least 1, got 0"),
        ({"seconds": 0}, ParameterError, "seconds must be a number above 0, got 0"),
        ({"random_state": -1}, ParameterError, "random_state must be a whole number of at least 0, got -1"),
        ({"space": {}}, ParameterError, "there is nothing to search for in baseline: every parameter is fixed"),
        ({"space": {"luck": Range(0, 1)}}, ParameterError, "baseline has no parameter 'luck'; it has reg_users"),
        ({"space": {"reg_user": Range(0, 1)}}, ParameterError, "no parameter 'reg_user'; did you mean 'reg_users'?"),
        ({"space": {"reg_users": (0, 1)}}, ParameterError, "the space of reg_users must be a Range or a Choice"),
        ({"split": "kfold:5:1"}, ParameterError, "the split kfold:5:1 has 5 test parts, and a search needs one"),
        ({"split": "luck"}, ParameterError, "unknown split 'luck'"),
        ({"validation": "kfold:2:1"}, ParameterError, "the split kfold:2:1 has 2 test parts"),
        ({"model": Baseline(reg_users=-1)}, ParameterError, "reg_users"),
        ({"data": {"user": [1]}}, DataError, "data must be Interactions, got dict"),
    ],
)
def test_impossible_requests(data, change, error, said):
    asked = {"model": "baseline", "data": data, "n_trials": 1, **change}
    with pytest.raises(error, match=said):
        tune(asked.pop("model"), asked.pop("data"), **asked)


def test_a_metric_with_nothing_to_measure_fails_with_its_name():
    data = interactions([1, 1, 2, 2, 3, 3], [1, 2, 1, 2, 1, 2], [3, 3, 3, 3, 3, 3], times=range(6))
    with pytest.raises(DataError, match="r2 has nothing to measure on the validation part"):
        tune("baseline", data, metric="r2", n_trials=1)


def test_popularity_is_tuned_by_its_lists():
    rng = np.random.default_rng(0)
    n = 2000
    times = np.arange(n) * 86_400
    items = (np.arange(n) // 200 * 3 + rng.integers(0, 6, n)) % 40  # fashions of 200 days
    data = interactions(np.arange(n) % 100, items, times=times, on_duplicate="last")
    tuned = tune(Popularity(), data, metric="hit_rate@5", split="time:0.2", n_trials=12)
    assert tuned.parameters["half_life_days"] in (7.0, 30.0, 90.0)
    assert tuned.value > tuned.default_value
    assert tuned.model.half_life_days == tuned.parameters["half_life_days"]


def test_without_optuna_the_pip_command_is_told(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(
        MissingExtraError, match=r"a search for parameters needs the extra 'tune': pip install 'palate\[tune\]'"
    ):
        tune("baseline", data)
