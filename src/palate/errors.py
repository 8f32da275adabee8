"""The errors Palate raises; each message says what is wrong, where, and how to mend it.

PalateError
├── DataError           faults in the ratings, ids or tables given
├── ParameterError      a parameter outside its type or range
│   └── UnknownParameterError   a name that is no parameter; a TypeError, too
├── UnknownIdError      an id that the model never saw
├── NotFittedError      a model asked for answers before ``fit``
├── DivergenceError     training left the finite numbers
├── ModelFileError      a model file that is damaged, hostile or too new
├── ForkedError         work that a forked process cannot do
├── SourceError         no source of a data set could be reached
├── StoreError          a store that is none, of another schema, or asked for what it has not
│   ├── UnavailableError    the store cannot be read or written now: try again
│   ├── ConflictError       the same id with other content
│   └── NotFoundError       an id that the namespace has not
├── RequestError        a request that the service refuses
├── SparkError          Spark is not there, is not as it must be, or its executors are not
└── MissingExtraError   an optional package is not installed

An error carries fields: a stable ``code`` (docs/errors.md lists them), its subject, the value and the rows at fault.
Its sentence is made of parts, words and remedies, so that Python, the command line and the page each say what to do in
their own way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal, Self

Code = Literal[
    "clicks",
    "columns",
    "conflict",
    "damaged",
    "data",
    "disk",
    "diverged",
    "duplicates",
    "empty",
    "executors",
    "expired",
    "failed",
    "failed_runs",
    "faults",
    "forbidden",
    "forked",
    "format",
    "host",
    "ids",
    "java",
    "locked",
    "media_type",
    "method",
    "missing_extra",
    "model_file",
    "no_history",
    "no_key",
    "not_fitted",
    "not_found",
    "not_offered",
    "not_yours",
    "nothing_to_draw",
    "origin",
    "other_data",
    "overlap",
    "parameter",
    "rate",
    "request",
    "slow",
    "source",
    "spark",
    "split",
    "store",
    "times",
    "token",
    "too_large",
    "unavailable",
    "unknown_id",
    "unknown_name",
    "unknown_parameter",
    "upload",
    "version",
]
WIDE = 60  # characters of a value shown in a message


class Blank(str):
    """A word that stands for what the reader puts in its place: ``rating_range=(LOWEST, HIGHEST)``."""

    __slots__ = ()
    __repr__ = str.__str__


@dataclass(frozen=True)
class Set:
    """A step: give a parameter this value; ``None`` as a column leaves its role out."""

    name: str
    value: Any

    def __str__(self) -> str:
        return f"{self.name}={self.value!r}"


@dataclass(frozen=True)
class Column:
    """A step: give the column of a role its usual name, in the words of Python."""

    role: str
    words: str

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Call:
    """A step: call a function of Python, which other doors do not have."""

    words: str

    def __str__(self) -> str:
        return self.words


Step = Set | Column | Call
Render = Callable[[Step], str | None]  # a step in a door's words, or None where one cannot take it there


class Remedy:
    """A clause that says what to do, of words and steps; a door that cannot take a step leaves the clause out."""

    def __init__(self, *parts: str | Step) -> None:
        self.parts = parts

    def sentence(self, render: Render) -> str:
        """Return the clause as a door says it, empty where it is of no use there."""
        words = [part if isinstance(part, str) else render(part) for part in self.parts]
        return "" if None in words else "".join(map(str, words))

    def __str__(self) -> str:
        return "".join(map(str, self.parts))

    def as_dict(self) -> dict[str, Any]:
        """Return the clause, and the parameters that it sets, as JSON holds them."""
        settings = {part.name: as_json(part.value) for part in self.parts if isinstance(part, Set)}
        return {"text": str(self).strip("\n ,;:."), "set": settings}


def sentence(parts: Iterable[str | Step | Remedy], render: Render) -> str:
    """Return parts as one text, as a door says it."""
    return "".join(
        part.sentence(render)
        if isinstance(part, Remedy)
        else part
        if isinstance(part, str)
        else render(part) or str(part)
        for part in parts
    )


def shown(value: object) -> str:
    """Return a value as a message shows it: its first 60 characters at most."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        text = f"a {type(value).__name__} too long to write"
    return text if len(text) <= WIDE else text[: WIDE - 1] + "…"


