"""`BPR`: Bayesian personalised ranking, a logistic loss on pairs (Rendle et al. 2009).

Objective and step: eq. 1 and 3 of `palate.kernels.pairs`; training: `palate.models.sgd.pairwise`. What decides its
quality are parts that many implementations lack (Milogradskii et al. 2024): a penalty each for users, items and
negatives, how users are drawn, which negatives, and stopping by ranked lists.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from palate.models.items.clicks import Positive
from palate.models.search import Choice, Range, SearchSpace
from palate.models.sgd.pairwise import NEGATIVES, Draw, Pairwise


class BPR(Pairwise):
    """Matrix factorization of clicks by a logistic loss on pairs of a clicked item and another.

    Args:
        n_factors: length of each user's and item's vector.
        n_epochs: passes over the clicks, at most.
        learning_rate: step of the gradient.
        reg_users, reg_items, reg_negatives: L2 penalties of the factors of user, clicked item and other, at every draw.
        reg_biases: L2 penalty of the items' biases, at every draw.
        reg_features: L2 penalty of the embeddings of features, times reg_users or reg_items.
        own_factors: with features, whether rows have factors of their own beside those of their features; a side
            without features always has.
        draw: "users" draws users alike, "clicks" all clicks alike.
        negatives: "uniform", "popular" (as often as clicked) or "adaptive" (what the user's factors score high).
        negative_rank: mean rank of adaptive negatives in a factor's order, as a share of the items.
        init_scale: standard deviation of the initial factors, normal around 0.
        schedule: learning rate by epoch, "constant" or "linear" (falling to zero after n_epochs).
        patience: stop this many epochs after the best one; None runs all: a falling rate brings much at its end.
        validation_fraction: part of the rows held out to choose the epoch by NDCG@10; 0 trains all n_epochs.
        positive: how values become clicks: none (they must all be equal), "any" (every row is a click), "values" (a
            row's value is how often it is drawn), or a number (values of at least it are clicks).
        n_blocks: blocks of users and of items that may be trained side by side; None follows from the data.
        dtype: "float32" or "float64".
        store_history: keep the training interactions, to leave out what a user has seen.
        random_state: seed, Generator, or None to draw a seed; the seed used is ``seed_``.
        n_threads: threads, None for all cores; the answer is the same for any number.

    Attributes:
        user_factors_: (n_users, n_factors).
        item_factors_: (n_items, n_factors).
        item_biases_: (n_items,).
        item_clicks_: (n_items,), what each item's clicks count together: negatives of newcomers.
        user_weights_, item_weights_: (n_features, n_factors), the features' embeddings; no rows without features.
        user_encoding_, item_encoding_: how the features were made; for `Features.from_table`.
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
    search_space: ClassVar[SearchSpace] = {
        "n_factors": Range(16, 256, log=True, whole=True),
        "learning_rate": Range(0.02, 0.5, log=True),
        "reg_users": Range(0.0001, 0.1, log=True),
        "reg_items": Range(0.0001, 0.1, log=True),
        "reg_negatives": Range(0.0001, 0.1, log=True),
        "negatives": Choice(("uniform", "popular", "adaptive")),
        "draw": Choice(("users", "clicks")),
    }

    def __init__(
        self,
        n_factors: int = 64,
        *,
        n_epochs: int = 100,
        learning_rate: float = 0.1,
        reg_users: float = 0.03,
        reg_items: float = 0.005,
        reg_negatives: float = 0.01,
        reg_biases: float = 0.01,
        reg_features: float = 10.0,
        own_factors: bool = True,
        draw: Draw = "users",
        negatives: Literal["uniform", "popular", "adaptive"] = "uniform",
        negative_rank: float = 0.1,
        init_scale: float = 0.05,
        schedule: Literal["constant", "linear"] = "linear",
        patience: int | None = None,
        validation_fraction: float = 0.1,
        positive: Positive = None,
        n_blocks: int | None = None,
        dtype: Literal["float32", "float64"] = "float32",
        store_history: bool = True,
        random_state: int | np.random.Generator | None = None,
        n_threads: int | None = None,
    ) -> None:
        self.n_factors = n_factors
        self.n_epochs = n_epochs
        self.learning_rate = learning_rate
        self.reg_users = reg_users
        self.reg_items = reg_items
        self.reg_negatives = reg_negatives
        self.reg_biases = reg_biases
        self.reg_features = reg_features
        self.own_factors = own_factors
        self.draw = draw
        self.negatives = negatives
        self.negative_rank = negative_rank
        self.init_scale = init_scale
        self.schedule = schedule
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.positive = positive
        self.n_blocks = n_blocks
        self.dtype = dtype
        self.store_history = store_history
        self.random_state = random_state
        self.n_threads = n_threads

    def _rule(self) -> tuple[int, int, int, float]:
        return 0, NEGATIVES[self.negatives], 1, float(self.negative_rank)
