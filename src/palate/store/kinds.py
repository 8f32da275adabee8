"""Event kinds of a namespace: what is positive, how much it weighs, what it hides, how long it counts.

Kinds are configured; `palate.store.rule` reads the log by them. Two kinds are everybody's: an impression (a list was
seen) and an undo (an event no longer counts) are in the log, and are never rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, bindparam, select

from palate.errors import DataError, ParameterError, shown, unknown_name
from palate.store.conditions import check_name, clauses_of, is_number
from palate.store.prepared import PreparedSQL
from palate.store.records import IMPRESSION, UNDO, Event, Namespace
from palate.store.schema import namespaces

if TYPE_CHECKING:
    from palate.store.checking import CheckedEvent

Repeated = Literal["last", "once", "sum"]
DAY = 86_400_000_000  # microseconds
_KINDS = PreparedSQL(select(namespaces.c.kinds).where(namespaces.c.key == bindparam("namespace")), "namespace")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventKind:
    """What an event of one kind says about a user and an item.

    Attributes:
        name: of small letters, digits, ``_``, ``.`` and ``-``.
        positive: the condition that makes an event positive, such as "value >= 4", several joined by "and"; None: each
            is.
        weight: how much a positive event counts in a model of clicks.
        negative: the opposite of a click: it teaches that what was positive before no longer is.
        hides: the item is in no list of this user, even where a request lets seen items in; None: as ``negative`` says.
        returns_after: days until a seen (or hidden) item may be shown again; 0: at once; None: never.
        counts_for: days that an event counts in what is learned; None: for ever.
        repeated: of several events of this kind, a user and an item, "last": the newest alone counts; "once": they
            count as one; "sum": each adds its weight.
        rating: the rating that an event gives to a model of ratings: "value" is the event's own, a number stands for
            each; None: it gives none.
    """

    name: str
    positive: str | None = None
    weight: float = 1.0
    negative: bool = False
    hides: bool | None = None
    returns_after: float | None = None
    counts_for: float | None = None
    repeated: Repeated = "once"
    rating: float | Literal["value"] | None = None

    def __post_init__(self) -> None:
        """Refuse what is no kind.

        Raises:
            ParameterError: names the field, and what it may be.
        """
        check_name(self.name)
        self._check_fields()
        if self.positive is not None:
            clauses_of(self.name, self.positive)
        if self.negative and self.positive is not None:
            raise self._fault("positive", "left out where it is negative", self.positive)

    def _check_fields(self) -> None:
        for name in ("negative", "hides"):
            if not isinstance(getattr(self, name), bool) and not (name == "hides" and self.hides is None):
                raise self._fault(name, "true or false", getattr(self, name))
        if self.repeated not in ("last", "once", "sum"):
            raise self._fault("repeated", "'last', 'once' or 'sum'", self.repeated)
        if not is_number(self.weight) or not self.weight > 0:
            raise self._fault("weight", "a number above 0", self.weight)
        if self.returns_after is not None and not (is_number(self.returns_after) and self.returns_after >= 0):
            raise self._fault("returns_after", "a number of days from 0, or nothing for never", self.returns_after)
        if self.counts_for is not None and not (is_number(self.counts_for) and self.counts_for > 0):
            raise self._fault("counts_for", "a number of days above 0, or nothing for ever", self.counts_for)
        if self.rating not in (None, "value") and not is_number(self.rating):
            raise self._fault("rating", "'value', a number, or nothing", self.rating)

    def _fault(self, field: str, allowed: str, value: object) -> ParameterError:
        return ParameterError.outside(f"{field} of the kind '{self.name}'", allowed, value)

    @property
    def needs_value(self) -> bool:
        """Whether an event of this kind says nothing without a value."""
        return self.positive is not None or self.rating == "value"

    @property
    def is_hiding(self) -> bool:
        """Whether its items are in no list, also where seen ones may be."""
        return self.negative if self.hides is None else self.hides

    def is_positive(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which events of these values are positive; NaN is no value."""
        good = np.full(len(values), not self.negative)
        if self.positive is not None:
            good &= ~np.isnan(values)
            for compare, number in clauses_of(self.name, self.positive):
                good &= compare(values, number)
        return good


DEFAULTS = (
    EventKind(name="rating", positive="value >= 4", repeated="last", rating="value"),
    EventKind(name="click"),
    EventKind(name="purchase"),
    EventKind(name="skip", negative=True, hides=False),
    EventKind(name="hide", negative=True),
)


@dataclass(frozen=True, eq=False, slots=True)
class KindColumns:
    """Kinds as columns, one entry a kind.

    Attributes:
        weight: of a positive event.
        negative, hides: as the kind has them.
        newest: the newest event of a pair alone counts.
        summed: each event of a pair adds its weight.
        returns, counts: microseconds, infinite for never and for ever.
        own_rating: the event's value is a rating.
        rating: which each event stands for, NaN for none.
    """

    weight: NDArray[np.float64]
    negative: NDArray[np.bool_]
    hides: NDArray[np.bool_]
    newest: NDArray[np.bool_]
    summed: NDArray[np.bool_]
    returns: NDArray[np.float64]
    counts: NDArray[np.float64]
    own_rating: NDArray[np.bool_]
    rating: NDArray[np.float64]

    @classmethod
    def of(cls, kinds: Sequence[EventKind]) -> KindColumns:
        """Return the columns of these kinds."""
        return cls(
            weight=np.array([kind.weight for kind in kinds], float),
            negative=np.array([kind.negative for kind in kinds]),
            hides=np.array([kind.is_hiding for kind in kinds]),
            newest=np.array([kind.repeated == "last" for kind in kinds]),
            summed=np.array([kind.repeated == "sum" for kind in kinds]),
            returns=np.array([np.inf if kind.returns_after is None else kind.returns_after * DAY for kind in kinds]),
            counts=np.array([np.inf if kind.counts_for is None else kind.counts_for * DAY for kind in kinds]),
            own_rating=np.array([kind.rating == "value" for kind in kinds]),
            rating=np.array([np.nan if kind.rating in (None, "value") else kind.rating for kind in kinds], float),
        )


