"""What the peers do, run by their own interpreter: ``peer_tasks.py TASK FOLDER OPTIONS``; prints one JSON line."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

THREADS = int(os.environ["OMP_NUM_THREADS"])


def timed(call: Any, runs: int) -> list[float]:
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return seconds


def matrix(a: Any) -> Any:
    values = a["values"] if "values" in a else np.ones(len(a["user"]), np.float32)
    shape = int(a["n_users"]), int(a["n_items"])
    return sp.csr_matrix((values.astype(np.float32), (a["user"], a["item"])), shape=shape)


def implicit_als(a: Any, factors: int, epochs: int, reg: float, confidence: float) -> dict[str, Any]:
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        factors, regularization=reg, alpha=1.0, iterations=epochs, num_threads=THREADS, random_state=1, use_cg=True
    )
    X = matrix(a)
    X.data[:] = confidence
    seconds = []

    def after(epoch: int, elapsed: float, loss: Any) -> None:
        seconds.append(elapsed)

    model.fit(X, show_progress=False, callback=after)
    last = {"P": np.array(model.user_factors)[None], "Q": np.array(model.item_factors)[None]}
    return {"seconds": seconds, "arrays": last}


def cmfrec_ials(a: Any, factors: int, epochs: int, reg: float, confidence: float) -> dict[str, Any]:
    from cmfrec import CMF_implicit

    X = sp.coo_matrix(matrix(a))
    X.data[:] = confidence - 1  # its confidence is 1 + alpha x value
    seconds, P, Q = [], [], []
    for n in (1, epochs):
        model = CMF_implicit(
            k=factors, lambda_=reg, alpha=1.0, niter=n, nthreads=THREADS, use_float=True, finalize_chol=False,
            use_cg=True, max_cg_steps=3, precompute_for_predictions=False, verbose=False, random_state=1,
        )  # fmt: skip
        started = time.perf_counter()
        model.fit(X)
        seconds.append(time.perf_counter() - started)
        P.append(np.array(model.A_))
        Q.append(np.array(model.B_))
    epoch = (seconds[1] - seconds[0]) / (epochs - 1)
    return {"seconds": [epoch], "arrays": {"P": np.array(P[1:]), "Q": np.array(Q[1:])}}


def lenskit_clicks(a: Any) -> tuple[Any, Any]:
    """Return its data and options."""
    import pandas as pd
    from lenskit.data import from_interactions_df
    from lenskit.training import TrainingOptions

    return from_interactions_df(pd.DataFrame({"user_id": a["user"], "item_id": a["item"]})), TrainingOptions(rng=1)


def lenskit_ials(a: Any, factors: int, epochs: int, reg: float, confidence: float) -> dict[str, Any]:
    from lenskit.als import ImplicitMFScorer

    data, options = lenskit_clicks(a)
    model = ImplicitMFScorer(embedding_size=factors, epochs=epochs, regularization=reg, weight=confidence - 1)
    seconds = []
    started = time.perf_counter()
    for _ in model.training_loop(data, options):
        seconds.append(time.perf_counter() - started)
        started = time.perf_counter()
    return {"seconds": seconds, "arrays": {name: table[None] for name, table in lenskit_factors(model, a).items()}}


def cmfrec_als(a: Any, factors: int, epochs: int, reg: float) -> dict[str, Any]:
    from cmfrec import CMF

    X = sp.coo_matrix(matrix(a))
    seconds = []
    for n in (1, epochs):
        model = CMF(
            k=factors, lambda_=reg, scale_lam=True, niter=n, nthreads=THREADS, use_float=True, finalize_chol=False,
            use_cg=False, precompute_for_predictions=False, verbose=False, random_state=1,
        )  # fmt: skip
        started = time.perf_counter()
        model.fit(X)
        seconds.append(time.perf_counter() - started)
    guess = model.predict(a["test_user"], a["test_item"])
    rmse = float(np.sqrt(np.mean((np.clip(guess, 0.5, 5) - a["test_values"]) ** 2)))
    return {"seconds": [(seconds[1] - seconds[0]) / (epochs - 1)], "rmse": rmse}


def spark_als(a: Any, factors: int, epochs: int, reg: float) -> dict[str, Any]:
    import pandas as pd
    from pyspark.ml.recommendation import ALS
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master(f"local[{THREADS}]").config("spark.driver.memory", "10g")
        .config("spark.ui.enabled", "false").config("spark.sql.execution.arrow.pyspark.enabled", "true").getOrCreate()
    )  # fmt: skip
    mean = float(a["values"].mean())
    frame = pd.DataFrame({"user": a["user"], "item": a["item"], "rating": a["values"] - mean})
    ratings = spark.createDataFrame(frame).repartition(2 * THREADS).cache()
    ratings.count()
    seconds = []
    for n in (1, epochs):
        als = ALS(rank=factors, regParam=reg, maxIter=n, seed=1, coldStartStrategy="nan")
        started = time.perf_counter()
        model = als.fit(ratings)
        seconds.append(time.perf_counter() - started)
    test = pd.DataFrame({"user": a["test_user"], "item": a["test_item"], "rating": a["test_values"]})
    found = model.transform(spark.createDataFrame(test)).toPandas()
    errors = np.clip(found["prediction"] + mean, 0.5, 5) - found["rating"]
    rmse = float(np.sqrt(np.nanmean(errors**2)))
    spark.stop()
    return {"seconds": [(seconds[1] - seconds[0]) / (epochs - 1)], "rmse": rmse}


def implicit_topn(a: Any, runs: int) -> dict[str, Any]:
    from implicit.cpu.topk import topk

    P, Q = a["P"], a["Q"]
    seen = sp.csr_matrix((np.ones(len(a["indices"]), np.float32), a["indices"], a["indptr"]), shape=(len(P), len(Q)))

    def recommend() -> None:
        for start in range(0, len(P), 1000):
            topk(Q, P[start : start + 1000], 10, filter_query_items=seen[start : start + 1000], num_threads=THREADS)

    def product() -> None:
        out = np.empty((256, len(Q)), np.float32)
        for start in range(0, len(P) - 255, 256):
            np.matmul(P[start : start + 256], Q.T, out=out)

    recommend()
    return {"seconds": timed(recommend, runs), "gemm": timed(product, runs)}


def implicit_neighbours(a: Any, neighbours: int, runs: int) -> dict[str, Any]:
    """Return the seconds of a fit, and the sum of its weights between different items."""
    from implicit.nearest_neighbours import CosineRecommender

    X, model = matrix(a), CosineRecommender(K=neighbours + 1, num_threads=THREADS)  # one of them is the item itself
    seconds = timed(lambda: model.fit(X, show_progress=False), runs)
    between = model.similarity.sum() - model.similarity.diagonal().sum()
    return {"seconds": seconds, "arrays": {"total": np.array(between)}}


def implicit_foldin(a: Any, factors: int, runs: int) -> dict[str, Any]:
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(factors, regularization=1.0, iterations=1, num_threads=THREADS, random_state=1)
    model.fit(matrix(a), show_progress=False)
    one = matrix(a)[int(a["one"])]
    model.recalculate_user(0, one)
    return {"seconds": timed(lambda: model.recalculate_user(0, one), runs)}


def cmfrec_ratings(a: Any, factors: int, reg: float, reg_biases: float, epochs: int = 15) -> dict[str, Any]:
    penalties = np.array([reg_biases, reg_biases, reg, reg, reg, reg])  # of biases, of factors, of features
    return cmfrec_rmse(a, k=factors, lambda_=penalties, niter=epochs)


def cmfrec_implicit_ratings(a: Any, factors: int, reg: float, w_implicit: float, epochs: int = 15) -> dict[str, Any]:
    words = {"add_implicit_features": True, "w_implicit": w_implicit}
    return cmfrec_rmse(a, k=factors, lambda_=reg, niter=epochs, **words)


def cmfrec_rmse(a: Any, **words: Any) -> dict[str, Any]:
    from cmfrec import CMF

    model = CMF(**words, nthreads=THREADS, verbose=False, random_state=1)
    model.fit(sp.coo_matrix(matrix(a)))
    return rmse_of(a, model.predict(a["test_user"], a["test_item"]))


def lenskit_ratings(a: Any, factors: int, reg: float, damping: float, epochs: int = 15) -> dict[str, Any]:
    import pandas as pd
    from lenskit.als import BiasedMFScorer
    from lenskit.data import from_interactions_df
    from lenskit.training import TrainingOptions

    frame = pd.DataFrame({"user_id": a["user"], "item_id": a["item"], "rating": a["values"]})
    model = BiasedMFScorer(embedding_size=factors, epochs=epochs, regularization=reg, damping=damping)
    model.train(from_interactions_df(frame), TrainingOptions(rng=1))
    tables, known = lenskit_factors(model, a), {}
    for name, ids, values in (
        ("user", model.users.ids(), model.bias.user_biases), ("item", model.items.ids(), model.bias.item_biases),
    ):  # fmt: skip
        known[name] = np.zeros(int(a[f"n_{name}s"]))
        known[name][ids] = values
    user, item = a["test_user"], a["test_item"]
    guess = np.einsum("nk,nk->n", tables["P"][user], tables["Q"][item])
    return rmse_of(a, guess + model.bias.global_bias + known["user"][user] + known["item"][item])


def lenskit_implicit_mf(a: Any, factors: int, reg: float, confidence: float) -> dict[str, Any]:
    from lenskit.als import ImplicitMFScorer

    model = ImplicitMFScorer(embedding_size=factors, regularization=reg, weight=confidence - 1)
    model.train(*lenskit_clicks(a))
    return {"arrays": lenskit_factors(model, a)}


def lenskit_knn(a: Any, neighbours: int) -> dict[str, Any]:
    """Return the saved neighbours' weights; all of a user's count (its default adds up the 20 nearest alone)."""
    from lenskit.knn import ItemKNNScorer

    model = ItemKNNScorer(feedback="implicit", save_nbrs=neighbours, max_nbrs=1_000_000)
    model.train(*lenskit_clicks(a))
    W = sp.coo_matrix(model.sim_matrix.to_scipy())
    ids, n = model.items.ids(), int(a["n_items"])
    W = sp.csr_matrix((W.data, (ids[W.row], ids[W.col])), shape=(n, n))
    W.sort_indices()
    return {"arrays": {"indptr": W.indptr, "indices": W.indices, "weights": W.data}}


def lenskit_factors(model: Any, a: Any) -> dict[str, Any]:
    """Return LensKit's factors in our order; zeros for who has no rows."""
    P = np.zeros((int(a["n_users"]), model.user_embeddings.shape[1]), np.float32)
    Q = np.zeros((int(a["n_items"]), model.item_embeddings.shape[1]), np.float32)
    P[model.users.ids()], Q[model.items.ids()] = model.user_embeddings, model.item_embeddings
    return {"P": P, "Q": Q}


