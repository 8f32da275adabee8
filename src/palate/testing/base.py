"""What the parts of the contract share: the model, values of its parameters, data, and what is fitted to it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from palate.data.interactions import Interactions
from palate.models import MODELS
from palate.models.contract.abilities import ABILITIES
from palate.models.contract.base import Recommender
from palate.models.search import Range
from palate.testing.made import low_rank


class Contract:
    """Names the model, and what is special about it.

    Attributes:
        model: the class that is tested.
        small: parameters with which it learns in a moment, where it has them.
        other: another value of each parameter, which must change the result.
        beside: what else a parameter needs to matter.
        long: parameters for the test that each of them matters.
        seen_elsewhere: parameters that this data cannot tell of.
        taste: parameters with which it learns a checkerboard; ``learns_taste``: whether it can.
        going_on: parameters for the test of a start; ``chance``: how much its loss may rise by an epoch more.
        weighing: parameters with which a row of weight 2 is the row twice: where a model would choose one on rows of
            chance.
        counts_cells: whether a pair that stands twice is one cell.
        needs_history: whether known users are scored by their rows.
        nonsense: what is said of the first parameter where it is "nonsense".
    """

    model: ClassVar[type[Recommender]]
    small: ClassVar[Mapping[str, Any]] = {
        "random_state": 0,
        "n_factors": 4,
        "n_epochs": 5,
        "n_threads": 1,
        "positive": 3.0,
        "n_sweeps": 20,
        "n_burn_in": 5,
        "n_components": 3,
    }
    other: ClassVar[Mapping[str, Any]] = {
        "n_factors": 5,
        "n_epochs": 2,
        "learning_rate": 0.02,
        "reg": 0.7,
        "reg_biases": 0.4,
        "biases": False,
        "init": "uniform",
        "init_scale": 0.3,
        "schedule": "constant",
        "patience": 1,
        "validation_fraction": 0.4,
        "n_blocks": 2,
        "dtype": "float64",
        "solver": "neighbors",
        "random_state": 1,
        "half_life_days": 1.0,
        "reg_users": 30.0,
        "reg_items": 30.0,
        "alpha": 9.0,
        "unobserved_weight": 0.7,
        "reg_exponent": 0.3,
        "positive": "any",
        "cg_steps": 0,
        "dropout": 0.5,
        "n_neighbors": 3,
        "shrinkage": 90.0,
        "idf": True,
        "beta": 2.0,
        "reg_features": 0.01,
        "n_sweeps": 19,
        "n_burn_in": 6,
        "n_chains": 1,
        "n_kept": 3,
        "likelihood": "ordinal",
        "incidence": False,
        "n_components": 2,
        "counts": False,
        "time_effects": "day,page",
        "scale_df": None,
        "wishart_scale": 5.0,
        "wishart_df": 9.0,
        "mean_strength": 30.0,
        "ridge_shape": 50.0,
        "ridge_rate": 50.0,
        "noise_shape": 90.0,
        "noise_rate": 90.0,
        "mean_center": 9.0,
        "mean_sd": 0.01,
        "reg_negatives": 3.0,
        "draw": "clicks",
        "negatives": "popular",
        "negative_rank": 0.9,
        "most_draws": 1,
        "time_shape": 40.0,
        "time_rate": 40.0,
    }
    beside: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "negative_rank": {"negatives": "adaptive"},
        "time_shape": {"time_effects": "day"},
        "time_rate": {"time_effects": "day"},
        "mean_center": {"mean_sd": 0.1},
        "log_values": {"positive": "values"},
    }
    long: ClassVar[Mapping[str, Any]] = {"n_epochs": 40, "learning_rate": 0.05, "reg": 0.02}
    seen_elsewhere: ClassVar[frozenset[str]] = frozenset({"reg_features", "own_factors", "n_kept"})
    taste: ClassVar[Mapping[str, Any]] = {
        "n_epochs": 60,
        "n_sweeps": 60,
        "reg": 0.05,
        "learning_rate": 0.03,
        "validation_fraction": 0.0,
    }
    learns_taste: ClassVar[bool] = True
    going_on: ClassVar[Mapping[str, Any]] = {"validation_fraction": 0.0, "schedule": "constant"}
    chance: ClassVar[float] = 1.01
    weighing: ClassVar[Mapping[str, Any]] = {}
    counts_cells: ClassVar[bool] = False
    needs_history: ClassVar[bool] = False
    nonsense: ClassVar[str] = r"must be a .*number .*, got 'nonsense'"

    def make(self, **changes: Any) -> Any:
        """Return an unfitted model of the small parameters and these, as far as it has them."""
        known = self.model.parameter_names()
        return self.model(**{name: value for name, value in {**self.small, **changes}.items() if name in known})

    def another(self, name: str) -> Any:
        """Return another value of a parameter: that of ``other``, or else an end of what a search may try."""
        if name not in self.other:
            space, now = self.model.search_space.get(name), getattr(self.make(), name)
            if isinstance(space, Range) and space.relative:
                space = space.around(now or 8)
            ends = (space.high, space.low) if isinstance(space, Range) else space.values if space else ()
            for value in ends:
                if value != now:
                    return value
            pytest.fail(f"give another value of {name} in {type(self).__name__}.other: it must change the result")
        return self.other[name]

    def needs(self, ability: str) -> None:
        """Skip what the model declares that it cannot do."""
        if ability not in self.model.supports:
            pytest.skip(f"{self.model.key} declares that it {ABILITIES[ability]}")

    def same(self, scores: NDArray[Any], others: NDArray[Any]) -> None:
        """Hold scores to the same bits; to rounding, where BLAS may use threads."""
        if self.model.own_blas_threads:
            np.testing.assert_allclose(scores, others, rtol=1e-3, atol=1e-4)
        else:
            np.testing.assert_array_equal(scores, others)

    @pytest.fixture
    def data(self) -> Interactions:
        """Return 600 ratings of 40 users and 30 items."""
        return _ratings()

    @pytest.fixture
    def fitted(self, data: Interactions) -> Any:
        """Return the small model, fitted."""
        return self.make().fit(data)


def every_score(m: Any) -> NDArray[Any]:
    """Return the scores of all items for all users."""
    scores: NDArray[Any] = m.score_rows(np.arange(len(m.users_)))
    return scores


def able(ability: str) -> str:
    """Return how a refusal ends: with the models that can."""
    return f"{', '.join(key for key, cls in MODELS.items() if ability in cls.supports)} can"


@cache
def _ratings() -> Interactions:
    return low_rank()
