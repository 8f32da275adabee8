"""BLAS's number of threads, another process and another hash seed change no bit of any model.

EASE, which lets BLAS use threads where it may have some, is given one here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from palate import MODELS

SCRIPT = Path(__file__).parent.parent / "blas_bits.py"


def bits(n, hash_seed):
    names = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env={**os.environ, **dict.fromkeys(names, str(n)), "PYTHONHASHSEED": str(hash_seed)},
        capture_output=True,
        text=True,
        check=False,
        cwd=SCRIPT.parent,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def found():
    one, two = bits(1, 1), bits(2, 2)
    if 2 not in two["blas"]:
        pytest.skip("BLAS here cannot run on two threads")
    return one, two


@pytest.mark.parametrize("key", MODELS)
def test_bits_are_the_same_with_one_and_two_blas_threads_and_another_hash_seed(key, found):
    one, two = (each[key] for each in found)
    assert [name for name in one if one[name] != two[name]] == []
    assert {*MODELS[key].learned_.kind.ARRAYS, "lists"} <= set(one)


def test_closed_forms_alone_let_blas_use_threads():
    assert [key for key, cls in MODELS.items() if cls.own_blas_threads] == ["ease", "graph", "blend"]
