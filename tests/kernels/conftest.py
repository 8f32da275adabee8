"""Every kernel test runs twice: compiled, and as the Python it is written in (where coverage sees the lines)."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from types import ModuleType

import numba
import pytest


@pytest.fixture(scope="module", params=["compiled", "python"])
def kernel(request: pytest.FixtureRequest) -> Callable[[str], ModuleType]:
    """Return a function from a kernel module's name to the module, compiled or with NUMBA_DISABLE_JIT."""
    if request.param == "compiled":
        return lambda name: importlib.import_module(f"palate.kernels.{name}")
    return _uncompiled


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
