"""Caller's ids and their positions: ``id`` is the caller's, ``index`` is a position, and the words are never mixed."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any, Literal, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.texts import Texts
from palate.errors import DataError, Remedy, Set, UnknownIdError, shown
from palate.parallel import once

Id = int | str
BLOCK = 1 << 20  # rows handled at once
FEW = 64  # ids sought one by one
READ_AS_TEXT = Remedy("; read both with ", Set("ids", "text"))


class Ids:
    """A frozen two-way map between ids (all integers, or all text) and positions 0 … n-1.

    Args:
        values: the ids in position order, without repetition.
        what: the word for one of them in messages, for example ``"user"``.

    Raises:
        DataError: an id is missing, repeated, or neither an integer nor text.
    """

    def __init__(self, values: pl.Series | NDArray[np.int64] | Texts | Iterable[Id], what: str = "id") -> None:
        self.what = what
        self._order: NDArray[np.int32] | None = None  # positions in the order of the ids, where that lies in a file
        if isinstance(values, np.ndarray) and values.dtype == np.int64:
            self._ids: pl.Series | NDArray[np.int64] | Texts = values
        elif isinstance(values, Texts):
            self._ids = values if values.ascending() else values.to_series()
        else:
            series = values if isinstance(values, pl.Series) else _series_of(_listed(values, what), what)
            self._ids = _checked(series, what)
        if not _all_differ(self._ids):
            raise DataError.of(what, "ids repeat: each may stand once", code="duplicates")

    @classmethod
    def from_column(cls, column: pl.Series, what: str) -> tuple[Ids, NDArray[np.int32]]:
        """Return the sorted distinct ids of a checked column, and each row's position among them."""
        distinct, index = (_integer_positions if column.dtype == pl.Int64 else _text_positions)(column)
        return cls(distinct, what), index

    @classmethod
    def mapped(
        cls, ids: NDArray[np.int64] | Texts, what: str, *, order: NDArray[np.int32] | None, column: pl.Series | None
    ) -> Ids:
        """Return ids that lie in a file, were checked before, and are never copied.

        Args:
            ids: integers or texts.
            what: the word for one of them.
            order: their positions in ascending order; None where they ascend.
            column: the same ids as a column that lies in a file, too; None where nobody asks for all of them.
        """
        made = cls.__new__(cls)
        made.what, made._ids, made._order = what, ids, order
        vars(made)["_ascending"] = order is None
        if column is not None:
            vars(made)["values"] = column
        return made

    @property
    def kind(self) -> Literal["integer", "text"]:
        """Which type every id here has."""
        return "integer" if isinstance(self._ids, np.ndarray) else "text"

    @property
    def dtype(self) -> pl.DataType:
        """The type of a column of such ids."""
        return pl.Int64() if self.kind == "integer" else pl.String()

    @once
    def values(self) -> pl.Series:
        """All ids in position order, Int64 or String; integers are copied at first use."""
        ids = self._ids
        return pl.Series(ids) if isinstance(ids, np.ndarray) else ids.to_series() if isinstance(ids, Texts) else ids

    def at(self, index: NDArray[Any]) -> pl.Series:
        """Return the ids at these positions; without Polars' threads, which ``gather`` would start."""
        ids, index = self._ids, np.asarray(index)
        if isinstance(ids, Texts):
            return ids.at(index.tolist())
        return pl.Series(ids[index]) if isinstance(ids, np.ndarray) else ids[index]

    def sorted_positions(self) -> NDArray[np.int32]:
        """Return the positions in the order of their ids."""
        if self._order is not None:
            return self._order
        if self._ascending:
            return np.arange(len(self), dtype=np.int32)
        if isinstance(self._ids, np.ndarray):
            return np.argsort(self._ids, kind="stable").astype(np.int32)
        texts = self.values.to_list()
        return np.array(sorted(range(len(texts)), key=texts.__getitem__), np.int32)

    def joined(self, others: Ids | None) -> Ids:
        """Return these ids with those of ``others`` that are missing here behind them; these where there is none.

        Raises:
            DataError: the others are of another type.
        """
        if others is None:
            return self
        if others.kind != self.kind:
            raise DataError.of(
                f"the {self.what} features' ids", f"are {others.kind}, those of the ratings {self.kind}", code="ids"
            )
        new = others.values.filter(pl.Series(self.index(others.values, on_unknown="mark") < 0))
        return Ids(pl.concat([self.values, new]), self.what) if len(new) else self

    def index(self, ids: Iterable[Id] | pl.Series | Id, *, on_unknown: str = "raise") -> NDArray[np.int32]:
        """Return the position of each id; with ``on_unknown="mark"``, -1 where an id is unknown.

        Raises:
            UnknownIdError: an id is unknown, or of the other type than the ids here.
        """
        if isinstance(ids, bytes | bytearray | memoryview):
            self._check_type(ids)  # as a list it would be integers
        if isinstance(ids, pl.Series):
            wanted = ids.to_list()
        else:
            wanted = [ids] if isinstance(ids, int | str | np.integer) else list(ids)
        usual = str if self.kind == "text" else int  # the type that needs no closer look
        for given in wanted:
            if type(given) is not usual:
                self._check_type(given)
        positions = self._positions(wanted)
        if on_unknown == "raise" and (positions < 0).any():
            raise self._unknown([w for w, f in zip(wanted, positions, strict=True) if f < 0])
        return positions

    def _positions(self, wanted: list[Any]) -> NDArray[np.int32]:
        """Return where these ids, of the right type, stand, -1 for an unknown one.

        Ids in a file, and ascending ones, are sought by halving: integers all at once, texts one by one where they are
        few. Else a dictionary is made: a model that serves one user after the other holds none.
        """
        ids = self._ids
        if isinstance(ids, np.ndarray) and (self._ascending or self._order is not None):
            return _places(ids, wanted, self._order)
        if isinstance(ids, Texts) and (len(wanted) > FEW or self._order is not None):
            return _places_of_texts(ids, wanted, self._order)
        if self._ascending and len(wanted) <= FEW:
            places = [bisect_left(ids, given) for given in wanted]
            good = (p if p < len(ids) and ids[p] == given else -1 for p, given in zip(places, wanted, strict=True))
            return np.fromiter(good, np.int32, len(wanted))
        return np.fromiter((self._lookup.get(given, -1) for given in wanted), np.int32, len(wanted))

    def parse(self, text: str) -> Id:
        """Return the id that a person typed as text.

        Raises:
            UnknownIdError: the ids here are integers and the text is not one, or one of more than 64 bits.
        """
        if self.kind == "text":
            return text
        digits = re.fullmatch(r"[+-]?0*([0-9]*[0-9])", text.strip())
        if digits is None:
            raise UnknownIdError.of(self.what, f"ids are integers here, {self._range()}; got {shown(text)}", value=text)
        if len(digits[1]) > 19:  # digits of 2**63
            raise self._unknown([text])
        return int(text)

    @once
    def _ascending(self) -> bool:
        ids = self._ids
        if isinstance(ids, Texts):
            return True
        return bool((ids[1:] > ids[:-1]).all()) if isinstance(ids, np.ndarray) else ids.is_sorted()

    @once
    def _lookup(self) -> dict[Id, int]:
        return {given: position for position, given in enumerate(self.values.to_list())}

    def _check_type(self, given: object) -> None:
        good = isinstance(given, str) if self.kind == "text" else isinstance(given, int | np.integer)
        if not good or isinstance(given, bool):
            wanted = "text" if self.kind == "text" else "integers"
            words = f"ids are {wanted} here; got {shown(given)} of type {type(given).__name__}"
            raise UnknownIdError.of(self.what, words, value=given)

    def _unknown(self, unknown: list[Id]) -> UnknownIdError:
        first = ", ".join(map(shown, unknown[:5])) + (", …" if len(unknown) > 5 else "")
        s = "s" if len(unknown) > 1 else ""
        words = f"unknown {self.what} id{s} {first}; known are {len(self)} {self.what}s, {self._range()}"
        return UnknownIdError(words, subject=self.what, value=unknown)

    def _range(self) -> str:
        if not len(self):
            return "none"
        if isinstance(self._ids, np.ndarray):
            return f"from {int(self._ids.min())} to {int(self._ids.max())}"
        return "such as " + ", ".join(map(shown, self.at(np.arange(min(3, len(self))))))

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, given: object) -> bool:
        return type(given) is (str if self.kind == "text" else int) and bool(self._positions([given])[0] >= 0)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ids) or self.kind != other.kind or len(self) != len(other):
            return False
        if self.kind == "text":
            return self.values.equals(other.values)
        return bool(np.array_equal(self._ids, other._ids))  # type: ignore[arg-type]

    def __hash__(self) -> int:
        return hash((len(self), self.kind))

    def __repr__(self) -> str:
        return f"Ids({len(self)} {self.what}s, {self.kind}, {self._range()})"


