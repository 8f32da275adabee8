"""Saving and loading: round trips, the mapped file, refusals at saving, interruptions."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import mmap
import os
import random
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import safetensors.numpy
from altered import alter
from make_samples import make_samples
from model_files import (
    MADE,
    Parts,
    assert_same_model,
    number_model,
    popularity_model,
    text_model,
)

from palate import files
from palate.data.dataset import Dataset, LearnedLog
from palate.data.interactions import Interactions
from palate.errors import ModelFileError, NotFittedError
from palate.files.container import pieces
from palate.models import MODELS, MatrixFactorization, Popularity


@pytest.fixture(scope="module")
def numbers():
    return number_model()


@pytest.fixture(scope="module")
def texts():
    return text_model(store_history=False)


def changed(model, **attributes):
    """Return a copy of a fitted model with other attributes."""
    return alter(type(model).from_state(model.state()), **attributes)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def leftovers(folder):
    return [name for name in names(folder) if name.endswith(".tmp")]


# -- round trips ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [text_model, *MADE.values()], ids=["mf of text", *MADE])
@pytest.mark.parametrize("store_history", [True, False])
def test_a_loaded_model_is_the_saved_one(made, store_history, tmp_path):
    model = made(store_history=store_history)
    files.save(model, tmp_path / "m.safetensors")
    loaded = files.load(str(tmp_path / "m.safetensors"))
    assert type(loaded) is type(model)
    assert loaded.rating_range_ == model.rating_range_
    assert_same_model(loaded, model)
    told = ("history_", "best_epoch_", "epoch_chosen_on_", "interrupted_")
    assert [getattr(loaded, name) for name in told] == [getattr(model, name) for name in told]


@pytest.mark.parametrize("made", [number_model, popularity_model])
def test_a_loaded_model_ranks_as_the_saved_one(made, tmp_path):
    model = made()
    files.save(model, tmp_path / "m")
    users = model.users_.values
    asked = {"n": 3, "where": "year=1995"}
    assert files.load(tmp_path / "m").recommend(users, **asked).equals(model.recommend(users, **asked))


def test_a_loaded_model_predicts_as_the_saved_one(numbers, tmp_path):
    files.save(numbers, tmp_path / "m")
    loaded, users = files.load(tmp_path / "m"), numbers.users_.values
    np.testing.assert_array_equal(loaded.predict(users[0], 1003), numbers.predict(users[0], 1003))


def test_saving_twice_gives_the_same_bytes_and_a_loaded_model_can_be_saved_over_its_own_file(numbers, tmp_path):
    files.save(numbers, tmp_path / "a")
    files.save(files.load(tmp_path / "a"), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    loaded = files.load(tmp_path / "a")
    files.save(loaded, tmp_path / "a")
    assert_same_model(loaded, numbers)
    assert_same_model(files.load(tmp_path / "a"), numbers)


def test_numbers_of_numpy_and_float64_factors_survive(tmp_path):
    model = number_model(n_factors=np.int64(2), learning_rate=np.float32(0.5) / 16, dtype="float64")
    files.save(changed(model, mean_=np.float64(3.25), history_=[{"epoch": np.int32(1)}]), tmp_path / "m")
    loaded = files.load(tmp_path / "m")
    assert loaded.user_factors_.dtype == np.float64
    assert (loaded.n_factors, loaded.learning_rate, loaded.mean_, loaded.history_) == (2, 0.03125, 3.25, [{"epoch": 1}])


def test_a_generator_is_saved_as_the_seed_that_it_gave(tmp_path):
    model = number_model(random_state=np.random.default_rng(5))
    files.save(model, tmp_path / "m")
    assert files.load(tmp_path / "m").random_state == model.seed_


def test_the_safetensors_library_reads_the_file(texts, tmp_path):
    files.save(texts, tmp_path / "m")
    arrays = safetensors.numpy.load_file(tmp_path / "m")
    np.testing.assert_array_equal(arrays["learned.item_factors_"], texts.item_factors_)
    offsets, text = arrays["users.offsets"], arrays["users.text"].tobytes()
    assert [text[a:b].decode() for a, b in itertools.pairwise(offsets)] == texts.users_.values.to_list()


def test_loaded_arrays_are_read_only_views_of_one_mapped_file(numbers, tmp_path):
    files.save(numbers, tmp_path / "m")
    loaded = files.load(tmp_path / "m")
    arrays = [*loaded.state().arrays.values(), loaded.seen_.indptr, loaded.seen_.indices, loaded.seen_.values]
    maps = set()
    for array in arrays:
        if not array.size:  # of features, which this model has none of
            continue
        assert not array.flags.writeable
        assert array.flags.aligned
        while isinstance(array, np.ndarray):
            array = array.base
        maps.add(id(array.obj))
        assert isinstance(array.obj, mmap.mmap)
    assert len(maps) == 1
    with pytest.raises(ValueError, match="read-only"):
        loaded.user_factors_[0] = 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_processes_share_the_pages_of_a_loaded_model(tmp_path):
    ones, none = np.ones((12, 1 << 16), np.float32), np.zeros((0, 1 << 16), np.float32)  # 3 MB
    large = {"user_factors_": ones, "item_factors_": ones[:9], "user_weights_": none, "item_weights_": none}
    files.save(alter(number_model(), **large), tmp_path / "big")
    loaded = files.load(tmp_path / "big")
    lines = Path("/proc/self/smaps").read_text().split(str(tmp_path / "big"), 1)[1].splitlines()[1:20]
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith("kB")}
    assert sizes["Rss"] > 5000
    assert sizes["Private_Dirty"] == sizes["Anonymous"] == 0
    assert len(loaded.users_) == 12


def test_a_file_replaced_while_mapped_stays_as_it_was_for_its_reader(numbers, texts, tmp_path):
    files.save(numbers, tmp_path / "m")
    loaded = files.load(tmp_path / "m")
    files.save(texts, tmp_path / "m")
    assert_same_model(loaded, numbers)
    assert_same_model(files.load(tmp_path / "m"), texts)


def test_the_file_behind_a_link_is_replaced_and_rights_follow_the_umask(numbers, tmp_path):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    before = os.umask(0o027)
    try:
        files.save(numbers, tmp_path / "link")
    finally:
        os.umask(before)
    assert (tmp_path / "link").is_symlink()
    assert stat.S_IMODE((tmp_path / "target").stat().st_mode) == 0o640
    assert_same_model(files.load(tmp_path / "target"), numbers)


SAMPLES = sorted((Path(__file__).parent / "samples").glob("v*.safetensors"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.stem)
def test_kept_samples_of_every_format_version_stay_readable(path):
    model = files.load(path)
    assert type(model) is MODELS[path.stem.split("-")[1]]
    table = model.recommend(model.users_.values, n=2, exclude_seen=False)
    assert table.height == 2 * len(model.users_)


@pytest.mark.parametrize("key", MODELS)
def test_there_is_a_sample_of_every_model_in_this_format_version(key):
    from palate.files.model_file import FORMAT_VERSION

    assert [p for p in SAMPLES if p.name.startswith(f"v{FORMAT_VERSION}-{key}-")]


def test_samples_are_small_and_load(tmp_path):
    for path in make_samples(tmp_path):
        assert path.stat().st_size < 20_000
        assert type(files.load(path)) is MODELS[path.stem.split("-")[1]]


# -- refused at saving ----------------------------------------------------------------------------------------------

BAD_ATTRIBUTES = {
    "mean_ cannot be saved as JSON": {"mean_": float("nan")},
    "history_ cannot be saved as JSON": {"history_": [{"epoch": 1, "loss": float("inf")}]},
    "history_ must be a list of records of numbers": {"history_": [{"epoch": "first"}]},
    "rating_range_ must be two numbers, the lowest first": {"rating_range_": (5, 1)},
    "n_factors cannot be saved as JSON: a value of type complex": {"n_factors": 1j},
    "init is nested too deeply": {"init": [[[[[[[[[]]]]]]]]]},
    "user_biases_ holds a number beyond": {"user_biases_": np.full(12, 1e30)},
    "user_biases_ holds int64, not float32 or float64": {"user_biases_": np.zeros(12, np.int64)},
    "item table is out of step with the 9 items": {"item_table_": pl.DataFrame({"item_id": [1], "title": ["A"]})},
}


@pytest.mark.parametrize("text", BAD_ATTRIBUTES)
def test_a_model_that_no_file_can_hold_is_refused_and_the_old_file_kept(numbers, tmp_path, text):
    path = tmp_path / "m"
    files.save(numbers, path)
    with pytest.raises(ModelFileError, match=text):
        files.save(changed(numbers, **BAD_ATTRIBUTES[text]), path)
    assert names(tmp_path) == ["m"]
    assert_same_model(files.load(path), numbers)


@pytest.mark.parametrize("name", ["user_factors_", "item_factors_", "user_biases_", "item_biases_"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_in_an_array_is_refused_at_saving_by_name(numbers, tmp_path, name, bad):
    array = getattr(numbers, name).copy()
    array.flat[-1] = bad
    with pytest.raises(ModelFileError, match=f"^{name} holds NaN or an infinite number"):
        files.save(changed(numbers, **{name: array}), tmp_path / "m")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (
            pl.Series("x", [1.0, float("nan")] + [None] * 7),
            "item column 'x' holds NaN .* in row 1; mark missing values",
        ),
        (pl.Series("x", [None, None, float("inf")] + [None] * 6), "item column 'x' holds NaN .* in row 2"),
        (
            pl.Series("x", [[1]] * 9),
            r"item column 'x' has type List\(Int64\), which a model file cannot hold; drop it or",
        ),
        (pl.Series("x", [datetime.timedelta(1)] * 9), "item column 'x' has type Duration"),
        (pl.Series("title", [1] * 9), "the item table has no column 'title' of text"),
    ],
)
def test_item_columns_that_no_file_can_hold_are_refused_at_saving(numbers, tmp_path, column, text):
    with pytest.raises(ModelFileError, match=text):
        files.save(changed(numbers, item_table_=numbers.item_table_.with_columns(column)), tmp_path / "m")


def test_the_container_refuses_numbers_that_it_has_no_word_for():
    with pytest.raises(ModelFileError, match="array x has dtype float16; a model file holds float64, float32, int64"):
        list(pieces({"x": np.zeros(1, np.float16)}, {}))


def test_an_unfitted_model_is_not_saved(tmp_path):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        files.save(MatrixFactorization(), tmp_path / "m")
    assert names(tmp_path) == []


def test_a_header_beyond_the_limit_is_refused_at_saving(numbers, tmp_path):
    long = changed(numbers, epoch_chosen_on_="x" * (33 << 20))
    with pytest.raises(ModelFileError, match=r"the header would have 34,.* bytes; at most 33,554,432 are admitted"):
        files.save(long, tmp_path / "m")
    assert names(tmp_path) == []


def test_places_that_cannot_be_written_are_named(numbers, tmp_path):
    with pytest.raises(ModelFileError, match=r"cannot save .*/no/m: No such file or directory"):
        files.save(numbers, tmp_path / "no" / "m")
    with pytest.raises(ModelFileError, match=r"cannot save .*: it is a folder; name a file in it"):
        files.save(numbers, tmp_path)
    assert leftovers(tmp_path.parent) == []


# -- interrupted saves ----------------------------------------------------------------------------------------------


def raising(error, at=1):
    """Return a function that raises when called for the ``at``-th time, and counts its calls."""
    calls = []

    def stop(*args, **_):
        calls.append(args)
        if len(calls) == at:
            raise error

    return stop


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["disk full", "Ctrl-C"]
)
@pytest.mark.parametrize("step", ["os.fsync", "os.replace", "write"])
def test_an_interrupted_save_leaves_the_old_file_whole_and_nothing_else(
    numbers, texts, tmp_path, monkeypatch, step, error
):
    path = tmp_path / "m"
    files.save(numbers, path)
    before = path.read_bytes()
    kind, text = (ModelFileError, "cannot save .*/m: No space") if isinstance(error, OSError) else (type(error), None)
    with monkeypatch.context() as patched:
        if step == "write":
            patched.setattr("palate.files.model_file.pieces", lambda *_: iter_then_raise([b"a few bytes"], error))
        else:
            patched.setattr(step, raising(error))
        with pytest.raises(kind, match=text):
            files.save(texts, path)
    assert path.read_bytes() == before
    assert names(tmp_path) == ["m"]


def iter_then_raise(pieces, error):
    yield from pieces
    raise error


def test_a_folder_that_cannot_be_synced_is_said_and_the_new_file_is_whole(numbers, texts, tmp_path, monkeypatch):
    files.save(numbers, tmp_path / "m")
    monkeypatch.setattr("os.fsync", raising(OSError(5, "Input/output error"), at=2))
    with pytest.raises(ModelFileError, match=r"cannot save .*/m: Input/output error"):
        files.save(texts, tmp_path / "m")
    assert_same_model(files.load(tmp_path / "m"), texts)
    assert names(tmp_path) == ["m"]


def test_bytes_are_synced_before_the_rename_and_the_folder_after_it(numbers, tmp_path, monkeypatch):
    done = []
    fsync, rename = os.fsync, os.replace

    def synced(handle):
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else os.fstat(handle).st_size)
        fsync(handle)

    def renamed(*names):
        done.append("rename")
        rename(*names)

    monkeypatch.setattr("os.fsync", synced)
    monkeypatch.setattr("os.replace", renamed)
    files.save(numbers, tmp_path / "m")
    assert done == [(tmp_path / "m").stat().st_size, "rename", "folder"]


SAVE_FOR_EVER = """
import sys
from palate import files
models = [files.load(path) for path in sys.argv[1:3]]
print("ready", flush=True)
while True:
    for model in models:
        files.save(model, sys.argv[3])
