"""Statements for many rows at once: SQLite runs them row by row, PostgreSQL gets the rows as arrays in one message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from sqlalchemy import ARRAY, Column, ColumnElement, Connection, Table, bindparam, func, literal_column, select, update
from sqlalchemy import column as named
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ClauseElement

from palate.store.prepared import DriverRow, PreparedSQL

Assigned = Mapping[str, ColumnElement[Any]]


class Many:
    """A statement that writes each of many rows, compiled once for a database.

    Args:
        build: returns the statement for a dialect and what rows give, by name.
        columns: what rows give, in their order: name and the column whose type it has.
    """

    def __init__(self, build: Callable[[Any, Assigned], ClauseElement], columns: Mapping[str, Column[Any]]) -> None:
        self.build, self.columns = build, dict(columns)

    def run_many(self, connection: Connection, rows: list[DriverRow]) -> None:
        """Write the rows."""
        if rows and connection.dialect.name == "sqlite":
            self._by_row.run_many(connection, rows)
        elif rows:
            self._by_set.run(connection, *map(list, zip(*rows, strict=True)))

    @cached_property
    def _by_row(self) -> PreparedSQL:
        given = {name: bindparam(name, type_=column.type) for name, column in self.columns.items()}
        return PreparedSQL(self.build(sqlite, given), *given)

    @cached_property
    def _by_set(self) -> PreparedSQL:
        arrays = [bindparam(name, type_=ARRAY(column.type)) for name, column in self.columns.items()]
        names = [named(name, column.type) for name, column in self.columns.items()]
        given = func.unnest(*arrays).table_valued(*names, name="given").render_derived()
        return PreparedSQL(self.build(postgresql, {name: given.c[name] for name in self.columns}), *self.columns)


def inserts(table: Table, *names: str, conflict: Callable[[Any], Any] = lambda put: put, **fixed: str) -> Many:
    """Return the statement that adds rows to a table.

    Args:
        table: to which.
        names: of the columns that rows give, in order.
        conflict: adds to the insert what is done where a row is there.
        fixed: what all rows have in other columns, as words of SQL.
    """
    same: dict[str, Any] = {name: literal_column(words) for name, words in fixed.items()}

    def build(database: Any, given: Assigned) -> ClauseElement:
        put, values = database.insert(table), {**given, **same}
        if database is sqlite:
            return conflict(put.values(values))  # type: ignore[no-any-return]
        return conflict(put.from_select(list(values), select(*values.values())))  # type: ignore[no-any-return]

    return Many(build, {name: table.c[name] for name in names})


def updates(table: Table, *names: str, where: tuple[str, ...], change: Callable[[Assigned], Mapping[str, Any]]) -> Many:
    """Return the statement that changes rows of a table.

    Args:
        table: which.
        names: of the columns that rows give, in order.
        where: those of them that say which row is changed.
        change: returns the new values, for what rows give.
    """

    def build(_: Any, given: Assigned) -> ClauseElement:
        return update(table).where(*(table.c[name] == given[name] for name in where)).values(dict(change(given)))

    return Many(build, {name: table.c[name] for name in names})
