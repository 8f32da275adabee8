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
└── MissingExtraError   an optional package is not installed
"""

from __future__ import annotations

from collections.abc import Iterable


class PalateError(Exception):
    """Base of all errors that Palate raises on purpose."""


class DataError(PalateError, ValueError):
    """Faults in the data given; lists all of them, with rows."""


class ParameterError(PalateError, ValueError):
    """A parameter has a wrong type or lies outside its range."""


class UnknownParameterError(ParameterError, TypeError):
    """A name is no parameter of the model; as Python's own error for unknown keywords, a TypeError."""


class UnknownIdError(PalateError, LookupError):
    """An id is unknown to the model, or of the wrong type."""


class NotFittedError(PalateError, AttributeError):
    """The model has not been fitted yet."""


class DivergenceError(PalateError, ArithmeticError):
    """Training diverged; the message names epoch and learning rate."""


class ModelFileError(PalateError, ValueError):
    """A model file is refused; the message says which check failed."""


class ForkedError(PalateError, RuntimeError):
    """A process forked from one whose table threads ran cannot do this; the message says what can be done."""


class SourceError(PalateError, OSError):
    """No source of a data set answered; names each source and why."""


class MissingExtraError(PalateError, ImportError):
    """An optional dependency is missing; the message has the pip command."""


def missing_extra(extra: str, what: str) -> MissingExtraError:
    """Return the error for a feature whose extra is not installed."""
    return MissingExtraError(
        f"{what} needs the extra '{extra}': pip install 'palate[{extra}]' (in a clone: pip install -e '.[{extra}]')"
    )


def nearest(name: object, known: Iterable[str]) -> str | None:
    """Return the known name that one probably meant, whatever its case, or None where none is near."""
    from difflib import get_close_matches

    of = {one.lower(): one for one in known}
    found = get_close_matches(str(name).lower(), of, 1)
    return of[found[0]] if found else None


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
