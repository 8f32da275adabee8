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
its probability, so one round holds questions of different kinds. `benchmarks/onboarding.py` tries s and t.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from palate.models import BayesianMF, Recommender
from palate.models.bayes.kept import KeptDraws
from palate.models.bayes.unknown import ItemsAsked, Unknown
from palate.parallel import single_blas_thread
from palate.serve.engine.loaded import LoadedVersion
from palate.serve.engine.newcomers import entropies
from palate.sparse import Rows

ITEMS, USERS, ASKED = 1000, 2000, 300  # that are looked at: the most known, some of the users, the likeliest
SMOOTH, TRUST = 0.3, 1.0  # s and t of eq. 1
HALF = 10  # answers after which a model that cannot tell is said to know half
QuestionNumbers = NDArray[np.float64]
IntPlaces = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Acquaintance:
    """Who knows what, eq. 1 and 2, of the most known items.

    Attributes:
        items: (m,) positions, the most known first.
        shares: (m,) k.
        given: (n_users, m) a.
        trust: t.
    """

    items: IntPlaces
    shares: QuestionNumbers
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

    def chances(self, known: IntPlaces, unknown: IntPlaces) -> QuestionNumbers:
        """Return the chance that somebody knows each item, (m,), by what they know and what they said they do not."""
        yes, no = np.isin(self.items, known), np.isin(self.items, unknown)
        logs = np.log(self.given[:, yes]).sum(axis=1) + np.log1p(-self.given[:, no]).sum(axis=1)
        weights = np.exp(self.trust * (logs - logs.max()))
        chances: QuestionNumbers = weights.astype(np.float64) @ self.given / weights.sum(dtype=np.float64)
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
        items = self.acquaintance.items
        self._teaching: Teaching | None = None
        self._entropies = np.empty(0)
        if isinstance(model, BayesianMF):
            self._teaching = Teaching(model.learned_.draws, items, self.acquaintance.shares)
        else:
            self._entropies = entropies(model)[items]

    def next(
        self, row: Rows | None, known: IntPlaces, unknown: IntPlaces, lets: NDArray[np.bool_], n: int
    ) -> tuple[IntPlaces, QuestionNumbers]:
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
        is_known = np.isin(items, known)
        among = np.flatnonzero(lets[items] & ~is_known & ~np.isin(items, unknown))
        among = among[np.argsort(-chances[among], kind="stable")][:ASKED]
        if self._teaching is None:
            values = chances[among] * self._entropies[among]
            best = np.argsort(-values, kind="stable")[:n]
            return items[among[best]], values[best]
        with single_blas_thread():
            best, values = self._teaching.best(_own(row), among, chances, np.where(is_known, 0.0, chances), n)
        return items[best], values

    def knowledge(self, row: Rows | None) -> float:
        """Return how well somebody is known, 0 to 1: which share of what answers can tell theirs did."""
        own = _own(row)
        if self._teaching is None:
            return len(own) / (len(own) + HALF)
        with single_blas_thread():
            return self._teaching.share(own)


class Teaching:
    """What answers teach a model that keeps draws, eq. 3.

    Args:
        draws: of the model.
        items: (m,) positions that may be asked about.
        shares: (m,) how much each counts in what is to be known of somebody.
    """

    def __init__(self, draws: KeptDraws, items: IntPlaces, shares: QuestionNumbers) -> None:
        self._draws, self._items = draws, ItemsAsked.of(draws, items)
        with single_blas_thread():
            self._matters = self._items.sum(shares)
            self._at_first = Unknown(draws, _own(None)).error(self._matters)

    def best(
        self, own: IntPlaces, among: NDArray[np.intp], chances: QuestionNumbers, matters: QuestionNumbers, n: int
    ) -> tuple[NDArray[np.intp], QuestionNumbers]:
        """Return n of these items, one after the other, and the value of each.

        Args:
            own: positions of what they rated.
            among: which items.
            chances: (m,) that an answer is given.
            matters: (m,) how much the error of each counts.
            n: how many, at most.
        """
        unknown, asked, chance = Unknown(self._draws, own), self._items.take(among), chances[among]
        M = self._items.sum(matters)
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

    def share(self, own: IntPlaces) -> float:
        """Return the share of the expected error that what they rated took off."""
        return 1 - Unknown(self._draws, own).error(self._matters) / self._at_first


def _own(row: Rows | None) -> IntPlaces:
    return np.empty(0, np.int32) if row is None else row.indices
