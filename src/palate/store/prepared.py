"""Statements of SQLAlchemy Core, compiled once for a database and then run with plain tuples.

Compiling, and turning dictionaries into parameters, costs more than SQLite needs to write a row; the hot statements of
the store skip both.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, cached_property
from operator import itemgetter
from typing import Any

from sqlalchemy import ARRAY, Column, Connection, CursorResult, Dialect, any_, bindparam
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.sql.elements import ClauseElement, ColumnElement

SIZES = (1, 8, 32, 128, 512)  # of lists of values in a statement
DriverRow = tuple[Any, ...]


@cache
def _dialect(name: str) -> Dialect:
    """Return a dialect whose parameters stand in order."""
    return pysqlite.dialect() if name == "sqlite" else psycopg.dialect(paramstyle="format")  # type: ignore[no-untyped-call]


class PreparedSQL:
    """A statement; each database gets its text when it first runs there.

    Args:
        statement: of Core; all its parameters are named bindparams.
        names: the parameters, in the order in which rows give them.
    """

    def __init__(self, statement: ClauseElement, *names: str) -> None:
        self.statement, self.names = statement, names
        self._texts: dict[str, tuple[str, Callable[[DriverRow], DriverRow] | None]] = {}

    def run(self, connection: Connection, *row: Any) -> CursorResult[Any]:
        """Run the statement with one row of parameters."""
        text, ordered = self._text(connection)
        return connection.exec_driver_sql(text, row if ordered is None else ordered(row))

    def tuples(self, connection: Connection, *row: Any) -> list[DriverRow]:
        """Run the statement with one row of parameters, and return what it finds, without names."""
        text, ordered = self._text(connection)
        row = row if ordered is None else ordered(row)
        quick = _driver(connection)
        if quick is None:
            return [tuple(found) for found in connection.exec_driver_sql(text, row)]
        return quick.execute(text, row).fetchall()

    def parts(self, connection: Connection, size: int, *row: Any) -> Iterator[list[DriverRow]]:
        """Run the statement with one row of parameters, and yield what it finds in parts of some rows."""
        text, ordered = self._text(connection)
        row = row if ordered is None else ordered(row)
        quick = _driver(connection)
        if quick is None:
            found = connection.exec_driver_sql(text, row, execution_options={"yield_per": size})
            yield from ([tuple(each) for each in part] for part in found.partitions())
            return
        cursor = quick.execute(text, row)
        while part := cursor.fetchmany(size):
            yield part

    def run_many(self, connection: Connection, rows: list[DriverRow]) -> None:
        """Run the statement with each of the rows."""
        if not rows:
            return
        text, ordered = self._text(connection)
        rows = rows if ordered is None else [ordered(row) for row in rows]
        quick = _driver(connection)
        if quick is None:
            connection.exec_driver_sql(text, rows)
        else:
            quick.executemany(text, rows)

    def _text(self, connection: Connection) -> tuple[str, Callable[[DriverRow], DriverRow] | None]:
        name = connection.dialect.name
        found = self._texts.get(name)
        if found is None:
            compiled = self.statement.compile(dialect=_dialect(name))
            order = [self.names.index(name) for name in compiled.positiontup or ()]  # type: ignore[attr-defined]
            ordered = None if order == list(range(len(self.names))) else _picked(order)
            found = self._texts[name] = (str(compiled), ordered)
        return found


def _driver(connection: Connection) -> sqlite3.Connection | None:
    """Return SQLite's own connection, in the transaction that SQLAlchemy's has begun; None for PostgreSQL.

    SQLAlchemy's result costs more than most statements take in SQLite, and little beside a server's answer.
    """
    if connection.dialect.name != "sqlite":
        return None
    if not connection.in_transaction():
        connection.begin()
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    return driver


def _picked(order: Sequence[int]) -> Callable[[DriverRow], DriverRow]:
    if len(order) == 1:
        return lambda row: (row[order[0]],)
    return itemgetter(*order)


class Among:
    """A statement with a list of values in it, of any length.

    SQLite has one statement for each of a few lengths, padded. PostgreSQL gets the list as one array: of a statement
    with a hundred parameters it makes plans that take longer than the rows.

    Args:
        build: returns the select for the condition that a column is among the values.
        column: that column.
        names: the other parameters, in the order in which they are given.
    """

    def __init__(self, build: Callable[[ColumnElement[bool]], ClauseElement], column: Column[Any], *names: str) -> None:
        self.build, self.column, self.names = build, column, names
        self._sizes: dict[int, PreparedSQL] = {}

    def rows(self, connection: Connection, values: Iterable[Any], *others: Any) -> list[Any]:
        """Return the rows for all values, each given once."""
        return [row for result in self._results(connection, values, others) for row in result.fetchall()]

    def tuples(self, connection: Connection, values: Iterable[Any], *others: Any) -> list[DriverRow]:
        """Return the rows for all values, each given once, without names."""
        found = self._bound(connection, list(values), others)
        return [row for prepared, given in found for row in prepared.tuples(connection, *given)]

    def run(self, connection: Connection, values: Iterable[Any], *others: Any) -> None:
        """Run a statement that returns no rows for all values."""
        for _ in self._results(connection, values, others):
            pass

    def _results(self, connection: Connection, values: Iterable[Any], others: DriverRow) -> Iterator[CursorResult[Any]]:
        for prepared, given in self._bound(connection, list(values), others):
            yield prepared.run(connection, *given)

    def _bound(
        self, connection: Connection, values: list[Any], others: DriverRow
    ) -> Iterator[tuple[PreparedSQL, DriverRow]]:
        """Yield statements with their parameters; none where there are no values."""
        if connection.dialect.name == "postgresql":
            yield from [(self._of_array, (*others, values))] if values else []
            return
        for part in _parts(values):
            yield self._of(len(part)), (*others, *part)

    @cached_property
    def _of_array(self) -> PreparedSQL:
        array = bindparam("values", type_=ARRAY(self.column.type))
        return PreparedSQL(self.build(self.column == any_(array)), *self.names, "values")

    def _of(self, size: int) -> PreparedSQL:
        if size not in self._sizes:
            names = [f"value{k}" for k in range(size)]
            among = self.column.in_([bindparam(name, type_=self.column.type) for name in names])
            self._sizes[size] = PreparedSQL(self.build(among), *self.names, *names)
        return self._sizes[size]


def _parts(values: list[Any]) -> Iterator[list[Any]]:
    """Yield values in parts of a few sizes; the last value stands again in what is left."""
    for first in range(0, len(values), SIZES[-1]):
        part = values[first : first + SIZES[-1]]
        size = next(size for size in SIZES if size >= len(part))
        yield part + part[-1:] * (size - len(part))
