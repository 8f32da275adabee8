"""What a `BayesianMF` keeps of its chain."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from palate.errors import ModelFileError
from palate.models.bayes.chain import Chain
from palate.models.bayes.side import Dense, Incidence
from palate.models.bayes.start import BANDS, Encoders
from palate.models.bayes.time_effects import EFFECTS, effect_names

Array = NDArray[Any]

KEPT_ARRAYS: dict[str, tuple[str, ...]] = {
    "user_factors_": ("n_users", "n_long"),
    "item_factors_": ("n_items", "n_long"),
    "user_biases_": ("n_users",),
    "item_biases_": ("n_items",),
    "user_draws_": ("n_users", "n_kept", "n_row"),
    "item_draws_": ("n_items", "n_kept", "n_row"),
    "user_scales_": ("n_users", "n_kept"),
    "item_scales_": ("n_items", "n_kept"),
    "mean_draws_": ("n_kept",),
    "noise_draws_": ("n_kept",),
    "cut_draws_": ("n_kept", "n_cuts"),
    "prior_means_": ("n_kept", "n_row"),
    "prior_precisions_": ("n_kept", "n_row", "n_row"),
    "dense_weights_": ("n_kept", "n_dense", "n_row"),
    "incidence_weights_": ("n_kept", "n_incidence", "n_row"),
    "counts_encoding_": ("n_counts",),
    "component_projection_": ("n_projected", "n_components"),
    "user_features_": ("n_users_with_features", "n_user_features"),
    **{
        f"{name}_{what}_": (f"n_{name}", *("two",) * (what == "keys"))
        for name in EFFECTS
        for what in ("keys", "offsets", "variances")
    },
}


class Kept:
    """The kept draws while the chains run.

    Args:
        wanted: how many there will be.
        chain: one of those that they are taken from.
        encoders: how the rows of users become features.
    """

    CHANGES: ClassVar[tuple[str, ...]] = (
        *("count", "user_means", "user_draws", "item_draws", "scales", "single", "weights", "offsets", "taus"),
    )

    def __init__(self, wanted: int, chain: Chain, encoders: Encoders) -> None:
        n_users, n_items, D = len(chain.users.X), len(chain.items.X), chain.users.X.shape[1]
        self.wanted, self.encoders = wanted, encoders
        self.levels = [] if chain.stars is None else chain.stars.levels.tolist()
        self.count = 0
        self.user_means = np.zeros((n_users, wanted, D), np.float32)
        self.user_draws = np.zeros_like(self.user_means)
        self.item_draws = np.zeros((n_items, wanted, D), np.float32)
        self.scales = np.zeros((n_users, wanted), np.float32), np.zeros((n_items, wanted), np.float32)
        self.single: dict[str, list[Array]] = {
            name: [] for name in ("mean_draws_", "noise_draws_", "cut_draws_", "prior_means_", "prior_precisions_")
        }
        self.weights: dict[str, list[Array]] = {Dense.__name__: [], Incidence.__name__: []}
        self.offsets = {e.name: [np.zeros(len(e.keys)) for _ in range(3)] for e in chain.effects}
        self.keys = {e.name: e.keys for e in chain.effects}
        self.taus = dict.fromkeys(self.offsets, 0.0)

    def add(self, chain: Chain) -> None:
        """Keep a chain's state, where there is room."""
        at = self.count
        if at == self.wanted:
            return
        self.count += 1
        self.user_means[:, at], self.user_draws[:, at] = chain.users.means, chain.users.X
        self.item_draws[:, at] = chain.items.X
        self.scales[0][:, at], self.scales[1][:, at] = chain.users.scales, chain.items.scales
        users = chain.users
        cuts = np.zeros(0) if chain.stars is None else chain.stars.cuts
        state = (chain.mu, chain.alpha, cuts, users.mean, users.L)
        for name, value in zip(self.single, state, strict=True):
            self.single[name].append(np.asarray(value, np.float32))
        for kind in (Dense, Incidence):
            groups = [group.B for group in users.groups if isinstance(group, kind)]
            if groups:
                self.weights[kind.__name__].append(np.concatenate(groups).astype(np.float32))
        for effect in chain.effects:
            sums = self.offsets[effect.name]
            for total, more in zip(sums, (effect.means, effect.means**2, effect.variances), strict=True):
                total += more
            self.taus[effect.name] += effect.tau

    def learned(self, features: Array | None) -> dict[str, Any]:
        """Return the learned attributes that come of the draws; ``features`` of the users, or None."""
        n, D = self.count, self.user_means.shape[2]

        def stacked(kind: type) -> Array:
            found = self.weights[kind.__name__]
            return np.stack(found) if found else np.zeros((n, 0, D), np.float32)

        return {
            "user_draws_": np.ascontiguousarray(self.user_draws[:, :n]),
            "item_draws_": np.ascontiguousarray(self.item_draws[:, :n]),
            "user_scales_": np.ascontiguousarray(self.scales[0][:, :n]),
            "item_scales_": np.ascontiguousarray(self.scales[1][:, :n]),
            **{name: np.stack(values) for name, values in self.single.items()},
            "dense_weights_": stacked(Dense),
            "incidence_weights_": stacked(Incidence),
            "counts_encoding_": np.zeros(0) if self.encoders.counts is None else self.encoders.counts.plain(),
            "component_projection_": self.encoders.projection,
            "user_features_": np.zeros((0, 0), np.float32) if features is None else features,
            "levels_": self.levels,
            **self._of_time(),
        }

    def long_factors(self) -> tuple[Array, Array]:
        """Return the users' means and the items' draws of all kept sweeps side by side: see `side_by_side`."""
        return side_by_side(self.user_means[:, : self.count]), side_by_side(self.item_draws[:, : self.count])

    def _of_time(self) -> dict[str, Any]:
        """Return the offsets' means and variances over the draws, and of groups that training never saw."""
        found: dict[str, Any] = {"time_variances_": {name: self.count / tau for name, tau in self.taus.items()}}
        for name in EFFECTS:
            first, second, variances = (s / self.count for s in self.offsets.get(name, [np.zeros(0)] * 3))
            found[f"{name}_keys_"] = self.keys.get(name, np.zeros((0, 2), np.int64))
            found[f"{name}_offsets_"] = first
            found[f"{name}_variances_"] = np.maximum(second - first**2, 0) + variances
        return found


