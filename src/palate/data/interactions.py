"""`Interactions`: who gave which item what value, when; checked once, then frozen."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.checking import (
    Fault,
    IdsAs,
    OnDuplicate,
    OnFault,
    Policy,
    Where,
    check_merged,
    dropped_or_raise,
    kept_rows,
    typed,
)
from palate.data.columns import Columns, find_columns, usual_columns
from palate.data.convert import TimeUnit
from palate.data.ids import READ_AS_TEXT, Id, Ids
from palate.data.remarks import remark
from palate.data.repeats import merged, repeats_of
from palate.data.tables import as_frame, numeric_columns, to_pandas, way_in
from palate.errors import DataError
from palate.notebook import MOST_ROWS, card, preview
from palate.parallel import check_table_threads
from palate.sparse import Rows as Rows  # also known here

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False, repr=False)
class Interactions:
    """A checked, frozen log of ratings or clicks in index space. Build it with `from_table` or a reader.

    Attributes:
        user_index, item_index: (n,) int32 positions in ``users`` and ``items``.
        values: (n,) float32 ratings; 1 for every click where the log has no value.
        times: (n,) int64 seconds since 1970, or None.
        users, items: the caller's ids; a subset of rows keeps the ids of the whole.
        rating_range: the stated lowest and highest rating, or None.
        dropped: how many rows the check left out, by reason.
        weights: (n,) float32 above 0, how much each row counts in learning (2 as much as the row twice), or None.
    """

    user_index: NDArray[np.int32]
    item_index: NDArray[np.int32]
    values: NDArray[np.float32]
    times: NDArray[np.int64] | None
    users: Ids
    items: Ids
    rating_range: tuple[float, float] | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)
    weights: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        """Hold the arrays as read-only views: a caller who built this himself may still write to his own."""
        for name in ("user_index", "item_index", "values", "times", "weights"):
            array = getattr(self, name)
            if array is not None:
                view = array.view()
                view.flags.writeable = False
                object.__setattr__(self, name, view)

    @classmethod
    def from_table(
        cls,
        table: Any,
        *,
        columns: Columns | None = None,
        ids: IdsAs = "auto",
        time_unit: TimeUnit = "s",
        rating_range: tuple[float, float] | None = None,
        on_missing: OnFault = "error",
        on_invalid: OnFault = "error",
        on_duplicate: OnDuplicate = "error",
        where: Where | None = None,
    ) -> Interactions:
        """Check a table once and return it in index space.

        Args:
            table: a Polars frame, or anything that speaks the Arrow C interface (pandas, pyarrow, DuckDB), or a dict
                of columns; it is not changed.
            columns: {"user": name, "item": name, "value": name, "time": name} where the usual names do not fit, each a
                name, a position from 0, or None for no values or times; a column of sample weights is taken as
                "weight" only where it is named here.
            ids: "auto" takes ids as the table has them; "text" makes all of them text, and takes words such as NULL as
                ids.
            time_unit: what times that are numbers count: "s", "ms", "us" or "ns".
            rating_range: lowest and highest rating; values outside are faults.
            on_missing: "error" or "drop" rows whose id, value or time is missing.
            on_invalid: "error" or "drop" rows that are unparsable, not finite or out of range.
            on_duplicate: "error", or make one row of a repeated user-item pair: its "last" (by time where there are
                times, else by row), the "mean" or the "sum" of its values.
            where: the source's name and how its rows are numbered, for messages.

        Raises:
            DataError: one error that lists every fault with its rows and the option that mends it.
            ParameterError: a policy or the range is not one of those above.
        """
        policy = Policy(on_missing, on_invalid, on_duplicate, rating_range, ids, time_unit)
        where = where or Where()
        frame = as_frame(table)
        try:
            by_role = find_columns(frame.columns, columns, numeric=numeric_columns(frame), source=where.name)
        except DataError as error:
            ids_known = all(usual_columns(frame.columns, role) or role in (columns or {}) for role in ("user", "item"))
            raise error.within("", "" if ids_known else way_in(table)) from None
        where = replace(where, columns=by_role)
        return build({role: frame[name].alias(role) for role, name in by_role.items()}, policy, where)

    @classmethod
    def from_scipy(
        cls,
        matrix: Any,
        *,
        users: Ids | pl.Series | Iterable[Id] | None = None,
        items: Ids | pl.Series | Iterable[Id] | None = None,
        rating_range: tuple[float, float] | None = None,
        on_missing: OnFault = "error",
        on_invalid: OnFault = "error",
    ) -> Interactions:
        """Return one row for each stored cell of a sparse matrix, users in rows and items in columns.

        Args:
            matrix: of any sparse format; stored zeros are rows of value 0.
            users, items: the ids of rows and columns, in their order; without them, numbers from 0. All are known,
                also those without a stored cell.
            rating_range, on_missing, on_invalid: as `from_table`.

        Raises:
            DataError: no sparse matrix, not as many ids as rows or columns, a cell stored twice, or faulty values.
            ParameterError: a policy or the range is not one of those above.
        """
        from palate.data.matrices import SOURCE, cells_of

        cells = cells_of(matrix, users, items, Policy(on_missing, on_invalid, rating_range=rating_range))
        indices = cells.row, cells.column
        built = cls(*indices, cells.values, None, cells.users, cells.items, rating_range, cells.dropped)
        remark(built, SOURCE)
        return built

    def __len__(self) -> int:
        return len(self.values)

    @property
    def n_users(self) -> int:
        """Users known by id, with rows here or not."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """Items known by id, with rows here or not."""
        return len(self.items)

    def take(self, rows: NDArray[Any]) -> Interactions:
        """Return these rows, in this order, with the ids of the whole."""
        return replace(
            self,
            user_index=self.user_index[rows],
            item_index=self.item_index[rows],
            values=self.values[rows],
            times=None if self.times is None else self.times[rows],
            weights=None if self.weights is None else self.weights[rows],
        )

    def with_ids(self, users: Ids | None = None, items: Ids | None = None) -> Interactions:
        """Return the same rows with further users and items known, without rows; positions stay as they are.

        Raises:
            DataError: further ids are text where these are integers, or the reverse.
        """
        more = self.users.joined(users), self.items.joined(items)
        return self if more == (self.users, self.items) else replace(self, users=more[0], items=more[1])

    def by_user(self) -> Rows:
        """Return compressed rows, one a user, sorted by item."""
        return Rows.from_cells(self.user_index, self.item_index, self.n_users, self.n_items, self.values, self.weights)

    def by_item(self) -> Rows:
        """Return compressed rows, one an item, sorted by user."""
        return Rows.from_cells(self.item_index, self.user_index, self.n_items, self.n_users, self.values, self.weights)

    def to_table(self) -> pl.DataFrame:
        """Return the columns user_id, item_id, value and, where they are there, time and weight."""
        table = pl.DataFrame(
            {"user_id": self.users.at(self.user_index), "item_id": self.items.at(self.item_index), "value": self.values}
        )
        further = {"time": self.times, "weight": self.weights}
        return table.with_columns(pl.Series(name, values) for name, values in further.items() if values is not None)

    def to_pandas(self) -> Any:
        """Return `to_table` as a frame of pandas.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        return to_pandas(self.to_table())

    def to_scipy(self) -> Any:
        """Return the values as a SciPy csr_matrix, (n_users, n_items); times and weights have no place in it."""
        from scipy import sparse

        return sparse.csr_matrix(self.by_user().to_scipy(self.n_items))

    def append(self, rows: Interactions, *, on_duplicate: OnDuplicate = "error") -> Interactions:
        """Return this log with further rows behind its own.

        The ids of the log keep their positions; new ids stand behind them, sorted. The rating range stays the log's.

        Args:
            rows: the new rows; with times and weights where the log has them.
            on_duplicate: as `from_table`; where both have a pair, the new row is the later one unless times say
                otherwise.

        Raises:
            DataError: ids of another type, times or weights in one part alone, a pair that stands again, or values
                outside the log's range.
        """
        from palate.data.joining import append

        check_interactions("rows", rows)
        return append(self, rows, on_duplicate)

    def __repr__(self) -> str:
        return f"Interactions({len(self):,} rows, {self.n_users:,} users, {self.n_items:,} items)"

    def _facts(self) -> list[tuple[str, str]]:
        """Return what a notebook shows beside the first rows."""
        facts = [("rows", f"{len(self):,}"), ("users", f"{self.n_users:,}"), ("items", f"{self.n_items:,}")]
        if len(self):
            facts.append(("values", f"{self.values.min():g} to {self.values.max():g}"))
        if self.rating_range is not None:
            facts.append(("rating range", "{:g} to {:g}".format(*self.rating_range)))
        return facts + [(f"left out: {reason}", f"{n:,} rows") for reason, n in self.dropped.items()]

    def _repr_html_(self) -> str:
        first = self.take(np.arange(min(len(self), MOST_ROWS))).to_table()
        return card("Interactions", self._facts(), preview(first, of=len(self)))


