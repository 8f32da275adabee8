"""Time effects of the Bayesian model: an intercept for each group of ratings; `palate.models.bayes.model`, eq. 6."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np

from palate.data.interactions import Interactions
from palate.errors import ParameterError
from palate.models.contract.learned import LARGEST_SQUARE, Array, Learned, Shape, Variances

DAY = 86400  # seconds
MONTH = 30 * DAY

# what makes a group of ratings: whose they are, and which stretch of time (from seconds since 1970)
EFFECTS: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "day": ("user", lambda times: times // DAY),
    "page": ("user", lambda times: times),
    "month": ("item", lambda times: times // MONTH),
}


def effect_names(text: str | None) -> list[str]:
    """Return the names in a text such as "day,page"."""
    return [] if text is None else [word.strip() for word in text.split(",")]


def check_time_effects(time_effects: Any) -> None:
    """Refuse what names no time effects.

    Raises:
        ParameterError: names the value and the effects that there are.
    """
    if time_effects is not None and not isinstance(time_effects, str):
        raise ParameterError.outside("time_effects", "text such as 'day,page', or None", time_effects)
    names = effect_names(time_effects)
    if not set(names) <= set(EFFECTS) or len(set(names)) < len(names):
        raise ParameterError.of(
            "time_effects",
            f"takes {', '.join(EFFECTS)}, each once, such as 'day,page', got '{time_effects}'",
            value=time_effects,
        )


def keys_of(name: str, users: Array, items: Array, times: Array) -> Array:
    """Return the group of each row as (n, 2) int64: the row's user or item, and the stretch of time."""
    whose, stretch = EFFECTS[name]
    return np.column_stack([users if whose == "user" else items, stretch(times)]).astype(np.int64)


@dataclass
class TimeEffect:
    """Offsets of one kind.

    Attributes:
        name: of EFFECTS.
        keys: (n_groups, 2) int64, sorted.
        index: (n,) int32, the group of each cell.
        shape, rate: of the prior of tau.
        values, means, variances: (n_groups,) the draw, and its conditional mean and variance.
        tau: precision of the offsets.
    """

    CHANGES: ClassVar[tuple[str, ...]] = ("values", "means", "variances", "tau")

    name: str
    keys: Array
    index: Array
    shape: float
    rate: float
    values: Array = field(init=False)
    means: Array = field(init=False)
    variances: Array = field(init=False)
    tau: float = 1.0

    def __post_init__(self) -> None:
        self.values = np.zeros(len(self.keys), np.float32)
        self.means, self.variances = np.zeros(len(self.keys)), np.zeros(len(self.keys))

    @classmethod
    def of(cls, name: str, data: Interactions, order: Array, shape: float, rate: float) -> TimeEffect:
        """Group the cells of ``data`` in this order."""
        times = np.asarray(data.times)
        keys = keys_of(name, data.user_index[order], data.item_index[order], times[order])
        groups, index = np.unique(keys, axis=0, return_inverse=True)
        return cls(name, groups, index.reshape(-1).astype(np.int32), shape, rate)

    def of_cells(self) -> Array:
        """Return the offset of each cell, (n,)."""
        offsets: Array = self.values[self.index]
        return offsets

    def draw(self, errors: Array, w: Array, alpha: float, rng: np.random.Generator) -> None:
        """Draw all offsets and tau, and bring the errors up to date: w of each cell without alpha."""
        n = len(self.keys)
        free = w * (errors + self.of_cells())
        precisions = self.tau + alpha * np.bincount(self.index, w, n)
        self.means, self.variances = alpha * np.bincount(self.index, free, n) / precisions, 1 / precisions
        old = self.values
        self.values = (self.means + np.sqrt(self.variances) * rng.standard_normal(n)).astype(np.float32)
        errors -= (self.values - old)[self.index]
        squares = float(np.square(self.values, dtype=np.float64).sum())
        self.tau = float(rng.standard_gamma(self.shape + n / 2)) / (self.rate + squares / 2)


def found_groups(keys: Array, wanted: Array) -> Array:
    """Return the place of each wanted row in sorted keys, or -1: (n,)."""
    both = np.concatenate([keys, wanted])
    _, place = np.unique(both, axis=0, return_inverse=True)
    at = np.full(len(both) + 1, -1)
    at[place[: len(keys)]] = np.arange(len(keys))
    places: Array = at[place[len(keys) :]]
    return places


@dataclass(frozen=True, eq=False)
class TimeOffsets(Learned):
    """Offsets by group of ratings; no groups of an effect that the model does not have.

    Attributes:
        day_keys, page_keys, month_keys: (n_groups, 2) int64, sorted: the user or item, and the stretch of time.
        day_offsets, …, day_variances, …: (n_groups,) means and variances over the draws.
        time_variances: by effect, of groups that training never saw.
    """

    day_keys: Annotated[Array, Shape("n_day", "two", dtypes=("int64",))]
    day_offsets: Annotated[Array, Shape("n_day")]
    day_variances: Annotated[Array, Shape("n_day", largest=LARGEST_SQUARE)]
    page_keys: Annotated[Array, Shape("n_page", "two", dtypes=("int64",))]
    page_offsets: Annotated[Array, Shape("n_page")]
    page_variances: Annotated[Array, Shape("n_page", largest=LARGEST_SQUARE)]
    month_keys: Annotated[Array, Shape("n_month", "two", dtypes=("int64",))]
    month_offsets: Annotated[Array, Shape("n_month")]
    month_variances: Annotated[Array, Shape("n_month", largest=LARGEST_SQUARE)]
    time_variances: Variances

    def at(self, u: Array, i: Array, times: Array | None) -> tuple[Array, Array]:
        """Return mean and variance of what the time of each rating adds, (n,) each; zeros where no times are given."""
        mean, variance = np.zeros(len(u)), np.zeros(len(u))
        if times is None:
            return mean, variance
        for name, unseen in self.time_variances.items():
            keys, offsets, variances = (self.read(f"{name}_{what}_") for what in ("keys", "offsets", "variances"))
            groups = found_groups(keys, keys_of(name, u, i, times))
            known = groups >= 0
            mean += np.where(known, np.append(offsets, 0.0)[groups], 0.0)
            variance += np.where(known, np.append(variances, 0.0)[groups], unseen)
        return mean, variance
