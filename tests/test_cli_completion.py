"""What the Tab key offers, asked as a shell asks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import palate
from palate.cli import app, completion
from palate.metrics import METRICS


def offered(*words: str) -> list[str]:
    """Return what bash is offered for the last of these words."""
    asked = {"_PALATE_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    command = [sys.executable, "-c", "import palate.cli; palate.cli.main()"]
    done = subprocess.run(command, env={**os.environ, **asked}, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("palate comp", ["compare"]),
        ("palate train ml-100k --mod", ["--model"]),
        ("palate train ml-100k --model ba", ["baseline", "bayes"]),
        ("palate models rp", ["rp3beta"]),
        ("palate compare ml-100k --models mf,e", ["mf,ease"]),
        ("palate compare ml-100k --split roll", ["rolling:4:0.1"]),
        ("palate evaluate ml-100k --metrics rmse,ndcg@", ["rmse,ndcg@10"]),
        ("palate evaluate ml-100k --split t", ["time:0.2"]),
        ("palate tune ml-100k --metric ndcg_", ["ndcg_graded@10"]),
        ("palate tune ml-100k --validation last", ["last:1"]),
        ("palate data split ml-100k --split kf", ["kfold:5:42"]),
        ("palate train ml-100k --model nothing", []),
    ],
)
def test_values_and_commands_are_offered(line, expected):
    assert offered(*line.split()) == expected


def test_what_stands_in_a_list_is_not_offered_again():
    assert completion.models("mf,m") == []
    assert completion.metrics("") == completion.offered("metrics")


def test_what_is_offered_is_what_there_is():
    assert completion.offered("models") == list(palate.MODELS)
    assert completion.offered("metrics") == [name + ("@10" if one.at_k else "") for name, one in METRICS.items()]


def test_every_split_that_is_offered_is_one(movielens):
    kinds = {"random", "stratified", "last", "time", "rolling", "kfold", "official", "cold-items", "cold-users"}
    assert {split.partition(":")[0] for split in completion.SPLITS} == kinds
    for split in completion.SPLITS:
        if not split.startswith("official:"):
            assert palate.make_splits(movielens.interactions, split)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_shown(shell):
    done = CliRunner().invoke(app, [], prog_name="palate", env={"_PALATE_COMPLETE": f"source_{shell}"})
    assert done.exit_code == 0
    assert f"complete_{shell}" in done.output
    assert "--install-completion" in CliRunner().invoke(app, ["--help"]).output


def test_offering_imports_nothing_heavy():
    code = "import sys, palate.cli; print([m for m in ('numpy', 'polars', 'numba') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