def on_shared_ids(parts: Sequence[Interactions]) -> list[Interactions]:
    """Return several sets of interactions over the union of their ids, such as training and test files.

    Raises:
        DataError: one part has integer ids and another text.
    """
    users = _union([p.users for p in parts])
    items = _union([p.items for p in parts])
    return [
        replace(
            p,
            user_index=users.index(p.users.values)[p.user_index],
            item_index=items.index(p.items.values)[p.item_index],
            users=users,
            items=items,
        )
        for p in parts
    ]


def _union(several: Sequence[Ids]) -> Ids:
    if len({ids.kind for ids in several}) > 1:
        raise DataError(
            f"{several[0].what} ids are integers in one part and text in another",
            READ_AS_TEXT,
            code="ids",
            subject=several[0].what,
        )
    return Ids(pl.concat([ids.values for ids in several]).unique().sort(), several[0].what)


def build(columns: dict[str, pl.Series], policy: Policy, where: Where) -> Interactions:
    """Check columns named user, item, value, time, weight once and return them in index space.

    The dict is emptied on the way, so that a caller who keeps no column himself never pays for two forms of it.

    Raises:
        DataError: as `Interactions.from_table`.
    """
    check_table_threads("reading a table")
    n_rows = len(columns["user"])
    faults = typed(columns, policy)
    keep = kept_rows(n_rows, faults)
    if faults:
        columns.update({name: column.filter(pl.Series(keep)) for name, column in columns.items()})
    users, user_index = Ids.from_column(columns.pop("user"), "user")
    items, item_index = Ids.from_column(columns.pop("item"), "item")
    repeats = repeats_of(user_index, item_index, len(items))
    if len(repeats) and policy.on_duplicate == "error":
        rows = np.flatnonzero(keep)[repeats] if faults else repeats
        faults.append(Fault("duplicate", "a user-item pair", "stands again", rows))
    dropped = dropped_or_raise(n_rows, faults, policy, where)
    # writable: a copy where the column shares the caller's memory, who may change it later
    values = np.ones(len(user_index), np.float32)
    if "value" in columns:
        values = columns.pop("value").to_numpy(writable=True)
    times = columns.pop("time").to_numpy(writable=True) if "time" in columns else None
    weights = columns.pop("weight").to_numpy(writable=True) if "weight" in columns else None
    built = Interactions(user_index, item_index, values, times, users, items, policy.rating_range, dropped, weights)
    if len(repeats):
        built = merged(built, policy.on_duplicate)
        check_merged(built.values, policy.on_duplicate, policy, where)
    remark(built, where.name)
    for reason, count in built.dropped.items():
        log.warning("%s: dropped %s rows: %s", where.name, f"{count:,}", reason)
    return built


def check_interactions(name: str, value: Any) -> None:
    """Refuse what is no `Interactions`, such as a table that was not checked yet.

    Raises:
        DataError: names the argument, and how to build it.
    """
    if not isinstance(value, Interactions):
        kind = type(value).__name__
        raise DataError.of(name, f"must be Interactions, got {kind}: build it with Interactions.from_table(table)")
