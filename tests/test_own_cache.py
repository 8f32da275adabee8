"""Two processes that need the same kernels at the same time compile each once, and commands find what they compiled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there are no such locks here")
KERNELS = """
from numba import njit

@njit(cache=True)
def inner(x):
    return x + x

@njit(cache=True)
def outer(x):
    return inner(x) * x
"""
ASKED = """
import json, sys, time
from pathlib import Path
import numba.core.event as event

class Told(event.Listener):
    def on_start(self, what):
        compiled.append(what.data["dispatcher"].py_func.__name__ + str(what.data["args"]))

    def on_end(self, what):
        pass

compiled, me, there = [], int(sys.argv[1]), Path(sys.argv[2])
event.register("numba:compile", Told())
if me < 2:
    import own_cache
    own_cache.share(there / "shared", there / "own")
import few_kernels
if me < 2:
    (there / f"ready{me}").touch()
    while not (there / f"ready{1 - me}").exists():
        time.sleep(0.001)
calls = [(one, x) for x in (3, 3.0, 3j, True) for one in (few_kernels.inner, few_kernels.outer)]
found = [str(one(x)) for one, x in (calls if me else calls[::-1])]
print(json.dumps([compiled, found if me else found[::-1]]))
"""


def test_each_kernel_is_compiled_once_and_commands_find_it(tmp_path):
    (tmp_path / "few_kernels.py").write_text(KERNELS)
    paths = f"{tmp_path}{os.pathsep}{Path(__file__).parent}"
    given = {name: value for name, value in os.environ.items() if name != "PYTEST_XDIST_WORKER"}
    given |= {"PYTHONPATH": paths, "NUMBA_CACHE_DIR": str(tmp_path / "own")}

    def start(me):
        command = [sys.executable, "-c", ASKED, str(me), str(tmp_path)]
        return subprocess.Popen(command, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    both = [start(me) for me in (0, 1)]
    (one, found), (other, also) = (answer(process) for process in both)
    kinds = ["int64", "float64", "complex128", "bool"]
    assert sorted(one + other) == sorted(f"{name}({kind},)" for name in ("inner", "outer") for kind in kinds)
    assert found == also == ["6", "18", "6.0", "18.0", "6j", "(-18+0j)", "2", "2"]
    assert answer(start(2)) == [[], found]  # a command, which knows nothing of locks


def answer(process):
    out, err = process.communicate()
    assert process.returncode == 0, err
    return json.loads(out)
