"""What goes into the store and comes out: plain frozen records, with the caller's ids and times in microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

IdKind = Literal["text", "integer"]
Role = Literal["read", "write", "admin"]
DEFAULT = "default"  # the namespace that every store has
IMPRESSION, UNDO = "impression", "undo"  # kinds of event that every namespace has


@dataclass(frozen=True, slots=True)
class Namespace:
    """One tenant: whatever the store is asked names one.

    Attributes:
        key: the store's number.
        name: as people write it.
        id_kind: what ids of its users and items are.
    """

    key: int
    name: str
    id_kind: IdKind


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a user did.

    Attributes:
        user, item: the caller's ids, as text; item is None in an undo.
        kind: one of the namespace's kinds, or "impression" or "undo".
        value: a rating, a count, a share watched; None where the kind says all.
        time: when it happened, microseconds since 1970 in UTC; None: when it is received.
        event_id: the client's; None: the store makes one, and a retry counts twice.
        source: which client sent it.
        list_id, place: of the list that it came from, 32 hexadecimal digits, and where it stood there, from 1.
        withdraws: of an undo, the ``event_id`` of the event that no longer counts.
        waits: it counts from its time on, which lies ahead; else at once, for a client's clock may be ahead of ours.
    """

    user: str
    item: str | None
    kind: str
    value: float | None = None
    time: int | None = None
    event_id: str | None = None
    source: str | None = None
    list_id: str | None = None
    place: int | None = None
    withdraws: str | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one event.

    Attributes:
        event_id: its id, the client's or the store's.
        status: "new" (committed now), "known" (the same event was there) or "refused".
        error: why it was refused.
        made_id: the store made the id, so that a retry counts twice.
    """

    event_id: str
    status: Literal["new", "known", "refused"]
    error: Exception | None = None
    made_id: bool = False


@dataclass(frozen=True, slots=True)
class Thing:
    """A user or an item as the store knows it.

    Attributes:
        id: the caller's.
        attributes: name: a number, text, true or false, or a list of texts.
        hidden: in no list; None, in what is written: as it was.
        created, updated: microseconds; of an item that is written, created 0 leaves it as it was.
    """

    id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    hidden: bool | None = None
    created: int = 0
    updated: int = 0


@dataclass(frozen=True, slots=True)
class Counters:
    """What tells a worker that something changed, read in one transaction before each answer.

    Attributes:
        changes: of the namespace: models, kinds, settings, tombstones.
        catalogue: of the namespace's items.
        users: id: (counter, key of the newest event) of the users asked about; those the store has not are missing.
    """

    changes: int
    catalogue: int
    users: Mapping[str, tuple[int, int]]


class Place(NamedTuple):  # ten an answer: a tuple is made in a third of the time of a frozen dataclass
    """An item in a list that was shown.

    Attributes:
        item: the caller's id.
        score: the model's, NaN where it has none.
        propensity: the probability that the policy put this item here; 1 where nothing is left to chance.
        source: "model", "popular", "new" (an item that the model has not seen) or "boosted".
    """

    item: str
    score: float
    propensity: float = 1.0
    source: str = "model"


@dataclass(frozen=True, slots=True)
class Page:
    """A following page of a list, as it was shown.

    Attributes:
        time: microseconds.
        first: place in the list of its first item.
        places: what was shown.
    """

    time: int
    first: int
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class ShownList:
    """A list as it is kept.

    Attributes:
        list_id: 32 hexadecimal digits.
        user: the caller's id, None for a session without one.
        time: microseconds.
        policy, arm: how it was made.
        version: number of the model version, None where no model took part.
        request: what was asked beyond the defaults.
        places: what was shown, from place ``first`` on.
        ranked: positions of the model's items in the order that following pages cut, as bytes.
        first: place of the first item shown.
        pages: the following pages that were shown, in the order of time.
        scenario: name and revision of the preset that it was made by.
        experiment: name of the experiment whose arm ``arm`` is.
        explored: how chance took part: the policy ("softmax", "thompson"), its temperature, seed, …; empty: it did not.
        uncounted: what its propensities are still to be counted from; until then they are NaN.
    """

    list_id: str
    user: str | None
    time: int
    policy: str
    version: int | None
    places: tuple[Place, ...]
    request: Mapping[str, Any] = field(default_factory=dict)
    arm: str | None = None
    ranked: bytes | None = None
    first: int = 1
    pages: tuple[Page, ...] = ()
    scenario: tuple[str, int] | None = None
    experiment: str | None = None
    explored: Mapping[str, Any] = field(default_factory=dict)
    uncounted: bytes | None = None
