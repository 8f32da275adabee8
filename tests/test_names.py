"""A name has one meaning: no class and no type alias is defined in two modules."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import palate

ROOT = Path(palate.__file__).parent
HTTP = ("serve/bodies.py", "serve/answers.py")  # what the OpenAPI document calls bodies: a vocabulary of its own


def defined(source: str) -> Iterator[str]:
    """Yield the public classes and type aliases of a module, type variables of a letter left out."""
    for node in ast.parse(source).body:
        names = []
        if isinstance(node, ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = [node.target.id]
        yield from (name for name in names if name[0].isupper() and not name.isupper())


def repeated(sources: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the names that several modules define, and these modules."""
    modules: dict[str, list[str]] = defaultdict(list)
    for module, source in sources.items():
        for name in defined(source):
            modules[name].append(module)
    return {name: where for name, where in modules.items() if len(where) > 1}


def test_no_class_and_no_alias_is_defined_in_two_modules():
    sources = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted(ROOT.rglob("*.py"))}
    bodies = {name: sources.pop(name) for name in HTTP}
    assert repeated(bodies) == {}
    assert len(sources) > 200
    assert repeated(sources) == {}


def test_a_name_of_two_meanings_is_found():
    sources = {
        "a.py": "class Run: ...\nLIMIT = 1\n",
        "b.py": "Run = tuple[int, int]\nLIMIT = 2\n",
        "c.py": "def Run(): ...\n",
    }
    assert repeated(sources) == {"Run": ["a.py", "b.py"]}
