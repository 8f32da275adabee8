"""What to ask somebody next: what they may know, and what teaches most of how they would rate the rest.

Who knows what is told by the users of training: each is one way of knowing things, and an answer speaks for those who
knew the item, "not seen" for those who did not. With x_ui = 1 where user u rated item i, and k_i the share of users who
did,

    a_ui = (1 - s) x_ui + s k_i          log v_u = t (sum_known log a_ui + sum_unknown log(1 - a_ui)) + const       (1)
    p_i = sum_u v_u a_ui / sum_u v_u                                                                                (2)

is the chance that this person knows item i. The value of a question is the chance of an answer times what it teaches:

    p_i R_i      R_i what a rating takes off the expected error of the ratings of all they may know                 (3)
    p_i H_i      H_i the entropy of the item's ratings, for models that do not know how sure they are               (4)

R_i: eq. 1 of `palate.models.bayes.unknown`. After each question it is what would be left if that were answered with
its probability, so one round holds questions of different kinds. s and t were chosen by `benchmarks/onboarding.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palate.models import BayesianMF, Recommender
from palate.models.bayes.unknown import ItemsAsked, Unknown
from palate.parallel import single_blas_thread
from palate.serve.engine.loaded import LoadedVersion
from palate.serve.engine.newcomers import entropies
from palate.sparse import Rows

ITEMS, USERS, ASKED = 1000, 2000, 300  # that are looked at: the most known, some of the users, the likeliest
SMOOTH, TRUST = 0.3, 1.0  # s and t of eq. 1
HALF = 10  # answers after which a model that cannot tell is said to know half
Numbers = NDArray[np.float64]
Places = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Acquaintance:
    """Who knows what, eq. 1 and 2, of the most known items.

    Attributes:
        items: (m,) positions, the most known first.
        shares: (m,) k.
        given: (n_users, m) a.
        trust: t.
    """

    items: Places
    shares: Numbers
    given: NDArray[np.float32]
    trust: float

    @classmethod
    def of(cls, model: Recommender, smooth: float = SMOOTH, trust: float = TRUST, seed: int = 0) -> Acquaintance:
        """Learn it from the history that a model keeps; without one everybody knows what is popular."""
        n_users = max(len(model.users_), 1)
        counts = np.asarray(model.item_order.counts, np.float64)
        items = np.asarray(model.item_order.order[:ITEMS], np.int32)
        shares = np.clip(counts[items] / n_users, 1e-6, 1 - 1e-6)
        if model.seen_ is None:
            return cls(items, shares, shares[None].astype(np.float32), trust)
        chosen = np.random.default_rng(seed).permutation(model.seen_.n_rows)[:USERS]
        sample = model.seen_.take(np.sort(chosen))
        places = np.full(len(counts), -1)
        places[items] = np.arange(len(items))
        at = places[sample.indices]
        given = np.tile((smooth * shares).astype(np.float32), (sample.n_rows, 1))
        given[sample.row_of_cells()[at >= 0], at[at >= 0]] += np.float32(1 - smooth)
        return cls(items, shares, given, trust)

    def chances(self, known: Places, unknown: Places) -> Numbers:
        """Return the chance that somebody knows each item, (m,), by what they know and what they said they do not."""
        yes, no = np.isin(self.items, known), np.isin(self.items, unknown)
        logs = np.log(self.given[:, yes]).sum(axis=1) + np.log1p(-self.given[:, no]).sum(axis=1)
        weights = np.exp(self.trust * (logs - logs.max()))
        chances: Numbers = weights.astype(np.float64) @ self.given / weights.sum(dtype=np.float64)
        return chances


def knows_itself(loaded: LoadedVersion | None) -> bool:
    """Return whether a version is of a model that knows how sure it is of somebody."""
    return loaded is not None and isinstance(loaded.model, BayesianMF)


class Questions:
    """Chooses what to ask, for one version of a model.

    Args:
        model: fitted.
        smooth, trust: s and t of eq. 1.
        seed: of the users that are looked at, where there are many.
    """

    def __init__(self, model: Recommender, smooth: float = SMOOTH, trust: float = TRUST, seed: int = 0) -> None:
        self.acquaintance = Acquaintance.of(model, smooth, trust, seed)
        self._draws = model.learned_.draws if isinstance(model, BayesianMF) else None
        items = self.acquaintance.items
        if self._draws is None:
            self._entropies = entropies(model)[items]
        else:
            self._asked = ItemsAsked.of(self._draws, items)

    def next(
        self, row: Rows | None, known: Places, unknown: Places, lets: NDArray[np.bool_], n: int
    ) -> tuple[Places, Numbers]:
        """Return what to ask next, at most n positions of items, and the value of each, eq. 3 or 4.

        Args:
            row: one row of what they rated, or None.
            known: positions of what they know, rated or not.
            unknown: positions of what they said they do not know.
            lets: (n_items,) what may be asked about.
            n: how many.
        """
        items = self.acquaintance.items
        chances = self.acquaintance.chances(known, unknown)
        free = lets[items] & ~np.isin(items, known) & ~np.isin(items, unknown)
        among = np.flatnonzero(free)
        among = among[np.argsort(-chances[among], kind="stable")][:ASKED]
        if self._draws is None:
            values = chances[among] * self._entropies[among]
            best = np.argsort(-values, kind="stable")[:n]
            return items[among[best]], values[best]
        matters = np.where(np.isin(items, known), 0.0, chances)
        with single_blas_thread():
            places, values = self._teaching(row, among, chances, matters, n)
        return items[places], values

    def _teaching(
        self, row: Rows | None, among: NDArray[np.intp], chances: Numbers, matters: Numbers, n: int
    ) -> tuple[NDArray[np.intp], Numbers]:
        """Return n of these items, one after the other, by eq. 3."""
        unknown, asked = self._unknown(row), self._asked.take(among)
        M, chance = self._asked.sum(matters), chances[among].copy()
        chosen: list[int] = []
        values: list[float] = []
        for _ in range(min(n, len(among))):
            worth = chance * unknown.reductions(asked, M)
            worth[chosen] = -1
            best = int(np.argmax(worth))
            chosen.append(best)
            values.append(float(worth[best]))
            unknown.ask(asked, best, float(chance[best]))
        return among[chosen], np.array(values)

    def knowledge(self, row: Rows | None) -> float:
        """Return how well somebody is known, 0 to 1: by how much of the error that answers can take off they did."""
        if self._draws is None:
            n = 0 if row is None else len(row.indices)
            return n / (n + HALF)
        with single_blas_thread():
            M = self._asked.sum(self.acquaintance.shares)
            return 1 - self._unknown(row).error(M) / self._unknown(None).error(M)

    def _unknown(self, row: Rows | None) -> Unknown:
        own = np.empty(0, np.int32) if row is None else row.indices
        if self._draws is None:
            raise TypeError("only a model with draws knows what it does not know")
        return Unknown(self._draws, own)
