"""Seconds of an epoch of implicit ALS, and the objective after each, beside implicit, cmfrec and LensKit."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any

import generated
import numpy as np
import peers
from common import arguments, machine, markdown, publish

from palate import ImplicitALS
from palate.data.interactions import Interactions

SIZE = (9_400_000, 136_000, 20_700)  # clicks, users, items
REG, CONFIDENCE, EPOCHS = 1.0, 20.0, 4


@dataclass
class Run:
    """Seconds of each epoch, and the objective after each, or after the last alone."""

    seconds: list[float]
    objectives: list[float]


def main() -> None:
    options = arguments(__doc__ or "")
    user, item = generated.clicks(*SIZE)
    arrays = {"user": user, "item": item, "n_users": np.array(SIZE[1]), "n_items": np.array(SIZE[2])}
    data = generated.interactions(user, item, None, *SIZE[1:])
    rows = []
    for factors, threads in ((64, 1), (64, 2), (128, 1), (128, 2)):
        rows += measured(data, arrays, factors, threads)
    header = [
        "factors, threads",
        "library",
        "s an epoch",
        "ratio to ours",
        "objective after 4 epochs, implicit's being 1",
        "s to the objective of implicit's 4th epoch",
    ]
    names = ", ".join(f"{n} {peers.version_of(n)}" for n in ("implicit", "cmfrec", "lenskit"))
    told = (
        f"{len(user):,} clicks, {SIZE[1]:,} users, {SIZE[2]:,} items, generated. The fastest epoch of {EPOCHS} or more "
        f"(cmfrec: a fit of {EPOCHS} less one of 1, by {EPOCHS - 1}), palate in two turns; cmfrec and LensKit on two "
        f"threads alone. {names}; "
    )
    publish("ials-speed", f"{markdown(header, rows)}\n\n{told}{machine()}", write=options.write)


def measured(data: Interactions, arrays: dict[str, np.ndarray], factors: int, threads: int) -> list[list[str]]:
    """Return lines of one size: ours with conjugate gradients and exact, and the peers', in turns."""
    asked = {"factors": factors, "reg": REG, "confidence": CONFIDENCE}
    calls = {
        "palate": lambda: ours(data, factors, threads, 3),
        "implicit": lambda: of_peer("implicit_als", arrays, threads, **asked, epochs=EPOCHS),
    }
    if threads > 1:
        calls["cmfrec"] = lambda: of_peer("cmfrec_ials", arrays, threads, **asked, epochs=EPOCHS)
        calls["lenskit"] = lambda: of_peer("lenskit_ials", arrays, threads, **asked, epochs=EPOCHS)
        if factors == 64:
            calls["palate, exact"] = lambda: ours(data, factors, threads, 0)
    found: dict[str, list[Run]] = {name: [] for name in calls}
    for name in [*calls, "palate"]:
        found[name].append(calls[name]())
        print(factors, threads, name, found[name][-1], file=sys.stderr, flush=True)
    least = {name: min(min(run.seconds) for run in runs) for name, runs in found.items()}
    goal = found["implicit"][0].objectives[-1]
    lines = []
    for name, s in least.items():
        run = found[name][0]
        to_goal = ""
        if name == "implicit":
            to_goal = f"{sum(run.seconds):.1f}"
        elif reached := [k for k, value in enumerate(run.objectives) if value <= goal and name.startswith("palate")]:
            to_goal = f"{min(sum(one.seconds[: reached[0] + 1]) for one in found[name]):.1f}"
        after = f"{run.objectives[min(EPOCHS, len(run.objectives)) - 1] / goal:.4f}"
        lines.append([f"{factors}, {threads}", name, f"{s:.2f}", f"{s / least['palate']:.2f}", after, to_goal])
    return lines


def of_peer(task: str, arrays: dict[str, np.ndarray], threads: int, **asked: Any) -> Run:
    """Return a peer's seconds, and eq. 1 of its last factors."""
    report = peers.run(task, arrays, threads, **asked)
    return Run(report["seconds"], [objective(report["P"][-1], report["Q"][-1], arrays)])


def ours(data: Interactions, factors: int, threads: int, steps: int) -> Run:
    """Return our epochs on the same objective; a first small fit has compiled the kernels."""
    model = ImplicitALS(
        factors, n_epochs=EPOCHS + 1, alpha=CONFIDENCE - 1, unobserved_weight=1.0, reg=REG, reg_exponent=0.0,
        cg_steps=steps, store_history=False, random_state=1, n_threads=threads,
    )  # fmt: skip
    small = data.take(np.arange(1000))
    model.fit(small)
    time.sleep(0.5)
    history = model.fit(data).history_
    return Run([h["seconds"] for h in history], [h["objective"] for h in history])


def objective(P: np.ndarray, Q: np.ndarray, arrays: dict[str, np.ndarray]) -> float:
    """Return eq. 1 of `palate.models.ridge.ials` for factors of any library."""
    user, item = arrays["user"], arrays["item"]
    total = float((P.T.astype(float) @ P * (Q.T.astype(float) @ Q)).sum())
    for part in np.array_split(np.arange(len(user)), 100):
        s = np.einsum("nk,nk->n", P[user[part]], Q[item[part]]).astype(float)
        total += float((CONFIDENCE * (1 - s) ** 2 - s**2).sum())
    return total + REG * float(np.square(P, dtype=float).sum() + np.square(Q, dtype=float).sum())


if __name__ == "__main__":
    main()
