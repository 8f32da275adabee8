"""What goes to each block of users, in one exchange: the items' side once, the users' own rows; and how tasks read it.

A message is a row (key, chunk, kind, a, b, c, d). Its key puts it into the partition of its block (and, where the
items are parted into groups, of its group); a, b, c, d are the bytes of arrays of one length, by kind:

    kind           a             b        c        d         chunk
    ITEM_FACTORS   positions     factors  biases             -1
    ITEM_FACTS     positions     ids      counts   weights   -1
    ITEM_TOTALS    positions     totals   sources            -1       sums of values, of the source's cells
    USER_FACTORS   positions     factors  biases             of the users
    USER_IDS       positions     ids                         of the users
    SEEN           users, items                              of the users: pairs of positions
    TEST           users, items  values                      of the users

Within a partition messages are sorted by key and chunk, so that a task reads the items first and then a chunk of users
at a time: it holds the items of its group and `CHUNK` users. Every array has its positions beside it: the order in
which messages come decides nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import DataError
from palate.spark.worker import settle
from palate.sparse import Rows

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = "key int, chunk int, kind int, a binary, b binary, c binary, d binary"
CHUNK = 8192  # users of a block that are listed together
ITEM_FACTORS, ITEM_FACTS, ITEM_TOTALS, USER_FACTORS, USER_IDS, SEEN, TEST = range(7)
OF_ITEMS = -1  # the chunk of items' messages: before those of users
Batches = Iterable["pa.RecordBatch"]
Sent = tuple[int, int, int, Sequence[bytes | None]]


@dataclass(frozen=True)
class WireTypes:
    """Types of what travels: ids of users and items as Spark calls them, factors as NumPy does (biases: float64)."""

    user: str
    item: str
    factors: str = "float32"


@dataclass(frozen=True)
class Addresses:
    """Where messages go.

    Attributes:
        keys: of the partitions, n_blocks * n_groups, those of a block together.
        n_blocks: of users; position p lies in block p % n_blocks.
        n_groups: parts of the items; position p lies in group p % n_groups.
        kept: bits of the items that are sent (`packed_bits`), or None for all.
        chunk: users listed together.
    """

    keys: tuple[int, ...]
    n_blocks: int
    n_groups: int
    kept: bytes | None
    chunk: int

    def of_block(self, block: int) -> tuple[int, ...]:
        """Return the keys of a block's groups."""
        return self.keys[block * self.n_groups : (block + 1) * self.n_groups]

    def of_group(self, group: int) -> tuple[int, ...]:
        """Return the keys of a group in all blocks."""
        return self.keys[group :: self.n_groups]


def packed_bits(mask: NDArray[np.bool_]) -> bytes:
    """Return a mask as bytes."""
    return np.packbits(mask).tobytes()


def bits_at(packed: bytes, positions: NDArray[Any]) -> NDArray[np.bool_]:
    """Return what a packed mask says of positions."""
    of_positions: NDArray[np.bool_] = np.frombuffer(packed, np.uint8)[positions >> 3] >> (7 - (positions & 7)) & 1 == 1
    return of_positions


# -- what is sent ------------------------------------------------------------------------------------------------------


def to_items(batches: Batches, kind: int, addresses: Addresses) -> Iterator[pa.RecordBatch]:
    """Yield the messages of rows (position, …) of items: to every block, those of a group alike."""
    settle()
    for batch in batches:
        positions = batch.column(0).to_numpy()
        kept = np.arange(len(positions))
        if addresses.kept is not None:
            kept = kept[bits_at(addresses.kept, positions)]
        messages: list[Sent] = []
        for group in range(addresses.n_groups):
            rows = kept[positions[kept] % addresses.n_groups == group]
            if len(rows):
                arrays = [_bytes_of(column, rows) for column in batch.columns]
                messages += [(key, OF_ITEMS, kind, arrays) for key in addresses.of_group(group)]
        yield _table(messages)


def to_users(batches: Batches, kind: int, addresses: Addresses) -> Iterator[pa.RecordBatch]:
    """Yield the messages of rows (position, …) of users, or of pairs of theirs: to the blocks of the users."""
    settle()
    for batch in batches:
        positions = batch.column(0).to_numpy()
        block, row = positions % addresses.n_blocks, positions // addresses.n_blocks
        label = block.astype(np.int64) << 32 | row // addresses.chunk
        order = np.argsort(label, kind="stable")
        starts = np.flatnonzero(np.diff(label[order], prepend=-1))
        messages: list[Sent] = []
        for rows in np.split(order, starts[1:]) if len(order) else []:
            arrays = [_bytes_of(column, rows) for column in batch.columns]
            at = int(label[rows[0]])
            messages += [(key, at & (2**32 - 1), kind, arrays) for key in addresses.of_block(at >> 32)]
        yield _table(messages)


