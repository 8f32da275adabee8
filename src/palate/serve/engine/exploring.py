"""Chance, the last step of ranking: the first places of the final order are drawn anew, and how probable that was.

Filters, boosts, new items, diversity and rotation have made the order; its first ``depth`` places are the candidates.
Softmax draws by their scores (`palate.experiments.choosing.utilities`). Thompson sampling shows the order of one draw
of the model; where boosts or diversity have given a place another score than the model's, each draw's moves by as much.

The seed of a list is its id. Propensities of Thompson sampling are counted over all draws: at once for users of
training, later for people folded in, whose row each draw completes anew (`palate.serve.counting`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import ParameterError
from palate.experiments.choosing import Drawn, Fixed, ListPolicy, Softmax, Thompson, by_place, utilities
from palate.experiments.explore import Explore
from palate.models import Recommender
from palate.models.contract.abilities import KeepsDraws, ScoresInDraws
from palate.serve import measures
from palate.serve.engine.people import KnownPerson
from palate.serve.engine.ranking import Order
from palate.sparse import Rows
from palate.store.packing import CountedPlaces, Race, RankedOrder
from palate.store.to_count import ToCount

if TYPE_CHECKING:
    from palate.serve.engine.space import Tenant

MOST_COUNTED = 30_000  # scores, candidates times draws, that are counted while somebody waits; a few milliseconds


@dataclass(frozen=True, eq=False, slots=True)
class Explored:
    """What chance made of an order.

    Attributes:
        order: the list's.
        propensities: of the places that are shown; NaN where they are counted later.
        said: how chance took part, as the list keeps it.
        chance: what propensities of following pages come from.
        to_count: what is still to be counted from.
    """

    order: Order
    propensities: Sequence[float]
    said: Mapping[str, Any]
    chance: Race | CountedPlaces | None = None
    to_count: ToCount | None = None


def check(model: Recommender | None, explore: Explore | None) -> None:
    """Refuse Thompson sampling by a model that keeps no draws.

    Raises:
        ParameterError: it is "not_offered".
    """
    if explore is None or explore.policy != "thompson" or isinstance(model, KeepsDraws):
        return
    name = "there is no model" if model is None else f"{type(model).__name__} keeps none"
    raise ParameterError.of(
        "explore.policy",
        f"'thompson' shows draws that a model keeps, and {name}: use 'softmax', or a version of 'bayes'",
        code="not_offered",
    )


def explored(space: Tenant, person: KnownPerson, order: Order, explore: Explore, n: int, list_id: str) -> Explored:
    """Return what chance makes of the final order of a list of n places."""
    shown = min(n, len(order.places))
    if not shown:
        return Explored(order, [1.0] * shown, {})
    model = None if space.loaded is None else space.loaded.model
    if explore.policy == "thompson" and not isinstance(model, KeepsDraws):
        measures.UNEXPLORED.labels("no_draws").inc()
        return Explored(order, [1.0] * shown, {"policy": "none", "instead_of": "thompson", "why": "no_draws"})
    policy = policy_of(space, person, order, explore)
    drawn = policy.draw(seed_of(list_id))
    measures.EXPLORED.labels(explore.policy, drawn.by).inc()
    new = order.take(np.concatenate([drawn.order, np.arange(policy.m, len(order.places))]))
    if isinstance(policy, Thompson):
        return _by_draws(person, order, new, policy, drawn, shown)
    propensities = _first(policy, drawn, shown)
    race = Race(policy.utilities, drawn.order) if isinstance(policy, Softmax) else None
    return Explored(new, propensities, said_of(policy, drawn, shown), race)


def policy_of(space: Tenant, person: KnownPerson, order: Order, explore: Explore) -> ListPolicy:
    """Return how lists are made of the first places of a final order, which are numbered from 0 as they stand in it.

    Raises:
        ParameterError: Thompson sampling by a model that keeps no draws.
    """
    m = min(explore.depth, len(order.places))
    if explore.policy == "none":
        return Fixed(m, explore)
    if explore.policy == "softmax":
        return Softmax(utilities(order.scores[:m]), explore)
    model = None if space.loaded is None else space.loaded.model
    check(model, explore)
    best = by_place(order.scores[:m])
    items = _with_draws(space, person, order, m)
    known = items >= 0
    own = np.zeros(m)
    if known.any():
        own[known] = _scorer(space, person).pairs(np.zeros(int(known.sum()), np.int32), items[known])
    return thompson(model, who_of(person), items, (best - own).astype(np.float32), explore)


@dataclass(frozen=True, eq=False, slots=True)
class Who:
    """Whose scores in draws are wanted.

    Attributes:
        user: a position among the users of training, or the row of somebody folded in.
        features: of somebody folded in, or None.
    """

    user: int | Rows
    features: NDArray[Any] | None = None

    @property
    def seed(self) -> int:
        """The seed of the draws of somebody folded in: the same as long as nothing more is known of them."""
        if isinstance(self.user, int):
            return 0
        digest = blake2b(digest_size=8)
        for array in (self.user.indices, self.user.values, self.features):
            digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        return int.from_bytes(digest.digest())


def who_of(person: KnownPerson) -> Who:
    """Return whose draws are those of somebody who asks."""
    if person.scorer is None or person.rows is None:
        return Who(person.place)
    return Who(person.rows, person.features)


def thompson(
    model: Any, who: Who, items: NDArray[np.int32], offsets: NDArray[np.float32], explore: Explore
) -> Thompson:
    """Return Thompson sampling of candidates.

    Args:
        model: it keeps draws.
        who: somebody of training, or to be folded in.
        items: (m,) positions; -1 of those that the draws say nothing of.
        offsets: (m,) of their scores.
        explore: what was set.
    """
    known = items >= 0
    draws: ScoresInDraws = NoDraws(len(items))
    if known.any():
        draws = Padded(model._scores_in_draws(who.user, who.features, items[known], who.seed), known)
    return Thompson(offsets.astype(np.float64), draws, explore)


def seed_of(list_id: str) -> int:
    """Return the seed of a list: the half of its id that is random."""
    return int(list_id[16:], 16)


def said_of(policy: ListPolicy, drawn: Drawn, shown: int, *, counted: bool = True) -> dict[str, Any]:
    """Return how chance took part, as a list keeps it and an answer tells it.

    "log_probability" is that of the first page as a whole, the logarithm of it; None until it is counted.
    """
    explore = policy.explore
    said: dict[str, Any] = {"policy": explore.policy, "by": drawn.by}
    if explore.policy == "softmax":
        said["temperature"] = explore.temperature
    else:
        said["draw"] = None if drawn.draw < 0 else drawn.draw
    said |= {"share": explore.share, "uniform": explore.uniform, "depth": explore.depth, "candidates": policy.m}
    said["log_probability"] = policy.log_probability(drawn.order[:shown]) if counted else None
    return said


def explore_of(said: Mapping[str, Any]) -> Explore:
    """Return what was set, of what a list says."""
    names = ("policy", "temperature", "share", "uniform", "depth")
    return Explore.of({name: said[name] for name in names if name in said})


def page_propensities(said: Mapping[str, Any], ranked: RankedOrder, first: int, n: int) -> NDArray[np.float64]:
    """Return the propensities of places ``first`` to ``first + n - 1`` of a list; NaN of what is not counted.

    Behind the candidates everything stands where it stood.
    """
    out = np.ones(max(min(n, len(ranked.positions) - first + 1), 0))
    if said.get("policy", "none") == "none":
        return out
    places = np.arange(first, min(first + len(out), said["candidates"] + 1))
    if isinstance(ranked.chance, CountedPlaces):
        out[: len(places)] = ranked.chance.propensities[places - 1]
    elif isinstance(ranked.chance, Race):
        policy = Softmax(ranked.chance.utilities, explore_of(said))
        out[: len(places)] = policy.propensities(ranked.chance.order[places - 1], places)
    else:
        out[: len(places)] = np.nan
    return out


# -- Thompson sampling ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Padded:
    """Scores in draws of all candidates: 0 of those that the draws say nothing of.

    Attributes:
        scores: of the others.
        known: (m,) which these are.
    """

    scores: ScoresInDraws
    known: NDArray[np.bool_]

    @property
    def n_draws(self) -> int:
        """How many draws there are."""
        return self.scores.n_draws

    def of(self, draw: int) -> NDArray[np.float64]:
        """Return the scores in one draw, (m,)."""
        out = np.zeros(len(self.known))
        out[self.known] = self.scores.of(draw)
        return out

    def every(self) -> NDArray[np.float64]:
        """Return the scores in all draws, (n_draws, m)."""
        out = np.zeros((self.n_draws, len(self.known)))
        out[:, self.known] = self.scores.every()
        return out


@dataclass(frozen=True)
class NoDraws:
    """Of somebody of whom nothing is known: every draw leaves the order as it is.

    Attributes:
        m: candidates.
    """

    m: int
    n_draws: int = 1

    def of(self, draw: int) -> NDArray[np.float64]:
        """Return zeros."""
        return np.zeros(self.m)

    def every(self) -> NDArray[np.float64]:
        """Return zeros."""
        return np.zeros((1, self.m))


def _by_draws(person: KnownPerson, order: Order, new: Order, policy: Thompson, drawn: Drawn, shown: int) -> Explored:
    """Return what one draw made of an order; counted where that costs little."""
    draws = policy.draws
    folds = isinstance(draws, Padded) and person.scorer is not None
    if not folds and policy.m * draws.n_draws <= MOST_COUNTED:
        every = policy.propensities(drawn.order, np.arange(1, policy.m + 1))
        said = said_of(policy, drawn, min(shown, policy.m))
        return Explored(new, _padded(every[:shown], shown), said, CountedPlaces(every))
    items = np.full(policy.m, -1, np.int32)
    if isinstance(draws, Padded):
        items[draws.known] = order.places[: policy.m][draws.known]
    who = who_of(person)
    rows, user = (None, person.stand.id) if isinstance(who.user, int) else (who.user, None)
    to_count = ToCount(user, rows, who.features, items, policy.offsets.astype(np.float32), drawn.order)
    nothing = _padded(np.full(min(shown, policy.m), np.nan), shown)
    return Explored(new, nothing, said_of(policy, drawn, shown, counted=False), None, to_count)


def _first(policy: ListPolicy, drawn: Drawn, shown: int) -> list[float]:
    first = min(shown, policy.m)
    return _padded(policy.propensities(drawn.order[:first], np.arange(1, first + 1)), shown)


def _padded(propensities: NDArray[np.float64], shown: int) -> list[float]:
    """Return propensities with those of the places behind the candidates, which nothing moves."""
    return [*propensities.tolist(), *[1.0] * (shown - len(propensities))]


def _with_draws(space: Tenant, person: KnownPerson, order: Order, m: int) -> NDArray[np.int32]:
    """Return the positions of candidates, -1 of those that the model's draws say nothing of."""
    items = order.places[:m].astype(np.int32)
    nothing_known = order.popular or (person.scorer is None and person.place < 0)
    items[nothing_known | (items >= space.catalogue.n_items)] = -1
    return items


def _scorer(space: Tenant, person: KnownPerson) -> Any:
    if person.scorer is not None or space.loaded is None:
        return person.scorer
    return space.loaded.model.ranker.scorer.take(np.array([person.place], np.int32))
