"""Rows as sums of the embeddings of their features, for the SGD models (Kula 2015, section 3).

    p_u = e_u + sum_f x_uf w_f          and the biases likewise                                                      (1)

with e_u the row's own embedding, or none: then a row is what its features are. The objective has |e_u|^2 times the
row's penalty and reg |w_f|^2. SGD moves the sums p_u themselves; between epochs the w_f are the minimum of

    sum_u d_u |p_u - sum_f x_uf w_f|^2 + reg sum_f |w_f|^2                                                           (2)

for the sums as they are: the same objective, its minimum over the features found exactly, not by steps. d_u is the
row's penalty; without own embeddings it is 1 for each row with data, and p_u is then set to its sum of features: the
gradients of all rows, brought down to the features. In an epoch penalties pull rows towards their sums.

Letters: F (n_rows, n_features), X (n_rows, width) the sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from palate.models.ridge.rows import Prior
from palate.models.ridge.sums import prior_of
from palate.sparse import Array


@dataclass
class Embeddings:
    """The features of one side and their embeddings.

    Attributes:
        features: (n_rows, n_features).
        penalties: (n_rows,) d_u of eq. 2, 0 for a row without data.
        reg: of eq. 2.
        own: whether rows have an embedding of their own.
        weights, weights_biases: (n_features, width), (n_features,), changed in place.
        means: (n_rows, width) and (n_rows,), the sums without e_u, changed in place.
    """

    features: Array
    penalties: Array
    reg: float
    own: bool
    weights: Array
    weights_biases: Array
    means: tuple[Array, Array]

    @classmethod
    def of(cls, features: Array | None, X: Array, penalties: Array, reg: float, own: bool) -> Embeddings | None:
        """Return embeddings of zeros, or None where there are no features."""
        if features is None:
            return None
        n_features = features.shape[1]
        zeros = np.zeros((n_features, X.shape[1]), X.dtype), np.zeros(n_features, X.dtype)
        d = penalties if own else (penalties > 0).astype(float)
        return cls(features.astype(X.dtype), d, reg, own, *zeros, none_of(X, len(X)))

    def follow(self, X: Array, biases: Array) -> None:
        """Find eq. 2 for the sums as they are; rows without data, or own embeddings, become their features' sums."""
        prior = prior_of(X, biases, self.features, self.penalties, self.reg)
        if prior is None:
            raise TypeError("features are an array")
        self.weights[:], self.weights_biases[:] = prior.weights, prior.weights_biases
        self.means[0][:], self.means[1][:] = prior.means()
        alone = self.penalties == 0 if self.own else slice(None)
        X[alone], biases[alone] = self.means[0][alone], self.means[1][alone]

    def prior(self, n_factors: int) -> Prior:
        """Return the features and their embeddings without padding, as models keep them."""
        return Prior(self.features, np.ascontiguousarray(self.weights[:, :n_factors]), self.weights_biases)

    @property
    def arrays(self) -> tuple[Array, ...]:
        """What training changes in place."""
        return self.weights, self.weights_biases, *self.means


def none_of(X: Array, n_rows: int = 0) -> tuple[Array, Array]:
    """Return zeros for the sums of features; of no row where there are no features."""
    return np.zeros((n_rows, X.shape[1]), X.dtype), np.zeros(n_rows, X.dtype)
