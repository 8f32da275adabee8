"""A forked process answers, or says at once what it cannot do: it never waits for threads that it does not have."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import subprocess
import sys
import threading
from urllib.request import urlopen

import numpy as np
import polars as pl
import pytest

import palate
from palate.errors import ForkedError
from palate.evaluation import measure
from palate.parallel import single_blas_thread, table_threads_run

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
    pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning"),  # of Python 3.12 and newer
]
SECONDS = 60  # until a child counts as hanging


def log(n_users=12, n_items=9, text=True):
    rows = [(u, i, 1.0 + (u * i) % 5) for u in range(n_users) for i in range(n_items) if (u + i) % 4]
    users, items, values = map(list, zip(*rows, strict=True))
    if text:
        users, items = [f"u{u}" for u in users], [f"i{i}" for i in items]
    return palate.Interactions.from_table({"user": users, "item": items, "rating": values})


def start_table_threads():
    pl.DataFrame({"one": [3, 1, 2]}).sort("one")
    assert table_threads_run()


def in_a_fork(call):
    """Return what a forked process makes of a call: its value, or the error."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def run():
        try:
            theirs.send(call())
        except palate.PalateError as error:
            theirs.send(error)

    child = context.Process(target=run)
    child.start()
    try:
        assert ours.poll(SECONDS), "the child hangs"
        return ours.recv()
    finally:
        child.kill()
        child.join()


def fitted(key, rows):
    parameters = palate.MODELS[key].parameter_names()
    wanted = {"positive": 3, "random_state": 0, "n_sweeps": 6, "n_burn_in": 1}
    return palate.MODELS[key](**{name: value for name, value in wanted.items() if name in parameters}).fit(rows)


def answers(model, newcomer):
    """Return everything that a server asks of a model, as plain rows."""
    users, items = model.users_.values.to_list(), model.items_.values.to_list()
    asked = {
        "recommend": lambda: model.recommend(users, 3),
        "filtered": lambda: model.recommend(users[:2], 3, allow=items[:5], deny=items[:1], exclude=newcomer),
        "popular": lambda: model.recommend([users[0], type(users[0])(99)], 3, on_unknown="popular"),
        "recommend_for": lambda: model.recommend_for(newcomer, 3),
        "explain": lambda: model.explain(users[0], items[0]).parts,
        "explain newcomer": lambda: model.explain(newcomer.users.values[0], items[0], interactions=newcomer).parts,
        "similar_items": lambda: model.similar_items(items[:2], 3),
        "similar_users": lambda: model.similar_users(users[:2], 3),
        "predict_distribution": lambda: model.predict_distribution(users[0], items[0]),
        "fold_in": lambda: pl.DataFrame({"factor": model.fold_in(newcomer).factors.ravel()}),
        "predict": lambda: pl.DataFrame({"value": model.predict(users[0], items)}),
    }
    always = ("recommend", "filtered", "popular")
    able = {name: ask for name, ask in asked.items() if name in always or name.split()[0] in model.supports}
    if hasattr(model, "questions"):
        able["questions"] = lambda: model.questions(2)
    return {name: ask().to_dict(as_series=False) for name, ask in able.items()}


NUMBERED = {"baseline", "als", "ease"}  # the models whose files with integer ids are not left to the long tests


@pytest.mark.parametrize(
    ("key", "text"),
    [
        pytest.param(key, text, marks=() if text or key in NUMBERED else pytest.mark.long)
        for key in palate.MODELS
        for text in (True, False)
    ],
)
def test_a_forked_child_loads_and_answers_as_its_parent_does(key, text, tmp_path):
    rows = log(text=text)
    model = fitted(key, rows)
    new = ["x", "x"] if text else [77, 77]
    newcomer = palate.Interactions.from_table({"user": new, "item": rows.items.values[:2], "rating": [5.0, 1.0]})
    path = tmp_path / "model.safetensors"
    palate.save(model, path)
    start_table_threads()
    truth = answers(model, newcomer)
    assert in_a_fork(lambda: (answers(model, newcomer), answers(palate.load(path), newcomer))) == (truth, truth)


def test_ids_out_of_order_load_in_a_forked_child():
    start_table_threads()
    ids = pl.Series(np.random.default_rng(0).permutation(1000))
    from palate.data.ids import Ids

    assert in_a_fork(lambda: len(Ids(ids, "user"))) == 1000
    again = in_a_fork(lambda: Ids(pl.concat([ids, ids[:1]], rechunk=False), "user"))
    assert "user ids repeat" in str(again)


REFUSED = {
    "where=": lambda model, rows, path: model.recommend("u1", 3, where="title!=i3"),
    "reading a table": lambda model, rows, path: log(),
    "training": lambda model, rows, path: fitted("als", rows),
    "measuring a model": lambda model, rows, path: measure(model, rows, rows, ["rmse"]),
}


