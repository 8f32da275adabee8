"""The number of threads of BLAS changes no bit of any model but EASE's, which says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from palate import MODELS

SCRIPT = Path(__file__).parent.parent / "blas_bits.py"


def by_threads(n):
    names = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env={**os.environ, **dict.fromkeys(names, str(n))},
        capture_output=True,
        text=True,
        check=False,
        cwd=SCRIPT.parent,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def found():
    one, two = by_threads(1), by_threads(2)
    if 2 not in two["blas"]:
        pytest.skip("BLAS here cannot run on two threads")
    return one, two


@pytest.mark.parametrize("key", MODELS)
def test_bits_are_the_same_with_one_and_two_blas_threads(key, found):
    if MODELS[key].own_blas_threads:
        pytest.skip(f"{key} lets BLAS use threads, and is equal to rounding")
    one, two = (each[key] for each in found)
    assert [name for name in one if one[name] != two[name]] == []
    assert {*MODELS[key].learned_.kind.ARRAYS, "lists"} <= set(one)


def test_only_ease_lets_blas_use_threads():
    assert [key for key, cls in MODELS.items() if cls.own_blas_threads] == ["ease"]
