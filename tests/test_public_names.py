"""The public door: sorted, true, and quick to open."""

import importlib.metadata
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import palate

ROOT = Path(__file__).resolve().parent.parent
EXPECTED = [
    "ALS",
    "BPR",
    "EASE",
    "MODELS",
    "WARP",
    "Baseline",
    "BayesianMF",
    "Blend",
    "Comparison",
    "Dataset",
    "Features",
    "GraphFilter",
    "ImplicitALS",
    "Interactions",
    "ItemKNN",
    "MatrixFactorization",
    "PalateError",
    "Popularity",
    "Progress",
    "RP3beta",
    "auto",
    "compare",
    "cross_validate",
    "evaluate",
    "evaluate_splits",
    "export",
    "fixed_split",
    "import_folder",
    "load",
    "load_dataset",
    "load_movielens",
    "load_split",
    "load_splits",
    "make_splits",
    "measure",
    "read_ratings",
    "save",
    "save_splits",
    "split",
    "tune",
    "warm",
    "write_report",
]


PACKAGES = ["data", "errors", "evaluation", "files", "metrics", "models", "plots", "progress", "report", "tuning"]


def test_public_names_are_these_and_each_is_there_with_a_docstring():
    assert palate.__all__ == EXPECTED
    assert palate.__all__ == sorted(palate.__all__, key=lambda n: (not n.isupper(), n[0].islower(), n))
    assert dir(palate) == sorted([*EXPECTED, *PACKAGES, "__version__"])
    for name in palate.__all__:
        assert getattr(palate, name).__doc__, name


def test_packages_and_the_version_are_there_after_import_palate():
    """In an interpreter of its own: here others have imported them already; and each from the start."""
    forget = "[sys.modules.pop(name) for name in list(sys.modules) if name.split('.')[0] == 'palate']"
    ask = f"for name in {PACKAGES}:\n    import palate; print(getattr(palate, name).__name__); {forget}"
    seen = run(f"import sys\n{ask}\nimport palate; print(palate.__version__)").split()
    assert seen == [*(f"palate.{name}" for name in PACKAGES), importlib.metadata.version("palate")]


MADE = """from dataclasses import KW_ONLY
from typing import Annotated
import palate
from palate.models.contract.parameters import AtLeast

class Mine(palate.Popularity):
    _: KW_ONLY
    flavour: Annotated[int, AtLeast(1), "what it tastes of."] = 1

Mine(7.0, flavour=2, n_threads=1)
palate.ALS(8, reg=1, dtype="float64")
Mine(flavour="sweet")  # wrong
Mine(flavor=2)  # wrong
palate.ALS(8, 20)  # wrong
palate.ALS(regs=2.0)  # wrong
palate.BPR(dtype="float16")  # wrong
"""


def test_type_checkers_see_packages_and_what_models_have_and_take(tmp_path):
    """`mypy --strict` of somebody else's files: of what is learned, and of parameters.

    With our settings and cache, so that mypy, which `make test` has run before, need not read Palate again.
    """
    file = tmp_path / "theirs.py"
    learned = {"user_factors_": "ndarray", "mean_": "float", "users_": "Ids", "history_": "list[dict[str, float]]"}
    asked = ["palate.__version__", "palate.plots.popularity", "palate.metrics.rmse", "palate.errors.PalateError"]
    asked += [f"palate.ALS().{name}" for name in learned]
    revealed = "".join(f"reveal_type({asking})\n" for asking in asked)
    file.write_text(f"import palate\n{revealed}palate.Popularity().recomend(1)\npalate.ALS().mean_ = 3.0\n")
    made = tmp_path / "made.py"
    made.write_text(MADE)
    command = [sys.executable, "-m", "mypy", "--strict", str(file), str(made)]
    given = {**os.environ, "MYPYPATH": str(ROOT / "src")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=given)
    seen = re.findall('Revealed type is "(.*)"', done.stdout)
    assert len(seen) == len(asked), done.stdout
    assert [kind for kind in seen if kind == "Any"] == []  # as all was while the lazy door alone was there
    for kind, part in zip(seen[-len(learned) :], learned.values(), strict=True):
        assert part in kind.replace("builtins.", "")
    assert re.search(r'error: "Popularity" has no attribute "recomend"', done.stdout), done.stdout
    assert len(re.findall(r"theirs\.py:\d+: error:", done.stdout)) == 2, done.stdout
    wrong = [at for at, line in enumerate(MADE.splitlines(), 1) if "# wrong" in line]
    assert [int(at) for at in re.findall(r"made\.py:(\d+): error:", done.stdout)] == wrong, done.stdout


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        palate.nothing  # noqa: B018


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_palate_or_its_command_pulls_in_nothing_heavy():
    heavy = "('numba', 'polars', 'numpy', 'scipy', 'matplotlib', 'gradio', 'rich.table')"
    seen = f"import sys; print([m for m in {heavy} if m in sys.modules])"
    assert run(f"import palate; palate.__version__; {seen}").strip() == "[]"
    assert "numba" not in (found := run(f"import palate.cli; {seen}"))
    assert "polars" not in found
    assert "numpy" not in found
    assert "gradio" not in found


@pytest.mark.long
@pytest.mark.parametrize(
    ("command", "limit"), [(["-c", "import palate"], 0.1), (["-m", "palate", "--help"], 0.3)], ids=["import", "help"]
)
def test_start_is_quick(command, limit):
    """The fastest of several runs, less the interpreter's own start; machines are noisy."""
    bare, ours = (min(_seconds(c) for _ in range(7)) for c in (["-c", "pass"], command))
    assert ours - bare < limit


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *command], capture_output=True, check=True)
    return time.perf_counter() - started
