"""What is imported is installed: by Palate itself or an extra of the layer that imports it, never by `test` alone."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SOURCES = ROOT / "src" / "palate"
# packages under another name than what is imported, and what another package always brings along
NAMED = {
    "sklearn": "scikit-learn",
    "prometheus_client": "prometheus-client",
    "mlflow": "mlflow-skinny",
    "pydantic_settings": "pydantic-settings",
}
BROUGHT = {"llvmlite": "numba", "starlette": "fastapi", "pydantic": "fastapi", "pydantic_core": "fastapi"}
OF_GRADIO = {"fastapi", "uvicorn"}
HOSTS = {"IPython", "google", "grpc"}  # there where Palate runs inside a notebook, or beside Spark Connect
EXTRAS = {
    "store": {"store"},
    "retraining": {"store"},
    "serve": {"serve", "ann"},
    "ui": {"ui"},
    "spark": {"spark"},
    "tuning": {"tune"},
    "plots": {"plots"},
    "integrations": {"sklearn", "mlflow", "onnx"},
}


def installed_by(*extras: str) -> set[str]:
    """Return the packages of Palate itself and of extras, with those of extras that these name."""
    found: set[str] = set()
    for requirement in (
        *PROJECT["dependencies"],
        *(one for e in extras for one in PROJECT["optional-dependencies"][e]),
    ):
        name, _, of = re.match(r"([\w.-]+)(\[([\w,-]+)\])?", requirement).groups()
        found |= installed_by(*of.split(",")) if name == "palate" else {name.lower()}
    return found


def imported(path: Path) -> set[str]:
    """Return the packages that a file imports when it is imported itself, under the names they are installed by."""
    names: set[str] = set()
    for node in at_once(ast.parse(path.read_bytes()).body):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.partition(".")[0])
    others = names - set(sys.stdlib_module_names) - HOSTS - {"palate", "__future__"}
    return {NAMED.get(name, BROUGHT.get(name, name)) for name in others}


def at_once(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return the statements of a module that run on import: not those of functions or for type checkers."""
    found = []
    for node in body:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        found += (
            [node, *at_once(getattr(node, "body", []))] if isinstance(node, ast.If | ast.Try | ast.With) else [node]
        )
    return found


FILES = sorted(path for path in SOURCES.rglob("*.py") if "testing" not in path.relative_to(SOURCES).parts)


@pytest.mark.parametrize("layer", sorted({path.relative_to(SOURCES).parts[0].removesuffix(".py") for path in FILES}))
def test_a_layer_imports_what_it_or_its_extra_installs(layer):
    there = installed_by(*EXTRAS.get(layer, ())) | (OF_GRADIO if layer == "ui" else set())
    of_layer = [path for path in FILES if path.relative_to(SOURCES).parts[0].removesuffix(".py") == layer]
    missing = {(str(path.relative_to(SOURCES)), name) for path in of_layer for name in imported(path) - there}
    assert missing == set()


def test_an_import_of_a_package_for_tests_alone_is_seen(tmp_path):
    (tmp_path / "odd.py").write_text("try:\n    import hypothesis\nexcept ImportError:\n    pass\nimport json\n")
    assert imported(tmp_path / "odd.py") - installed_by("serve", "ann") == {"hypothesis"}