@pytest.mark.parametrize("work", REFUSED)
def test_work_that_needs_lost_threads_is_refused_at_once(work, tmp_path):
    rows = log()
    model = fitted("als", rows)
    start_table_threads()
    error = in_a_fork(lambda: REFUSED[work](model, rows, tmp_path))
    assert isinstance(error, ForkedError)
    assert str(error).startswith(f"{work} needs the threads of Polars, which a forked process does not have")
    assert "multiprocessing's 'spawn', and servers such as gunicorn without --preload" in str(error)


def test_files_are_not_read_in_a_forked_child(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,item,rating\n1,1,5\n")
    start_table_threads()
    for read in (palate.read_ratings, lambda one: palate.data.reading.ratings.read_table(one)):
        assert "reading a table needs the threads" in str(in_a_fork(lambda read=read: read(path)))


def test_a_lock_that_another_thread_held_at_the_fork_holds_nobody_up():
    held, done = threading.Event(), threading.Event()

    def hold():
        from palate.parallel import _guard

        with _guard._lock:
            held.set()
            done.wait(SECONDS)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(SECONDS)

    def multiply():
        with single_blas_thread():
            return float((np.ones((3, 3)) @ np.ones((3, 3))).sum())

    try:
        assert in_a_fork(multiply) == 27
    finally:
        done.set()
        thread.join()


LOADED_ONLY = """
import sys, os, json, palate
from palate.parallel import table_threads_run
model = palate.load(sys.argv[1])
palate.warm(model)
model.recommend("u1", 2)
assert not table_threads_run()
if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
new = palate.Interactions.from_table({"user": ["x", "x"], "item": ["i1", "i2"], "rating": [5.0, 1.0]})
assert len(model.recommend_for(new, 2)) == 2
assert len(model.recommend("u1", 2, where="title!=i3", exclude_seen=False)) == 2
palate.ALS(2).fit(new)
"""


def test_a_parent_that_has_only_loaded_and_warmed_leaves_its_children_whole(tmp_path):
    palate.save(fitted("als", log()), tmp_path / "model.safetensors")
    command = [sys.executable, "-W", "ignore", "-c", LOADED_ONLY, str(tmp_path / "model.safetensors")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


SERVER = """
import json, os
from urllib.parse import parse_qs
import palate

if os.environ["MODEL"] == "trained":  # in the parent: its table threads run
    rows = {"user": [1, 1, 2, 2, 3], "item": [1, 2, 1, 3, 2], "rating": [4.0, 1, 5, 2, 3]}
    model = palate.ALS(2, random_state=0).fit(palate.Interactions.from_table(rows))
else:
    model = palate.load(os.environ["MODEL"])

def app(environ, start_response):
    asked = parse_qs(environ["QUERY_STRING"])
    try:
        if "new" in asked:
            rows = palate.Interactions.from_table({"user": [9], "item": [1], "rating": [5.0]})
            found = model.recommend_for(rows, 2)["item_id"].to_list()
        else:
            found = model.recommend(int(asked["user"][0]), 2)["item_id"].to_list()
    except palate.PalateError as error:
        found = str(error)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"worker": os.getpid(), "found": found}).encode()]
"""


@pytest.fixture(params=["trained", "loaded"])
def preloaded(request, tmp_path):
    """A gunicorn with two workers that were forked from a process with a model: (its address, how the model came)."""
    pytest.importorskip("gunicorn")
    (tmp_path / "server.py").write_text(SERVER)
    model = "trained"
    if request.param == "loaded":
        rows = {"user": [1, 1, 2, 2, 3], "item": [1, 2, 1, 3, 2], "rating": [4.0, 1, 5, 2, 3]}
        model = str(tmp_path / "model.safetensors")
        palate.save(palate.ALS(2, random_state=0).fit(palate.Interactions.from_table(rows)), model)
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "--bind", "127.0.0.1:0", "server:app"]
    server = subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, "MODEL": model}, stderr=subprocess.PIPE, text=True
    )
    try:
        for line in server.stderr:
            if found := re.search(r"Listening at: (http://\S+)", line):
                break
        reader = threading.Thread(target=server.stderr.read, daemon=True)
        reader.start()
        yield found[1], request.param
    finally:
        server.terminate()
        server.wait(SECONDS)
        reader.join(SECONDS)
        server.stderr.close()


def test_a_server_that_forks_with_a_model_answers(preloaded):
    address, how = preloaded

    def asked(query):
        with urlopen(f"{address}/?{query}", timeout=SECONDS) as answer:
            return json.load(answer)["found"]

    for _ in range(4):
        assert asked("user=1") == [3]
        new = asked("new=1")
        if how == "loaded":
            assert sorted(new) == [2, 3]
        else:
            assert new.startswith("reading a table needs the threads of Polars")