def _table(messages: Sequence[Sent]) -> pa.RecordBatch:
    import pyarrow as pa

    places = [pa.array([message[at] for message in messages], pa.int32()) for at in range(3)]
    padded = [[*message[3], None, None, None][:4] for message in messages]
    binaries = [pa.array([arrays[at] for arrays in padded], pa.binary()) for at in range(4)]
    return pa.RecordBatch.from_arrays(places + binaries, names=["key", "chunk", "kind", "a", "b", "c", "d"])


def _bytes_of(column: pa.Array, rows: NDArray[Any]) -> bytes:
    """Return these rows of a column: numbers and rows of factors as they lie in memory, ids as an Arrow stream."""
    import pyarrow as pa
    import pyarrow.types as kinds

    if kinds.is_binary(column.type) or kinds.is_large_binary(column.type):
        return bytes(matrix_of(column)[rows])
    if kinds.is_string(column.type) or kinds.is_large_string(column.type):
        return ids_as_bytes(column.take(pa.array(rows)))
    numbers: NDArray[Any] = column.to_numpy()
    return bytes(numbers[rows])


def matrix_of(column: pa.Array) -> NDArray[np.uint8]:
    """Return a column of binaries of one length as bytes, (n, length)."""
    import pyarrow as pa

    wide = column.cast(pa.large_binary())
    _, ends, data = wide.buffers()
    offsets = np.frombuffer(ends, np.int64)[wide.offset : wide.offset + len(wide) + 1]
    flat = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]
    return flat.reshape(len(wide), -1) if len(wide) else flat.reshape(0, 0)


