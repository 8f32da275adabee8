"""Users, items and events of a namespace into files, of one moment, in the order in which the store met them.

What an import of the files into an empty store makes is exported to the same bytes again. A folder also gets
``namespace.json``: the name, what ids are, the event kinds, and the scenarios. Lists, experiments and schedules stay.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, get_args

import polars as pl
from sqlalchemy import Connection, Select, Table, select

from palate.atomic import replacing
from palate.errors import DataError, ParameterError
from palate.store import scenarios
from palate.store.bulk.columns import KINDS, OWN, Kind
from palate.store.bulk.events import TYPES
from palate.store.kinds import kinds_of
from palate.store.records import Namespace
from palate.store.schema import events, items, users

if TYPE_CHECKING:
    from palate.store.store import Store

ExportFormat = Literal["parquet", "csv", "jsonl"]
FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)
PAGE = 50_000  # rows read at once
TIMES = ("time", "received", "created", "updated")
ISO = "%Y-%m-%dT%H:%M:%S%.6fZ"
SAID = "namespace.json"
FORMAT_VERSION = 1


def export(
    store: Store, ns: Namespace, folder: str | Path, form: ExportFormat = "parquet", only: Sequence[Kind] = KINDS
) -> dict[Path, int]:
    """Write a namespace into a folder as users, items and events, and return the number of rows of each file.

    Args:
        store, ns: which.
        folder: made where it is not there; files of the same names are replaced.
        form: "parquet", "csv" or "jsonl".
        only: which of "users", "items" and "events".

    Raises:
        ParameterError: form or only is none of these.
        DataError: a file cannot be written.
        UnavailableError: the store cannot be read now.
    """
    if form not in FORMATS:
        raise ParameterError.outside("form", "'parquet', 'csv' or 'jsonl'", form)
    for kind in only:
        if kind not in KINDS:
            raise ParameterError.outside("only", "'users', 'items' and 'events'", kind)
    written, folder = {}, Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with store.read() as connection:
            for kind in only:
                path = folder / f"{kind}.{form}"
                with replacing(path) as file:
                    written[path] = _write(pages(connection, ns, kind), form, file)
            with replacing(folder / SAID) as file:
                file.write(_said(connection, ns))
    except OSError as error:
        raise DataError.of_disk("cannot export to", error.filename or folder, error) from None
    return written


def _said(connection: Connection, ns: Namespace) -> bytes:
    kinds = json.loads(kinds_of(connection, ns).to_json())
    record = {"format_version": FORMAT_VERSION, "name": ns.name, "id_kind": ns.id_kind, "kinds": kinds}
    presets = {each.name: each.preset.as_dict() for each in scenarios.listed(connection, ns) if each.preset is not None}
    record |= {"scenarios": presets} if presets else {}
    return f"{json.dumps(record, indent=1, ensure_ascii=False)}\n".encode()


def pages(connection: Connection, ns: Namespace, kind: Kind) -> Iterator[pl.DataFrame]:
    """Yield what a namespace has of a kind in tables of some rows, times as moments; of nothing, one empty table."""
    query = _events(ns) if kind == "events" else _things(ns, users if kind == "users" else items)
    result = connection.execution_options(yield_per=PAGE).execute(query)
    none = True
    for part in result.partitions():
        none = False
        yield _table(kind, [tuple(row) for row in part])
    if none:
        yield _table(kind, [])


def _events(ns: Namespace) -> Select[Any]:
    undone = events.alias("undone")
    own = {"user": users.c.id, "item": items.c.id, "withdraws": undone.c.event_id}
    return (
        select(*(own.get(name, events.c[name]) for name in OWN["events"]))
        .join(users, users.c.key == events.c.user)
        .outerjoin(items, items.c.key == events.c.item)
        .outerjoin(undone, undone.c.key == events.c.withdraws)
        .where(events.c.namespace == ns.key)
        .order_by(events.c.key)
    )


def _things(ns: Namespace, table: Table) -> Select[Any]:
    account = users.alias("account")
    own = {"user_id": table.c.id, "item_id": table.c.id, "merged_into": account.c.id}
    names = OWN["users" if table is users else "items"]
    query = select(*(own[name] if name in own else table.c[name] for name in names))
    if table is users:
        query = query.outerjoin(account, account.c.key == users.c.merged_into)
    return query.where(table.c.namespace == ns.key).order_by(table.c.key)


def _table(kind: Kind, rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    truth = dict.fromkeys(("hidden", "described", "deleted"), pl.Boolean())
    types = {**TYPES, **dict.fromkeys(TIMES, pl.Int64()), **truth, "list_id": pl.Binary()}
    table = pl.DataFrame(rows, schema={name: types.get(name, pl.String()) for name in OWN[kind]}, orient="row")
    moments = [pl.from_epoch(name, "us").dt.replace_time_zone("UTC") for name in TIMES if name in table.columns]
    if kind == "events":
        moments.append(pl.col("list_id").bin.encode("hex"))
    return table.with_columns(moments)


def _write(tables: Iterator[pl.DataFrame], form: ExportFormat, file: BinaryIO) -> int:
    """Write tables one after the other, and return the number of rows."""
    if form == "parquet":
        whole = pl.concat(tables, rechunk=False)
        whole.write_parquet(file)
        return len(whole)
    n_rows = 0
    for number, table in enumerate(tables):
        texts = table.with_columns(pl.col(name).dt.to_string(ISO) for name in TIMES if name in table.columns)
        if form == "csv":
            texts.write_csv(file, include_header=not number)
        elif "attributes" in table.columns:
            file.writelines(_line(row) for row in texts.iter_rows(named=True))
        else:
            texts.write_ndjson(file)
        n_rows += len(table)
    return n_rows


def _line(row: dict[str, Any]) -> bytes:
    row["attributes"] = json.loads(row["attributes"])
    return f"{json.dumps(row, ensure_ascii=False)}\n".encode()
