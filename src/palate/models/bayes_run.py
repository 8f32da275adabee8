"""The run of a `BayesianMF`'s chain: sweep by sweep, with what is kept of it, from its beginning or a checkpoint."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.data.fingerprint import fingerprint
from palate.models.bayes_begin import Watch, begun
from palate.models.bayes_kept import Kept
from palate.models.bayes_mean import MeanScore
from palate.models.checkpoints import CheckpointStore, restored, snapshot
from palate.models.learner import Training
from palate.models.parameters import draw_seed
from palate.parallel import Workers, single_blas_thread
from palate.progress import Progress

Array = NDArray[Any]

MOST_ASKED = 24  # sweeps whose terms of the pair's own cell are summed: more change the error by less than 0.0001


class Run:
    """A chain and all that is taken from it.

    Args:
        model: whose parameters it has.
        training: what it learns from.
        wanted: how many sweeps are kept.
        store: where its checkpoint is, or None; what is there is gone on from.

    Raises:
        ParameterError, ModelFileError: the checkpoint is of another fit, or damaged.
        DataError, ParameterError: as `begun`.
    """

    def __init__(self, model: Any, training: Training, wanted: int, store: CheckpointStore | None) -> None:
        self.model, self.training, self.store = model, training, store
        before = None if store is None else store.load()
        self.fit = {} if store is None else identity(model, training)
        known = None if before is None or model.random_state is not None else before.said.get("fit", {}).get("seed")
        self.seed = draw_seed(model.random_state) if known is None else int(known)
        self.fit["seed"] = self.seed
        with single_blas_thread():
            self.chain, encoders, self.asked = begun(model, training, self.seed)
        self.kept, self.mean = Kept(wanted, self.chain, encoders), MeanScore(self.chain, self.asked)
        self.watch = Watch(self.chain, training, self.asked)
        self.parts = {"chain": self.chain, "kept": self.kept, "mean": self.mean, "watch": self.watch}
        if self.asked is not None:
            self.parts["asked"] = self.asked
        if before is not None:
            restored(before, self.parts, self.fit)

    def finish(self) -> bool:
        """Sample all sweeps that are left; return whether Ctrl-C ended it.

        Raises:
            KeyboardInterrupt: before a sweep was kept.
        """
        n_sweeps = int(self.model.n_sweeps)
        keeps, asks = self._spaced(self.kept.wanted), self._spaced(MOST_ASKED)
        with Workers(self.model.n_threads) as workers, single_blas_thread():
            try:
                for number in range(len(self.watch.history) + 1, n_sweeps + 1):
                    record = self._sweep(number, workers, keep=number in keeps, ask=number in asks)
                    self.training.progress(Progress("sampling", number, n_sweeps, record))
                    if self.store is not None and self.store.due():
                        self.store.save(snapshot(self.parts, self.fit))
            except KeyboardInterrupt:
                if not self.kept.count:
                    raise
                return True
        if self.store is not None:
            self.store.clear()
        return False

    def _sweep(self, number: int, workers: Workers, *, keep: bool, ask: bool) -> dict[str, float]:
        started_at = time.perf_counter()
        self.chain.sweep(number, workers)
        warm = number > self.model.n_burn_in
        if ask and self.asked is not None:
            self.asked.add(self.chain.alpha, workers)
        record = {"epoch": number, **self.watch.record(warm=warm)}
        if warm:
            self.mean.add()
        if keep:
            self.kept.add()
        record["seconds"] = time.perf_counter() - started_at
        self.watch.history.append(record)
        return record

    def _spaced(self, wanted: int) -> frozenset[int]:
        """Return the numbers of so many sweeps after the warm-up, or of all: evenly spaced, the last one among them."""
        burn_in = int(self.model.n_burn_in)
        after = int(self.model.n_sweeps) - burn_in
        wanted = min(wanted, after)
        return frozenset(burn_in + -(-(j + 1) * after // wanted) for j in range(wanted))


def identity(model: Any, training: Training) -> dict[str, Any]:
    """Return what must be the same for a chain to go on: parameters, but for threads and the seed; and the data."""
    left_out = ("n_threads", "random_state", "store_history")
    found = {name: value for name, value in model.get_params().items() if name not in left_out}
    found = {name: value.item() if isinstance(value, np.generic) else value for name, value in found.items()}
    found["the data"] = fingerprint(training.data)
    found["the validation part"] = None if training.validation is None else fingerprint(training.validation)
    for side, features, ids in (
        ("user", training.user_features, training.data.users),
        ("item", training.item_features, training.data.items),
    ):
        matrix = None if features is None else np.ascontiguousarray(features.on(ids))
        found[f"the {side} features"] = None if matrix is None else hashlib.sha256(matrix.tobytes()).hexdigest()
    return found
