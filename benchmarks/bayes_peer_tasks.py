"""What myFM and SMURFF do, run by their own interpreter as `peer_tasks.py` is by the other peers'."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import scipy.sparse as sp
from peer_tasks import THREADS, main, matrix


def myfm_ratings(a: Any, likelihood: str, rank: int, samples: int, burn_in: int, seed: int) -> dict[str, Any]:
    """Return predicted ratings of the test pairs: ids, attributes and incidence of the training part as relations.

    Incidence is over the root of a row's number, and each group of columns has a prior of its own, as in myFM's
    examples for this data. ``days`` and ``test_days``, where given, are one column for each code.
    """
    import myfm

    R = incidence(a)
    sides = []
    for side, other, X in (("user", "U", R), ("item", "I", R.T.tocsr())):
        n = int(a[f"n_{side}s"])
        counts = np.maximum(np.asarray(X.sum(axis=1)).ravel(), 1)
        blocks = [sp.identity(n, format="csr"), sp.diags(1 / np.sqrt(counts)) @ X, sp.csr_matrix(a[other])]
        groups = [np.zeros(n), np.ones(X.shape[1]), 2 + a[f"{other}_groups"]]
        sides.append((side, sp.hstack(blocks, format="csr"), np.concatenate(groups)))
    n_days = int(a["days"].max()) + 1 if "days" in a else 0
    grouping = np.zeros(n_days)
    for _, _, groups in sides:
        grouping = np.concatenate([grouping, groups + (grouping.max() + 1 if len(grouping) else 0)])
    words = {"X_rel": relations(myfm, a, sides, ""), "grouping": grouping.astype(int).tolist()}
    words |= {"n_iter": burn_in + samples, "n_kept_samples": samples}
    main_table, test_table = days(a, "", n_days), days(a, "test_", n_days)
    blocks = relations(myfm, a, sides, "test_")
    if likelihood == "probit":
        levels, y = np.unique(a["values"], return_inverse=True)
        model = myfm.MyFMOrderedProbit(rank=rank, random_seed=seed).fit(main_table, y, **words)
        guess = model.predict_proba(test_table, blocks) @ levels
    else:
        model = myfm.MyFMGibbsRegressor(rank=rank, random_seed=seed)
        model.fit(main_table, a["values"].astype(float), **words)
        guess = model.predict(test_table, blocks)
    return {"arrays": {"guess": np.asarray(guess)}}


def myfm_ids(a: Any, rank: int, samples: int, burn_in: int, seed: int, with_incidence: bool) -> dict[str, Any]:
    """Return predicted ratings of the test pairs: ids of both sides alone, or with the incidence of both."""
    import myfm

    R = incidence(a)
    sides = []
    for side, X in (("user", R), ("item", R.T.tocsr())):
        n, counts = int(a[f"n_{side}s"]), np.maximum(np.asarray(X.sum(axis=1)).ravel(), 1)
        blocks, groups = [sp.identity(n, format="csr")], [np.zeros(n)]
        if with_incidence:
            blocks.append(sp.diags(1 / np.sqrt(counts)) @ X)
            groups.append(np.ones(X.shape[1]))
        sides.append((side, sp.hstack(blocks, format="csr"), np.concatenate(groups)))
    (_, _, of_users), (_, _, of_items) = sides
    grouping = np.concatenate([of_users, of_items + of_users.max() + 1]).astype(int).tolist()
    model = myfm.MyFMGibbsRegressor(rank=rank, random_seed=seed)
    words = {"n_iter": burn_in + samples, "n_kept_samples": samples, "grouping": grouping}
    model.fit(None, a["values"].astype(float), X_rel=relations(myfm, a, sides, ""), **words)
    return {"arrays": {"guess": np.asarray(model.predict(None, relations(myfm, a, sides, "test_")))}}


def incidence(a: Any) -> Any:
    shape = int(a["n_users"]), int(a["n_items"])
    return sp.csr_matrix((np.ones(len(a["user"])), (a["user"], a["item"])), shape=shape)


def relations(myfm: Any, a: Any, sides: Any, which: str) -> list[Any]:
    """Return a relation block for each side, of those who occur in the part alone."""
    found = []
    for side, X, _ in sides:
        present, place = np.unique(a[f"{which}{side}"], return_inverse=True)
        found.append(myfm.RelationBlock(place, X[present]))
    return found


def days(a: Any, which: str, n_days: int) -> Any:
    """Return one flag a row, none where the training part has no such day."""
    if not n_days:
        return None
    codes = a[f"{which}days"]
    known = np.flatnonzero(codes >= 0)
    return sp.csr_matrix((np.ones(len(known)), (known, codes[known])), shape=(len(codes), n_days))


def myfm_speed(a: Any, rank: int, short: int, long: int) -> dict[str, Any]:
    """Return seconds of a sweep of ids alone: by the difference of two fits."""
    import myfm

    n = len(a["user"])
    columns = np.stack([a["user"], a["item"] + int(a["n_users"])], axis=1).ravel()
    n_columns = int(a["n_users"]) + int(a["n_items"])
    X = sp.csr_matrix((np.ones(2 * n), columns, np.arange(0, 2 * n + 1, 2)), shape=(n, n_columns))
    groups = [int(a["n_users"]), int(a["n_items"])]
    seconds = []
    for sweeps in (short, long):
        model = myfm.MyFMGibbsRegressor(rank=rank, random_seed=1)
        started = time.perf_counter()
        model.fit(X, a["values"].astype(float), n_iter=sweeps, n_kept_samples=1, group_shapes=groups)
        seconds.append(time.perf_counter() - started)
    return {"seconds": (seconds[1] - seconds[0]) / (long - short)}


def smurff_speed(a: Any, rank: int, sweeps: int) -> dict[str, Any]:
    """Return seconds of a sweep of ids alone: the median one. The noise is fixed, which spares it a draw."""
    import smurff

    X = matrix(a).astype(float)
    X.data -= X.data.mean()
    session = smurff.BPMFSession(X, num_latent=rank, num_threads=THREADS, burnin=sweeps, nsamples=1, seed=1, verbose=0)
    session.init()
    seconds = []
    for _ in range(sweeps):
        started = time.perf_counter()
        session.step()
        seconds.append(time.perf_counter() - started)
    return {"seconds": float(np.median(seconds))}


if __name__ == "__main__":
    main(sys.modules[__name__])