def as_json(value: Any, levels: int = 3) -> Any:
    """Return a value as JSON holds it: numbers, texts, lists and objects of these; all else as a message shows it."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()  # a number of NumPy
    if isinstance(value, Mapping) and levels:
        return {str(key): as_json(of, levels - 1) for key, of in value.items()}
    if isinstance(value, list | tuple) and levels:
        return [as_json(of, levels - 1) for of in value]
    if isinstance(value, str):
        return str(value)
    short = value is None or (isinstance(value, int) and abs(value) < 1 << 64)
    return value if short or (isinstance(value, float) and math.isfinite(value)) else shown(value)


class PalateError(Exception):
    """Base of all errors that Palate raises on purpose.

    Args:
        parts: the sentence, in one piece or as words, steps and remedies.
        code: what went wrong, one of `Code`; without it, that of the class.
        subject: what it is about: a parameter, a file, a column, "user" or "item".
        value: what was given.
        rows: the numbers of the first few rows at fault.
    """

    code: Code = "failed"

    def __init__(
        self,
        *parts: str | Step | Remedy,
        code: Code | None = None,
        subject: object = None,
        value: object = None,
        rows: Sequence[int] = (),
    ) -> None:
        super().__init__("".join(map(str, parts)))
        self.parts = parts
        self.code = type(self).code if code is None else code
        self.subject = None if subject is None else str(subject)
        self.value, self.rows = as_json(value), tuple(rows)

    @classmethod
    def of(
        cls,
        subject: object,
        words: str,
        *parts: str | Step | Remedy,
        code: Code | None = None,
        value: object = None,
        rows: Sequence[int] = (),
    ) -> Self:
        """Return an error whose sentence begins with its subject."""
        gap = "" if words.startswith(":") else " "
        return cls(f"{subject}{gap}{words}", *parts, code=code, subject=subject, value=value, rows=rows)

    @classmethod
    def of_disk(cls, doing: str, path: object, error: OSError) -> Self:
        """Return the error for a file that cannot be read or written, with the system's reason."""
        return cls(f"{doing} {path}: {error.strerror or error}", code="disk", subject=path)

    @classmethod
    def unknown(cls, what: str, name: object, known: Iterable[str], *, having: str = "there is") -> Self:
        """Return the error for a name that is not known, with the sentence of `unknown_name`."""
        code: Code = cls.code if cls.code.startswith("unknown") else "unknown_name"
        return cls(unknown_name(what, name, known, having=having), code=code, subject=name)

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """What can be done, each a clause of the sentence."""
        return tuple(part for part in self.parts if isinstance(part, Remedy))

    def sentence(self, render: Render) -> str:
        """Return the sentence as a door says it, without the remedies that one cannot take there."""
        return sentence(self.parts, render)

    def within(
        self, before: str, after: str | Remedy = "", *, kind: type[PalateError] | None = None, subject: object = None
    ) -> PalateError:
        """Return the same error with words around it, of another class, and of this subject where it had none."""
        kind = kind or type(self)
        code = kind.code if self.code == type(self).code else self.code
        error = kind(before, *self.parts, after, code=code, value=self.value, rows=self.rows)
        error.subject = str(subject) if self.subject is None and subject is not None else self.subject
        if isinstance(error, DataError) and isinstance(self, DataError):
            error.faults = self.faults
        return error

    def renamed(self, name: str, as_: str) -> PalateError:
        """Return the same error with its subject, such as a temporary file, under another name."""
        error = copy(self)
        error.parts = tuple(part.replace(name, as_) if isinstance(part, str) else part for part in self.parts)
        error.args = ("".join(map(str, error.parts)),)
        error.subject = None if self.subject is None else self.subject.replace(name, as_)
        return error

    def as_dict(self) -> dict[str, Any]:
        """Return the class, the sentence and the fields as JSON holds them."""
        return {
            "type": type(self).__name__,
            "code": self.code,
            "message": str(self),
            "subject": self.subject,
            "value": self.value,
            "rows": list(self.rows),
            "remedies": [remedy.as_dict() for remedy in self.remedies],
        }


