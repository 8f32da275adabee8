"""What models of weights from item to item share: scores, explanations, and the checks of weights of a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

import numpy as np

from palate.errors import Call, ModelFileError, ParameterError, Remedy
from palate.models.contract.base import Recommender
from palate.models.contract.explanation import Part
from palate.models.contract.learned import Array, Attribute, Learned, Learns, Shape
from palate.models.contract.learner import ScoreKind
from palate.models.contract.scoring import Scorer, WeightScorer
from palate.models.contract.weights import ItemToItemWeights, SparseWeights, WholeWeights
from palate.models.items.clicks import FromClicks, clicks_of
from palate.sparse import Rows


@dataclass(frozen=True, eq=False)
class LearnedWeights(Learned):
    """A whole matrix of weights, or compressed rows of one; the other is empty.

    Attributes:
        weights: (n_items, n_items), from the item had to the item scored; no rows where they are sparse.
        weights_indptr, weights_indices, weights_values: compressed rows.
    """

    weights: Annotated[Array, Shape("n_items_had", "n_items")]
    weights_indptr: Annotated[Array, Shape("n_pointers", dtypes=("int64",))]
    weights_indices: Annotated[Array, Shape("n_weights", dtypes=("int32",))]
    weights_values: Annotated[Array, Shape("n_weights")]

    @classmethod
    def whole(cls, B: Array) -> Self:
        """Return a whole matrix."""
        return cls(B, np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, B.dtype))

    @classmethod
    def sparse(cls, rows: Rows, dtype: Any = np.float32, **settings: float) -> Self:
        """Return compressed rows of a square matrix, and the settings that a subclass stores."""
        return cls(np.zeros((0, len(rows.indptr) - 1), dtype), rows.indptr, rows.indices, rows.values, **settings)

    def weights_with(self, base: Array) -> ItemToItemWeights:
        """Return the whole matrix or the compressed rows, with what everybody gets, (n_items,) or empty."""
        if self.weights.shape[0] or not len(self.weights_indptr):
            return WholeWeights(self.weights, base)
        return SparseWeights(Rows(self.weights_indptr, self.weights_indices, self.weights_values), base)

    def check(self, n_items: int) -> None:
        """Refuse what is neither a whole matrix nor compressed rows of one.

        Raises:
            ModelFileError: says what is wrong.
        """
        indptr, indices = self.weights_indptr, self.weights_indices
        if self.weights.shape[0]:
            if self.weights.shape[0] != n_items or len(indptr):
                raise ModelFileError.of(
                    "weights_", f"must have a row for each of the {n_items} items, and no others beside"
                )
            return
        if len(self.weights_values) != len(indices):
            raise ModelFileError.of(
                "weights_values_", f"has {len(self.weights_values)} numbers for {len(indices)} weights"
            )
        if len(indptr) != n_items + 1 or indptr[0] != 0 or indptr[-1] != len(indices) or (np.diff(indptr) < 0).any():
            raise ModelFileError.of("weights_indptr_", f"does not rise from 0 to the {len(indices)} weights")
        if len(indices) and (indices.min() < 0 or indices.max() >= n_items):
            raise ModelFileError.of("weights_indices_", f"leaves the range of the {n_items} items")
        falls = np.flatnonzero(indices[1:] <= indices[:-1]) + 1  # only where a row starts may an index not rise
        if not np.isin(falls, indptr).all():
            raise ModelFileError.of("weights_indices_", "does not rise within a row")


class ItemWeights(FromClicks, Recommender):
    """score(u, i) = sum_j x_uj B_ji over the user's own items j: base of `EASE`, `ItemKNN` and `RP3beta`.

    Attributes:
        weights_: (n_items, n_items), from the item had to the item scored; no rows where they are sparse, and then
        weights_indptr_, weights_indices_, weights_values_: its compressed rows.
    """

    score_kind: ClassVar[ScoreKind] = "order"
    learned_ = Learns(LearnedWeights)
    weights_ = Attribute[Array]()
    weights_indptr_ = Attribute[Array]()
    weights_indices_ = Attribute[Array]()
    weights_values_ = Attribute[Array]()

    def _scorer(self) -> Scorer:
        if self.seen_ is None:
            raise ParameterError(
                f"{type(self).__name__} scores users by their training rows, and was fitted with store_history=False",
                Remedy("; give the rows to ", Call("recommend_for"), ", or fit with store_history=True"),
                code="no_history",
                subject="store_history",
            )
        return WeightScorer(self.seen_, self._weights(), self._clicks)

    def _scorer_for(self, rows: Rows, features: Any) -> Scorer:
        return WeightScorer(self._clicks(rows), self._weights())

    def _clicks(self, rows: Rows) -> Rows:
        """Return the clicks of compressed rows, as training took them."""
        return clicks_of(rows, self.positive, "these interactions")

    def _weights(self) -> ItemToItemWeights:
        """Return the weights that score."""
        return self.learned_.weights_with(np.zeros(0))

    def _items_like(self, index: Array, n: int) -> tuple[Array, Array]:
        return self.ranker.scorer.nearest(index, n, self.item_order.places, self.n_threads)

    def _parts(self, row: Rows, features: Any, item: int) -> tuple[list[Part], tuple[Array, Array, Array]]:
        clicks, weights = self._clicks(row), self._weights()
        own = weights.column(item)[clicks.indices].astype(np.float64)
        begin = weights.begin(item) if len(clicks.indices) else 0.0
        parts = [Part("item bias", "what everybody gets for the item", begin)] if begin else []
        return parts, (clicks.indices, clicks.values, clicks.values * own)

    def check_learned(self) -> None:
        """Refuse weights of a file that are neither a whole matrix nor compressed rows of one.

        Raises:
            ModelFileError: says what is wrong.
        """
        self._check_fitted()
        self.learned_.check(len(self.items_))
