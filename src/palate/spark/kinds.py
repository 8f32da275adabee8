"""What the driver knows of a model's half sweeps: their settings, the sums that they need, the figures of an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from palate.models.items.clicks import Positive
from palate.models.ridge.click_sweeps import ClickSettings
from palate.models.ridge.click_sweeps import weights_penalty as click_weights_penalty
from palate.models.ridge.rows import Prior
from palate.models.ridge.sums import FeatureSums, prior_weights, tree_sum
from palate.models.ridge.sweeps import ALSSettings, weights_penalty
from palate.models.ridge.weighing import Weighing
from palate.spark.clicks import as_clicks
from palate.spark.halves import ClickHalf, Common, Half, PriorWeights, RatingHalf
from palate.spark.sweeps import BlockSums
from palate.sparse import Array

BothWeights = tuple[PriorWeights | None, PriorWeights | None]


class ModelKind(Protocol):
    """A model as the driver sees it."""

    key: ClassVar[str]
    needs_grams: ClassVar[bool]  # of both sides, and so factors of both to begin with

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Self:
        """Return what `facts` has made."""
        ...

    def facts(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        ...

    @property
    def mean(self) -> float:
        """Of the ratings; 0 for clicks."""
        ...

    @property
    def reg_features(self) -> float:
        """Penalty of the features' weights, as `prior_weights` takes it."""
        ...

    def layout(self, layout: Any) -> Any:
        """Return a layout with the values that the model learns from."""
        ...

    def start_scale(self, side: int) -> float:
        """Return the standard deviation of a side's factors to begin with."""
        ...

    def half(self, side: int, common: Common, gram: Array | None, *, last: bool) -> Half:
        """Return a half sweep.

        Args:
            side: that is solved, 0 for users.
            common: of all models.
            gram: Q'Q of the other side, the upper triangle; None where it is not needed.
            last: whether it is the last of training.
        """
        ...

    def gram(self, items: BlockSums) -> Array | None:
        """Return o Q'Q of the items, which new users are folded in by; None where it is not needed."""
        ...

    def record(self, sums: tuple[BlockSums, BlockSums], priors: BothWeights) -> dict[str, float]:
        """Return the figures of an epoch.

        Raises:
            DivergenceError: they are not finite.
        """
        ...