class DataError(PalateError, ValueError):
    """Faults in the data given; lists all of them, with rows.

    Attributes:
        faults: where rows are at fault, what each column has: kind, role, column, what, count, rows, remedy.
    """

    code = "data"
    faults: tuple[dict[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the class, the sentence and the fields as JSON holds them."""
        return {**super().as_dict(), "faults": list(self.faults)}


class ParameterError(PalateError, ValueError):
    """A parameter has a wrong type or lies outside its range."""

    code: Code = "parameter"

    @classmethod
    def outside(cls, name: str, allowed: str, value: object) -> Self:
        """Return the error for a value that is none of those allowed."""
        return cls.of(name, f"must be {allowed}, got {value!r}", value=value)


class UnknownParameterError(ParameterError, TypeError):
    """A name is no parameter of the model; as Python's own error for unknown keywords, a TypeError."""

    code = "unknown_parameter"


class UnknownIdError(PalateError, LookupError):
    """An id is unknown to the model, or of the wrong type; ``subject`` is its side, user or item."""

    code = "unknown_id"

    @property
    def ids(self) -> list[Any]:
        """The ids at fault."""
        return self.value if isinstance(self.value, list) else [self.value]


class NotFittedError(PalateError, AttributeError):
    """The model has not been fitted yet."""

    code = "not_fitted"


class DivergenceError(PalateError, ArithmeticError):
    """Training diverged; the message names epoch and learning rate."""

    code = "diverged"


class ModelFileError(PalateError, ValueError):
    """A model file is refused; the message says which check failed."""

    code = "model_file"


class ForkedError(PalateError, RuntimeError):
    """A process forked from one whose table threads ran cannot do this; the message says what can be done."""

    code = "forked"


class SourceError(PalateError, OSError):
    """No source of a data set answered; names each source and why."""

    code = "source"


class StoreError(PalateError):
    """A store is none, has another schema, or cannot do what is asked; the message says what to do."""

    code: Code = "store"


class UnavailableError(StoreError):
    """The store cannot be read or written now (full disk, lock, lost connection); nothing was written: try again."""

    code = "unavailable"


class ConflictError(StoreError):
    """What is written has the id of something else that is there; the message names it."""

    code = "conflict"


class NotFoundError(StoreError, LookupError):
    """The namespace has nothing of this id."""

    code = "not_found"


class RequestError(PalateError):
    """A request that the service does not take; ``faults`` lists what is wrong where in it.

    Attributes:
        faults: each with ``where`` it stands in the request, and ``what`` is wrong.
        wait: seconds after which it may be sent again, or None.
    """

    code: Code = "request"
    faults: tuple[dict[str, Any], ...] = ()
    wait: float | None = None


class SparkError(PalateError, RuntimeError):
    """Spark is not there, does not answer, or its executors cannot run Palate; the message says what to do."""

    code: Code = "spark"


class MissingExtraError(PalateError, ImportError):
    """An optional dependency is missing; the message has the pip command."""

    code = "missing_extra"


def missing_extra(extra: str, what: str) -> MissingExtraError:
    """Return the error for a feature whose extra is not installed."""
    return MissingExtraError.of(
        what,
        f"needs the extra '{extra}'",
        Remedy(f": pip install 'palate[{extra}]' (in a clone: pip install -e '.[{extra}]')"),
        value=extra,
    )


def nearest(name: object, known: Iterable[str]) -> str | None:
    """Return the known name that one probably meant, whatever its case, or None where none is near."""
    from difflib import get_close_matches

    by_small_letters = {word.lower(): word for word in known}
    near = get_close_matches(str(name).lower(), by_small_letters, 1)
    return by_small_letters[near[0]] if near else None


def unknown_name(what: str, name: object, known: Iterable[str], *, having: str = "there is") -> str:
    """Return the sentence about a name that is not known: "no model 'bays'; did you mean 'bayes'? there is …".

    Args:
        what: what it was taken for, with its verb, such as "no model" or "mf has no parameter".
        name: as it was given.
        known: all names that there are.
        having: what leads to them.
    """
    every = list(known)
    near = nearest(name, every)
    hint = "" if near is None else f"did you mean '{near}'? "
    return f"{what} '{name}'; {hint}{having} {', '.join(every) or 'none'}"
