"""A model whose file is changed in place says so; a copy in memory, and a file replaced whole, do not mind."""

import copy
import os
import pickle
import subprocess
import sys

import pytest
from model_files import assert_same_model, number_model, text_model

from palate import files, load
from palate.errors import ModelFileError


@pytest.fixture
def path(tmp_path):
    files.save(number_model(), tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def grow(path):
    with path.open("ab") as file:
        file.write(b"x")


def overwrite(path):
    data = path.read_bytes()
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))  # a file's clock may be coarse


CALLS = {
    "recommend": lambda m: m.recommend(m.users_.values[0], 2),
    "predict": lambda m: m.predict(m.users_.values[:1], m.items_.values[:1]),
    "similar_items": lambda m: m.similar_items(m.items_.values[0]),
    "state": lambda m: m.state(),
    "save": lambda m: files.save(m, os.devnull + ".safetensors"),
}


@pytest.mark.parametrize("change", [grow, overwrite])
@pytest.mark.parametrize("call", CALLS)
def test_a_file_changed_in_place_is_noticed(path, change, call):
    model = load(path)
    change(path)
    with pytest.raises(ModelFileError, match=r"m\.safetensors was changed in place .* load it again.*copy=True"):
        CALLS[call](model)


def test_a_model_in_memory_minds_no_change(path):
    model, same = load(path, copy=True), load(path)
    assert_same_model(model, same)
    before = model.recommend(model.users_.values, 3)
    path.write_bytes(b"")
    assert model.recommend(model.users_.values, 3).equals(before)
    assert not model.user_factors_.flags.writeable


def test_a_file_replaced_or_removed_is_no_change(path):
    model = load(path)
    before = model.recommend(model.users_.values, 3)
    files.save(text_model(), path)
    assert model.recommend(model.users_.values, 3).equals(before)
    files.save(model, path)
    path.unlink()
    assert model.recommend(model.users_.values, 3).equals(before)


def test_a_copy_of_a_model_or_one_fitted_anew_has_no_file(path):
    model = load(path)
    copied, pickled = copy.deepcopy(model), pickle.loads(pickle.dumps(model))
    shallow = copy.copy(model)
    grow(path)
    assert copied.recommend(copied.users_.values, 3).equals(pickled.recommend(pickled.users_.values, 3))
    with pytest.raises(ModelFileError, match="changed in place"):
        shallow.state()
    from synthetic import low_rank

    model.fit(low_rank(12, 9, 80))
    assert len(model.recommend(model.users_.values, 3))


@pytest.mark.skipif(sys.platform != "linux", reason="a bus error is what Linux does")
def test_a_file_cut_short_ends_no_process_that_looks_first(path):
    code = (
        "import os, sys; from palate import load; from palate.errors import ModelFileError\n"
        "model = load(sys.argv[1]); users = list(model.users_.values)\n"
        "os.truncate(sys.argv[1], 0)\n"
        "try: model.recommend(users, 3)\n"
        "except ModelFileError: print('noticed')"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "noticed\n"), done.stderr