def _checked(series: pl.Series, what: str) -> pl.Series | NDArray[np.int64]:
    """Return a column of ids as they are held: integers as an array.

    Raises:
        DataError: an id is missing, or neither an integer of 64 bits nor text.
    """
    if series.dtype.is_integer():
        series = series.cast(pl.Int64, strict=False)  # beyond 64 bits: null, refused below
    if series.dtype not in (pl.Int64, pl.String) or series.null_count():
        wrong = f"ids must be all integers or all text, none missing; got {series.dtype}"
        raise DataError.of(what, wrong, code="ids", value=series.dtype)
    return series if series.dtype == pl.String else series.to_numpy()


def _places(ids: NDArray[np.int64], wanted: list[Any], order: NDArray[np.int32] | None = None) -> NDArray[np.int32]:
    """Return where each integer stands among ids, which ascend or do in an order, -1 for one that does not."""
    try:
        sought = np.array(wanted, np.int64)
    except OverflowError:
        fits = np.array([-(2**63) <= given < 2**63 for given in wanted])
        at = _places(ids, [given if fit else 0 for given, fit in zip(wanted, fits, strict=True)], order)
        at[~fits] = -1
        return at
    places: NDArray[Any] = np.searchsorted(ids, sought, sorter=order)
    places[places == len(ids)] = 0
    if order is not None and len(ids):
        places = order[places]
    return np.where(ids[places] == sought if len(ids) else False, places, -1).astype(np.int32)


