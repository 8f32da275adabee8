"""`WARP`: pairs weighted by the rank of what was clicked (Weston, Bengio & Usunier 2011).

Objective and step: eq. 2 and 3 of `palate.kernels.pairs`; training: `palate.models.sgd.pairwise`. For each click items
are drawn until one scores higher, less a margin of 1; the sooner it is met, the worse the click is ranked and the
larger is the step. It costs more draws than `BPR` as it learns, and puts what was clicked nearer to the top.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Annotated, ClassVar

from palate.kernels import pairs as kernel
from palate.models.contract.parameters import AtLeast
from palate.models.search import Range
from palate.models.sgd.pairwise import (
    LearningRate,
    Pairwise,
    RegBiases,
    RegItems,
    RegNegatives,
    RegUsers,
    harmonic,
)


class WARP(Pairwise):
    """Matrix factorization of clicks by a margin loss on pairs, weighted by the rank of the clicked item.

    Attributes:
        user_factors_: (n_users, n_factors).
        item_factors_: (n_items, n_factors).
        item_biases_: (n_items,).
        item_clicks_: (n_items,), what each item's clicks count together: negatives of newcomers.
        user_weights_, item_weights_: (n_features, n_factors), the features' embeddings; no rows without features.
        user_encoding_, item_encoding_: how the features were made; for `Features.from_table`.
        n_factors_: how many there are.
        draws_: how often a user is drawn in an epoch where users are drawn alike.
        history_: one record an epoch: loss (mean over the draws, met on the way), validation_ndcg (of 10 places, at
            most 2,000 users), learning_rate, seconds.
        refit_history_: the same for the second training, on all data.
        best_epoch_: the epoch chosen.
        epoch_chosen_on_: "validation", or "none" where all epochs ran.
        interrupted_: whether Ctrl-C ended training.
        seed_: the seed used.
    """

    key: ClassVar[str] = "warp"

    _: KW_ONLY
    learning_rate: Annotated[LearningRate, Range(0.0015, 0.006, log=True)] = 0.003
    reg_users: Annotated[RegUsers, Range(1.0, 4.0, log=True)] = 2.0
    reg_items: Annotated[RegItems, Range(0.4, 1.2, log=True)] = 0.7
    reg_negatives: Annotated[RegNegatives, Range(0.4, 1.2, log=True)] = 0.7
    reg_biases: Annotated[RegBiases, Range(0.1, 1.5, log=True)] = 0.7
    most_draws: Annotated[
        int,
        AtLeast(1),
        Range(3, 30, log=True),
        "of negatives for a click; where none of them violates the margin there is no step.",
    ] = 10

    def _warp(self, n_items: int) -> kernel.Warp:
        return kernel.Warp(harmonic(n_items), int(self.most_draws))
