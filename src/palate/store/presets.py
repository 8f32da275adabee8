"""What a scenario says of a list: the record, its check, and its form as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from palate.data.items import CONDITION
from palate.errors import ParameterError, shown
from palate.experiments.explore import Explore

MOST_ITEMS = 500  # of a list
MOST_CONDITIONS, MOST_BOOSTS, MOST_EXCLUDED = 32, 8, 10_000
LONGEST_CONDITION = 1000
LARGEST_FACTOR = 1000.0
MOST_SHOWN, MOST_DAYS = 1000, 3650


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """When an item that was shown in vain goes behind all others.

    Attributes:
        shown: how many times it was shown without an event of this person on it.
        days: within how many days; so long after the last showing it is back at its place.
    """

    shown: int
    days: float

    def __post_init__(self) -> None:
        """Refuse what cannot be counted.

        Raises:
            ParameterError: names the field, and what it may be.
        """
        if type(self.shown) is not int or not 1 <= self.shown <= MOST_SHOWN:
            raise ParameterError.outside("rotation.shown", f"a whole number from 1 to {MOST_SHOWN}", self.shown)
        if not _is_number(self.days) or not 0 < self.days <= MOST_DAYS:
            raise ParameterError.outside("rotation.days", f"a number above 0, to {MOST_DAYS}", self.days)

    @classmethod
    def of(cls, record: object) -> Self:
        """Return what a JSON object says.

        Raises:
            ParameterError: it is no such object.
        """
        checked_fields(record, "rotation", ("shown", "days"), needed=("shown", "days"))
        return cls(**record)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What lists of a scenario are asked with; None is what the preset leaves to the request and the defaults.

    Attributes:
        where: conditions that all items meet, those of the request beside them.
        exclude: items to leave out, those of the request beside them.
        boosts: conditions, and the factors by which they lift items, those of the request beside them.
        diversity: from 0 to 1.
        seen: let in what the person had.
        not_mine: leave out the person's own items, where the request names a person.
        n: how many items.
        new_items_share: of places, for items that the model has not seen.
        explore: how chance takes part.
        rotation: when what was shown in vain goes down.
        model: which answers: a version's number, or the key of a model, whose newest version answers; None: the active
            one.
    """

    where: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    boosts: tuple[tuple[str, float], ...] = ()
    diversity: float | None = None
    seen: bool | None = None
    not_mine: bool | None = None
    n: int | None = None
    new_items_share: float | None = None
    explore: Explore | None = None
    rotation: Rotation | None = None
    model: int | str | None = None

    def __post_init__(self) -> None:
        """Refuse what no list can be made by.

        Raises:
            ParameterError: names the field, and what it may be.
        """
        self._check_conditions()
        if len(self.exclude) > MOST_EXCLUDED:
            raise ParameterError.of("exclude", f"has at most {MOST_EXCLUDED:,} items, got {len(self.exclude):,}")
        for name in ("diversity", "new_items_share"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and 0 <= value <= 1):
                raise ParameterError.outside(name, "a number from 0 to 1", value)
        for name in ("seen", "not_mine"):
            if getattr(self, name) not in (None, True, False) or type(getattr(self, name)) is int:
                raise ParameterError.outside(name, "true or false", getattr(self, name))
        if self.n is not None and (type(self.n) is not int or not 1 <= self.n <= MOST_ITEMS):
            raise ParameterError.outside("n", f"a whole number from 1 to {MOST_ITEMS}", self.n)
        if self.model is not None and type(self.model) is not str and not (type(self.model) is int and self.model > 0):
            raise ParameterError.outside("model", "a version's number or the key of a model", self.model)

    def _check_conditions(self) -> None:
        for name, most in (("where", MOST_CONDITIONS), ("boosts", MOST_BOOSTS)):
            if len(getattr(self, name)) > most:
                raise ParameterError.of(name, f"has at most {most} conditions, got {len(getattr(self, name))}")
        for condition in (*self.where, *(condition for condition, _ in self.boosts)):
            readable = isinstance(condition, str) and len(condition) <= LONGEST_CONDITION and "\0" not in condition
            if not readable or not CONDITION.match(condition):
                raise ParameterError.outside("a condition", "such as 'year>=1990'", condition)
        for condition, factor in self.boosts:
            if not _is_number(factor) or not 0 < factor <= LARGEST_FACTOR:
                allowed = f"a number above 0, to {LARGEST_FACTOR:g}"
                raise ParameterError.outside(f"the factor of the boost '{condition}'", allowed, factor)

    @classmethod
    def of(cls, record: object) -> Self:
        """Return what a JSON object says.

        Raises:
            ParameterError: it is no object, has an unknown field, or a value is outside its range.
        """
        given = checked_fields(record, "a preset", [field.name for field in fields(cls)])
        for name in ("where", "exclude"):
            given[name] = tuple(_list(given.get(name), name))
        given["boosts"] = tuple(_boost(each) for each in _list(given.get("boosts"), "boosts"))
        for name, kind in (("explore", Explore), ("rotation", Rotation)):
            if given.get(name) is not None:
                given[name] = kind.of(given[name])
        return cls(**given)

    def as_dict(self) -> dict[str, Any]:
        """Return what the preset says, as JSON holds it; what it does not say is left out."""
        said = {name: value for name, value in asdict(self).items() if value is not None and value != ()}
        for name in ("where", "exclude"):
            if name in said:
                said[name] = list(said[name])
        if self.boosts:
            said["boosts"] = [{"where": condition, "factor": factor} for condition, factor in self.boosts]
        return said


def checked_fields(record: object, what: str, known: Sequence[str], needed: Sequence[str] = ()) -> dict[str, Any]:
    """Return the fields of a JSON object.

    Args:
        record: it.
        what: it is, for messages.
        known: the fields that it may have.
        needed: those that it must have.

    Raises:
        ParameterError: it is no object, or has an unknown field, or lacks one.
    """
    if not isinstance(record, Mapping):
        raise ParameterError(
            f"{what} is an object with {', '.join(known)}, got {shown(record)}", subject=what, value=record
        )
    for name in record:
        if name not in known:
            raise ParameterError.unknown(f"{what} has no field", name, known, having="there are")
    lacking = [name for name in needed if name not in record]
    if lacking:
        raise ParameterError.of(what, f"needs {' and '.join(lacking)}", value=dict(record))
    return dict(record)


def _list(value: object, what: str) -> Sequence[Any]:
    if value is None:
        return ()
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise ParameterError.outside(what, "a list", value)
    return value


def _boost(record: object) -> tuple[Any, Any]:
    given = checked_fields(record, "a boost", ("where", "factor"), needed=("where", "factor"))
    return given["where"], given["factor"]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
