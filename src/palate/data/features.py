"""`Features`: attributes of users or items as numbers, by an encoding that is kept and used again for newcomers."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from palate.data.ids import Id, Ids
from palate.data.items import id_column
from palate.data.lists import MOST_PARTS, ListColumns, as_list, with_lists
from palate.data.tables import as_frame
from palate.errors import DataError, shown
from palate.notebook import MOST_COLUMNS, MOST_ROWS, card, preview

log = logging.getLogger(__name__)

MOST_VALUES = 100  # of a text column that is taken without being named: titles and addresses are no categories
Encoding = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Features:
    """One row of numbers a user or item: numbers scaled, categories one-hot, lists multi-hot, what is missing named.

    Attributes:
        ids: whose features these are.
        matrix: (n_ids, n_features) float32; the first column is 1 for all.
        names: of the columns, such as "age", "genres=Comedy", "year=missing".
        encoding: how columns became numbers, as plain data; give it to `from_table` to encode newcomers alike.
    """

    ids: Ids
    matrix: NDArray[np.float32]
    names: tuple[str, ...]
    encoding: tuple[Mapping[str, Any], ...]

    @classmethod
    def from_table(
        cls,
        table: Any,
        side: Literal["user", "item"],
        *,
        columns: Sequence[str] | None = None,
        encoding: Encoding | None = None,
        lists: ListColumns = True,
    ) -> Features:
        """Encode a table of attributes.

        Args:
            table: one row an id; anything that `Interactions.from_table` takes.
            side: whose attributes these are; the id's column is found by it.
            columns: which columns to take; without them, all numbers, truth values, days, lists of text, and texts of
                at most 100 different values that are not all different (what is left out is logged).
            lists: True finds texts that are lists, such as "Action|Comedy"; False makes none; {column: sign} says by
                hand what stands between words, {column: None} which are none (see `palate.data.lists`).
            encoding: that of a fitted model, or of other Features, in place of one made from this table.

        Raises:
            DataError: no id column, an id twice or missing, a column that is not there, is of a type that cannot be
                encoded or holds an infinite number, or nothing to encode.
        """
        if side not in ("user", "item"):
            raise DataError.of("side", f"must be 'user' or 'item', got {side!r}", code="parameter", value=side)
        frame = as_frame(table)
        name = id_column(frame.columns, side)
        ids = Ids(frame[name].cast(pl.String) if frame[name].dtype in (pl.Categorical, pl.Enum) else frame[name], side)
        found = lists if encoding is None or lists is not True else False  # an encoding knows what is a list
        plain = _as_numbers(frame.drop(name), found)
        if encoding is None:
            signs = {} if isinstance(lists, bool) else lists
            encoding = [_spec(plain[column], signs.get(column)) for column in _chosen(plain, columns, side)]
        if not encoding:
            raise DataError.of(
                f"the {side} table",
                f"has no column to make features of; it has {', '.join(frame.columns)}",
                code="columns",
            )
        absent = [spec["column"] for spec in encoding if spec["column"] not in plain.columns]
        if absent:
            raise DataError.of(
                f"the {side} table",
                f"lacks the column '{absent[0]}'; it has {', '.join(plain.columns)}",
                code="columns",
            )
        names, blocks = ["all"], [np.ones((len(ids), 1), np.float32)]
        for spec in encoding:
            of, block = _encoded(plain[spec["column"]], spec)
            names += of
            blocks.append(block)
        return cls(ids, np.concatenate(blocks, axis=1), tuple(names), tuple(dict(spec) for spec in encoding))

    @classmethod
    def from_scipy(
        cls,
        matrix: Any,
        ids: Ids | pl.Series | Iterable[Id],
        side: Literal["user", "item"],
        *,
        names: Sequence[str] | None = None,
    ) -> Features:
        """Take a sparse matrix of features as it is, one row an id; nothing is scaled.

        Args:
            matrix: of any sparse format.
            ids: of its rows, in their order.
            side: whose features these are.
            names: of its columns; without them, "feature 0" and so on. Tables of newcomers have these columns.

        Raises:
            DataError: no sparse matrix, not as many ids as rows or names as columns, a name twice, or a number that is
                not finite, or too many cells: features are kept dense.
        """
        from palate.data.matrices import columns_of

        known, numbers, columns = columns_of(matrix, ids, side, names)
        with_ones = np.concatenate([np.ones((len(known), 1), np.float32), numbers], axis=1)
        spec = {"missing": False, "kind": "number", "mean": 0.0, "scale": 1.0}
        return cls(known, with_ones, ("all", *columns), tuple({"column": name, **spec} for name in columns))

    @classmethod
    def from_dict(
        cls, attributes: Mapping[Id, Mapping[str, Any] | Iterable[str]], side: Literal["user", "item"]
    ) -> Features:
        """Encode {id: {name: value}}, or {id: list of tags}, as `from_table` encodes the same table.

        Args:
            attributes: what is known of each id; a name that one id lacks is missing for it.
            side: whose attributes these are.

        Raises:
            DataError: as `from_table`, or neither mappings nor lists of text.
        """
        if not isinstance(attributes, Mapping) or not attributes:
            raise DataError.of("from_dict", "takes {id: {name: value}} or {id: [tag, …]} with one id at least")
        rows = [known if isinstance(known, Mapping) else {"tags": _tags(known)} for known in attributes.values()]
        columns: dict[str, Any] = {f"{side}_id": list(attributes)}
        columns |= {
            name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)
        }
        return cls.from_table(columns, side)

    @classmethod
    def of_known(cls, table: Any, side: Literal["user", "item"], lists: ListColumns = True) -> Features | None:
        """Encode all that `from_table` takes by itself, or return None where the table has nothing but ids and texts.

        Raises:
            DataError: as `from_table`.
        """
        frame = as_frame(table)
        plain = _as_numbers(frame.drop(id_column(frame.columns, side)), lists)
        return cls.from_table(frame, side, lists=lists) if _chosen(plain, None, side) else None

    def on(self, ids: Ids) -> NDArray[np.float32]:
        """Return the rows of these ids, (n_ids, n_features) float32.

        Raises:
            DataError: an id has no row here; names some.
        """
        if ids.kind != self.ids.kind:
            raise DataError.of(
                f"the {self.ids.what} features' ids",
                f"are {self.ids.kind}, those of the ratings {ids.kind}",
                code="ids",
            )
        index = self.ids.index(ids.values, on_unknown="mark")
        if (index < 0).any():
            absent = ids.values.filter(pl.Series(index < 0))
            raise DataError(
                f"{len(absent):,} {self.ids.what}s have no row in the table of features, such as "
                f"{', '.join(map(repr, absent.head(3)))}: add rows for them; fields may be empty",
                subject=self.ids.what,
            )
        return self.matrix[index]

    def only(self, ids: Ids) -> Features:
        """Return the features of these ids, as far as they are here.

        Raises:
            DataError: the ids are of another type.
        """
        if ids.kind != self.ids.kind:
            raise DataError.of(
                f"the {self.ids.what} features' ids",
                f"are {self.ids.kind}, those of the ratings {ids.kind}",
                code="ids",
            )
        index = self.ids.index(ids.values, on_unknown="mark")
        if len(index) == len(self.ids) and (index >= 0).all():
            return self
        keep = np.sort(index[index >= 0])
        return replace(self, ids=Ids(self.ids.at(keep), self.ids.what), matrix=self.matrix[keep])

    def __repr__(self) -> str:
        return f"Features({len(self.ids):,} {self.ids.what}s, {len(self.names)} columns)"

    def _repr_html_(self) -> str:
        facts = [(f"{self.ids.what}s", f"{len(self.ids):,}"), ("columns", f"{len(self.names):,}")]
        some = self.matrix[:MOST_ROWS, :MOST_COLUMNS]
        first = pl.DataFrame({name: some[:, place] for place, name in enumerate(self.names[: some.shape[1]])})
        ids = pl.Series("id", self.ids.values.head(MOST_ROWS))
        return card("Features", facts, preview(pl.DataFrame([ids]).hstack(first.get_columns()), of=len(self.ids)))


def _tags(given: Any) -> list[str]:
    tags = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    if isinstance(given, str) or not all(isinstance(tag, str) for tag in tags):
        raise DataError.of(
            "from_dict", f"takes {{id: {{name: value}}}} or {{id: [tag, …]}}; got {shown(given)} for an id"
        )
    return tags


def _as_numbers(frame: pl.DataFrame, lists: ListColumns) -> pl.DataFrame:
    return (
        with_lists(frame, lists)
        .with_columns(
            (cs.categorical() | cs.enum()).cast(pl.String),
            (cs.decimal() | cs.boolean()).cast(pl.Float64),
            cs.temporal().cast(pl.Datetime("us"), strict=False).dt.epoch("d").cast(pl.Float64),
        )
        .with_columns(cs.float().fill_nan(None))
    )


def _chosen(frame: pl.DataFrame, columns: Sequence[str] | None, side: str) -> list[str]:
    if columns is not None:
        absent = [c for c in columns if c not in frame.columns]
        if absent:
            raise DataError.of(
                f"the {side} table", f"has no column '{absent[0]}'; it has {', '.join(frame.columns)}", code="columns"
            )
        return list(columns)
    chosen = []
    for column in frame.get_columns():
        values = column.drop_nulls()
        if values.is_empty():
            continue
        if column.dtype == pl.String and (
            values.n_unique() > MOST_VALUES or (len(values) > 1 and values.n_unique() == len(values))
        ):
            log.info("features leave out %s: %d different texts", column.name, values.n_unique())
        elif column.dtype == pl.List(pl.String) and (n := values.explode().n_unique()) > MOST_PARTS:
            log.warning(
                "features leave out %s: %s different words; name the column to take them", column.name, f"{n:,}"
            )
        elif column.dtype in (pl.String, pl.List(pl.String)) or column.dtype.is_numeric():
            chosen.append(column.name)
    return chosen


def _spec(column: pl.Series, sign: str | None = None) -> dict[str, Any]:
    """Return how a column becomes numbers: plain data that JSON holds; ``sign`` was said to stand between words."""
    known = column.drop_nulls()
    spec: dict[str, Any] = {"column": column.name, "missing": bool(column.null_count())}
    if column.dtype == pl.String:
        return {**spec, "kind": "category", "values": known.unique().sort().to_list()}
    if column.dtype == pl.List(pl.String):
        words = known.explode().drop_nulls().unique().sort().to_list()
        return {**spec, "kind": "list", "values": words, **({} if sign is None else {"between": sign})}
    if not column.dtype.is_numeric():
        raise DataError.of(
            f"column '{column.name}'",
            f"has type {column.dtype}; features are made of numbers, text and lists",
            code="columns",
        )
    numbers = known.cast(pl.Float64).to_numpy()
    if not np.isfinite(numbers).all():
        raise DataError.of(f"column '{column.name}'", "holds an infinite number", code="columns")
    spread = float(numbers.std()) if len(numbers) else 0.0
    mean = float(numbers.mean()) if len(numbers) else 0.0
    return {**spec, "kind": "number", "mean": mean, "scale": spread or 1.0}


def _encoded(column: pl.Series, spec: Mapping[str, Any]) -> tuple[list[str], NDArray[np.float32]]:
    """Return names and numbers of one column; a text that the encoding does not know counts as none."""
    name, kind = spec["column"], spec["kind"]
    if kind == "list" and column.dtype == pl.String:
        column = as_list(column, spec["values"], spec.get("between"))
    wanted = {"number": column.dtype.is_numeric(), "category": column.dtype == pl.String}
    if column.dtype != pl.Null and not wanted.get(kind, column.dtype == pl.List(pl.String)):
        raise DataError.of(
            f"column '{name}'", f"has type {column.dtype}, and was a {kind} when the features were made", code="columns"
        )
    if kind == "number":
        numbers = column.cast(pl.Float64).fill_null(spec["mean"]).to_numpy()
        if not np.isfinite(numbers).all():
            raise DataError.of(f"column '{name}'", "holds an infinite number", code="columns")
        names, parts = [name], [(numbers - spec["mean"]) / spec["scale"]]
    elif kind == "category":
        _tell_unknown(column, spec)
        names = [f"{name}={value}" for value in spec["values"]]
        texts = column.cast(pl.String)  # a column of nothing but nulls has a type of its own, which compares with none
        parts = [texts.eq(value).fill_null(value=False).to_numpy() for value in spec["values"]]
    else:
        lists = column.cast(pl.List(pl.String))
        _tell_unknown(lists.explode(), spec)
        names = [f"{name}={value}" for value in spec["values"]]
        parts = [lists.list.contains(value).fill_null(value=False).to_numpy() for value in spec["values"]]
    if spec["missing"]:
        names.append(f"{name}=missing")
        parts.append(column.is_null().to_numpy())
    block = np.column_stack(parts).astype(np.float32) if parts else np.zeros((len(column), 0), np.float32)
    return names, block


def _tell_unknown(words: pl.Series, spec: Mapping[str, Any]) -> None:
    """Say which words the encoding does not know: they count as none."""
    known = words.drop_nulls().unique().sort()
    new = known.filter(~known.is_in(spec["values"])) if known.dtype == pl.String else known.head(0)
    if len(new):
        some = ", ".join(map(shown, new.head(3)))
        log.warning(
            "%s: %s words were not there when the features were made, such as %s: they count as none",
            *(spec["column"], f"{len(new):,}", some),
        )


def is_encoding(spec: Any) -> bool:
    """Return whether a value from outside is one column's encoding."""
    if not isinstance(spec, dict) or not isinstance(spec.get("column"), str) or type(spec.get("missing")) is not bool:
        return False
    if spec.get("kind") == "number":
        numbers = spec.get("mean"), spec.get("scale")
        return len(spec) == 5 and all(type(n) in (int, float) for n in numbers) and spec["scale"] > 0
    texts = spec.get("values")
    size = 4 + ("between" in spec)
    known = spec.get("kind") in ("category", "list") and len(spec) == size and isinstance(spec.get("between", ""), str)
    return known and isinstance(texts, list) and all(isinstance(text, str) for text in texts)