def rmse_of(a: Any, guess: Any) -> dict[str, Any]:
    guess = np.clip(guess, float(a["low"]), 5)
    return {"rmse": float(np.sqrt(np.mean((guess - a["test_values"]) ** 2)))}


def implicit_factors(a: Any, factors: int, reg: float, confidence: float, epochs: int = 16) -> dict[str, Any]:
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        factors, regularization=reg, alpha=1.0, iterations=epochs, num_threads=THREADS, random_state=1
    )
    X = matrix(a)
    X.data[:] = 1 + confidence
    model.fit(X, show_progress=False)
    return {"arrays": {"P": np.array(model.user_factors), "Q": np.array(model.item_factors)}}


def cmfrec_factors(a: Any, factors: int, reg: float, confidence: float, epochs: int = 16) -> dict[str, Any]:
    from cmfrec import CMF_implicit

    X = sp.coo_matrix(matrix(a))
    X.data[:] = confidence
    model = CMF_implicit(
        k=factors, lambda_=reg, alpha=1.0, niter=epochs, nthreads=THREADS, verbose=False, random_state=1,
        precompute_for_predictions=False,
    )  # fmt: skip
    model.fit(X)
    return {"arrays": {"P": np.array(model.A_), "Q": np.array(model.B_)}}


def cmfrec_cold(a: Any, factors: int, reg: float, w_user: float, w_item: float, epochs: int = 15) -> dict[str, Any]:
    from cmfrec import CMF

    model = CMF(
        k=factors, lambda_=reg, scale_lam=True, niter=epochs, nthreads=THREADS, verbose=False, random_state=1,
        w_user=w_user, w_item=w_item,
    )  # fmt: skip
    model.fit(sp.coo_matrix(matrix(a)), U=a["U"].astype(float), I=a["I"].astype(float))
    A, B = np.array(model.A_), np.array(model.B_)
    scores = A[:, -factors:] @ B[:, -factors:].T if A.shape[1] > factors else A @ B.T
    scores = scores + np.array(model.user_bias_)[:, None] + np.array(model.item_bias_) + model.glob_mean_
    return {"arrays": {"scores": scores.astype(np.float32)}}


