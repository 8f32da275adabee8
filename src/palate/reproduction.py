"""The original system's published figures on MovieLens 100K, and the steps from it to today's default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from palate.data.interactions import Interactions
from palate.evaluation import Evaluation, StopOn, evaluate
from palate.models.sgd.mf import MatrixFactorization
from palate.progress import Progress, ProgressCallback, silent

SPLIT = "random:0.2:42"
LOSS = (
    *(5.9049, 1.1265, 0.9830, 0.9492, 0.9320, 0.9187, 0.8963, 0.8647),
    *(0.8286, 0.7842, 0.7290, 0.6678, 0.5995, 0.5279, 0.4560, 0.3895),
)  # training loss by epoch: mean of the squared errors met on the way
TEST_RMSE = (
    *(1.1865, 1.0306, 1.0044, 0.9921, 0.9899, 0.9842, 0.9712, 0.9653),
    *(0.9589, 0.9521, 0.9451, 0.9397, 0.9388, 0.9408, 0.9438, 0.9498),
)  # test RMSE by epoch, unclipped
BEST_EPOCH, BEST_RMSE, TRAIN_RMSE = 13, 0.9388, 0.7170
TOP_OF_USER_1 = (
    ("Close Shave, A (1995)", 5.1964),
    ("Pather Panchali (1955)", 4.9437),
    ("Leaving Las Vegas (1995)", 4.9277),
    ("Secrets & Lies (1996)", 4.8396),
    ("Duck Soup (1933)", 4.8132),
    ("Ran (1985)", 4.8019),
    ("Lawrence of Arabia (1962)", 4.7896),
    ("City of Lost Children, The (1995)", 4.7678),
    ("Wings of Desire (1987)", 4.7400),
    ("Faust (1994)", 4.7185),
)


def _original(**changes: Any) -> Callable[[int], MatrixFactorization]:
    return lambda seed: MatrixFactorization.original(seed).set_params(**changes)


# (label, model of a seed, what chose the epoch); each differs from the one above in one thing
STEPS: tuple[tuple[str, Callable[[int], MatrixFactorization], StopOn], ...] = (
    ("original, epoch by test part", _original(), "test"),
    ("original, by validation", _original(), "validation"),
    ("+ biases", _original(biases=True), "validation"),
    ("+ biases and L2", _original(biases=True, reg=0.065, reg_biases=0.02), "validation"),
    ("today's default", lambda seed: MatrixFactorization(random_state=seed), "validation"),
)


def run_steps(
    train: Interactions, test: Interactions, seed: int, *, items: Any = None, progress: ProgressCallback = silent
) -> list[tuple[str, Evaluation]]:
    """Return the evaluation of every step for one seed."""
    results = []
    for k, (label, make, stop_on) in enumerate(STEPS, 1):
        numbered = partial(_numbered, progress, f"step {k} of {len(STEPS)}")
        result = evaluate(make(seed), train, test, name=SPLIT, stop_on=stop_on, items=items, progress=numbered)
        results.append((label, result))
    return results


def _numbered(progress: ProgressCallback, number: str, step: Progress) -> None:
    progress(replace(step, stage=f"{number}, {step.stage}"))