@dataclass(frozen=True)
class Kinds(Mapping[str, EventKind]):
    """The event kinds of a namespace by name, and their columns for the rule, by code: the place of a kind here.

    Args:
        every: the kinds.

    Raises:
        ParameterError: there is none, or two have one name.
    """

    every: tuple[EventKind, ...] = DEFAULTS

    def __post_init__(self) -> None:
        """Refuse none at all, and two of one name."""
        if not self.every:
            raise ParameterError.of("the event kinds", "are none: give one at least")
        if len(self._by_name) < len(self.every):
            raise ParameterError.of("the event kinds", f"have one name twice among {', '.join(self.names)}")

    @cached_property
    def _by_name(self) -> dict[str, EventKind]:
        return {kind.name: kind for kind in self.every}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Their names in the order of their codes."""
        return tuple(kind.name for kind in self.every)

    @cached_property
    def codes(self) -> dict[str, int]:
        """The code of each name."""
        return {name: code for code, name in enumerate(self.names)}

    @cached_property
    def columns(self) -> KindColumns:
        """What the rule asks of the kinds, by code."""
        return KindColumns.of(self.every)

    def __getitem__(self, name: str) -> EventKind:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self.every)

    def __hash__(self) -> int:
        return hash(self.every)

    def check(self, event: Event | CheckedEvent) -> None:
        """Refuse an event that the kinds do not allow.

        Raises:
            DataError: the kind is unknown, its value is missing or not finite, or an undo names nothing.
        """
        if event.value is not None and not is_number(event.value):
            raise DataError.of("value", f"must be a finite number, got {shown(event.value)}", value=event.value)
        if event.kind == UNDO:
            _check_undo(event)
        elif event.item is None:
            raise DataError(f"an event of kind '{event.kind}' names an item", subject="item")
        elif event.kind != IMPRESSION:
            self._check_kind(event)

    def _check_kind(self, event: Event | CheckedEvent) -> None:
        kind = self._by_name.get(event.kind)
        if kind is None:
            known = (*self.names, IMPRESSION, UNDO)
            words = unknown_name("no event kind", event.kind, known, having="this namespace has")
            raise DataError(words, code="unknown_name", subject="kind", value=event.kind)
        if kind.needs_value and event.value is None:
            raise DataError(
                f"an event of kind '{kind.name}' has a value: what counts is {kind.positive or 'its rating'}",
                subject="value",
            )

    def to_json(self) -> str:
        """Return them as the store keeps them: what is as by default is left out."""
        return json.dumps([_record(kind) for kind in self.every])

    @classmethod
    def from_json(cls, text: str) -> Kinds:
        """Return the kinds of what `to_json` wrote."""
        return _parsed(text)


def kind_of(record: object) -> EventKind:
    """Return a kind from its fields, as JSON gives them.

    Raises:
        ParameterError: it is no object with a name, or has an unknown field.
    """
    if not isinstance(record, Mapping) or "name" not in record:
        raise ParameterError(
            f'an event kind is an object such as {{"name": "click"}}, got {shown(record)}', subject="kinds"
        )
    known = [field.name for field in fields(EventKind)]
    for name in record:
        if name not in known:
            raise ParameterError.unknown("an event kind has no field", name, known, having="there are")
    return EventKind(**record)


def kinds_from(records: object) -> Kinds:
    """Return kinds from a list of their fields, as JSON gives them.

    Raises:
        ParameterError: it is no list, or an entry is no kind.
    """
    if isinstance(records, str | bytes) or not isinstance(records, Iterable) or isinstance(records, Mapping):
        raise ParameterError(f"event kinds are given as a list, got {shown(records)}", subject="kinds")
    return Kinds(tuple(kind_of(record) for record in records))


@lru_cache(maxsize=256)
def _parsed(text: str) -> Kinds:
    return kinds_from(json.loads(text) or [asdict(kind) for kind in DEFAULTS])  # a new namespace says nothing


def _record(kind: EventKind) -> dict[str, Any]:
    usual = {field.name: field.default for field in fields(EventKind)}
    return {name: value for name, value in asdict(kind).items() if value != usual[name]}


def kinds_of(conn: Connection, ns: Namespace) -> Kinds:
    """Return the event kinds of a namespace; cheap, the same object as long as they are the same."""
    ((said,),) = _KINDS.tuples(conn, ns.key)
    return Kinds.from_json(said)


def _check_undo(event: Event | CheckedEvent) -> None:
    if not event.withdraws:
        raise DataError("an undo names the event that it withdraws by that event's id", subject="withdraws")
