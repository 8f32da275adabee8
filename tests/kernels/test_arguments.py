"""Kernels tell their arguments: ten at most, those that belong together in a named tuple that the signature names."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import textwrap
import types
import typing

import pytest

import palate.kernels

MOST = 10
MOST_OPENED = 33  # of the pairwise losses, whose loop may not be cut (`palate.kernels.pairs.descend_draws`)
LIMITS = {"pairs": MOST_OPENED, "sgd": 21}  # every other file
USUAL = 16


def modules():
    found = pkgutil.walk_packages(palate.kernels.__path__, "palate.kernels.")
    return [importlib.import_module(module.name) for module in found]


def functions(module):
    for name, value in vars(module).items():
        python = getattr(value, "py_func", value)
        if isinstance(python, types.FunctionType) and python.__module__ == module.__name__ and not name.startswith("_"):
            yield python


def tuple_of(annotation):
    """Return the named tuple that a parameter is, or may be, or None."""
    for kind in typing.get_args(annotation) or (annotation,):
        if inspect.isclass(kind) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
            return kind
    return None


def opened(annotation):
    """Return how many things a parameter holds."""
    kind = tuple_of(annotation)
    return 1 if kind is None else sum(opened(kind.__annotations__[field]) for field in kind._fields)


KERNELS = [function for module in modules() for function in functions(module)]


def test_there_are_kernels():
    assert {"descend_draws", "solve_ratings", "draw_rows", "add_tile"} <= {kernel.__name__ for kernel in KERNELS}


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: f"{kernel.__module__}.{kernel.__name__}")
def test_a_kernel_has_ten_arguments_at_most_and_few_things_in_them(kernel):
    parameters = inspect.signature(kernel).parameters.values()
    assert len(parameters) <= MOST
    total = sum(opened(parameter.annotation) for parameter in parameters)
    assert total <= LIMITS.get(kernel.__module__.rpartition(".")[2], USUAL)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: f"{kernel.__module__}.{kernel.__name__}")
def test_what_a_kernel_unpacks_is_named_in_its_signature(kernel):
    """An argument that is taken apart, ``a, b = argument``, is a named tuple, and is taken apart as that has it."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kernel))).body
    parameters = inspect.signature(kernel).parameters
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Name):
            kind = tuple_of(parameters[node.value.id].annotation) if node.value.id in parameters else None
            assert kind is not None, f"{node.value.id} is unpacked, and is no named tuple of the signature"
            assert len(node.targets[0].elts) == len(kind._fields)
