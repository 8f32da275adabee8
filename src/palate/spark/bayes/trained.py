"""`TrainedBayes`: a `BayesianMF` as its sampling on Spark has left it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from palate.errors import DataError
from palate.models import BayesianMF
from palate.models.bayes.checkpoints import restored
from palate.models.bayes.derived import BayesSettings
from palate.models.bayes.posterior import Posterior
from palate.models.bayes.start import Encoders
from palate.models.contract.learned import Course
from palate.models.ridge.priors import encoding_of
from palate.spark.bayes.posterior import DrawSums
from palate.spark.bayes.rows import ChainShape
from palate.spark.bayes.snapshots import frame_of, read_states
from palate.spark.prepared import Prepared, SideName
from palate.spark.settings import features_of
from palate.spark.trained import BY_POSITION, Trained

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class BayesKind:
    """The settings of a sampling, as they were used.

    Attributes:
        settings: parameters that follow from the data, in the unit.
        unit: that ratings were divided by.
        wanted: how many draws are kept.
    """

    key: ClassVar[str] = "bayes"
    settings: BayesSettings
    unit: float
    wanted: int

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> BayesKind:
        """Return what `facts` has made."""
        own = facts["bayes"]
        return cls(BayesSettings(**own["settings"]), own["unit"], own["wanted"])

    def facts(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        return {"bayes": {"settings": asdict(self.settings), "unit": self.unit, "wanted": self.wanted}}


class TrainedBayes(Trained):
    """A `BayesianMF` that was sampled on Spark: what its draws say is brought to the driver."""

    @classmethod
    def of_facts(cls, prepared: Prepared, path: str, facts: Mapping[str, Any]) -> TrainedBayes:
        """Return what `facts` tells."""
        model = BayesianMF(**facts["model"]["parameters"])
        return cls.of(prepared, path, model, facts["seed"], BayesKind.of_facts(facts), facts["sweep"], facts["history"])

    @classmethod
    def of(
        cls,
        prepared: Prepared,
        path: str,
        model: BayesianMF,
        seed: int,
        kind: BayesKind,
        sweep: int,
        history: list[dict[str, float]],
    ) -> TrainedBayes:
        """Return a model that was sampled to a sweep."""
        k = kind.settings.n_factors
        return cls(prepared, path, cast("Any", model), k, seed, cast("Any", kind), sweep, history)

    @property
    def dtype(self) -> str:
        """Of the factors."""
        return "float32"

    @property
    def mean(self) -> float:
        """The mean of mu."""
        return self.posterior.score.mean

    @cached_property
    def posterior(self) -> Posterior:
        """What one machine's model has learned, in the driver's memory.

        Raises:
            DataError: the state of the chains is not whole.
        """
        states = [state for state in read_states(self.prepared.spark, self.path) if self._is_last(state.values)]
        if not states:
            raise DataError.of(self.path, "has no whole state of its chains: train it anew", code="damaged")
        kind, state = cast("BayesKind", self.kind), states[0]
        shape = ChainShape(tuple(self.prepared.keys), int(self._bayes.n_chains), self.n_factors + 1)
        n = self.prepared.n_users, self.prepared.n_items
        sums = DrawSums.of(shape, n, kind.wanted, Encoders(None, np.zeros((0, 0))))
        sums.counter, sums.projection = state.arrays["sums.counter"], state.arrays["sums.projection"]
        restored(state, {"sums": sums}, state.values["fit"])
        sums.kept.encoders = sums.encoders
        features = [features_of(self.prepared, side) for side in ("user", "item")]
        draws = sums.kept.learned(None if features[0] is None else features[0].matrix)
        course = Course(history=self.history, best_epoch=self.sweep, interrupted=False, seed=self.seed)
        encodings = encoding_of(features[0]), encoding_of(features[1])
        offsets = sums.kept.time_offsets()
        return Posterior(sums.score(), draws, offsets, *encodings, kind.settings, course).out_of_unit(kind.unit)

    def _is_last(self, values: Mapping[str, Any]) -> bool:
        return bool(values["run.sweep"] == self.sweep and values["fit"]["seed"] == self.seed)

    @property
    def _bayes(self) -> BayesianMF:
        return cast("BayesianMF", self.model)

    def factor_runs(self, side: SideName) -> tuple[DataFrame, None]:
        """Return position, factors and bias of each user or item: those of the mean score."""
        score = self.posterior.score
        X, b = (score.user_factors, score.user_biases) if side == "user" else (score.item_factors, score.item_biases)
        rows = [
            {"position": at, "factors": x.tobytes(), "bias": bias}
            for at, (x, bias) in enumerate(zip(np.ascontiguousarray(X), b.tolist(), strict=True))
        ]
        return frame_of(self.prepared.spark, rows, BY_POSITION), None

    def collect(self) -> Any:
        """Return the model as one machine has it, fitted, in the driver's memory.

        Raises:
            ParameterError: the driver has not the memory for it.
            SparkError: Spark cannot give it.
        """
        from palate.spark.models import known_of

        model = BayesianMF(**self.model.get_params())
        model.known_ = known_of(self, model)
        model.learned_ = self.posterior
        return model