@dataclass(frozen=True)
class RatingKind:
    """`ALS` as the driver sees it.

    Attributes:
        settings: as they are used.
        limits: lowest and highest rating.
        scale: standard deviation of the users' factors to begin with.
    """

    key: ClassVar[str] = "als"
    needs_grams: ClassVar[bool] = False
    settings: ALSSettings
    limits: tuple[float, float]
    scale: float

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Self:
        """Return what `facts` has made."""
        low, high = facts["limits"]
        return cls(ALSSettings(**facts["settings"]), (low, high), facts["scale"])

    def facts(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        return {"settings": asdict(self.settings), "limits": list(self.limits), "scale": self.scale}

    @property
    def mean(self) -> float:
        """Of the ratings; 0 without biases."""
        return self.settings.mean

    @property
    def reg_features(self) -> float:
        """Penalty of the features' weights, as `prior_weights` takes it."""
        return self.settings.reg_features

    def layout(self, layout: Any) -> Any:
        """Return the layout as it is."""
        return layout

    def start_scale(self, side: int) -> float:
        """Return that of users; items, which are solved first, begin with zeros."""
        return self.scale if side == 0 else 0.0

    def regs(self, side: int) -> tuple[float, float]:
        """Return the penalties of a side's factors and biases."""
        on = self.settings
        return on.reg, (on.reg_users, on.reg_items)[side]

    def half(self, side: int, common: Common, gram: Array | None, *, last: bool) -> RatingHalf:
        """Return a half sweep; errors are summed with the users, when both sides are new."""
        on, limits = self.settings, self.limits if side == 0 else None
        return RatingHalf(common, self.regs(side), on.reg_exponent, on.mean, on.biases, limits)

    def gram(self, items: BlockSums) -> None:
        """Return None: it is not needed."""

    def record(self, sums: tuple[BlockSums, BlockSums], priors: BothWeights) -> dict[str, float]:
        """Return RMSE, loss and objective."""
        users, items = (tree_sum(side.figures) for side in sums)
        n, squares, clipped, weighted, of_users = users.tolist()
        penalty = of_users + float(items[4]) + sum(self._weights_penalty(side, priors[side]) for side in (0, 1))
        record = {"train_rmse_unclipped": float(np.sqrt(squares / n)), "train_rmse": float(np.sqrt(clipped / n))}
        return {**record, "loss": squares / n, "objective": weighted + penalty}

    def _weights_penalty(self, side: int, prior: PriorWeights | None) -> float:
        return weights_penalty(weights_alone(prior), self.regs(side), self.settings.reg_features)


@dataclass(frozen=True)
class Clicks:
    """`ImplicitALS` as the driver sees it.

    Attributes:
        settings: weights, penalties and steps, as they are used.
        positive, typical: how values become clicks.
        n_warm: users and items with clicks.
        reg_features: penalty of the features' weights, times reg.
        scale: standard deviation of the factors to begin with.
        shrinkage: that reg amounts to.
        dtype: of the factors.
    """

    key: ClassVar[str] = "ials"
    needs_grams: ClassVar[bool] = True
    mean: ClassVar[float] = 0.0
    settings: ClickSettings
    positive: Positive
    typical: float
    n_warm: tuple[int, int]
    reg_features: float
    scale: float
    shrinkage: float
    dtype: str

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Self:
        """Return what `facts` has made."""
        own = dict(facts["clicks"])
        weighing, users_items = Weighing(**own.pop("weighing")), own.pop("n_warm")
        return cls(ClickSettings(weighing, own.pop("cg_steps")), n_warm=(users_items[0], users_items[1]), **own)

    def facts(self) -> dict[str, Any]:
        """Return the settings as JSON holds them."""
        own = asdict(self)
        settings = own.pop("settings")
        return {"clicks": {**own, **settings, "n_warm": list(self.n_warm)}}

    def layout(self, layout: Any) -> Any:
        """Return a layout of clicks."""
        return as_clicks(layout, self.positive, self.typical)

    def start_scale(self, side: int) -> float:
        """Return the same for both sides."""
        return self.scale

    def half(self, side: int, common: Common, gram: Array | None, *, last: bool) -> ClickHalf:
        """Return a half sweep; the last, of users, is exact."""
        k = common.wire.k
        G = np.zeros((k, k), self.dtype) if gram is None else self._weighted(gram)
        return ClickHalf(common, self.settings, self.n_warm[1 - side], G, last and side == 0)

    def gram(self, items: BlockSums) -> Array | None:
        """Return o Q'Q of the items, the upper triangle."""
        gram = gram_of(items)
        return None if gram is None else self._weighted(gram)

    def _weighted(self, gram: Array) -> Array:
        return np.asarray(gram * np.dtype(self.dtype).type(self.settings.weighing.unobserved_weight))

    def record(self, sums: tuple[BlockSums, BlockSums], priors: BothWeights) -> dict[str, float]:
        """Return the objective.

        Raises:
            DivergenceError: it is not finite.
        """
        users, items = (tree_sum(side.figures) for side in sums)
        of_weights = sum(click_weights_penalty(weights_alone(prior), self.reg_features) for prior in priors)
        objective = float(users[0]) + float(items[1]) + of_weights
        self.settings.check(objective, self.dtype)
        return {"objective": objective}


def weights_alone(weights: PriorWeights | None) -> Prior | None:
    """Return a prior of no rows."""
    return None if weights is None else Prior(np.zeros((0, len(weights[0]))), *weights)


def prior_of(parts: Sequence[Array], n_features: int, reg: float, dtype: str) -> PriorWeights | None:
    """Return the weights of a side's features, by what its blocks have summed; None without features."""
    if not parts:
        return None
    total = tree_sum(parts)
    cut = -n_features * (n_features + 1)
    of_factors, of_biases = (total[at].reshape(n_features, -1) for at in (slice(None, cut), slice(cut, None)))
    W, w = prior_weights(FeatureSums(of_factors, of_biases), reg)
    return W.astype(dtype), w.astype(dtype)


def gram_of(sums: BlockSums) -> Array | None:
    """Return Q'Q of a side, by what its blocks have summed; None where they have not."""
    return tree_sum(sums.grams) if sums.grams else None