def implicit_bpr(a: Any, factors: int, epochs: int, learning_rate: float = 0.01, reg: float = 0.01) -> dict[str, Any]:
    """Return seconds of each epoch and of the whole fit, and factors whose last columns are the items' biases."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(
        factors, learning_rate=learning_rate, regularization=reg, iterations=epochs, num_threads=THREADS, random_state=1
    )
    X, seconds = matrix(a), []

    def after(epoch: int, elapsed: float, *_: Any) -> None:
        seconds.append(elapsed)

    started = time.perf_counter()
    model.fit(X, show_progress=False, callback=after)
    whole = time.perf_counter() - started
    factors_of = {
        "P": np.array(model.user_factors),
        "Q": np.array(model.item_factors),
    }  # the bias is a factor of theirs
    return {"seconds": seconds, "whole": whole, "arrays": factors_of}


def lightfm_bpr(a: Any, factors: int, epochs: int, **words: Any) -> dict[str, Any]:
    return lightfm(a, "bpr", factors, epochs, **words)


def lightfm_warp(a: Any, factors: int, epochs: int, **words: Any) -> dict[str, Any]:
    return lightfm(a, "warp", factors, epochs, **words)


def lightfm(
    a: Any, loss: str, factors: int, epochs: int, learning_rate: float = 0.05, user_alpha: float = 0.0,
    item_alpha: float = 0.0, max_sampled: int = 10, own_users: bool = True, own_items: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Return seconds of each epoch, and factors with biases; features, where there are some, beside own embeddings."""
    from lightfm import LightFM

    model = LightFM(
        no_components=factors, loss=loss, learning_rate=learning_rate, user_alpha=user_alpha, item_alpha=item_alpha,
        max_sampled=max_sampled, random_state=1,
    )  # fmt: skip
    X, seconds = sp.coo_matrix(matrix(a)), []
    sides = [lightfm_features(a, "U", "n_users", own_users), lightfm_features(a, "I", "n_items", own_items)]
    begun = time.perf_counter()
    for _ in range(epochs):
        started = time.perf_counter()
        model.fit_partial(X, user_features=sides[0], item_features=sides[1], epochs=1, num_threads=THREADS)
        seconds.append(time.perf_counter() - started)
    whole = time.perf_counter() - begun
    (b, P), (c, Q) = model.get_user_representations(sides[0]), model.get_item_representations(sides[1])
    return {"seconds": seconds, "whole": whole, "arrays": {"P": P, "Q": Q, "c": c, "b": b}}


