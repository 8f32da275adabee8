"""What an engine is asked, and what it answers: plain frozen records, with the caller's ids."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from palate.errors import ParameterError
from palate.store.records import Namespace, Place

if TYPE_CHECKING:
    from palate.experiments.explore import Explore
    from palate.store.presets import Rotation

DEPTH = 500  # places that a list is ranked to, and that following pages cut
MOST_BOOSTS = 8  # conditions that boost: what they select together is ranked apart


@dataclass(frozen=True, slots=True)
class Through:
    """The preset and the arm through which a request is answered.

    Attributes:
        asked: the request as it came; that which is answered has the preset merged in.
        scenario: name and revision of the preset, None where an arm has none.
        experiment, arm: in which the user takes part.
        explore: how chance takes part; None: not at all.
        rotation: which items go behind all others, for they were shown so often; None: none.
        new_items_share: of places, for new items that a model cannot score; None: as the namespace has it.
    """

    asked: Ask
    scenario: tuple[str, int] | None = None
    experiment: str | None = None
    arm: str | None = None
    explore: Explore | None = None
    rotation: Rotation | None = None
    new_items_share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request for a list.

    Attributes:
        ns: the namespace.
        user: an id, known or not; None for a session, or for nobody at all.
        session: items that somebody nameless had, with what they gave them, None where they gave nothing.
        n: how many items, at most `DEPTH`.
        where: conditions that all items meet, as `palate.data.items.matching_items` reads them.
        include: items to choose from; None for all. Unknown ones do no harm, here as in ``exclude``.
        exclude: items to leave out.
        not_mine: leave out items whose attribute ``owner`` is the user, or a list that names the user.
        seen: let in what the user had; never what they hid.
        no_twins: leave out items of the same title and year as one that is left out since the user had or hid it.
        diversity: from 0, the best, to 1, the most unlike each other (`palate.models.contract.diversified`).
        discovery: from 0, the best, to 1, what few know (`palate.serve.engine.discovering`).
        boosts: conditions, and the factors by which they lift items (`palate.serve.engine.boosts`).
        why: tell the three own items that count most for each.
        scenario: name of the preset that says what the request leaves open; None: the namespace's default one.
        given: fields that the request says itself, although they have their default.
        through: what a preset made of the request; the engine's.
    """

    ns: Namespace
    user: str | None = None
    session: tuple[tuple[str, float | None], ...] | None = None
    n: int = 10
    where: tuple[str, ...] = ()
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    not_mine: bool = False
    seen: bool = False
    no_twins: bool = False
    diversity: float = 0.0
    discovery: float = 0.0
    boosts: tuple[tuple[str, float], ...] = ()
    why: bool = False
    scenario: str | None = None
    given: frozenset[str] = frozenset()
    through: Through | None = None

    def check(self) -> None:
        """Refuse what cannot be answered.

        Raises:
            ParameterError: names the field, the value and the range.
        """
        if type(self.n) is not int or not 1 <= self.n <= DEPTH:
            raise ParameterError.outside("n", f"a whole number from 1 to {DEPTH}", self.n)
        for name in ("diversity", "discovery"):
            if not 0 <= getattr(self, name) <= 1:
                raise ParameterError.outside(name, "a number from 0 to 1", getattr(self, name))
        if self.user is not None and self.session is not None:
            raise ParameterError(
                "a list is for a user or for a session: send a user's session as feedback, or leave one out",
                subject="session",
            )
        if self.not_mine and self.user is None:
            raise ParameterError.of("not_mine", "needs the user whose own items are left out")
        self._check_numbers()

    def _check_numbers(self) -> None:
        if len(self.boosts) > MOST_BOOSTS:
            raise ParameterError.of("boosts", f"are at most {MOST_BOOSTS}, got {len(self.boosts)}")
        for condition, factor in self.boosts:
            if not (factor > 0 and math.isfinite(factor)):
                raise ParameterError.outside(f"the factor of the boost '{condition}'", "a number above 0", factor)
        for item, value in self.session or ():
            if value is not None and not math.isfinite(value):
                raise ParameterError.outside(f"the value of the session's item '{item}'", "a finite number", value)

    def said(self) -> dict[str, Any]:
        """Return what was asked beyond the defaults, as the list keeps it for its following pages."""
        if self.through is not None:
            asked = self.through.asked
            return {**asked.said(), **({"given": sorted(asked.given)} if asked.given else {})}
        said: dict[str, Any] = {"n": self.n}
        if self.scenario is not None:
            said["scenario"] = self.scenario
        for name in ("where", "include", "exclude", "boosts"):
            given = getattr(self, name)
            if given:
                said[name] = [list(pair) if isinstance(pair, tuple) else pair for pair in given]
        for name in ("not_mine", "seen", "no_twins", "diversity", "discovery", "why"):
            if getattr(self, name):
                said[name] = getattr(self, name)
        if self.session is not None:
            said["session"] = len(self.session)
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A list.

    Attributes:
        list_id: 32 hexadecimal digits; None for lists that are nobody's, which are not kept.
        places: items, scores and propensities, the best first.
        columns: title and other attributes of each.
        why: of each, its reasons; None where nobody asked.
        first: place in the whole list of the first item.
        more: whether the list goes on behind these.
        withheld: places of a following page that have become forbidden since the list was made.
        version, trained: number of the model version and when it was trained, microseconds; None without a model.
        newest_feedback: time of the newest feedback that the answer knows of: the person's, else the model's.
        policy: "model", or "popular" where nothing is known of the person, or there is no model.
        scenario: name and revision of the preset that it was made by.
        experiment, arm: in which the user takes part.
        explored: how chance took part; empty: it did not.
        logged: the list is committed.
        timings: seconds of the batch by part: "model", "store".
        known: of questions, how well whoever is asked is known, 0 to 1; else None.
    """

    list_id: str | None
    places: tuple[Place, ...]
    columns: tuple[Mapping[str, Any], ...]
    why: tuple[list[dict[str, Any]] | None, ...] | None = None
    first: int = 1
    more: bool = False
    withheld: int = 0
    version: int | None
    trained: int | None
    newest_feedback: int | None
    policy: str
    scenario: tuple[str, int] | None = None
    experiment: str | None = None
    arm: str | None = None
    explored: Mapping[str, Any] = field(default_factory=dict)
    logged: bool = True
    timings: Mapping[str, float] = field(default_factory=dict)
    known: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What somebody would think of items.

    Attributes:
        rows: (item, value, low, high, known) each; None where there is none.
        version, trained, newest_feedback: as in `Answer`.
    """

    rows: tuple[tuple[str, float | None, float | None, float | None, bool], ...]
    version: int | None
    trained: int | None
    newest_feedback: int | None


@dataclass(frozen=True, slots=True)
class Left:
    """What a list is chosen from.

    Attributes:
        left: items that may be in it.
        of: items that may be in any list.
        known: something is known of the person, so that the list is the model's.
        varies: the model can tell which items are alike, so that lists can be varied.
    """

    left: int
    of: int
    known: bool
    varies: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """The ratings that a model has learned from.

    Attributes:
        low, high: the lowest and the highest.
        predicted: the model's scores are such ratings; else it ranks.
    """

    low: float
    high: float
    predicted: bool

    @property
    def middle(self) -> float:
        """What is neither good nor bad."""
        return (self.low + self.high) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """Why an item is recommended.

    Attributes:
        reasons: parts of the score, which add up to it: {"item", "title", "value", "contribution"} of own items,
            {"name", "contribution"} of others.
        text: of what the score is.
        score: their sum.
        version, trained, newest_feedback: as in `Answer`.
    """

    reasons: list[dict[str, Any]]
    text: str | None
    score: float | None
    version: int | None
    trained: int | None
    newest_feedback: int | None
