"""The run of a `BayesianMF`'s chains: sweep by sweep, with what is kept of them, from the beginning or a checkpoint."""

from __future__ import annotations

import hashlib
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from palate.data.fingerprint import fingerprint
from palate.models.bayes.begin import Ground, Watch, begun, ground_of
from palate.models.bayes.chains import WATCHED
from palate.models.bayes.checkpoints import CheckpointStore, restored, snapshot
from palate.models.bayes.derived import BayesSettings
from palate.models.bayes.kept import Kept
from palate.models.bayes.mean import MeanScore
from palate.models.bayes.posterior import Posterior
from palate.models.bayes.units import record_out_of_unit
from palate.models.contract.learned import Course
from palate.models.contract.learner import Training
from palate.models.contract.parameters import draw_seed, plain_value
from palate.models.ridge.priors import encoding_of
from palate.parallel import Workers, check_threads
from palate.progress import Progress

if TYPE_CHECKING:
    from palate.models.bayes.model import BayesianMF


MOST_ASKED = 24  # sweeps whose terms of the pair's own cell are summed: more change the error by less than 0.0001


class SummedChain:
    """One of the chains, with what is summed over its sweeps."""

    CHANGES: ClassVar[tuple[str, ...]] = ("chain", "mean", "asked", "watch")

    def __init__(
        self,
        model: BayesianMF,
        training: Training,
        settings: BayesSettings,
        ground: Ground,
        seed: int,
        number: int,
        unit: float,
    ) -> None:
        self.burn_in = int(model.n_burn_in)
        self.chain, self.asked = begun(model, training, settings, ground, seed, number, unit)
        self.mean, self.watch = MeanScore(self.chain), Watch(self.chain, training, self.asked)

    def sweep(self, number: int, workers: Workers, *, ask: bool) -> dict[str, float]:
        """Sample once, and return the figures of the sweep."""
        self.chain.sweep(number, workers)
        warm = number > self.burn_in
        if warm:
            self.mean.add()
        if ask:
            self.ask(workers)
        return self.watch.record(warm=warm)

    def ask(self, workers: Workers) -> None:
        """Add what pairs' own cells bring in the state as it is, for all sweeps since the last one asked."""
        weight = 0 if self.asked is None else self.mean.count - self.asked.weight
        if self.asked is not None and weight:
            self.asked.add(self.chain.alpha, self.mean.total, weight, workers)


