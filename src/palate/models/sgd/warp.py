"""`WARP`: pairs weighted by the rank of what was clicked (Weston, Bengio & Usunier 2011).

Objective and step: eq. 2 and 3 of `palate.kernels.pairs`; training: `palate.models.sgd.pairwise`. For each click items
are drawn until one scores higher, less a margin of 1; the sooner it is met, the worse the click is ranked and the
larger is the step. It costs more draws than `BPR` as it learns, and puts what was clicked nearer to the top.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from palate.models.contract.parameters import check_whole
from palate.models.items.clicks import Positive
from palate.models.search import Choice, Range, SearchSpace
from palate.models.sgd.pairwise import NEGATIVES, Draw, Pairwise


class WARP(Pairwise):
    """Matrix factorization of clicks by a margin loss on pairs, weighted by the rank of the clicked item.

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
        most_draws: of negatives for a click; where none of them violates the margin there is no step.
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

    key: ClassVar[str] = "warp"
    search_space: ClassVar[SearchSpace] = {
        "n_factors": Range(16, 256, log=True, whole=True),
        "learning_rate": Range(0.0005, 0.02, log=True),
        "reg_users": Range(0.1, 5.0, log=True),
        "reg_items": Range(0.05, 3.0, log=True),
        "reg_negatives": Range(0.05, 3.0, log=True),
        "reg_biases": Range(0.01, 3.0, log=True),
        "most_draws": Range(3, 30, log=True, whole=True),
        "draw": Choice(("users", "clicks")),
    }

    def __init__(
        self,
        n_factors: int = 64,
        *,
        n_epochs: int = 100,
        learning_rate: float = 0.003,
        reg_users: float = 2.0,
        reg_items: float = 0.7,
        reg_negatives: float = 0.7,
        reg_biases: float = 0.1,
        reg_features: float = 10.0,
        own_factors: bool = True,
        draw: Draw = "users",
        negatives: Literal["uniform", "popular", "adaptive"] = "uniform",
        negative_rank: float = 0.1,
        most_draws: int = 10,
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
        self.most_draws = most_draws
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
        return 1, NEGATIVES[self.negatives], int(self.most_draws), float(self.negative_rank)

    def check_parameters(self) -> None:
        """Refuse parameters outside their type or range.

        Raises:
            ParameterError: names the parameter, the value and the range.
        """
        super().check_parameters()
        check_whole("most_draws", self.most_draws, low=1)
