"""What a version's first answers need, derived and compiled before somebody waits for it."""

from __future__ import annotations

import numpy as np

from palate.experiments.choosing import ListPolicy, Softmax, Thompson
from palate.experiments.explore import Explore
from palate.models import Recommender
from palate.models.contract.abilities import Explains, KeepsDraws, ScoresPeople
from palate.models.contract.diversified import diversified
from palate.models.contract.person import Person as ModelsPerson
from palate.parallel import single_blas_thread
from palate.serve.engine.asking import DEPTH
from palate.serve.engine.loaded import LoadedVersion
from palate.sparse import Rows, stacked
from palate.store.rule import values_for, view_of

OWN = 5  # items of somebody made up
PEOPLE = 10  # folded in together


def warm(loaded: LoadedVersion) -> None:
    """List for users of training, for one and for several people folded in, and explain."""
    model = loaded.model
    model.n_threads = 1  # a worker has one core
    depth = min(DEPTH, len(model.items_))
    diversified(np.array([1.0, 0.0]), np.eye(2), 0.5)
    _draw_lists(model)
    with single_blas_thread():
        for n in {min(1, len(model.users_)), min(2, len(model.users_))} - {0} if model.lists_its_users else ():
            model.lists_index(np.arange(n, dtype=np.int32), depth)
        if isinstance(model, ScoresPeople):
            _fold_in(model, depth)


def _draw_lists(model: Recommender) -> None:
    """Draw lists by chance, and tell how probable they were."""
    policies: list[ListPolicy] = [Softmax(np.zeros(2), Explore(policy="softmax"))]
    if isinstance(model, KeepsDraws) and len(model.users_):
        items = np.arange(min(2, len(model.items_)), dtype=np.int32)
        scores = model._scores_in_draws(0, None, items, 0)
        policies.append(Thompson(np.zeros(len(items)), scores, Explore(policy="thompson")))
    for policy in policies:
        order = policy.draw(1).order
        policy.propensities(order, np.arange(1, policy.m + 1))
        policy.log_probability(order)


def _fold_in(model: Recommender, depth: int) -> None:
    items = np.arange(min(OWN, len(model.items_)), dtype=np.int32)
    rating = np.full(len(items), model.rating_range_[1], np.float32)
    values = rating if view_of(model) == "ratings" else values_for(model, np.ones(len(items), np.float32))
    row = Rows.of_sizes([len(items)], items, values)
    for n in (1, PEOPLE):
        ranker = model.ranker_of(stacked([row] * n))
        ranker.lists(np.arange(n, dtype=np.int32), depth, excluded=[ranker.had], n_threads=1)
    if isinstance(model, Explains):
        model.explain(ModelsPerson(None, row, None, model.items_), model.items_.at(items[:1])[0])
