"""Every kernel test runs compiled, and as the Python it is written in (where coverage sees the lines).

What takes seconds to compile is compiled in single precision, as models have it; in double, too, and as Python in the
long tests.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from types import ModuleType

import numba
import numpy as np
import pytest

IN_DOUBLE = pytest.param("compiled-float64", marks=pytest.mark.long)
AS_PYTHON = pytest.param("python-float64", marks=pytest.mark.long)


@pytest.fixture(scope="module", params=["compiled", "python"])
def kernel(request: pytest.FixtureRequest) -> Callable[[str], ModuleType]:
    """Return a function from a kernel module's name to the module, compiled or with NUMBA_DISABLE_JIT."""
    return _compiled if request.param == "compiled" else _uncompiled


@pytest.fixture(scope="module", params=["compiled-float32", IN_DOUBLE, AS_PYTHON])
def typed(request: pytest.FixtureRequest) -> tuple[Callable[[str], ModuleType], type]:
    """Return what `kernel` is, and the type of numbers to ask it with."""
    how, dtype = request.param.split("-")
    return _compiled if how == "compiled" else _uncompiled, np.dtype(dtype).type


def _compiled(name: str) -> ModuleType:
    return importlib.import_module(f"palate.kernels.{name}")


def _uncompiled(name: str) -> ModuleType:
    spec = importlib.util.find_spec(f"palate.kernels.{name}")
    module = importlib.util.module_from_spec(spec)
    before = numba.config.DISABLE_JIT
    numba.config.DISABLE_JIT = True
    try:
        spec.loader.exec_module(module)
    finally:
        numba.config.DISABLE_JIT = before
    return module
