"""What a model has learned: one frozen dataclass, whose fields say what a file of it holds, and how it is checked.

A field is an array, ``Annotated[Array, Shape("n_users", "n_factors")]``; a plain number, text or truth value; a value
with a `Check`; or another such dataclass, whose fields count as its own. In files, and as attributes of the model,
their names end in ``_``. A field ``Annotated[tuple[Any, ...], FITTED]`` holds fitted models, of which a file holds
states of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Generic,
    Never,
    Self,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

import numpy as np

from palate.data.features import is_encoding
from palate.errors import ModelFileError, NotFittedError
from palate.sparse import Array as Array

if TYPE_CHECKING:
    from palate.models.contract.learner import Learner

T = TypeVar("T")

LARGEST = 1e15  # a million products of two such numbers stay finite in float32
LARGEST_SQUARE = 1e34  # of what goes with the square of a rating or its inverse: no score is a product of two
FLOATS = ("float32", "float64")


class Shape:
    """What an array is in a file: its axes in words, of one size wherever a word stands.

    Args:
        axes: such as "n_users", "n_factors".
        dtypes: by name.
        largest: the largest size that a number may have.
        may_lack: whether files may be older than it; theirs is empty.
    """

    def __init__(
        self, *axes: str, dtypes: tuple[str, ...] = FLOATS, largest: float = LARGEST, may_lack: bool = False
    ) -> None:
        self.axes, self.dtypes, self.largest, self.may_lack = axes, dtypes, largest, may_lack

    def check(self, name: str, array: Array) -> None:
        """Refuse another dtype, and numbers with which scores would not be finite.

        Raises:
            ModelFileError: names the array.
        """
        if array.dtype.name not in self.dtypes:
            raise ModelFileError.of(name, f"holds {array.dtype}, not {' or '.join(self.dtypes)}")
        check_finite(name, array)
        if array.dtype.kind == "f" and array.size and max(-array.min(), array.max()) > self.largest:
            raise ModelFileError.of(name, f"holds a number beyond {self.largest:g}, with which scores would overflow")

    def match(self, name: str, array: Array, sizes: dict[str, int]) -> None:
        """Refuse an array whose axes have other sizes than those known by their words; note the new ones.

        Raises:
            ModelFileError: names the array, its shape and the one it must have.
        """
        shape = tuple(sizes.setdefault(word, size) for word, size in zip(self.axes, array.shape, strict=False))
        if array.shape != shape or array.ndim != len(self.axes):
            raise ModelFileError.of(name, f"has shape {array.shape}, but {' x '.join(self.axes)} is {shape}")


@dataclass(frozen=True)
class Check:
    """What a value that JSON holds must be.

    Attributes:
        holds: whether it is.
        form: what it must be, in words.
    """

    holds: Callable[[Any], bool]
    form: str

    def check(self, name: str, value: Any) -> None:
        """Refuse any other value.

        Raises:
            ModelFileError: names the value, and what it must be.
        """
        if not self.holds(value):
            raise ModelFileError.of(name, f"must be {self.form}")


@dataclass(frozen=True)
class Used:
    """A setting as it was used, where the parameter of the same name may be None: `reg: Annotated[float, Used()]`.

    Files that are older than the field have the parameter itself, a number.

    Attributes:
        otherwise: of files whose parameter is None or lacking, too; None refuses them.
        as_of: the name of a parameter that has it there.
    """

    otherwise: Any = None
    as_of: str = ""


class Fitted:
    """The mark of a field that holds fitted models."""


FITTED = Fitted()


def check_finite(name: str, array: Array) -> None:
    """Refuse NaN and infinite numbers.

    Raises:
        ModelFileError: names the array.
    """
    with np.errstate(invalid="ignore"):
        finite = not array.size or (np.isfinite(array.min()) and np.isfinite(array.max()))  # NaN passes through both
    if not finite:
        raise ModelFileError.of(name, "holds NaN or an infinite number")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _is_score(value: Any) -> bool:
    return _is_number(value) and abs(value) <= LARGEST


def _is_range(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)) and value[0] <= value[1]


def _is_history(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(record, dict) and all(map(_is_number, record.values())) for record in value
    )


def _is_levels(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_score, value)) and value == sorted(set(value))


def _is_variances(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_number(v) and 0 <= v <= LARGEST_SQUARE for v in value.values())


def _is_encoding(value: Any) -> bool:
    return isinstance(value, list) and all(map(is_encoding, value))


PLAIN = {
    float: Check(_is_score, f"a number within {LARGEST:g}"),
    int: Check(lambda value: type(value) is int and value >= 0, "a whole number"),
    str: Check(lambda value: isinstance(value, str), "text"),
    bool: Check(lambda value: isinstance(value, bool), "true or false"),
}
RATING_RANGE = Check(_is_range, "two numbers, the lowest first")

NotNegative = Annotated[float, Check(lambda v: _is_score(v) and v >= 0, "a number of at least 0")]
History = Annotated[list[dict[str, float]], Check(_is_history, "a list of records of numbers")]
Levels = Annotated[list[float], Check(_is_levels, "numbers, ascending")]
Variances = Annotated[dict[str, float], Check(_is_variances, "numbers of at least 0 by name")]
StoredEncoding = Annotated[
    list[Mapping[str, Any]], Check(_is_encoding, "a list of columns and how they became numbers")
]


@dataclass(frozen=True, eq=False)
class Learned:
    """Base of what a model has learned; a subclass is a frozen dataclass, too.

    Attributes:
        ARRAYS, SCALARS: what files hold of it, by name.
        USED: those scalars that tell what a parameter was when it was used.
    """

    ARRAYS: ClassVar[Mapping[str, Shape]] = {}
    SCALARS: ClassVar[Mapping[str, Check]] = {}
    USED: ClassVar[Mapping[str, Used]] = {}
    _paths: ClassVar[Mapping[str, str]] = {}  # by name in files, where its value stands
    _parts: ClassVar[Mapping[str, type[Learned]]] = {}

    def __init_subclass__(cls) -> None:
        """Find what files hold of each field.

        Raises:
            TypeError: files know nothing of a field.
        """
        super().__init_subclass__()
        arrays: dict[str, Shape] = {}
        scalars: dict[str, Check] = {}
        used: dict[str, Used] = {}
        paths: dict[str, str] = {}
        parts: dict[str, type[Learned]] = {}
        for name, hint in get_type_hints(cls, include_extras=True).items():
            if isinstance(hint, type) and issubclass(hint, Learned):
                parts[name] = hint
                arrays |= hint.ARRAYS
                scalars |= hint.SCALARS
                used |= hint.USED
                paths |= {of: f"{name}.{path}" for of, path in hint._paths.items()}
            elif FITTED in get_args(hint)[1:]:
                continue
            elif get_origin(hint) is not ClassVar:
                paths[f"{name}_"] = name
                spec = _spec_of(f"{cls.__name__}.{name}", hint)
                if isinstance(spec, Shape):
                    arrays[f"{name}_"] = spec
                else:
                    scalars[f"{name}_"] = spec
                used |= {f"{name}_": note for note in get_args(hint)[1:] if isinstance(note, Used)}
        cls.ARRAYS, cls.SCALARS, cls.USED, cls._paths, cls._parts = arrays, scalars, used, paths, parts

    def read(self, name: str) -> Any:
        """Return a value by its name in files.

        Raises:
            KeyError: there is none of this name.
        """
        return attrgetter(self._paths[name])(self)

    def values(self) -> dict[str, Any]:
        """Return all values by their names in files."""
        return {name: self.read(name) for name in self._paths}

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Self:
        """Return what `values` gave."""
        return cls(
            **{
                field.name: cls._parts[field.name].from_values(values)
                if field.name in cls._parts
                else values[f"{field.name}_"]
                for field in fields(cls)
            }
        )


def _spec_of(name: str, hint: Any) -> Shape | Check:
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    for spec in (*get_args(hint)[1:], PLAIN.get(plain)):
        if isinstance(spec, Shape | Check):
            return spec
    raise TypeError(
        f"{name}: files hold no {hint}; annotate it with a Shape or a Check, or take a number, text or a truth value"
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Course(Learned):
    """The course of a training that chance and epochs play a part in.

    Attributes:
        history: one record an epoch.
        best_epoch: the epoch whose state was kept.
        epoch_chosen_on: "validation" or "none".
        interrupted: whether Ctrl-C ended it.
        seed: the seed used.
    """

    history: History
    best_epoch: int
    epoch_chosen_on: str = "none"
    interrupted: bool
    seed: int


L = TypeVar("L", bound=Learned, covariant=True)


class Learns(Generic[L]):
    """The attribute of a model that holds what it has learned: NotFittedError before ``fit``.

    Attributes:
        kind: of what type it is.
    """

    def __init__(self, kind: type[L]) -> None:
        self.kind = kind

    @overload
    def __get__(self, model: None, owner: type) -> Self: ...

    @overload
    def __get__(self, model: Learner, owner: type) -> L: ...

    def __get__(self, model: Learner | None, owner: type) -> Self | L:
        """Return what the model has learned."""
        learned: L | Self = self if model is None else _stored(model, "learned_")
        return learned

    def __set__(self, model: Learner, learned: Learned) -> None:
        """Take what was learned."""
        vars(model)["learned_"] = learned


class Attribute(Generic[T]):
    """A public attribute of a fitted model: a value of what it has learned, by its name; NotFittedError before ``fit``.

    Args:
        otherwise: makes the value of models that learn none of this name.
    """

    part: ClassVar[str] = "learned_"

    def __init__(self, otherwise: Callable[[], T] | None = None) -> None:
        self.otherwise = otherwise

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, model: None, owner: type) -> Self: ...

    @overload
    def __get__(self, model: Learner, owner: type) -> T: ...

    def __get__(self, model: Learner | None, owner: type) -> Self | T:
        """Return the value."""
        if model is None:
            return self
        source = _stored(model, self.part)
        if self.otherwise is not None and self.name not in source._paths:
            return self.otherwise()
        value: T = source.read(self.name)
        return value

    def __set__(self, model: Learner, value: Never) -> Never:
        """Refuse: what was learned stays as it is.

        Raises:
            AttributeError: always.
        """
        raise AttributeError(f"{self.name} is what {type(model).__name__} has learned, and cannot be set")


class OfTraining(Attribute[T]):
    """A public attribute of a fitted model: what it keeps of its training part."""

    part = "known_"


def _stored(model: Learner, part: str) -> Any:
    if part not in vars(model):
        raise NotFittedError.of(f"this {type(model).__name__}", "is not fitted yet: call fit(interactions) first")
    return vars(model)[part]