def ids_as_bytes(ids: pa.Array) -> bytes:
    """Return ids as an Arrow stream."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    batch = pa.RecordBatch.from_arrays([ids], names=["id"])
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return bytes(sink.getvalue())


# -- what is read ------------------------------------------------------------------------------------------------------

Arrays = Sequence[Any]  # buffers a, b, c, d
ByKind = Mapping[int, list[Arrays]]  # by kind


@dataclass(frozen=True, eq=False)
class ItemPart:
    """The items of a group, by rising position.

    Attributes:
        positions: (n,) int32.
        Q: (n, k) factors.
        c: (n,) biases.
        counts: (n,) int64 rows of training.
        weights: (n,) float64 sums of their sample weights.
        totals: (n,) float64 sums of their values.
        ids: (n,) an Arrow array.
    """

    positions: NDArray[np.int32]
    Q: NDArray[Any]
    c: NDArray[Any]
    counts: NDArray[np.int64]
    weights: NDArray[np.float64]
    totals: NDArray[np.float64]
    ids: pa.Array

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean values, 0 without a row; (n,)."""
        return self.totals / np.maximum(self.counts, 1)

    def by_popularity(self) -> NDArray[np.int32]:
        """Return the items most rated first, then of the highest mean value, then by their ids."""
        return np.lexsort((self.id_ranks(), -self.means, -self.counts)).astype(np.int32)

    def id_ranks(self) -> NDArray[np.int64]:
        """Return numbers that stand in the order of the ids among items of one count.

        Positions do, but for items that only features know, which stand behind the others as they were given.
        """
        import pyarrow.compute as pc

        ranks = np.arange(len(self.positions))
        idle = np.flatnonzero(self.counts == 0)
        if len(idle) > 1:
            ranks[idle[pc.array_sort_indices(self.ids.take(idle)).to_numpy()]] = idle
        return ranks

    def index(self, positions: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Return where these positions stand here, and which do."""
        return _places(self.positions, positions)


@dataclass(frozen=True, eq=False)
class UserPart:
    """A chunk of users, by rising position.

    Attributes:
        positions: (m,) int32.
        P: (m, k) factors.
        b: (m,) biases.
        ids: (m,) an Arrow array, or None where they were not sent.
        seen, test: pairs (user here, item position, value or None) of theirs.
    """

    positions: NDArray[np.int32]
    P: NDArray[Any]
    b: NDArray[Any]
    ids: pa.Array | None
    seen: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32] | None]
    test: tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32] | None]

    def seen_rows(self, items: ItemPart) -> Rows:
        """Return what the users had of these items, one row a user."""
        users, columns, _ = self.seen
        at, there = items.index(columns)
        return Rows.from_cells(users[there], at[there], len(self.positions), len(items.positions))


def chunks_of(batches: Batches, types: WireTypes) -> Iterator[tuple[int, ItemPart | None, UserPart]]:
    """Yield each chunk of users of a partition: key, the items (None where none were sent), the users.

    Args:
        batches: messages of whole partitions, sorted by key and chunk.
        types: of what travels.

    Raises:
        DataError: a user or an item has no factors.
    """
    settle()
    items: ItemPart | None = None
    last = None
    for (key, chunk), parts in _runs(batches):
        if key != last:
            items, last = None, key
        if chunk == OF_ITEMS:
            items = _items(parts, types)
        elif USER_FACTORS in parts or USER_IDS in parts:
            yield key, items, _users(parts, types)


def _runs(batches: Batches) -> Iterator[tuple[tuple[int, int], ByKind]]:
    """Yield the messages of each key and chunk."""
    at: tuple[int, int] | None = None
    parts: dict[int, list[Arrays]] = defaultdict(list)
    for batch in batches:
        places = zip(*(batch.column(place).to_pylist() for place in range(3)), strict=True)
        for row, (key, chunk, kind) in enumerate(places):
            if at != (key, chunk):
                if at is not None:
                    yield at, parts
                at, parts = (key, chunk), defaultdict(list)
            parts[kind].append([batch.column(3 + place)[row].as_buffer() for place in range(4)])
    if at is not None:
        yield at, parts


def _items(parts: ByKind, types: WireTypes) -> ItemPart:
    positions, Q, c = _factors(parts[ITEM_FACTORS], types)
    facts = parts[ITEM_FACTS]
    of_facts, order = _order(facts)
    _check_same(positions, of_facts, "items")
    counts, weights = (_joined(facts, at, kind)[order] for at, kind in ((2, np.int64), (3, np.float64)))
    ids = _ids(facts, order, types.item)
    return ItemPart(positions, Q, c, counts, weights, _totals(parts, positions), ids)


def _totals(parts: ByKind, positions: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the sums of items' values, of their pieces in the order of the sources; 0 without a cell."""
    pieces = parts.get(ITEM_TOTALS, [])
    of_pieces, totals, sources = (_joined(pieces, at, kind) for at, kind in enumerate((np.int32, np.float64, np.int32)))
    at, there = _places(positions, of_pieces)
    order = np.flatnonzero(there)
    order = order[np.lexsort((sources[order], at[order]))]
    sums: NDArray[np.float64] = np.bincount(at[order], totals[order], len(positions)).astype(np.float64)
    return sums


def _users(parts: ByKind, types: WireTypes) -> UserPart:
    positions, P, b = _factors(parts[USER_FACTORS], types)
    ids = None
    if USER_IDS in parts:
        of_ids, order = _order(parts[USER_IDS])
        _check_same(positions, of_ids, "users")
        ids = _ids(parts[USER_IDS], order, types.user)
    return UserPart(positions, P, b, ids, _pairs(parts, SEEN, positions), _pairs(parts, TEST, positions))


def _pairs(parts: ByKind, kind: int, positions: NDArray[np.int32]) -> Any:
    """Return pairs of a kind, by user and item, with the users' places here."""
    messages = parts.get(kind, [])
    users, items = (_joined(messages, at, np.int32) for at in (0, 1))
    valued = bool(messages) and messages[0][2] is not None
    values = _joined(messages, 2, np.float32) if valued else None
    order = np.lexsort((items, users))
    at, there = _places(positions, users[order])
    if not there.all():
        _check_same(positions, np.union1d(positions, users), "users")
    return at, items[order], None if values is None else values[order]


def _factors(messages: list[Arrays], types: WireTypes) -> tuple[NDArray[np.int32], NDArray[Any], NDArray[Any]]:
    """Return positions, factors and biases by rising position; the factors are written once, where they belong."""
    positions, order = _order(messages)
    flat = [np.frombuffer(message[1], types.factors) for message in messages]
    k = sum(map(len, flat)) // max(1, len(positions))
    factors = np.empty((len(positions), k), types.factors)
    for message, part in zip(messages, flat, strict=True):
        own = np.frombuffer(message[0], np.int32)
        factors[np.searchsorted(positions, own)] = part.reshape(len(own), k)
    return positions, factors, _joined(messages, 2, np.float64)[order].astype(types.factors)


def _order(messages: list[Arrays]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the positions of messages, rising, and the order that makes them so."""
    positions = _joined(messages, 0, np.int32)
    order = np.argsort(positions, kind="stable")
    return positions[order], order


def _joined(messages: list[Arrays], at: int, kind: Any) -> NDArray[Any]:
    return np.concatenate([np.empty(0, kind), *(np.frombuffer(message[at], kind) for message in messages)])


def _ids(messages: list[Arrays], order: NDArray[Any], id_type: str) -> pa.Array:
    import pyarrow as pa

    if id_type != "string":
        return pa.array(_joined(messages, 1, np.int64)[order])
    parts = [batch.column(0).cast(pa.large_string()) for m in messages for batch in pa.ipc.open_stream(m[1])]
    return pa.concat_arrays([pa.array([], pa.large_string()), *parts]).take(pa.array(order))


def _places(known: NDArray[np.int32], asked: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return where positions stand among rising ones, and which do."""
    if not len(known):
        return np.zeros(len(asked), np.int32), np.zeros(len(asked), bool)
    at = np.minimum(np.searchsorted(known, asked), len(known) - 1).astype(np.int32)
    return at, known[at] == asked


def _check_same(positions: NDArray[np.int32], others: NDArray[np.int32], what: str) -> None:
    if not np.array_equal(positions, others):
        odd = np.setxor1d(positions, others)
        raise DataError(
            f"the model and its prepared folder do not fit: {len(odd):,} {what} stand in one of them alone, such as "
            f"position {odd[0] if len(odd) else positions[0]}; train again from this folder",
            code="other_data",
            subject=what,
        )
