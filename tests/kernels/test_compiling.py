"""Compiled code in a folder that several processes write to at once: no version is taken for another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from numba.core.caching import IndexDataCacheFile

import palate
from palate.kernels.compiling import KernelFiles, njit

STAMP = (1.0, 10)


def files_in(place, kind=KernelFiles, stamp=STAMP):
    return kind(str(place), "twice-1.py311", stamp)


def both_save_at_once(place, kind, monkeypatch):
    """Let a process save a version for integers while another is about to save one for floats; return what is kept."""
    first, second = files_in(place, kind), files_in(place, kind)
    write = first._save_index

    def late(entries):
        second.save("float", "code for floats")
        write(entries)

    monkeypatch.setattr(first, "_save_index", late)
    first.save("int", "code for integers")
    return {key: files_in(place, kind).load(key) for key in ("int", "float")}


def test_two_processes_that_save_at_once_never_mix_versions_up(tmp_path, monkeypatch):
    assert both_save_at_once(tmp_path, KernelFiles, monkeypatch) == {"int": "code for integers", "float": None}
    files_in(tmp_path).save("float", "code for floats")  # compiled once more
    assert [files_in(tmp_path).load(key) for key in ("int", "float")] == ["code for integers", "code for floats"]


def test_numba_itself_mixes_them_up(tmp_path, monkeypatch):
    """Why it is done: where this fails, Numba may have mended it, and `palate.kernels.compiling` can go."""
    both_save_at_once(tmp_path, IndexDataCacheFile, monkeypatch)
    assert [path.name for path in tmp_path.glob("*.nbc")] == ["twice-1.py311.1.nbc"]  # of two versions


def test_an_entry_without_its_file_is_compiled_once_more(tmp_path):
    files_in(tmp_path).save("int", "code")
    for path in tmp_path.glob("*.nbc"):
        path.unlink()
    assert files_in(tmp_path).load("int") is None


def test_code_of_an_older_source_is_neither_taken_nor_kept(tmp_path):
    files_in(tmp_path).save("int", "old")
    newer = files_in(tmp_path, stamp=(2.0, 11))
    assert newer.load("int") is None
    newer.save("int", "new")
    assert newer.load("int") == "new"
    assert len(list(tmp_path.glob("*.nbc"))) == 1


def test_every_kernel_keeps_its_code_so():
    sources = sorted((Path(palate.__file__).parent / "kernels").rglob("*.py"))
    wrong = [path.name for path in sources if "from numba import njit" in path.read_text(encoding="utf-8")]
    assert not wrong


def test_without_compilation_a_function_stays_as_it_is(monkeypatch):
    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)

    def twice(x):
        return 2 * x

    assert njit(cache=True)(twice) is twice


KERNEL = """
from palate.kernels.compiling import njit

@njit(cache=True)
def twice(x):
    return x + x
"""
ASKED = "import sys, kernel; print('here', flush=True); sys.stdin.readline(); print(kernel.twice({value}))"


@pytest.mark.long  # without processes: the first test
def test_processes_that_compile_for_other_types_at_once_are_right_afterwards(tmp_path):
    (tmp_path / "kernel.py").write_text(KERNEL)
    paths = os.pathsep.join([str(tmp_path), str(Path(palate.__file__).parents[1])])
    given = {**os.environ, "PYTHONPATH": paths}
    values = {"3": "6", "1.5": "3.0", "2j": "4j", "True": "2"}
    for turn in range(5):
        given["NUMBA_CACHE_DIR"] = str(tmp_path / f"kernels{turn}")
        for _ in range(2):  # at once, and then from what they have left
            commands = [[sys.executable, "-c", ASKED.format(value=value)] for value in values]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            running = [subprocess.Popen(command, env=given, **pipes) for command in commands]
            assert [process.stdout.readline() for process in running] == ["here\n"] * 4
            for process in running:
                process.stdin.write("\n")
                process.stdin.flush()
            assert [process.communicate()[0].strip() for process in running] == list(values.values())
