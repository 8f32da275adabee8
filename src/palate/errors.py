"""The errors Palate raises; each message says what is wrong, where, and how to mend it.

PalateError
├── DataError           faults in the ratings, ids or tables given
├── ParameterError      a parameter outside its type or range
├── UnknownIdError      an id that the model never saw
├── NotFittedError      a model asked for answers before ``fit``
├── DivergenceError     training left the finite numbers
├── ModelFileError      a model file that is damaged, hostile or too new
├── ForkedError         work that a forked process cannot do
├── SourceError         no source of a data set could be reached
└── MissingExtraError   an optional package is not installed
"""


class PalateError(Exception):
    """Base of all errors that Palate raises on purpose."""


class DataError(PalateError, ValueError):
    """Faults in the data given; lists all of them, with rows."""


class ParameterError(PalateError, ValueError):
    """A parameter has a wrong type or lies outside its range."""


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
