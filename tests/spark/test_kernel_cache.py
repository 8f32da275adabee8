"""Where neither the package nor the home can be written to, kernels get a folder that no other process writes to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import palate
from palate.spark import cache

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no such locks and owners")
ASK = "from palate.parallel import kernel_cache; print(kernel_cache(), flush=True); input()"


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    """The environment of a process whose package and home nobody can write to, root neither."""
    folder = tmp_path_factory.mktemp("sealed")
    kept = shutil.ignore_patterns("__pycache__", "pages", "*.json")
    shutil.copytree(Path(palate.__file__).parent, folder / "palate", ignore=kept)
    (folder / "palate" / "kernels" / "__pycache__").touch()  # a file is there instead of the folder
    (folder / "home").touch()
    (folder / "temporary").mkdir()
    given = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    return given | {"PYTHONPATH": str(folder), "HOME": str(folder / "home"), "TMPDIR": str(folder / "temporary")}


def started(given, code):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code], env=given, text=True, **pipes)


def test_processes_that_can_write_nowhere_get_folders_of_their_own(sealed):
    both = [started(sealed, f"import palate.spark; {ASK}") for _ in range(2)]
    first, second = (Path(process.stdout.readline().strip()) for process in both)
    for process in both:
        process.communicate("\n")
    place = Path(sealed["TMPDIR"]) / f"palate-kernels-{os.getuid()}"
    assert {path.parent for path in (first, second)} == {place / "0", place / "1"}
    third = started(sealed, f"import palate.spark; {ASK}")
    assert Path(third.communicate("\n")[0].strip()).parent == place / "0"  # free again, and what was compiled is there


def test_numba_refuses_without_it(sealed):
    out, err = started(sealed, ASK).communicate("\n")
    assert "cannot cache function" in err
    assert out == ""


def test_numba_that_is_imported_already_is_told(sealed):
    process = started(sealed, f"import numba, palate.spark; {ASK}")
    assert sealed["TMPDIR"] in process.communicate("\n")[0]


def test_a_usual_folder_is_left_as_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "chosen"))
    assert cache.ensure_kernel_cache() is None
    assert cache.kernel_place() == tmp_path / "chosen"


def test_a_folder_of_somebody_else_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(cache, "_usual", list)
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))
    (tmp_path / f"palate-kernels-{os.getuid()}").mkdir()
    (tmp_path / f"palate-kernels-{os.getuid()}").chmod(0o777)
    with pytest.raises(PermissionError, match="is not this user's alone: remove it, or set NUMBA_CACHE_DIR"):
        cache.ensure_kernel_cache()


KERNEL = """
from palate.kernels.compiling import njit

@njit(cache=True)
def total(x):
    found = 0.0
    for value in x:
        found += value
    return found
"""
TOTAL = "import sys, palate.spark, shared_kernel as k, numpy as np; print('here', flush=True); sys.stdin.readline()"


@pytest.mark.long  # without processes: tests/kernels/test_compiling.py
def test_two_processes_that_write_one_index_at_once_leave_it_whole(tmp_path):
    """For the same types; for others see tests/kernels/test_compiling.py."""
    (tmp_path / "shared_kernel.py").write_text(KERNEL)
    paths = os.pathsep.join([str(tmp_path), str(Path(palate.__file__).parents[1])])
    given = {**os.environ, "PYTHONPATH": paths, "NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    code = f"{TOTAL}; print(k.total(np.arange(1000.0)), sum(k.total.stats.cache_hits.values()))"
    both = [started(given, code) for _ in range(2)]
    assert [process.stdout.readline() for process in both] == ["here\n"] * 2  # both are ready
    for process in both:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in both:
        assert process.communicate()[0].startswith("499500.0")
    endings = sorted(path.suffix for path in (tmp_path / "kernels").rglob("*.*") if path.is_file())
    assert endings == [".nbc", ".nbi"]  # one index, one kernel, and nothing half written
    assert started(given, code).communicate("\n")[0].endswith("499500.0 1\n")
