"""Parameters of models, each declared once: type, range, default, what a search may try, and meaning.

    reg: Annotated[float, Above(0), Range(0.02, 20, log=True), "L2 penalty of the factors."] = 1.4

A model class is a dataclass of such lines (`palate.models.contract.learner`); its constructor, `check_parameters`,
`get_params`, the command line's --set, `palate models`, the search space and the Args of its docstring come from them.
Of two notes of a kind the last one counts, so that an alias such as `NFactors` can be given another range.
"""

from __future__ import annotations

import inspect
import math
import sys
import textwrap
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from palate.errors import ParameterError
from palate.models.search import Choice, Range

LARGEST_WHOLE = 2**63 - 1  # what a model file, and NumPy, can hold
LARGEST_FLOAT = sys.float_info.max
DOC_WIDTH = 116

T = TypeVar("T")


def check_whole(name: str, value: Any, *, low: int, high: int | None = None) -> None:
    """Refuse what is not a whole number from low to high, or that no 64 bits hold.

    Raises:
        ParameterError: names the parameter, the value and the range.
    """
    good = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if good and high is None and value > LARGEST_WHOLE:
        high = LARGEST_WHOLE
    if not good or value < low or (high is not None and value > high):
        to = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise ParameterError.outside(name, f"a whole number {to}", value)


def check_number(name: str, value: Any, *, low: float, high: float = math.inf, open_low: bool = False) -> None:
    """Refuse what is not a finite number from low to high.

    Raises:
        ParameterError: names the parameter, the value and the range.
    """
    good = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not good or not low <= value <= high or abs(plain_value(value)) > LARGEST_FLOAT or (open_low and value == low):
        above = f"above {low:g}" if open_low else f"of at least {low:g}"
        to = "" if high == math.inf else f" and at most {high:g}"
        raise ParameterError.outside(name, f"a number {above}{to}", value)


def check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    """Refuse what is none of the choices.

    Raises:
        ParameterError: names the parameter, the value and the choices.
    """
    if not any(value is choice or (type(value) is type(choice) and value == choice) for choice in choices):
        raise ParameterError.outside(name, f"{' or '.join(map(repr, choices))}", value)


