"""What another policy would have brought, from lists of one that left something to chance.

List i had item a_ik at place k with propensity p_ik, the probability that the policy which ran put it there; the
policy asked about puts it there with probability pi_ik. With w_ik = pi_ik / p_ik, rewards r_ik and N lists, and under
the click model of `palate.experiments.clicks` (items judged by place, independently), its reward per list is estimated:

    IPS     1/N sum_i sum_k w_ik r_ik                                       inverse propensities              (1)
    SNIPS   1/N sum_k m_k (sum_i w_ik r_ik / sum_i w_ik)                    self-normalised by place          (2)
    DR      1/N sum_i sum_k [ q_i(pi, k) + w_ik (r_ik - q(a_ik, k)) ]       doubly robust                     (3)
    whole   1/N sum_i W_i sum_k r_ik,  W_i = pi(list_i) / p(list_i)         any click model                   (4)

m_k: the places k that the policy would fill; q: a reward model fitted to other people; q_i(pi, k): its mean over what
the policy puts there. (1)-(3): Li, Abbasi-Yadkori, Kveton et al. 2018 (the item-position model); (2): Swaminathan &
Joachims 2015; (3): Dudik, Langford & Li 2011; (4): Horvitz & Thompson 1952.

Each is a mean over lists of z_i, linearised for (2). Lists of one person are not independent: with S_p the sum of
z_i - V over the lists of person p,

    se^2 = P / (P - 1) sum_p S_p^2 / N^2,   V -+ t se,   t with 2 P / (kurtosis(S) - 1) degrees of freedom,   (5)

those that the variance of S_p itself is known by, where few people carry most of it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special  # scipy.stats takes a service half a second more to start

from palate.errors import DataError
from palate.experiments.clicks import STATED
from palate.experiments.people import Figure, Reals, as_json

ENOUGH = 100  # effective lists; with fewer no estimate is told
FEW = 30  # people
GAP = 0.05  # of the mean weight from what it must be, beyond chance
NONE = Figure(math.nan, math.nan, math.nan)


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Places:
    """Places of lists that were shown, a column each.

    Attributes:
        list: (n,) of which list each is, 0 … n_lists - 1.
        place: (n,) from 1.
        propensity: (n,) the probability with which the policy that ran put this item there.
        target: (n,) that with which the policy asked about does.
        fills: (n,) the probability with which that one puts anything there; 1 but where it runs out of items.
        reward: (n,) what came of it.
        person: (n_lists,) whose list.
        modelled: (n,) q(a_ik, k), what a reward model expects of this item there; None: no doubly robust estimate.
        direct: (n,) q_i(pi, k), what it expects of the policy asked about.
        whole: (n_lists,) W_i, how much likelier the list as a whole is; None: not known.
    """

    list: NDArray[np.int64]
    place: NDArray[np.int64]
    propensity: Reals
    target: Reals
    fills: Reals
    reward: Reals
    person: NDArray[np.int64]
    modelled: Reals | None = None
    direct: Reals | None = None
    whole: Reals | None = None

    @property
    def n_lists(self) -> int:
        """How many lists there are."""
        return len(self.person)

    @property
    def weight(self) -> Reals:
        """The weight w of each place."""
        return self.target / self.propensity

    def sums(self, values: Reals) -> Reals:
        """Return the sums of places' values by list."""
        return np.bincount(self.list, values, self.n_lists).astype(np.float64)

    def check(self) -> None:
        """Refuse what no estimate can be made of.

        Raises:
            DataError: names the column, its limits and the first rows at fault.
        """
        limits = (
            ("propensity", self.propensity, (self.propensity > 0) & (self.propensity <= 1), "above 0 and at most 1"),
            ("target", self.target, (self.target >= 0) & (self.target <= 1), "from 0 to 1"),
            ("fills", self.fills, (self.fills >= 0) & (self.fills <= 1), "from 0 to 1"),
            ("reward", self.reward, np.isfinite(self.reward), "finite"),
            ("place", self.place, self.place >= 1, "from 1"),
            ("list", self.list, (self.list >= 0) & (self.list < self.n_lists), f"from 0 to {self.n_lists - 1}"),
        )
        for name, values, good, allowed in limits:
            bad = np.flatnonzero(~good)
            if len(bad):
                value = values[bad[0]].item()
                raise DataError.of(
                    name, f"must be {allowed}, got {value!r} in row {bad[0]}", value=value, rows=bad[:5].tolist()
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyEstimate:
    """One estimate of another policy.

    Attributes:
        name: "ips", "snips", "dr" or "whole_list".
        value: reward per list; NaN where it is refused.
        gain: how much more that is than what the logged lists brought, with its own interval.
        effective: lists that the weighted ones are worth (Kish): n (mean weight)^2 / mean squared weight.
        refused: why there is no figure, in words; None where there is one.
    """

    name: str
    value: Figure
    gain: Figure
    effective: float
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OffPolicy:
    """What a policy that was not run would have brought.

    Attributes:
        logged: reward per list of the policy that ran.
        estimates: of the one asked about.
        lists, people: that they were made from.
        overlap: mean weight over what it must be: below 1, the policy would show what was never shown there.
        largest: weight of a place.
        click_model: what ``estimates`` but "whole_list" rest on.
    """

    logged: Figure
    estimates: tuple[PolicyEstimate, ...]
    lists: int
    people: int
    overlap: float
    largest: float
    click_model: str = STATED

    def __getitem__(self, name: str) -> PolicyEstimate:
        return {one.name: one for one in self.estimates}[name]

    def as_dict(self) -> dict[str, Any]:
        """Return the estimates as JSON holds them: NaN is null."""
        told: dict[str, Any] = as_json(asdict(self))
        return told


def estimate(places: Places, *, level: float = 0.95) -> OffPolicy:
    """Return what the policy asked about would have brought per list.

    Args:
        places: of the logged lists.
        level: of the intervals.

    Raises:
        DataError: a column has what none of its values can be.
    """
    places.check()
    people = len(np.unique(places.person))
    weight = places.weight
    overlap = float(weight.sum() / places.fills.sum()) if places.fills.any() else math.nan
    effective = places.n_lists * _evenness(weight)
    refused = _refused(places, people, effective, overlap)
    own = places.sums(places.reward)
    z = {"ips": ips(places), "snips": snips(places)}
    if places.modelled is not None:
        z["dr"] = dr(places)
    made = [_estimate(name, each, own, places.person, effective, refused, level) for name, each in z.items()]
    if places.whole is not None:
        effective = places.n_lists * _evenness(places.whole)
        why = refused or _too_few(effective, "as whole lists")
        made.append(_estimate("whole_list", places.whole * own, own, places.person, effective, why, level))
    return OffPolicy(
        logged=clustered(own, places.person, level) if people > 1 else NONE,
        estimates=tuple(made),
        lists=places.n_lists,
        people=people,
        overlap=overlap,
        largest=float(weight.max(initial=0.0)),
    )


# -- the estimators: z of each list, whose mean is the estimate -----------------------------------------------------


def ips(places: Places) -> Reals:
    """Return z of eq. 1, (n_lists,)."""
    return places.sums(places.weight * places.reward)


def snips(places: Places) -> Reals:
    """Return z of eq. 2, linearised: m_ik R_k + (m_k / sum w) w_ik (r_ik - R_k), R_k the ratio at place k."""
    at, weight = places.place - 1, places.weight
    total, filled = np.bincount(at, weight), np.bincount(at, places.fills)
    ratio, scale = np.zeros(len(total)), np.zeros(len(total))
    np.divide(np.bincount(at, weight * places.reward), total, out=ratio, where=total > 0)
    np.divide(filled, total, out=scale, where=total > 0)
    return places.sums(places.fills * ratio[at] + scale[at] * weight * (places.reward - ratio[at]))


def dr(places: Places) -> Reals:
    """Return z of eq. 3, (n_lists,).

    Raises:
        DataError: there is no reward model.
    """
    if places.modelled is None or places.direct is None:
        raise DataError(
            "a doubly robust estimate needs what a reward model expects: give modelled and direct", subject="modelled"
        )
    return places.sums(places.direct + places.weight * (places.reward - places.modelled))


def clustered(z: Reals, person: NDArray[Any], level: float = 0.95) -> Figure:
    """Return the mean of z over lists and its interval, the lists of each person taken together (eq. 5)."""
    mean = float(z.mean())
    _, index = np.unique(person, return_inverse=True)
    sums = np.bincount(index, z - mean)
    n, squares = len(sums), float((sums**2).sum())
    if n < 2 or squares <= 1e-24 * max(mean * mean, 1e-300) * len(z):
        return Figure(mean, mean, mean) if n > 1 else Figure(mean, math.nan, math.nan)
    error = math.sqrt(n / (n - 1) * squares) / len(z)
    kurtosis = n * float((sums**4).sum()) / squares**2
    freedom = min(n - 1.0, 2 * n / (kurtosis - 1)) if kurtosis > 1 else n - 1.0
    reach = float(special.stdtrit(max(freedom, 1.0), (1 + level) / 2)) * error
    return Figure(mean, mean - reach, mean + reach)


def _estimate(
    name: str, z: Reals, own: Reals, person: NDArray[Any], effective: float, refused: str | None, level: float
) -> PolicyEstimate:
    if refused is not None:
        return PolicyEstimate(name=name, value=NONE, gain=NONE, effective=effective, refused=refused)
    value, gain = clustered(z, person, level), clustered(z - own, person, level)
    return PolicyEstimate(name=name, value=value, gain=gain, effective=effective)


# -- when to refuse -------------------------------------------------------------------------------------------------


def _evenness(weight: Reals) -> float:
    """Return (mean w)^2 / mean w^2: 1 where all weights are equal, 0 where there are none."""
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares / len(weight) if squares > 0 else 0.0


def _refused(places: Places, people: int, effective: float, overlap: float) -> str | None:
    """Return why no estimate can be made, or None."""
    if not places.n_lists:
        return "There are no lists to estimate from."
    if (places.propensity == 1).all() and (places.target < 1).any():
        return (
            "Nothing was left to chance in these lists (explore: none): nothing can be learned from them about a "
            "policy that shows anything else. Let a share of lists explore."
        )
    if people < FEW:
        return f"There are lists of {people} people, and at least {FEW} are needed."
    return _too_few(effective, "by place") or _gap(places, overlap)


def _too_few(effective: float, how: str) -> str | None:
    if effective >= ENOUGH:
        return None
    return (
        f"Too little overlap {how}: weighted, the lists are worth {effective:,.0f}, and at least {ENOUGH} are needed. "
        "Ask about a policy nearer to the one that ran, log more lists, or explore more."
    )


def _gap(places: Places, overlap: float) -> str | None:
    """Return words where the mean weight is not what it must be, by more than chance allows for."""
    off = places.sums(places.weight - places.fills)
    found = clustered(off, places.person, 0.997)
    scale = float(places.fills.sum()) / places.n_lists
    if found.high < -GAP * scale:
        return (
            f"Too little overlap: {1 - overlap:.0%} of what the policy would show was never shown at its place. Let "
            "lists explore all that it may show, as a uniform part does, or ask about a policy nearer to the one that "
            "ran."
        )
    if found.low > GAP * scale:
        return (
            f"The logged propensities cannot be right: weights are {overlap:.2f} on average, and must be 1. Were lists "
            "changed after their propensities were logged?"
        )
    return None
