"""What was shown, and the order that following pages cut, as bytes: a list is one compact row.

    shown    1, flags, n, then n ids, n scores, and where flags say so n propensities and n sources
    ranked   1, width, n_items, count, then count positions of width bytes, m, and m ids of items new to the model;
             where chance took part, 1 or 2, m, and of each of the first m places, (1) its utility and where it stood
             before chance, from 0, as two bytes, or (2) its propensity

n, count and each m are varints: seven bits a byte, the lowest first, the eighth bit says that more follow. An id that
is a number as Python writes it, from 0 to 2**63 - 1, is the varint 2 x + 1; any other is the varint 2 x its bytes, and
they. Scores, utilities and propensities are float32, little-endian. A position from n_items on is one of the new items.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import ParameterError, StoreError
from palate.store.records import Place

FORMAT = 1
SOURCES = ("model", "popular", "new", "boosted")  # their place is what is written: add at the end alone
LARGEST = 1 << 63
NO_SCORES, PROPENSITIES, SOURCES_DIFFER = 1, 2, 4
RACE, COUNTED = 1, 2
MOST_BYTES = 10  # of a varint


@dataclass(frozen=True, eq=False)
class Race:
    """What a list of Plackett and Luce was drawn by: probabilities follow from it.

    Attributes:
        utilities: (m,) of the candidates, as they stood before chance.
        order: (m,) which candidate took each place.
    """

    utilities: NDArray[Any]
    order: NDArray[Any]


@dataclass(frozen=True, eq=False)
class CountedPlaces:
    """Propensities that were counted.

    Attributes:
        propensities: (m,) of the first places.
    """

    propensities: NDArray[Any]


@dataclass(frozen=True, eq=False)
class RankedOrder:
    """The order of a list.

    Attributes:
        positions: (n,) of the model's items, best first; from ``n_items`` on, of ``new``.
        n_items: how many items the model has.
        new: ids of items that the model has not.
        chance: how probable it was that items take the first places; None: they stand there by no chance.
    """

    positions: NDArray[np.int64]
    n_items: int
    new: tuple[str, ...] = ()
    chance: Race | CountedPlaces | None = None


def encode_shown(places: Sequence[Place]) -> bytes:
    """Return places as bytes.

    Raises:
        ParameterError: a source is not known.
    """
    scores = np.array([place.score for place in places], "<f4")
    propensities = np.array([place.propensity for place in places], "<f4")
    sources = bytes(_source(place.source) for place in places)
    flags = NO_SCORES * bool(np.isnan(scores).all())
    flags |= PROPENSITIES * bool((propensities != 1).any()) | SOURCES_DIFFER * any(sources)
    out = bytearray([FORMAT, flags])
    _put(out, len(places))
    for place in places:
        _put_id(out, place.item)
    if not flags & NO_SCORES:
        out += scores.tobytes()
    if flags & PROPENSITIES:
        out += propensities.tobytes()
    if flags & SOURCES_DIFFER:
        out += sources
    return bytes(out)


def decode_shown(packed: bytes) -> tuple[Place, ...]:
    """Return the places of what `encode_shown` made.

    Raises:
        StoreError: the bytes are not those of a list.
    """
    read = _Reader(packed)
    flags, n = read.begin(), read.varint()
    items = [read.id() for _ in range(n)]
    scores = np.full(n, np.nan) if flags & NO_SCORES else read.array(n, "<f4")
    propensities = read.array(n, "<f4") if flags & PROPENSITIES else np.ones(n)
    sources = read.array(n, "u1") if flags & SOURCES_DIFFER else np.zeros(n, int)
    if sources.max(initial=0) >= len(SOURCES):
        raise damaged()
    read.end()
    rows = zip(items, scores.tolist(), propensities.tolist(), sources.tolist(), strict=True)
    return tuple(Place(item, score, propensity, SOURCES[source]) for item, score, propensity, source in rows)


def encode_ranked(
    positions: Iterable[int] | NDArray[Any],
    n_items: int,
    new: Sequence[str] = (),
    chance: Race | CountedPlaces | None = None,
) -> bytes:
    """Return an order as bytes, two a position up to 65,536 items, three up to 16.7 million.

    Args:
        positions: of the model's items, best first; from ``n_items`` on, of ``new``.
        n_items: how many items the model has.
        new: ids of items that the model has not.
        chance: of the first places, how probable it was that items take them.

    Raises:
        ParameterError: a position is none of these.
    """
    array = np.asarray(positions, np.int64)
    end = n_items + len(new)
    if len(array) and not 0 <= array.min() <= array.max() < end:
        raise ParameterError.outside("a position", f"from 0 to {end - 1}", [int(array.min()), int(array.max())])
    width = 2 if end <= 1 << 16 else 3 if end <= 1 << 24 else 4
    out = bytearray([FORMAT, width])
    _put(out, n_items)
    _put(out, len(array))
    if width == 3:
        out += array.astype("<u4").view(np.uint8).reshape(-1, 4)[:, :width].tobytes()
    else:
        out += array.astype(f"<u{width}").tobytes()
    _put(out, len(new))
    for item in new:
        _put_id(out, item)
    if chance is not None:
        _put_chance(out, chance)
    return bytes(out)


def decode_ranked(packed: bytes) -> RankedOrder:
    """Return the order of what `encode_ranked` made.

    Raises:
        StoreError: the bytes are not those of an order.
    """
    read = _Reader(packed)
    width, n_items, n = read.begin(), read.varint(), read.varint()
    if width not in (2, 3, 4):
        raise damaged()
    wide = np.zeros((n, 4), np.uint8)
    wide[:, :width] = read.array(n * width, "u1").reshape(n, width)
    positions = wide.view("<u4").reshape(-1).astype(np.int64)
    new = tuple(read.id() for _ in range(read.varint()))
    chance = None if read.at == len(packed) else _chance(read)
    read.end()
    if positions.max(initial=0) >= max(n_items + len(new), 1):
        raise damaged()
    return RankedOrder(positions, n_items, new, chance)


def _put_chance(out: bytearray, chance: Race | CountedPlaces) -> None:
    numbers = chance.utilities if isinstance(chance, Race) else chance.propensities
    out.append(RACE if isinstance(chance, Race) else COUNTED)
    _put(out, len(numbers))
    out += np.asarray(numbers, "<f4").tobytes()
    if isinstance(chance, Race):
        out += np.asarray(chance.order, "<u2").tobytes()


def _chance(read: _Reader) -> Race | CountedPlaces:
    kind, n = read.varint(), read.varint()
    if kind not in (RACE, COUNTED):
        raise damaged()
    numbers = read.array(n, "<f4")
    if kind == COUNTED:
        return CountedPlaces(numbers)
    order = read.array(n, "<u2").astype(np.int64)
    if not np.array_equal(np.sort(order), np.arange(n)):
        raise damaged()
    return Race(numbers.astype(np.float64), order)


def _source(name: str) -> int:
    try:
        return SOURCES.index(name)
    except ValueError:
        raise ParameterError.unknown("no source of a place", name, SOURCES) from None


def _put(out: bytearray, value: int) -> None:
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def _put_id(out: bytearray, given: str) -> None:
    if given.isdecimal() and given.isascii() and str(int(given)) == given and int(given) < LARGEST:
        _put(out, 2 * int(given) + 1)
    else:
        text = given.encode()
        _put(out, 2 * len(text))
        out += text


class _Reader:
    """Reads bytes from the front, and never past their end."""

    def __init__(self, packed: bytes) -> None:
        self.packed, self.at = packed, 0

    def take(self, n: int) -> bytes:
        taken = self.packed[self.at : self.at + n]
        if len(taken) < n:
            raise damaged()
        self.at += n
        return taken

    def begin(self) -> int:
        """Return the byte behind the number of the format."""
        version, byte = self.take(2)
        if version != FORMAT:
            raise damaged()
        return byte

    def varint(self) -> int:
        value = 0
        for at in range(MOST_BYTES):
            byte = self.take(1)[0]
            value |= (byte & 127) << 7 * at
            if byte < 128:
                return value
        raise damaged()

    def id(self) -> str:
        value = self.varint()
        if value & 1:
            return str(value >> 1)
        try:
            return self.take(value >> 1).decode()
        except UnicodeDecodeError:
            raise damaged() from None

    def array(self, n: int, dtype: str) -> NDArray[Any]:
        kind = np.dtype(dtype)
        return np.frombuffer(self.take(n * kind.itemsize), kind)

    def end(self) -> None:
        if self.at != len(self.packed):
            raise damaged()


def damaged() -> StoreError:
    """Return the error for bytes that are not those of a list."""
    return StoreError(
        "a list in the store is damaged, or of a newer Palate: pip install --upgrade palate",
        code="damaged",
        subject="list",
    )
