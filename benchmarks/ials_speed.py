"""Seconds of an epoch of implicit ALS, and the objective after each, beside implicit, cmfrec and LensKit."""

from __future__ import annotations

import sys
import time
from typing import Any

import generated
import numpy as np
import peers
from common import arguments, machine, markdown, publish

from palate import ImplicitALS
from palate.data.interactions import Interactions

SIZE = (9_400_000, 136_000, 20_700)  # clicks, users, items
REG, CONFIDENCE, EPOCHS = 1.0, 20.0, 4


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
        "s to the objective of implicit's 4th epoch",
    ]
    names = ", ".join(f"{n} {peers.version_of(n)}" for n in ("implicit", "cmfrec", "lenskit"))
    told = f"{len(user):,} clicks, {SIZE[1]:,} users, {SIZE[2]:,} items, generated. Least of {EPOCHS} epochs. {names}; "
    publish("ials-speed", f"{markdown(header, rows)}\n\n{told}{machine()}", write=options.write)


def measured(data: Interactions, arrays: dict[str, np.ndarray], factors: int, threads: int) -> list[list[str]]:
    """Return lines of one size: ours with conjugate gradients and exact, and the peers'."""
    asked = {"factors": factors, "epochs": EPOCHS, "reg": REG, "confidence": CONFIDENCE}
    found: dict[str, Any] = {"implicit": peers.run("implicit_als", arrays, threads, **asked)}
    goal = objective(found["implicit"]["P"][-1], found["implicit"]["Q"][-1], arrays)
    to_goal = {"implicit": float(np.sum(found["implicit"]["seconds"]))}
    for name, steps in (("palate", 3), ("palate, exact", 0)):
        history = ours(data, factors, threads, steps)
        found[name] = {"seconds": [h["seconds"] for h in history]}
        reached = [k for k, h in enumerate(history) if h["objective"] <= goal * (1 + 1e-6)]
        to_goal[name] = float(np.sum(found[name]["seconds"][: reached[0] + 1])) if reached else np.nan
    for name in ("cmfrec", "lenskit"):
        if threads == 2 and factors == 64:
            found[name] = peers.run(f"{name}_ials", arrays, threads, **asked)
    least = {name: min(one["seconds"]) for name, one in found.items()}
    print(factors, threads, least, to_goal, file=sys.stderr)
    return [
        [
            f"{factors}, {threads}", name, f"{s:.2f}", f"{s / least['palate']:.2f}",
            f"{to_goal[name]:.1f}" if to_goal.get(name, np.nan) > 0 else "",
        ]
        for name, s in least.items()
    ]  # fmt: skip


def ours(data: Interactions, factors: int, threads: int, steps: int) -> list[dict[str, float]]:
    """Return the history of our epochs on the same objective; a first small fit has compiled the kernels."""
    model = ImplicitALS(
        factors, n_epochs=EPOCHS + 1, alpha=CONFIDENCE - 1, unobserved_weight=1.0, reg=REG, reg_exponent=0.0,
        cg_steps=steps, store_history=False, random_state=1, n_threads=threads,
    )  # fmt: skip
    small = data.take(np.arange(1000))
    model.fit(small)
    time.sleep(0.5)
    return model.fit(data).history_


def objective(P: np.ndarray, Q: np.ndarray, arrays: dict[str, np.ndarray]) -> float:
    """Return eq. 1 of `palate.models.ials` for factors of any library."""
    user, item = arrays["user"], arrays["item"]
    total = float((P.T.astype(float) @ P * (Q.T.astype(float) @ Q)).sum())
    for part in np.array_split(np.arange(len(user)), 100):
        s = np.einsum("nk,nk->n", P[user[part]], Q[item[part]]).astype(float)
        total += float((CONFIDENCE * (1 - s) ** 2 - s**2).sum())
    return total + REG * float(np.square(P, dtype=float).sum() + np.square(Q, dtype=float).sum())


if __name__ == "__main__":
    main()
