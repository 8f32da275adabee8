"""`BPR`: Bayesian personalised ranking, a logistic loss on pairs (Rendle et al. 2009).

Objective and step: eq. 1 and 3 of `palate.kernels.pairs`; training: `palate.models.sgd.pairwise`. What decides its
quality are parts that many implementations lack (Milogradskii et al. 2024): a penalty each for users, items and
negatives, how users are drawn, which negatives, and stopping by ranked lists.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Annotated, ClassVar

from palate.models.search import Choice, Range
from palate.models.sgd.pairwise import (
    LearningRate,
    Negatives,
    Pairwise,
    RegItems,
    RegNegatives,
    RegUsers,
)


class BPR(Pairwise):
    """Matrix factorization of clicks by a logistic loss on pairs of a clicked item and another.

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

    key: ClassVar[str] = "bpr"

    _: KW_ONLY
    learning_rate: Annotated[LearningRate, Range(0.1, 0.4, log=True)] = 0.2
    reg_users: Annotated[RegUsers, Range(0.02, 0.1, log=True)] = 0.045
    reg_items: Annotated[RegItems, Range(0.003, 0.015, log=True)] = 0.0075
    reg_negatives: Annotated[RegNegatives, Range(0.006, 0.03, log=True)] = 0.015
    negatives: Annotated[Negatives, Choice(("uniform", "popular", "adaptive"))] = "uniform"

    def _warp(self, n_items: int) -> None:
        return None
