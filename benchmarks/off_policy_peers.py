"""What skdr-eval and scikit-rec estimate from small made logs: the figures that tests hold Palate's estimators against.

    python benchmarks/off_policy_peers.py           writes tests/experiments/peers.json, logs and figures

Both run in an environment of their own (scikit-rec wants NumPy 1). skdr-eval's "RIPS" sums weights times clicks over
ranks, its cascade DR adds a reward model by rank: these are our IPS and DR by place. scikit-rec estimates single
choices: they are our estimators of lists of one item.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

PINNED = ("skdr-eval==0.12.0", "scikit-rec==0.4.2")
OUT = Path(__file__).parents[1] / "tests" / "experiments" / "peers.json"
LISTS, PLACES, ITEMS = 80, 3, 5


def made(seed: int) -> dict[str, Any]:
    """Return a log of lists drawn by Plackett-Luce, a policy to judge, and a reward model."""
    rng = np.random.default_rng(seed)
    utility = rng.normal(size=ITEMS)
    noise = rng.gumbel(size=(LISTS, ITEMS))
    items = np.argsort(-(utility + noise), axis=1)[:, :PLACES]
    many = np.argsort(-(utility + rng.gumbel(size=(200_000, ITEMS))), axis=1)[:, :PLACES]
    ran = np.stack([np.bincount(many[:, k], minlength=ITEMS) / len(many) for k in range(PLACES)])
    return {
        "items": items.tolist(),
        "clicks": rng.binomial(1, 0.4, items.shape).tolist(),
        "ran": ran.tolist(),
        "asked": rng.dirichlet(np.ones(ITEMS), PLACES).tolist(),
        "model": rng.uniform(0, 1, (PLACES, ITEMS)).tolist(),
        "list_weight": rng.gamma(1, 1, LISTS).tolist(),
    }


def skdr_eval(log: dict[str, Any]) -> dict[str, Any]:
    """Return skdr-eval's estimates by rank, and of whole lists."""
    import pandas as pd
    from skdr_eval.slate.estimators import reward_interaction_ips, slate_cascade_dr, slate_standard_ips

    ran, asked = np.array(log["ran"]), np.array(log["asked"])
    clicks, weight = np.array(log["clicks"]), log["list_weight"]
    frame = pd.DataFrame({"slate": log["items"], "clicks": log["clicks"], "reward": clicks.sum(axis=1)})
    frame["logging_prob"] = 1 / (1 + np.array(weight))
    at = iter(np.array(weight) / (1 + np.array(weight)))
    q = np.broadcast_to(np.array(log["model"]), (LISTS, PLACES, ITEMS))
    by_rank, logging = (lambda k, j: asked[k, j]), (lambda k, j: ran[k, j])
    found = {
        "ips": reward_interaction_ips(frame, by_rank, logging),
        "dr": slate_cascade_dr(frame, by_rank, q, logging),
        "whole_list": slate_standard_ips(frame, lambda _: next(at)),
    }
    return {name: {"value": one.V_hat, "error": one.SE, "effective": one.ESS} for name, one in found.items()}


def scikit_rec(log: dict[str, Any]) -> dict[str, Any]:
    """Return scikit-rec's estimates of the first place."""
    from skrec.evaluator.doubly_robust import DREvaluator
    from skrec.evaluator.inverse_propensity_score import IPSEvaluator
    from skrec.evaluator.snips import SNIPSEvaluator

    items = np.array(log["items"])[:, :1]
    given = {
        "logged_items": items,
        "logged_rewards": np.array(log["clicks"], float)[:, :1],
        "target_proba": np.tile(log["asked"][0], (LISTS, 1)),
        "expected_rewards": np.tile(log["model"][0], (LISTS, 1)),
        "logging_proba": np.array(log["ran"][0])[items],
    }
    kinds = {"ips": IPSEvaluator, "snips": SNIPSEvaluator, "dr": DREvaluator}
    return {
        name: {"value": float(np.nanmean(kind()._calculate_modified_rewards(**given)))} for name, kind in kinds.items()
    }


def main() -> None:
    """Write the logs and the figures; inside the peers' environment, print them."""
    if sys.argv[1:] == ["inside"]:
        logs = [made(seed) for seed in range(3)]
        print(json.dumps([{"log": log, "skdr_eval": skdr_eval(log), "scikit_rec": scikit_rec(log)} for log in logs]))
        return
    from peer_environment import Environment

    environment = Environment(Path(__file__).parents[1] / "out" / "off-policy-peers", PINNED)
    environment.folder.parent.mkdir(parents=True, exist_ok=True)
    told = subprocess.run([environment.made(), __file__, "inside"], capture_output=True, text=True, check=True).stdout
    OUT.write_text(json.dumps({"made_by": list(PINNED), "cases": json.loads(told.splitlines()[-1])}) + "\n")
    print(f"wrote {OUT}")


if __name__ == "__main__":
    main()
