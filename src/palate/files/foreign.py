"""Readers of NumPy arrays and pickled id maps that others made: nothing in the files is run, nothing huge allocated."""

from __future__ import annotations

import math
import pickletools
import re
import stat
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.ids import Id, Ids
from palate.errors import DataError, ModelFileError
from palate.models.contract.learned import check_finite

MAX_PICKLE = 256 << 20  # bytes; ten million ids need half of it

_NPY_HEADER = re.compile(  # as NumPy writes it; with this much checked, np.load can do no harm
    rb"\{'descr': '(?P<dtype><[fi][48])', 'fortran_order': (?:True|False), "
    rb"'shape': \((?P<shape>(?:N(?:,|(?:, N)+))?)\), \} {0,300}\n".replace(b"N", rb"(?:0|[1-9]\d{0,18})")
)
_ATOMS = {
    *("INT", "LONG", "LONG1", "LONG4", "BININT", "BININT1", "BININT2"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
}
_ADMITTED = {
    *("PROTO", "FRAME", "STOP", "MARK", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", *_ATOMS),
    *("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET"),
}


def size_of(path: Path) -> int:
    """Return the bytes of a file from outside, before anything of it is read; a device or a pipe might never end.

    Raises:
        ModelFileError: no regular file.
        OSError: it is not there.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):  # of a folder the system says it
        raise ModelFileError.of(path.name, "is no regular file")
    return status.st_size


def read_npy(path: Path, n_dimensions: int, kinds: tuple[str, ...] = ("float32", "float64")) -> NDArray[Any]:
    """Return the finite array of a .npy file; ``kinds`` are the dtypes that it may have.

    Raises:
        ModelFileError: not such a file, other numbers or dimensions, truncated, or NaN in it.
        OSError: the file cannot be read.
    """
    whole = size_of(path)
    with path.open("rb") as file:
        start = file.read(10)
        if not start.startswith(b"\x93NUMPY"):
            raise ModelFileError.of(path.name, "is not a NumPy file")
        header = file.read(int.from_bytes(start[8:10], "little")) if start[6:8] == b"\x01\x00" else b""
        size = whole - len(start) - len(header)
    match = _NPY_HEADER.fullmatch(header)
    if match is None or np.dtype(match["dtype"].decode()).name not in kinds:
        raise ModelFileError.of(
            path.name, f"does not hold plain {' or '.join(kinds)} numbers: its header is {header[:80]!r}"
        )
    shape = [int(n) for n in re.findall(rb"\d+", match["shape"])]
    if len(shape) != n_dimensions:
        raise ModelFileError.of(path.name, f"has {len(shape)} dimensions, not {n_dimensions}")
    needed = math.prod(shape) * np.dtype(match["dtype"].decode()).itemsize
    if needed != size:
        raise ModelFileError.of(
            path.name, f"has {size:,} bytes of numbers, its shape {shape} needs {needed:,}: truncated?"
        )
    if max(shape, default=0) >= 2**31:
        raise ModelFileError.of(path.name, f"has the impossible shape {shape}: positions have 31 bits")
    array = np.ascontiguousarray(np.load(path, allow_pickle=False))
    check_finite(path.name, array)
    return array


def read_pickled_ids(path: Path, what: str) -> Ids:
    """Return the ids of a pickled dict {id: index} whose indexes are 0 … n-1.

    Nothing is unpickled: the few operations that write such a dict are followed here, and no dict is built, in which
    numbers chosen to collide would cost minutes.

    Args:
        path: the pickle; it may hold a dict of ints (64 bits) and strings, and no class.
        what: the word for one id in messages.

    Raises:
        ModelFileError: anything else in the pickle, too large, or indexes that are not 0 … n-1.
        OSError: the file cannot be read.
    """
    size = size_of(path)
    if size > MAX_PICKLE:
        raise ModelFileError.of(path.name, f"has {size:,} bytes; at most {MAX_PICKLE:,} are admitted")
    pairs = _pairs_of(path.read_bytes(), path.name)
    return _ids_of(pairs[::2], pairs[1::2], path.name, what)


def _pairs_of(data: bytes, name: str) -> list[Id]:
    """Return the keys and values of a pickled dict, by turns; refuse every operation that writes anything else."""
    texts: list[str] = []
    dicts = _Dict(name)
    stop = -1
    try:
        for operation, argument, position in pickletools.genops(data):
            if operation.name not in _ADMITTED:
                raise ModelFileError(_refusal(name, operation.name, argument, texts, position), subject=name)
            if operation.name.endswith("PUT") and not 0 <= int(argument or 0) <= len(data):
                raise ModelFileError.of(name, f"is not a plain dict of ints and strings: memo slot {argument}")
            if isinstance(argument, str):
                texts = [*texts[-1:], argument]
            if operation.name in _ATOMS:
                dicts.take(argument)
            elif operation.name in _STEPS:
                _STEPS[operation.name](dicts)
            stop = position or 0
    except ModelFileError:
        raise
    except (ValueError, IndexError, OverflowError) as error:
        raise ModelFileError.of(name, f"is not a valid pickle: {error}") from None
    if stop != len(data) - 1:
        raise ModelFileError.of(name, "goes on after the end of its pickle")
    return dicts.pairs


class _Dict:
    """The one dict that a pickle builds: its pairs so far, and what lies on the stack above it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.pairs: list[Id] = []
        self.above: list[Id] = []
        self.is_made = self.is_marked = False

    def take(self, atom: Any) -> None:
        """Put an int or a string on the stack."""
        if type(atom) is int and not -(2**63) <= atom < 2**63:
            raise ModelFileError.of(self.name, ": an id is past 64 bits, or an index")
        self.above.append(atom)

    def make(self) -> None:
        """Begin with an empty dict."""
        self._expect(not self.is_made and not self.is_marked and not self.above)
        self.is_made = True

    def mark(self) -> None:
        """Begin several pairs."""
        self._expect(not self.is_marked and not self.above)
        self.is_marked = True

    def close(self) -> None:
        """Make the dict of what was put down since the mark."""
        self._expect(not self.is_made and self.is_marked)
        self.is_made = True
        self.put_all()

    def put_one(self) -> None:
        """Put one pair into the dict."""
        self._expect(self.is_made and not self.is_marked and len(self.above) == 2)
        self._put()

    def put_all(self) -> None:
        """Put the pairs since the mark into the dict."""
        self._expect(self.is_made and self.is_marked and len(self.above) % 2 == 0)
        self.is_marked = False
        self._put()

    def stop(self) -> None:
        """End with the dict alone."""
        if self.above and not self.is_made and not self.is_marked:
            raise ModelFileError.of(self.name, f"holds a {type(self.above[-1]).__name__}, not a dict from id to index")
        self._expect(self.is_made and not self.is_marked and not self.above)

    def refer(self) -> None:
        """Refuse to repeat what was written before: in a dict from id to index nothing is."""
        self._expect(False)

    def _put(self) -> None:
        self.pairs += self.above
        self.above = []

    def _expect(self, holds: bool) -> None:
        if not holds:
            raise ModelFileError.of(self.name, "is not a valid pickle of a dict from id to index")


_STEPS = {
    "EMPTY_DICT": _Dict.make,
    "MARK": _Dict.mark,
    "DICT": _Dict.close,
    "SETITEM": _Dict.put_one,
    "SETITEMS": _Dict.put_all,
    "STOP": _Dict.stop,
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Dict.refer),
}


def _refusal(name: str, operation: str, argument: Any, texts: list[str], position: int | None) -> str:
    if operation in ("GLOBAL", "INST"):
        what = f"refers to {str(argument).replace(' ', '.')[:80]}"
    elif operation == "STACK_GLOBAL":
        what = f"refers to {'.'.join(texts)[:80]}"
    else:
        what = f"does {operation}"
    return (
        f"{name} {what} (byte {position}); only a dict of ints and strings is admitted. If you trust it, write it anew "
        "from where it was made: {k if isinstance(k, str) else int(k): int(v) for k, v in ids.items()}"
    )


def _ids_of(ids: list[Id], indexes: list[Id], name: str, what: str) -> Ids:
    kinds = set(map(type, ids))
    if len(kinds) > 1 or not kinds <= {int, str}:
        raise ModelFileError.of(name, ": the ids must be all ints or all strings")
    given = np.array(indexes if set(map(type, indexes)) <= {int} else [-1], np.int64)
    place = np.argsort(given, kind="stable")
    if not np.array_equal(given[place], np.arange(len(indexes))):
        raise ModelFileError.of(name, f": the indexes are not 0 to {len(indexes) - 1}, each once")
    return ids_from([ids[k] for k in place], name, what)


def ids_from(values: list[Id], name: str, what: str) -> Ids:
    """Return the ids of a list from a file.

    Raises:
        ModelFileError: an id repeats, is past 64 bits, no Unicode, or neither int nor text; names the file.
    """
    if len(set(map(type, values))) > 1 or not set(map(type, values)) <= {int, str}:
        raise ModelFileError.of(name, ": the ids must be all ints or all strings")
    try:
        return Ids(pl.Series(values, dtype=pl.String if values and isinstance(values[0], str) else pl.Int64), what)
    except DataError as error:
        raise error.within(f"{name}: ", kind=ModelFileError, subject=name) from None
    except (OverflowError, UnicodeEncodeError, TypeError, pl.exceptions.PolarsError):
        raise ModelFileError.of(name, ": an id is past 64 bits, or no Unicode text") from None