def side_by_side(rows: Array) -> Array:
    """Return factors of draws (n, n_kept, D) as (n, n_kept (D - 1)), over the root of n_kept: products are means."""
    return np.ascontiguousarray(rows[:, :, :-1].reshape(len(rows), -1) / np.float32(rows.shape[1] ** 0.5))


def check_kept(model: Any) -> None:
    """Refuse kept draws of a file that do not fit each other, in what their shapes by name do not tell.

    Raises:
        ModelFileError: says what is wrong.
    """
    n_kept, D = model.prior_means_.shape
    n_users, n_items = len(model.users_), len(model.items_)
    dense = len(model.counts_encoding_) and 2 + BANDS
    dense += model.component_projection_.shape[1] + max(model.user_features_.shape[1] - 1, 0)
    for name, size, allowed in (
        ("n_factors", D - 1, {int(model.n_factors)}),
        ("cut_draws_", model.cut_draws_.shape[1], {max(len(model.levels_) - 1, 0)}),
        ("counts_encoding_", len(model.counts_encoding_), {0, 1 + BANDS}),
        ("component_projection_", len(model.component_projection_), {n_items}),
        ("incidence_weights_", model.incidence_weights_.shape[1], {0, n_items}),
        ("dense_weights_", model.dense_weights_.shape[1], {dense}),
        ("user_features_", len(model.user_features_), {n_users} if model.user_features_.shape[1] else {0}),
        *((f"{name}_keys_", getattr(model, f"{name}_keys_").shape[1], {2}) for name in EFFECTS),
    ):
        if size not in allowed:
            wanted = " or ".join(map(str, sorted(allowed)))
            raise ModelFileError.of(name, f"does not fit the other arrays: {size} where there must be {wanted}")
    if n_kept < 1:
        raise ModelFileError("no draw was kept", subject="draws")
    if set(model.time_variances_) != set(effect_names(model.time_effects)):
        raise ModelFileError.of("time_variances_", "names other time effects than the model has")
    for name in ("user_scales_", "item_scales_", "noise_draws_"):
        if not (getattr(model, name) > 0).all():
            raise ModelFileError.of(name, "holds a number that is not above 0")
    if (np.linalg.eigvalsh(model.prior_precisions_.astype(np.float64)) <= 0).any():
        raise ModelFileError.of("prior_precisions_", "holds a matrix that is not positive definite")


def last_draw(model: Any) -> tuple[Array, Array]:
    """Return the last kept rows of users and of items, (n, D) each, of a fitted model."""
    return model.user_draws_[:, -1], model.item_draws_[:, -1]