def plain_value(value: Any) -> Any:
    """Return a number of NumPy as Python's own, and anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def draw_seed(random_state: int | np.random.Generator | None) -> int:
    """Return a seed: the int given, or one below 2**31 drawn from the Generator or from the system.

    Raises:
        ParameterError: random_state is none of the three, negative, or beyond 64 bits.
    """
    check_random_state(random_state)
    if random_state is None or isinstance(random_state, np.random.Generator):
        return int(np.random.default_rng(random_state).integers(2**31))
    return int(random_state)


def check_random_state(random_state: Any) -> None:
    """Refuse what is neither None, a Generator, nor a whole number from 0 to 2**63 - 1.

    Raises:
        ParameterError: names the value.
    """
    if random_state is not None and not isinstance(random_state, np.random.Generator):
        check_whole("random_state", random_state, low=0)


@dataclass(frozen=True)
class AtLeast:
    """Numbers of at least ``low`` and, where it is given, at most ``at_most``."""

    low: float
    at_most: float | None = None


class Above(AtLeast):
    """Numbers above ``low``, which is left out itself."""


@dataclass(frozen=True)
class Checked:
    """Values that a function of ones own does not refuse."""

    refuse: Callable[[Any], object]


@dataclass(frozen=True)
class Before:
    """What files that are older than the parameter have learned with."""

    value: Any


@dataclass(frozen=True)
class Parameter:
    """One constructor parameter, as its declaration tells it.

    Attributes:
        name, default: as in the constructor.
        type: of its values, such as ``int | None``.
        meaning: in words.
        limits: of its numbers, or None.
        refuse: a function that refuses wrong values, in place of type and limits, or None.
        search: what a search may try, or None.
        before: what files older than the parameter have, or None where there are none.
    """

    name: str
    default: Any
    type: Any
    meaning: str
    limits: AtLeast | None = None
    refuse: Callable[[Any], object] | None = None
    search: Range | Choice | None = None
    before: Before | None = None

    @classmethod
    def of(cls, name: str, default: Any, declaration: Any) -> Parameter:
        """Return the parameter that an annotation declares.

        Raises:
            ParameterError: the declaration has no meaning, or nothing that its values can be checked by.
        """
        kind, *notes = get_args(declaration) if get_origin(declaration) is Annotated else (declaration,)
        meaning, limits, checked = _last(notes, str), _last(notes, AtLeast), _last(notes, Checked)
        search: Range | Choice | None = _last(notes, Range) or _last(notes, Choice)
        search = search and searched_as(kind, search)
        refuse, before = checked.refuse if checked else None, _last(notes, Before)
        made = cls(name, default, kind, meaning or "", limits, refuse, search, before)
        if not meaning or not (checked or made._kind is bool or get_origin(made._kind) is Literal or limits):
            raise ParameterError.of(
                name,
                "must be declared with limits and a meaning, such as Annotated[int, AtLeast(1), 'how many.'], "
                "or as ClassVar where it is no parameter",
            )
        return made

    @property
    def takes(self) -> str:
        """Return the type with its limits, for example ``number above 0 or none``."""
        words = self.type_name
        if self.limits is not None:
            low, high = self.limits.low, self.limits.at_most
            limits = f"{'above' if isinstance(self.limits, Above) else 'of at least'} {low:g}"
            limits += "" if high is None else f" and at most {high:g}"
            words = words.replace("number", f"number {limits}", 1)
        return words

    @property
    def _kind(self) -> Any:
        """The type of values that are not None."""
        return next((kind for kind in _alternatives(self.type) if kind is not type(None)), None)

    def check(self, value: Any) -> None:
        """Refuse what is not of the type or outside the limits.

        Raises:
            ParameterError: names the parameter, the value and what it takes.
        """
        kind = self._kind
        if self.refuse is not None:
            self.refuse(value)
        elif value is None and type(None) in _alternatives(self.type):
            return
        elif kind is bool:
            check_choice(self.name, value, (False, True))
        elif get_origin(kind) is Literal:
            check_choice(self.name, value, get_args(kind))
        elif self.limits is not None:
            self._check_limits(kind, value, self.limits)

    def _check_limits(self, kind: Any, value: Any, limits: AtLeast) -> None:
        if kind is int:
            high = None if limits.at_most is None else int(limits.at_most)
            check_whole(self.name, value, low=int(limits.low), high=high)
        else:
            high_number = math.inf if limits.at_most is None else limits.at_most
            check_number(self.name, value, low=limits.low, high=high_number, open_low=isinstance(limits, Above))

    @property
    def type_name(self) -> str:
        """Return the type as people write it, for example ``int or none``."""
        return " or ".join(_type_word(t) for t in _alternatives(self.type))

    def parse(self, text: str) -> Any:
        """Return the value that a text stands for.

        Raises:
            ParameterError: the text is no value of this parameter's type.
        """
        for kind in _alternatives(self.type):
            value = _parse_as(kind, text.strip())
            if value is not _NO_VALUE:
                return value
        raise ParameterError.of(self.name, f"takes {self.type_name}, got '{text}'", value=text)


def declared_by(cls: type) -> dict[str, Parameter]:
    """Return the parameters that the fields of a dataclass declare; those of its bases are taken as they are.

    Raises:
        ParameterError: as `Parameter.of`.
    """
    known: dict[str, Parameter] = {}
    for base in reversed(cls.__mro__[1:]):
        known |= vars(base).get("declarations", {})
    own, names = inspect.get_annotations(cls), vars(sys.modules[cls.__module__])
    for field in fields(cls):
        if field.init and field.name in own:
            holder: Any = types.SimpleNamespace(__annotations__={field.name: own[field.name]})
            hint = get_type_hints(holder, names, include_extras=True)[field.name]
            known[field.name] = Parameter.of(field.name, field.default, hint)
    ordered = sorted((field for field in fields(cls) if field.init), key=lambda field: bool(field.kw_only))
    return {field.name: known[field.name] for field in ordered}


def searched_as(kind: Any, space: Range | Choice) -> Range | Choice:
    """Return what a search may try for a parameter of a type: whole numbers where it is one."""
    return replace(space, whole=True) if isinstance(space, Range) and int in _alternatives(kind) else space


def search_space_of(declarations: Mapping[str, Parameter]) -> dict[str, Range | Choice]:
    """Return {name: what a search may try}, numbers first and then choices."""
    spaces = {name: declared.search for name, declared in declarations.items() if declared.search is not None}
    return dict(sorted(spaces.items(), key=lambda pair: isinstance(pair[1], Choice)))


def with_arguments(doc: str, parameters: Iterable[Parameter]) -> str:
    """Return the docstring of a class with the meaning of its parameters, before its attributes."""
    lines = [f"    {parameter.name} ({parameter.takes}): {parameter.meaning}" for parameter in parameters]
    wrapped = [textwrap.fill(line, DOC_WIDTH, subsequent_indent=" " * 8, break_on_hyphens=False) for line in lines]
    text, attributes, rest = inspect.cleandoc(doc).partition("\nAttributes:\n")
    section = ["Args:", *wrapped] if wrapped else []
    return "\n".join([*text.rstrip().splitlines(), "", *section, *(["", "Attributes:", rest] if attributes else [])])


_NO_VALUE = object()


def _alternatives(kind: Any) -> list[Any]:
    """Return the types that a person can type, the narrow ones first."""
    parts = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    known = [p for p in parts if p in (int, float, bool, str, type(None)) or get_origin(p) is Literal]
    return sorted(known, key=lambda p: p is str)  # any words are a text: it comes last


def _type_word(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    words = {int: "whole number", float: "number", bool: "true or false", str: "text", type(None): "none"}
    return words[kind]


def _parse_as(kind: Any, text: str) -> Any:
    if get_origin(kind) is Literal:
        return next((choice for choice in get_args(kind) if str(choice) == text), _NO_VALUE)
    if kind is type(None):
        return None if text.lower() == "none" else _NO_VALUE
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), _NO_VALUE)
    try:
        return kind(text)
    except ValueError:
        return _NO_VALUE


def _last(notes: Sequence[Any], kind: type[T]) -> T | None:
    return next((note for note in reversed(notes) if isinstance(note, kind)), None)
