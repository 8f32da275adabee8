"""The layers: an import points to the left only, wherever in a file it stands."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import palate

ORDER = (
    *(
        "errors",
        "progress",
        "markup",
        "terminal",
        "notebook",
        "atomic",
        "locks",
        "kernels",
        "parallel",
        "sparse",
        "data",
    ),
    *(
        "topk",
        "metrics",
        "models",
        "files",
        "testing",
        "warming",
        "evaluation",
        "tuning",
        "reproduction",
        "plots",
        "report",
    ),
    *("integrations", "experiments", "store", "retraining", "spark", "serve", "ui", "cli", "__main__"),
)
ROOT = Path(palate.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))


def layer_of(module: str) -> str:
    """Return the layer of a dotted name, or "" for the package itself."""
    return [*module.split("."), ""][1]


def imported(source: str, module: str) -> Iterator[str]:
    """Yield the full names of Palate's modules that a file imports, at its top, inside functions, or for types."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "palate")
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*package, *([node.module] if node.module else [])])
            if base == "palate":
                yield from (f"palate.{alias.name}" for alias in node.names)
            elif base.startswith("palate."):
                yield base


def faults(source: str, module: str) -> list[str]:
    """Return what a module may not import."""
    own = layer_of(module)
    out = []
    for name in imported(source, module):
        layer = layer_of(name)
        if own == "kernels" != layer:
            out.append(f"{module} is a kernel module and imports {name}")
        elif layer and layer not in ORDER and own != "cli":
            out.append(f"{module} imports {name} from the package, which is above it")
        elif layer in ORDER and ORDER.index(layer) > ORDER.index(own):
            out.append(f"{module} imports {name}, which is above it")
    return out


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_to_the_left(path):
    module = name_of(path)
    if module == "palate":
        return  # the public names, each imported when it is first used
    assert layer_of(module) in ORDER, f"give {module} its place in the order of the layers"
    assert faults(path.read_text(encoding="utf-8"), module) == []


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("palate.data.ids", "from palate.models.base import Recommender", "palate.data.ids imports palate.models.base"),
        ("palate.data.ids", "from palate import files", "palate.data.ids imports palate.files"),
        ("palate.data.ids", "import palate.models.sgd.mf as mf", "palate.data.ids imports palate.models.sgd.mf"),
        ("palate.topk", "def f():\n    from palate.cli import common", "palate.topk imports palate.cli"),
        ("palate.topk", "if TYPE_CHECKING:\n    from palate.models import MODELS", "palate.topk imports palate.models"),
        ("palate.data.ids", "from ..models import base", "palate.data.ids imports palate.models"),
        ("palate.topk", "from . import models", "palate.topk imports palate.models"),
        (
            "palate.models.sgd.mf",
            "from palate import MatrixFactorization",
            "palate.MatrixFactorization from the package",
        ),
        ("palate.kernels.sgd", "from palate.errors import DataError", "is a kernel module and imports palate.errors"),
        ("palate.kernels.sgd", "from palate.parallel import Workers", "is a kernel module and imports palate.parallel"),
    ],
)
def test_an_import_that_points_up_is_found(module, source, fault):
    (found,) = faults(source, module)
    assert fault in found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "palate.models.sgd.mf",
            "from palate.kernels import sgd\nfrom palate.models.contract.base import Recommender",
        ),
        ("palate.kernels.als", "from palate.kernels.select import dot\nimport palate.kernels.sgd"),
        ("palate.data.ids", "from . import columns\nfrom .columns import find_columns\nfrom ..errors import DataError"),
        ("palate.cli.demo", "from palate import MatrixFactorization, files"),
    ],
)
def test_an_import_to_the_left_or_beside_is_no_fault(module, source):
    assert faults(source, module) == []


def needed(source: str, module: str, modules: set[str]) -> set[str]:
    """Return the modules that a file imports when it runs, at its top or in functions; not those for types alone."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*package, *([node.module] if node.module else [])])
            names |= {f"{base}.{alias.name}" if f"{base}.{alias.name}" in modules else base for alias in node.names}
    return (names & modules) - {module}


def circles(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that all reach each other by imports."""
    reached = {module: set(names) for module, names in imports.items()}
    for between in reached:  # Warshall's closure
        for names in reached.values():
            if between in names:
                names |= reached[between]
    groups = {tuple(sorted(n for n in names if module in reached[n])) for module, names in reached.items()}
    return sorted(list(group) for group in groups if group)


def test_no_module_imports_itself_through_others():
    modules = {name_of(path) for path in FILES}
    imports = {name_of(path): needed(path.read_text(encoding="utf-8"), name_of(path), modules) for path in FILES}
    assert len(imports["palate.evaluation.single"]) > 5
    assert circles(imports) == []


def test_a_circle_is_found_at_the_top_and_inside_functions():
    modules = {"palate.a", "palate.b", "palate.c"}
    sources = {
        "palate.a": "from palate import b",
        "palate.b": "def f():\n    from palate.c import g",
        "palate.c": "from . import a",
    }
    assert circles({m: needed(s, m, modules) for m, s in sources.items()}) == [["palate.a", "palate.b", "palate.c"]]
    sources["palate.c"] = "if TYPE_CHECKING:\n    from palate import a"
    assert circles({m: needed(s, m, modules) for m, s in sources.items()}) == []


@pytest.mark.parametrize("first", ["making", "file", "split", "kinds", "leaks"])
def test_each_module_of_splits_can_be_the_first_that_is_imported(first):
    """`making` and `file` needed each other: the one imported first decided whether the other worked."""
    code = f"import palate.data.splits.{first}; from palate.data.splits import file, making"
    subprocess.run([sys.executable, "-c", code], check=True)