def _places_of_texts(ids: Texts, wanted: list[str], order: NDArray[np.int32] | None) -> NDArray[np.int32]:
    """Return where each text stands among ids, -1 for one that does not."""
    from palate.kernels import given, texts  # Numba is slow to import, and reading does without it

    sought = [text.encode("utf-8", "surrogatepass") for text in wanted]  # half a pair is no id, and no error
    offsets = np.cumsum([0, *map(len, sought)], dtype=np.int64)
    order = np.empty(0, np.int32) if order is None else order
    text, starts, order = given(ids.text, ids.offsets, order)
    wanted_text, wanted_starts = given(np.frombuffer(b"".join(sought), np.uint8), offsets)
    out = np.empty(len(sought), np.int32)
    texts.find(text, starts, order, wanted_text, wanted_starts, out)
    return out


def _all_differ(ids: pl.Series | NDArray[np.int64] | Texts) -> bool:
    """Return whether no id repeats; without Polars' threads, which a forked process may lack."""
    if isinstance(ids, Texts):
        return True  # they ascend
    if isinstance(ids, pl.Series):
        return ids.n_unique() == len(ids)
    return bool((ids[1:] > ids[:-1]).all()) or len(np.unique(ids)) == len(ids)


def _listed(values: Iterable[Id], what: str) -> list[Id]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise DataError.of(
            what, f"ids are given as a list or a column, one for each; got {shown(values)}", code="ids", value=values
        )
    return list(values)


def _series_of(values: list[Id], what: str) -> pl.Series:
    try:
        if any(isinstance(value, bool) for value in values):
            raise TypeError("true and false are no ids")
        dtype = pl.String if values and isinstance(values[0], str) else pl.Int64
        return pl.Series(values, dtype=dtype, strict=True)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        why = str(error).split("\n", 1)[0][:120]
        raise DataError.of(what, f"ids must be all integers (64 bit) or all text: {why}", code="ids") from None


def _text_positions(column: pl.Series) -> tuple[pl.Series, NDArray[np.int32]]:
    """Return the sorted distinct texts and each one's place among them; by blocks, as for integers."""
    blocks = [slice(start, start + BLOCK) for start in range(0, len(column), BLOCK)]
    distinct = pl.concat([column[:0], *(column[block].unique() for block in blocks)]).unique().sort()
    table = pl.DataFrame({"id": distinct, "index": np.arange(len(distinct), dtype=np.int32)})
    index = np.empty(len(column), np.int32)
    for block in blocks:
        rows = column[block].alias("id").to_frame()
        index[block] = rows.join(table, on="id", how="left", maintain_order="left")["index"].to_numpy()
    return distinct, index


def _integer_positions(column: pl.Series) -> tuple[pl.Series, NDArray[np.int32]]:
    """Return the sorted distinct values and each value's place among them; linear where the ids are dense.

    Works on blocks of rows, so that a long column is never copied whole.
    """
    index = np.empty(len(column), np.int32)
    if not len(column):
        return column, index
    blocks = [slice(start, start + BLOCK) for start in range(0, len(column), BLOCK)]
    low, high = cast("int", column.min()), cast("int", column.max())
    if high - low < max(len(column), 1024):
        used = np.zeros(high - low + 1, bool)
        for block in blocks:
            used[column[block].to_numpy() - low] = True
        place = np.cumsum(used, dtype=np.int32) - np.int32(1)
        for block in blocks:
            index[block] = place[column[block].to_numpy() - low]
        return pl.Series(np.flatnonzero(used) + low, dtype=pl.Int64), index
    distinct = column.unique().sort()
    ordered = distinct.to_numpy()
    for block in blocks:
        index[block] = np.searchsorted(ordered, column[block].to_numpy())
    return distinct, index
