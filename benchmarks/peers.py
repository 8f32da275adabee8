"""The libraries measured beside ours: each in an environment of its own, run as a child process on the same arrays."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from common import ROOT
from peer_environment import Environment

import palate
from palate.data.interactions import Rows
from palate.models.items.item_weights import LearnedWeights

PINNED = (  # newest on 2026-11-26
    *("implicit==0.7.3", "cmfrec==3.5.1.post14", "lenskit==2025.8.1", "pyspark==4.1.1"),
    *("irspack==0.5.2", "lightfm-next==1.19.0", "libmf==0.9.2"),
)
# LightFM's wheel lacks a symbol here, LIBMF's is built for SSE alone
ENVIRONMENT = Environment(ROOT / "out" / "peers", PINNED, ("lightfm-next", "libmf"), "-O3 -mavx -DUSEAVX")


def python() -> Path:
    """Return the interpreter that has the peers, made where it is missing."""
    return ENVIRONMENT.made()


def run(task: str, arrays: dict[str, np.ndarray], n_threads: int, **options: Any) -> dict[str, Any]:
    """Return what a task of `peer_tasks.py` reports; ``arrays`` reach it as a file, as do arrays on the way back."""
    return run_by(python(), "peer_tasks.py", task, arrays, n_threads, options)


def as_ours(found: dict[str, Any], train: Any) -> Any:
    """Return a model of ours that scores by a peer's factors or weights: what it is worth, our code measures."""
    if "weights" in found:
        knn = palate.ItemKNN(1, positive="any").fit(train)
        rows = Rows(
            *(found[name].astype(kind) for name, kind in (("indptr", "i8"), ("indices", "i4"), ("weights", "f4")))
        )
        knn.learned_ = LearnedWeights.sparse(rows)
        return knn
    model = palate.BPR(1, n_epochs=1, validation_fraction=0.0, positive="any", random_state=0).fit(train)
    P, Q, c = found["P"], found["Q"], found.get("c", np.zeros(len(found["Q"])))
    P, Q, c = (np.asarray(array, np.float32) for array in (P, Q, c))
    model.learned_ = replace(model.learned_, user_factors=P, item_factors=Q, item_biases=c)
    return model


def run_by(
    interpreter: Path, script: str, task: str, arrays: dict[str, np.ndarray], n_threads: int, options: dict[str, Any]
) -> dict[str, Any]:
    """Return what a task of a script of this folder reports, run by another interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "in.npz", **arrays)
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "LK_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(names, str(n_threads))}
        words = [str(interpreter), str(ROOT / "benchmarks" / script), task, folder, json.dumps(options)]
        done = subprocess.run(words, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{task} failed:\n{done.stderr[-3000:]}")
        report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        back = Path(folder) / "out.npz"
        if back.exists():
            report |= dict(np.load(back))
    return report


def version_of(name: str) -> str:
    """Return a peer's pinned version, and what it was built with where it was compiled here."""
    return ENVIRONMENT.version_of(name)