def lightfm_features(a: Any, name: str, size: str, own: bool) -> Any:
    if name not in a:
        return None
    F = sp.csr_matrix(a[name].astype(np.float32))
    return sp.csr_matrix(sp.hstack([sp.identity(int(a[size]), np.float32), F])) if own else F


def irspack_rp3beta(a: Any, neighbours: int, alpha: float, beta: float) -> dict[str, Any]:
    from irspack.recommenders import RP3betaRecommender

    return irspack_weights(RP3betaRecommender(matrix(a), alpha=alpha, beta=beta, top_k=neighbours))


def irspack_cosine(a: Any, neighbours: int, shrinkage: float) -> dict[str, Any]:
    from irspack.recommenders import CosineKNNRecommender

    return irspack_weights(CosineKNNRecommender(matrix(a), shrinkage=shrinkage, top_k=neighbours))


def irspack_weights(model: Any) -> dict[str, Any]:
    """Return weights from item to item as compressed rows, from the item had to the item scored."""
    model.learn()
    W = sp.csr_matrix(model.W)
    W.sort_indices()
    return {"arrays": {"indptr": W.indptr, "indices": W.indices, "weights": W.data}}


def libmf(a: Any, factors: int, epochs: int, eta: float, reg: float) -> dict[str, Any]:
    """Return the seconds of a fit and the held-out error; its own way to read an array of numbers is left out."""
    from libmf import mf as library

    cells = np.column_stack([a["user"], a["item"], a["values"]]).astype(np.float32)
    model = library.MF(
        k=factors, nr_iters=epochs, nr_threads=THREADS, eta=eta, lambda_p2=reg, lambda_q2=reg, quiet=True,
        copy_data=False, nr_bins=max(26, 2 * THREADS + 1),
    )  # fmt: skip
    started = time.perf_counter()
    model.fit(cells)
    seconds = time.perf_counter() - started
    P, Q = model.p_factors(), model.q_factors()
    user, item = a["test_user"], a["test_item"]
    known = (user < len(P)) & (item < len(Q))
    guess = np.full(len(user), float(a["values"].mean()))
    guess[known] = np.einsum("nk,nk->n", P[user[known]], Q[item[known]])
    guess[np.isnan(guess)] = float(a["values"].mean())  # who has no rating
    return {"seconds": [seconds], **rmse_of(a, guess)}


def main(tasks: Any = sys.modules[__name__]) -> None:
    task, folder, options = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    report = getattr(tasks, task)(dict(np.load(folder / "in.npz")), **options)
    arrays = report.pop("arrays", None)
    if arrays:
        np.savez(folder / "out.npz", **arrays)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
