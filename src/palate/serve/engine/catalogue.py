"""The items of a namespace as a worker knows them: a model's, and what the store says of them and of new ones.

A position is a number of the model's items or, from ``n_items`` on, of items that the store has and the model has not;
it stays the same as long as the model does. The store is read incrementally, by the catalogue's counter. Nothing is
kept of an item that the model knows and nobody wrote about. Not safe for several threads: the engine's lock guards it.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.items import matching_items
from palate.errors import ParameterError
from palate.serve.engine.loaded import LoadedVersion
from palate.serve.engine.spread import Spread, spread_of
from palate.serve.engine.twins import twins_of, with_twins
from palate.store.tables import attribute_columns

MASKS = 256  # of conditions, kept
MASK_BYTES = 64 << 20  # of all of them; a few are kept whatever they take
SHOWN = 50_000  # items whose columns are kept as they are shown
FRESH = 1_000  # items written since the columns were built; more, and they are built anew
MOST_KEYS = 500_000
TOGETHER = 5_000  # items whose columns are read at once


@dataclass(frozen=True, slots=True)
class Stored:
    """An item as the store has it.

    Attributes:
        key: the store's.
        attributes: JSON.
        hidden: in no list: hidden, or deleted.
        described: written by somebody, not only met in feedback.
        created: microseconds.
    """

    key: int
    attributes: str
    hidden: bool
    described: bool
    created: int


@dataclass(frozen=True, eq=False, slots=True)
class Mask:
    """Which items a list may choose from; requests that share one are ranked together.

    Attributes:
        keep: (size,) by position.
    """

    keep: NDArray[np.bool_]


class Catalogue:
    """The items of a namespace for one version of its model.

    Args:
        loaded: the version; None where there is no model.
    """

    def __init__(self, loaded: LoadedVersion | None) -> None:
        self.loaded = loaded
        self.n_items = 0 if loaded is None else len(loaded.model.items_)
        self.counter = -1
        self.new: list[str] = []  # ids of the positions from n_items on
        self._stored: dict[int, Stored] = {}
        self._place_of_new: dict[str, int] = {}
        self._place_of_key: dict[int, int] = {}
        self._shown: dict[int, tuple[str, Mapping[str, Any]]] = {}
        self._masks: OrderedDict[tuple[str, ...], Mask] = OrderedDict()
        self._tables = ItemColumns(loaded)
        self._derived: dict[str, NDArray[np.int32]] = {}
        self._spread: Spread | None = None

    def update(self, rows: Iterable[tuple[Any, ...]], counter: int) -> None:
        """Take what the store wrote since.

        Args:
            rows: (key, id, attributes, hidden, described, created) each.
            counter: of the catalogue, as it was when they were read.
        """
        rows = list(rows)
        self.counter = counter
        if not rows:
            return
        places = self._places_for([row[1] for row in rows])
        for place, (key, _, attributes, hidden, described, created) in zip(places, rows, strict=True):
            self._place_of_key[key] = place
            self._shown.pop(place, None)
            if place < self.n_items and not hidden and not described and place not in self._stored:
                continue
            self._stored[place] = Stored(key, attributes, bool(hidden), bool(described), created)
            self._tables.write(place, attributes)
        self._masks.clear()
        self._derived.clear()
        self._spread = None

    def _places_for(self, ids: list[str]) -> list[int]:
        places: list[int] = self.index(ids).tolist()
        for at, place in enumerate(places):
            if place < 0:
                places[at] = self._place_of_new[ids[at]] = self.n_items + len(self.new)
                self.new.append(ids[at])
        return places

    @property
    def size(self) -> int:
        """How many positions there are."""
        return self.n_items + len(self.new)

    # -- ids --------------------------------------------------------------------------------------------------------

    def index(self, ids: Sequence[str]) -> NDArray[np.int32]:
        """Return the positions of items, -1 for those that neither the model nor the store has."""
        places = np.full(len(ids), -1, np.int32) if self.loaded is None else self.loaded.items_index(ids)
        if self.new:
            for at in np.flatnonzero(places < 0).tolist():
                places[at] = self._place_of_new.get(ids[at], -1)
        return places

    def of_keys(self, keys: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the positions of items by the store's keys, -1 where `learn` is to be told them first."""
        known = self._place_of_key
        return np.array([known.get(key, -1) for key in keys.tolist()], np.int32)

    def learn(self, rows: Iterable[tuple[int, str]]) -> None:
        """Take which item the store means by a key: (key, id) each."""
        if len(self._place_of_key) > MOST_KEYS:
            self._place_of_key.clear()
            self._place_of_key.update({stored.key: place for place, stored in self._stored.items()})
        rows = list(rows)
        places = self.index([row[1] for row in rows]).tolist()
        self._place_of_key.update({key: place for (key, _), place in zip(rows, places, strict=True) if place >= 0})

    def shown(self, places: Sequence[int]) -> list[tuple[str, Mapping[str, Any]]]:
        """Return ids and attributes of items, a title among them; nobody may change them."""
        try:
            return [self._shown[place] for place in places]
        except KeyError:
            lacking = [place for place in places if place not in self._shown]
            if len(self._shown) > SHOWN:
                self._shown.clear()
                lacking = list(places)
            self._shown.update(zip(lacking, self._described(lacking), strict=True))
        return [self._shown[place] for place in places]

    def every(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield ids and attributes of all items that may be in a list."""
        open_places = np.setdiff1d(np.arange(self.size), self.closed).tolist()
        for first in range(0, len(open_places), TOGETHER):
            yield from self._described(open_places[first : first + TOGETHER])

    def _described(self, places: list[int]) -> list[tuple[str, Mapping[str, Any]]]:
        of_model = [place for place in places if place < self.n_items]
        rows = dict(zip(of_model, self._tables.rows(of_model), strict=True))
        described: list[tuple[str, dict[str, Any]]] = []
        for place in places:
            own = self._stored.get(place)
            columns = {} if own is None else json.loads(own.attributes)
            of_item = rows.get(place)
            if of_item is None:
                id_ = self.new[place - self.n_items]
                described.append((id_, {"title": id_, **columns}))
            else:
                described.append((str(of_item["item_id"]), {**of_item, **columns}))
        for _, columns in described:
            columns.pop("item_id", None)
        return [(id_, columns) for id_, columns in described]

    # -- choices ----------------------------------------------------------------------------------------------------

    @property
    def closed(self) -> NDArray[np.int32]:
        """Positions of items that are in no list, ascending."""
        return self._once("closed", lambda: self._where(lambda _, own: own.hidden))

    @property
    def newcomers(self) -> NDArray[np.int32]:
        """Positions of items that somebody described and the model has not, hidden ones left out, the newest first."""
        return self._once("newcomers", self._newcomers)

    def _newcomers(self) -> NDArray[np.int32]:
        found = self._where(lambda at, own: at >= self.n_items and own.described and not own.hidden)
        created = np.array([self._stored[at].created for at in found.tolist()], np.int64)
        return found[np.lexsort((found, -created))]

    def _where(self, holds: Any) -> NDArray[np.int32]:
        return np.array(sorted(at for at, own in self._stored.items() if holds(at, own)), np.int32)

    def attributes(self, places: NDArray[np.int32]) -> list[dict[str, Any]]:
        """Return what the store says of some of its items."""
        return [json.loads(self._stored[at].attributes) for at in places.tolist()]

    def mask(self, where: tuple[str, ...]) -> Mask:
        """Return which items meet all conditions, (size,); without any, which may be in a list at all.

        Raises:
            ParameterError: a condition cannot be read, or names a column that no item has.
        """
        found = self._masks.get(where)
        if found is None:
            keep = self._tables.matching(where, self.size)
            keep[self.closed] = False
            found = self._masks[where] = Mask(keep)
            if len(self._masks) > max(4, min(MASKS, MASK_BYTES // max(1, self.size))):
                self._masks.popitem(last=False)
        else:
            self._masks.move_to_end(where)
        return found

    @property
    def spread(self) -> Spread:
        """What the items span."""
        if self._spread is None:
            self._spread = spread_of(self._tables.tables())
        return self._spread

    def owned(self, user: str) -> NDArray[np.int32]:
        """Return the items whose owner is a user, ascending."""
        return np.flatnonzero(self._tables.owned(user, self.size)).astype(np.int32)

    def with_twins(self, places: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return items and all others of the same title and year, ascending."""
        return with_twins(places, self._once("twins", lambda: twins_of(self._tables.placed())))

    def _once(self, name: str, compute: Callable[[], NDArray[np.int32]]) -> NDArray[np.int32]:
        if name not in self._derived:
            self._derived[name] = compute()
        return self._derived[name]


class ItemColumns:
    """Columns of all items, for conditions: the model's table, the store's, and what was written since."""

    def __init__(self, loaded: LoadedVersion | None) -> None:
        self.of_model = None if loaded is None else loaded.model.item_table_
        self.kinds = {} if self.of_model is None else dict(self.of_model.schema)
        self._written: dict[int, str] = {}
        self._fresh: dict[int, str] = {}
        self._parts: list[tuple[NDArray[np.int64], pl.DataFrame]] | None = None  # the built part, then the fresh one

    def write(self, place: int, attributes: str) -> None:
        """Take what an item is now."""
        self._fresh[place] = attributes
        if self._parts is not None:
            del self._parts[1:]

    def rows(self, places: list[int]) -> list[dict[str, Any]]:
        """Return rows of the model's table as they are shown."""
        if self.of_model is None or not places:
            return []
        return self.of_model[places].to_dicts()

    def matching(self, where: tuple[str, ...], size: int) -> NDArray[np.bool_]:
        """Return which positions meet all conditions."""
        keep = np.ones(size, bool)
        for condition in where:
            keep &= self._meets(condition, size)
        return keep

    def _meets(self, condition: str, size: int) -> NDArray[np.bool_]:
        keep, known = np.zeros(size, bool), False
        error = self._no_column(condition)
        for places, table in self._every():
            try:
                keep[places] = matching_items(table, condition, known_values=False)
                known = True
            except ParameterError as problem:
                keep[places], error = False, problem
        if not known:
            raise error
        return keep

    def tables(self) -> Iterator[pl.DataFrame]:
        """Yield the columns of the parts: the model's, the store's, and what was written since."""
        return (table for _, table in self._every())

    def placed(self) -> Iterator[tuple[NDArray[np.int64], pl.DataFrame]]:
        """Yield the positions and the columns of each part; of an item that stands in several the last one counts."""
        return (
            (np.arange(len(table))[places] if isinstance(places, slice) else places, table)
            for places, table in self._every()
        )

    def owned(self, user: str, size: int) -> NDArray[np.bool_]:
        """Return which positions are a user's own."""
        keep = np.zeros(size, bool)
        for places, table in self._every():
            keep[places] = False
            if "owner" in table.columns:
                owner = pl.col("owner")
                named = isinstance(table.schema["owner"], pl.List)
                mine = owner.list.contains(user) if named else owner.cast(pl.String) == user
                keep[places] = matching_items(table, mine)
        return keep

    def _no_column(self, condition: str) -> ParameterError:
        words = "asks for a column, and no item has any"
        return ParameterError.of(f"the condition '{condition}'", words, code="columns")

    def _every(self) -> list[tuple[Any, pl.DataFrame]]:
        """Return places and columns of each part; of an item that stands in several the last one counts."""
        if self._parts is None or len(self._fresh) > max(FRESH, len(self._written) // 10):
            self._written |= self._fresh
            self._fresh = {}
            self._parts = [self._part(self._written)]
        if len(self._parts) == 1:
            self._parts.append(self._part(self._fresh))
        own = [] if self.of_model is None else [(slice(len(self.of_model)), self.of_model)]
        return [*own, *((places, table) for places, table in self._parts if len(places))]

    def _part(self, written: dict[int, str]) -> tuple[NDArray[np.int64], pl.DataFrame]:
        places = np.array(list(written), np.int64)
        n_items = 0 if self.of_model is None else len(self.of_model)
        known = [place for place in written if place < n_items]
        of_model = dict(zip(known, self.rows(known), strict=True))
        rows = [{**of_model.get(place, {}), **json.loads(attributes)} for place, attributes in written.items()]
        table = pl.DataFrame(list(attribute_columns(rows, self.kinds).values()))
        return places, table if table.width else pl.DataFrame(
            {"item_id": pl.Series([None] * len(places), dtype=pl.Null)}
        )
