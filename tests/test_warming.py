"""`palate.warm` compiles all that a server is asked for, says what it does, and has nothing left to do afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import palate
from palate.cli import main
from palate.errors import NotFittedError, ParameterError
from palate.progress import DONE

TABLE = {"user": [1, 1, 2, 2, 3], "item": ["a", "b", "a", "c", "b"], "rating": [4.0, 1.0, 5.0, 2.0, 3.0]}


@pytest.fixture(scope="module")
def fitted():
    return palate.ALS(2, random_state=0).fit(palate.Interactions.from_table(TABLE))


def test_each_step_is_told_before_it_is_taken(fitted):
    told = []
    palate.warm({"films": fitted}, progress=told.append)
    stages = [step.stage for step in told]
    assert stages[0] == "compiling films: lists"
    assert "compiling films: lists for newcomers" in stages
    assert "compiling films: reasons" in stages
    assert stages[-1] == DONE
    assert [step.step for step in told[:-1]] == list(range(1, len(told)))


@pytest.mark.parametrize("key", palate.MODELS)
def test_every_model_can_be_warmed_by_its_key_and_as_it_is(key):
    palate.warm(key)
    positive = {"positive": 3} if "positive" in palate.MODELS[key].parameter_names() else {}
    short = {"n_sweeps": 4, "n_burn_in": 1} if key == "bayes" else {}
    for store_history in (True, False):
        model = palate.MODELS[key](**positive, **short, store_history=store_history)
        palate.warm([model.fit(palate.Interactions.from_table(TABLE))])


def test_no_such_key_and_no_fitted_model():
    with pytest.raises(ParameterError, match="there is no model 'svd'; known are popularity, baseline, mf"):
        palate.warm("svd")
    with pytest.raises(ParameterError, match="there is no model 'svd'"):
        palate.warm({"first": "svd"})
    with pytest.raises(NotFittedError):
        palate.warm(palate.ALS())


TOLD = """
import sys
from numba.core import dispatcher

compiled = dispatcher.Dispatcher.compile

def told(self, sig):
    print(self.py_func.__module__, self.py_func.__qualname__, sig)
    return compiled(self, sig)

dispatcher.Dispatcher.compile = told  # whether it is compiled now or taken from the cache
"""
ASKING = """
import palate

model = palate.load(sys.argv[1])
model.recommend(1, 2)
new = palate.Interactions.from_table({"user": [9, 9], "item": ["a", "b"], "rating": [5.0, 1.0]})
model.recommend_for(new, 1)
model.explain(1, "a")
model.explain(9, "a", interactions=new)
model.similar_items("a", 1)
model.predict([1, 2], "a")
"""
WARMING = "from palate.cli import main\nmain()"


def needed(code, *words, **environment):
    """Return what a process needs of compiled functions, and its other words."""
    command = [sys.executable, "-c", TOLD + code, *map(str, words)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    kernels = {line for line in lines if line.startswith("palate.kernels.")}
    return kernels, [line for line in lines if line.startswith("{")], done.stderr


@pytest.fixture(scope="module")
def model_file(fitted, tmp_path_factory):
    path = tmp_path_factory.mktemp("warming") / "model.safetensors"
    palate.save(fitted, path)
    return path


@pytest.fixture(scope="module")
def of_answers(model_file):
    """What a server of the model needs."""
    kernels, *_ = needed(ASKING, model_file)
    assert len(kernels) > 3
    return kernels


@pytest.mark.parametrize("asked", ["key", "file"])
def test_the_command_needs_all_that_a_server_needs(of_answers, model_file, asked):
    word = "als" if asked == "key" else str(model_file)
    kernels, (said,), progress = needed(WARMING, "warm", word, "--json")
    assert json.loads(said)["models"] == [word]
    assert "compiling" in progress
    assert of_answers <= kernels


@pytest.mark.long
def test_after_the_command_nothing_is_left_to_compile(model_file, tmp_path):
    """With a cache of its own, which the command fills and tells."""
    cache = str(tmp_path / "cache")
    _, (said,), _ = needed(WARMING, "warm", model_file, "--json", NUMBA_CACHE_DIR=cache)
    assert cache in json.loads(said)["cache"]
    files = set((tmp_path / "cache").rglob("*"))
    needed(ASKING, model_file, NUMBA_CACHE_DIR=cache)
    assert set((tmp_path / "cache").rglob("*")) == files


def test_the_command_refuses_what_is_neither_file_nor_key(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["warm", "nothing.safetensors"])
    assert stop.value.code == 2
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "'nothing.safetensors' is no file and no model's key" in said