"""


def kill_savers(tmp_path, numbers, n, seed):
    """Kill n processes, each in the midst of saving two models in turn to a file of its own; return what is left."""
    sources = []
    for size in (1 << 14, 1 << 15):
        factors = {
            name: np.full((rows, size), 0.5, np.float32) for name, rows in (("user_factors_", 12), ("item_factors_", 9))
        }
        factors |= dict.fromkeys(("user_weights_", "item_weights_"), np.zeros((0, size), np.float32))
        sources.append(tmp_path / f"source-{size}")
        files.save(changed(numbers, **factors), sources[-1])
    rng = random.Random(seed)
    targets = []
    with contextlib.ExitStack() as stack:
        savers = []
        for k in range(n):
            folder = tmp_path / f"killed-{k}"
            folder.mkdir()
            targets.append(folder / "m")
            command = [sys.executable, "-c", SAVE_FOR_EVER, *map(str, sources), str(targets[-1])]
            savers.append(stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE)))
            stack.callback(savers[-1].kill)
        for saver, target in zip(savers, targets, strict=True):
            assert saver.stdout.readline() == b"ready\n"
            while not target.exists():
                time.sleep(0.001)
            time.sleep(rng.random() * 0.05)
            saver.kill()
            assert saver.wait() == -signal.SIGKILL
    return targets


def check_killed(targets):
    for target in targets:
        assert files.load(target).user_factors_.shape[1] in (1 << 14, 1 << 15)
        assert len(leftovers(target.parent)) <= 1


def test_a_killed_save_leaves_a_whole_file(numbers, tmp_path):
    check_killed(kill_savers(tmp_path, numbers, 3, seed=0))


@pytest.mark.long
def test_a_hundred_killed_saves_leave_whole_files_and_hit_the_midst(numbers, tmp_path):
    targets = [
        target for batch in range(10) for target in kill_savers(tmp_path_of(tmp_path, batch), numbers, 10, seed=batch)
    ]
    check_killed(targets)
    assert (
        sum(len(leftovers(target.parent)) for target in targets) >= 20
    )  # the kills did strike while bytes were written


def tmp_path_of(folder, name):
    made = folder / str(name)
    made.mkdir()
    return made


def test_taken_apart_and_put_together_a_file_still_loads(numbers, tmp_path):
    files.save(numbers, tmp_path / "m")
    (tmp_path / "again").write_bytes(Parts.of(tmp_path / "m").sum_up().bytes())
    assert_same_model(files.load(tmp_path / "again"), numbers)


@pytest.mark.parametrize("path", [None, 3, "a\0b", b"m.safetensors"])
def test_what_is_no_name_of_a_file_is_refused(path):
    model = popularity_model()
    for call in (lambda: files.save(model, path), lambda: files.load(path)):
        with pytest.raises(
            ModelFileError, match=r"a model file is given by its name, such as 'model.safetensors'; got"
        ):
            call()


def test_only_a_model_is_saved(tmp_path):
    with pytest.raises(ModelFileError, match=r"a fitted model is saved, such as .*; got int"):
        files.save(3, tmp_path / "m.safetensors")


# -- the log of a store ---------------------------------------------------------------------------------------------


def test_a_model_keeps_which_log_it_learned_from(numbers, tmp_path):
    rows = Interactions.from_table(pl.DataFrame({"user": [1, 1, 2], "item": [1, 2, 1], "time": [10, 20, 30]}))
    log = LearnedLog("00" * 16, "shop", 3, 30_000_000, 40_000_000)
    data = replace(Dataset.from_tables(rows), log=log)
    files.save(Popularity().fit(data), tmp_path / "m")
    assert files.load(tmp_path / "m").log_ == log
    files.save(numbers, tmp_path / "elsewhere")
    assert files.load(tmp_path / "elsewhere").log_ is None
    assert b'"log"' not in (tmp_path / "elsewhere").read_bytes()


def test_a_part_of_a_log_has_no_key_up_to_which_all_was_learned():
    rows = Interactions.from_table(pl.DataFrame({"user": [1, 1, 2], "item": [1, 2, 1], "time": [10, 20, 30]}))
    data = replace(Dataset.from_tables(rows), log=LearnedLog("00" * 16, "shop", 3, 30_000_000, 40_000_000))
    assert data.take(np.array([0, 1])).log == LearnedLog("00" * 16, "shop", None, 20_000_000, 40_000_000)
    assert data.take(np.array([], int)).log == LearnedLog("00" * 16, "shop", None, None, 40_000_000)
