"""`palate.warm` compiles all that a server is asked for, says what it does, and has nothing left to do afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import palate
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


COMPILED = """
import sys
import numba.core.event as event
import palate

class Told(event.Listener):
    def on_start(self, what):
        print("compiled", what.data["dispatcher"].py_func.__qualname__)

    def on_end(self, what):
        pass

event.register("numba:compile", Told())
model = palate.load(sys.argv[1])
model.recommend(1, 2)
new = palate.Interactions.from_table({"user": [9, 9], "item": ["a", "b"], "rating": [5.0, 1.0]})
model.recommend_for(new, 1)
model.explain(1, "a")
model.explain(9, "a", interactions=new)
model.similar_items("a", 1)
model.predict([1, 2], "a")
"""


@pytest.mark.parametrize("asked", ["key", "file"])
def test_after_the_command_nothing_is_left_to_compile(fitted, tmp_path, asked):
    path = tmp_path / "model.safetensors"
    palate.save(fitted, path)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    word = "als" if asked == "key" else str(path)
    command = [sys.executable, "-m", "palate", "warm", word, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["models"] == [word]
    assert str(tmp_path / "cache") in json.loads(done.stdout)["cache"]
    assert "compiling" in done.stderr
    later = subprocess.run(
        [sys.executable, "-c", COMPILED, str(path)], env=environment, capture_output=True, text=True, check=True
    )
    assert later.stdout == ""


def test_the_command_refuses_what_is_neither_file_nor_key():
    command = [sys.executable, "-m", "palate", "warm", "nothing.safetensors"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "'nothing.safetensors' is no file and no model's key" in " ".join(done.stderr.replace("│", " ").split())
