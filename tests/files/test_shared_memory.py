"""Two processes that answer from one file hold its pages together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import palate

pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="this system tells no pages")
SERVE = """
import sys, palate
def private():
    lines = open("/proc/self/smaps_rollup").read().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))
user, *paths = sys.argv[1:]
kept = []
for small, large in zip(paths[::2], paths[1::2]):
    model = palate.load(small)
    model.recommend(model.users_.parse(user), 3)  # imports, kernels
    before = private()
    kept.append(model := palate.load(large))
    for _ in range(3):
        model.recommend(model.users_.parse(user), 3)
    print("ready", flush=True)
    sys.stdin.readline()  # the other one has loaded it, too
    print(private() - before, flush=True)
    sys.stdin.readline()  # the other one has counted
"""


def saved(path, n_users, kind):
    """Save a model of many users and few items."""
    users = [kind(f"{1_000_000 + n}") for n in range(n_users)]
    items = np.arange(n_users) % 50
    log = palate.Interactions.from_table({"user": users, "item": items})
    palate.save(palate.BPR(64, n_epochs=1, random_state=0).fit(log), path)
    return path


def test_two_processes_on_one_file_hold_next_to_nothing_of_it_each(tmp_path):
    """Of a file with integer ids and of one with text."""
    sizes = [("small", 60), ("large", 100_000)]
    paths = [saved(tmp_path / f"{name} {kind.__name__}", n, kind) for kind in (int, str) for name, n in sizes]
    command = [sys.executable, "-c", SERVE, "1000007", *map(str, paths)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as other:
        for large in paths[1::2]:
            for process in (one, other):
                assert process.stdout.readline() == "ready\n"
            told(one, other, "count\n")
            private = [int(process.stdout.readline()) for process in (one, other)]
            assert max(private) < large.stat().st_size / 10
            told(one, other, "go on\n")


def told(one, other, word):
    for process in (one, other):
        process.stdin.write(word)
        process.stdin.flush()