class SamplingRun:
    """The chains of a fit, side by side, and all that is taken from them.

    Args:
        model: whose parameters they have.
        training: what they learn from.
        settings: parameters that may follow from it.
        wanted: how many draws are kept.
        store: where the checkpoint is, or None; what is there is gone on from.
        unit: what the ratings were divided by; records are in the ratings' own.

    Raises:
        ParameterError, ModelFileError: the checkpoint is of another fit, or damaged.
        DataError, ParameterError: as `begun`.
    """

    CHANGES: ClassVar[tuple[str, ...]] = ("lines", "kept", "history")

    def __init__(
        self,
        model: BayesianMF,
        training: Training,
        settings: BayesSettings,
        wanted: int,
        store: CheckpointStore | None,
        unit: float = 1.0,
    ) -> None:
        self.model, self.training, self.settings, self.store, self.unit = model, training, settings, store, unit
        before = None if store is None else store.load()
        self.fit = {} if store is None else identity(model, training, settings)
        known = None if before is None or model.random_state is not None else before.values.get("fit", {}).get("seed")
        self.seed = draw_seed(model.random_state) if known is None else int(known)
        self.fit["seed"] = self.seed
        if unit != 1:
            self.fit["unit"] = unit
        ground = ground_of(model, training)
        numbers = range(int(model.n_chains))
        self.lines = [SummedChain(model, training, settings, ground, self.seed, number, unit) for number in numbers]
        self.kept = Kept(wanted, self.lines[0].chain, ground.encoders)
        self.history: list[dict[str, float]] = []
        if before is not None:
            restored(before, {"run": self}, self.fit)

    def finish(self) -> bool:
        """Sample all sweeps that are left; return whether Ctrl-C ended it.

        Raises:
            KeyboardInterrupt: before a sweep was kept.
        """
        n_sweeps = int(self.model.n_sweeps)
        keeps = self._spaced(-(-self.kept.wanted // len(self.lines)))
        asks = self._spaced(-(-MOST_ASKED // len(self.lines)))
        with ExitStack() as stack:
            chains, inside = self._workers(stack)
            try:
                for number in range(len(self.history) + 1, n_sweeps + 1):
                    started_at = time.perf_counter()
                    calls = [
                        partial(line.sweep, number, workers, ask=number in asks)
                        for line, workers in zip(self.lines, inside, strict=True)
                    ]
                    record = self._together(number, chains.run(calls))
                    for line in self.lines if number in keeps else ():
                        self.kept.add(line.chain)
                    record["seconds"] = time.perf_counter() - started_at
                    self.history.append(record)
                    self.training.progress(Progress("sampling", number, n_sweeps, record))
                    if self.store is not None and self.store.due():
                        self.store.save(snapshot({"run": self}, self.fit))
            except KeyboardInterrupt:
                if not self.kept.count:
                    raise
                return True
        if self.store is not None:
            self.store.clear()
        return False

    def _workers(self, stack: ExitStack) -> tuple[Workers, list[Workers]]:
        """Return the threads that take a chain each, and those of each chain; one after the other on too few."""
        n_threads, n_chains = check_threads(self.model.n_threads), len(self.lines)
        if n_threads < n_chains:
            inside = stack.enter_context(Workers(n_threads))
            return stack.enter_context(Workers(1)), [inside] * n_chains
        several = [stack.enter_context(Workers(n_threads // n_chains)) for _ in range(n_chains)]
        return stack.enter_context(Workers(n_chains)), several

    def _together(self, number: int, records: list[dict[str, float]]) -> dict[str, float]:
        """Return one record: means over the chains, and what is watched of each; the first's have no number."""
        record = together(number, records)
        watches = [line.watch for line in self.lines]
        if watches[0].part is not None:
            count = sum(watch.count for watch in watches)
            totals = [watch.total / count if count else watch.last / len(watches) for watch in watches]
            own = np.mean([watch.own for watch in watches], axis=0)
            record["validation_rmse"] = watches[0].error(np.sum(totals, axis=0) + own)
        return record_out_of_unit(record, self.unit)

    def posterior(self, *, interrupted: bool) -> Posterior:
        """Return what the chains have learned, in the ratings' own unit; their sums are spent."""
        first, *others = self.lines
        with Workers(1) as alone:
            for line in self.lines:
                line.ask(alone)  # for the sweeps since the last one asked: there are some after Ctrl-C
        for line in others:
            first.mean.join(line.mean)
        features, users = self.training.user_features, self.training.data.users
        score = first.mean.learned()
        draws = self.kept.learned(None if features is None else features.on(users))
        course = Course(history=self.history, best_epoch=len(self.history), interrupted=interrupted, seed=self.seed)
        of_users, of_items = (encoding_of(given) for given in (features, self.training.item_features))
        offsets = self.kept.time_offsets()
        return Posterior(score, draws, offsets, of_users, of_items, self.settings, course).out_of_unit(self.unit)

    def _spaced(self, wanted: int) -> frozenset[int]:
        """Return the numbers of so many sweeps after the warm-up, or of all: evenly spaced, the last one among them."""
        return spaced(wanted, int(self.model.n_burn_in), int(self.model.n_sweeps))


def spaced(wanted: int, n_burn_in: int, n_sweeps: int) -> frozenset[int]:
    """Return the numbers of so many sweeps after the warm-up, or of all: evenly spaced, the last one among them."""
    after = n_sweeps - n_burn_in
    wanted = min(wanted, after)
    return frozenset(n_burn_in + -(-(j + 1) * after // wanted) for j in range(wanted))


def together(number: int, records: list[dict[str, float]]) -> dict[str, float]:
    """Return one record of a sweep: the mean loss of the chains, and what is watched of each."""
    loss = float(np.mean([figures["loss"] for figures in records]))
    record = {"epoch": number, "loss": loss, "train_rmse_unclipped": loss**0.5}
    for chain, figures in enumerate(records):
        record |= {key if chain == 0 else f"{key}_{chain + 1}": figures[key] for key in WATCHED if key in figures}
    return record


def identity(model: BayesianMF, training: Training, settings: BayesSettings) -> dict[str, Any]:
    """Return what must be the same for a chain to go on: parameters, but for threads and the seed; and the data."""
    left_out = ("n_threads", "random_state", "store_history")
    facts = {name: plain_value(value) for name, value in model.get_params().items() if name not in left_out}
    facts["the data"] = fingerprint(training.data)
    facts["the validation part"] = None if training.validation is None else fingerprint(training.validation)
    for side, features, ids in (
        ("user", training.user_features, training.data.users),
        ("item", training.item_features, training.data.items),
    ):
        matrix = None if features is None else np.ascontiguousarray(features.on(ids))
        facts[f"the {side} features"] = None if matrix is None else hashlib.sha256(matrix.tobytes()).hexdigest()
    return facts | {name: settings.read(name) for name in settings.SCALARS}
