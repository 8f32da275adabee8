"""What an import is given, as tables of users, items and events: files, folders, Gorse's exports, data sets, frames."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from palate.data.checking import Where
from palate.data.dataset import Dataset
from palate.data.reading.incoming import as_file, path_of
from palate.data.reading.layout import FileForm, look_at
from palate.data.reading.raw import reading
from palate.data.reading.whole import WholeTable, whole_table
from palate.data.sources.loading import KNOWN, STDIN, load_dataset
from palate.data.tables import as_frame
from palate.errors import DataError, NotFoundError, ParameterError, Remedy, Set
from palate.store.bulk import gorse, gorse_csv, parts
from palate.store.bulk.columns import KINDS, Kind, kind_of
from palate.store.bulk.exporting import FORMAT_VERSION, SAID
from palate.store.configuring import set_kinds
from palate.store.kinds import Kinds, kinds_from
from palate.store.presets import Preset
from palate.store.records import IdKind, Namespace

if TYPE_CHECKING:
    from palate.store.store import Store

ENDINGS = ("parquet", "csv", "jsonl", "tsv", "json")
PACKED = ("", ".gz", ".zst")
STEMS: dict[Kind, tuple[str, ...]] = {"users": ("users",), "items": ("items",), "events": ("events", "feedback")}
INDEX = re.compile(r"__index_level_\d+__|Unnamed: 0|")  # what pandas writes beside the columns
OF_FILES = ("encoding", "quote", "max_bytes")  # options of reading that hold for all files


@dataclass(frozen=True)
class Told:
    """What the folder of an export says of its namespace.

    Attributes:
        id_kind: what ids are.
        kinds: the event kinds.
        presets: of its scenarios, by name.
    """

    id_kind: IdKind
    kinds: Kinds
    presets: Mapping[str, Preset] = field(default_factory=dict)


@dataclass
class ImportSource:
    """What is imported.

    Attributes:
        tables: one of each kind that is there.
        told: what an export says of its namespace, or None.
        dataset: True where the events are the ratings of a data set, whose rows name no kind.
        notes: sentences on where it came from and what was left out.
    """

    tables: dict[Kind, WholeTable] = field(default_factory=dict)
    told: Told | None = None
    dataset: bool = False
    notes: tuple[str, ...] = ()


def namespace_for(store: Store, name: str, source: str | Path) -> Namespace:
    """Return the namespace to import into; one that is not there is made where an export tells what it is.

    Raises:
        NotFoundError: it is not there, and the source tells nothing of it.
        DataError: what the folder says of it cannot be read.
    """
    try:
        return store.namespace(name)
    except NotFoundError:
        said = Path(source, SAID)
        if str(source) in (STDIN, *KNOWN) or not said.is_file():
            raise
    told = _told(said)
    made = store.create_namespace(name, told.id_kind)
    set_kinds(store, made, told.kinds)
    return made


@contextmanager
def opened(
    source: str | Path, kind: Kind | None = None, read: Mapping[str, Any] | None = None
) -> Iterator[ImportSource]:
    """Yield what a name, a folder, a file or "-" holds; its lines have numbers inside the block alone.

    Args:
        source: as above.
        kind: what a file holds, where its columns do not say it.
        read: options of `palate.read_ratings`.

    Raises:
        DataError: nothing is there, it cannot be read, or it cannot be told what it holds.
        ParameterError: an option that does not hold for what is read.
    """
    read = dict(read or {})
    with ExitStack() as stack:
        name = None
        if str(source) == STDIN:
            path, encoding, name = stack.enter_context(as_file(sys.stdin.buffer, read.get("encoding", "utf-8")))
            read["encoding"] = encoding
        elif str(source) in KNOWN:
            yield _of_dataset(load_dataset(str(source), all_rows=True, **read))
            return
        else:
            path = path_of(source)
        if path.is_dir() and parts.is_parts(path):
            with reading(path):
                yield _of_parts(path, kind, read, stack)
        elif path.is_dir():
            yield _of_folder(path, read, stack)
        else:
            yield _of_file(path, kind, read, stack, name)


def _of_folder(folder: Path, read: dict[str, Any], stack: ExitStack) -> ImportSource:
    """Return the files of an export of ours or of Gorse's dashboard, or a folder in a format of MovieLens.

    Each file may be a folder of parts, as Spark writes it.
    """
    with reading(folder):
        files = {kind: _file_of(folder, kind) for kind in KINDS}
        said = folder / SAID
        if said.is_file():
            told = _told(said)
        elif not any(files.values()):
            return _of_dataset(load_dataset(folder, all_rows=True, **read))
        else:
            told = None
    source = ImportSource(told=told)
    for kind, path in files.items():
        if path is not None and (path.is_dir() or path.stat().st_size):  # JSON lines of nothing are no bytes
            source.tables[kind] = _whole(path, kind, read, stack)
    return source


def _file_of(folder: Path, kind: Kind) -> Path | None:
    names = [f"{stem}.{end}{packed}" for stem in STEMS[kind] for end in ENDINGS for packed in PACKED]
    there = [folder / name for name in dict.fromkeys([*names, *STEMS[kind]]) if _holds_rows(folder / name)]
    if len(there) > 1:
        raise DataError.of(
            folder, f"has {' and '.join(path.name for path in there)}: leave one of them there", code="format"
        )
    return there[0] if there else None


def _holds_rows(path: Path) -> bool:
    return path.is_file() or (path.is_dir() and parts.is_parts(path))


def _told(path: Path) -> Told:
    try:
        record = json.loads(path.read_bytes())
        if record["format_version"] != FORMAT_VERSION:
            raise DataError.of(path, "was written by a newer Palate; pip install --upgrade palate", code="version")
        if record["id_kind"] not in ("text", "integer"):
            raise ValueError(f"ids are no '{record['id_kind']}'")
        presets = {name: Preset.of(preset) for name, preset in record.get("scenarios", {}).items()}
        return Told(record["id_kind"], kinds_from(record["kinds"]), presets)
    except DataError:
        raise
    except ParameterError as error:
        raise error.within(f"{path}: ", kind=DataError) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError.of(path, f"is not what an export writes: {error!r}; export again", code="format") from None


def _of_file(path: Path, kind: Kind | None, read: dict[str, Any], stack: ExitStack, name: str | None) -> ImportSource:
    with reading(path):
        if not path.exists():
            raise DataError.of(
                f"no data at '{path}'",
                f": give {', '.join(KNOWN)}, a file, a folder of an export, or - for standard input",
                code="not_found",
            )
        if gorse.is_dump(path):
            return ImportSource(dict(gorse.read_dump(path)))
        if kind is None and _lacks_header(path, read, name):
            return _of_dataset(load_dataset(path, **read))
    return _of_table(_whole(path, kind, read, stack), kind)


def _of_parts(folder: Path, kind: Kind | None, read: dict[str, Any], stack: ExitStack) -> ImportSource:
    """Return a table of Spark's; one without the mark that it is whole is read, and that is said."""
    source = _of_table(_whole(folder, kind, read, stack), kind)
    if not (folder / parts.DONE).is_file():
        source.notes += (f"{folder} has no file {parts.DONE}, so it is not known whether all of it is there",)
    return source


def of_frame(table: Any, kind: Kind | None = None) -> ImportSource:
    """Return a table in memory: of Polars, pandas, Arrow or Spark.

    Raises:
        DataError: it is no table, or it cannot be told what it holds.
    """
    return _of_table(WholeTable("parquet", as_frame(table), [], Where()), kind)


def _of_table(table: WholeTable, kind: Kind | None) -> ImportSource:
    index = [name for name in table.frame.columns if INDEX.fullmatch(name)]
    table = replace(table, frame=table.frame.drop(index))
    names = table.names
    found = kind or gorse.kind_of(names) or kind_of(names)
    if found is None:
        raise DataError.of(
            table.where.name,
            f"has the columns {', '.join(map(repr, names))}, and cannot be told to be users, items or events",
            Remedy(": say which with ", Set("kind", "items")),
            code="columns",
        )
    notes = tuple(f"the column '{name}' was left out: it is the index of pandas" for name in index)
    return ImportSource({"events" if found == "ratings" else found: table}, notes=notes)


def _lacks_header(path: Path, read: Mapping[str, Any], name: str | None) -> bool:
    """Return whether a file is one of ratings without names of columns, which the readers of data sets know."""
    form = FileForm(
        read.get("encoding", "utf-8"), read.get("header", "auto"), read.get("quote", "auto"), name or str(path)
    )
    names = None
    if not {"header", "columns"} & set(read):  # a header that names no user and item is one of users or of items
        try:
            layout = look_at(path, form, attributes=True)
        except DataError:
            layout = look_at(path, form)
        if layout.kind != "text":
            return False
        names = layout.names
        if names is not None and (kind_of(names) or gorse.kind_of(list(names))):
            return False
    layout = look_at(path, form, read.get("columns"))
    return layout.kind == "text" and layout.names is None


def _whole(path: Path, kind: Kind | None, read: Mapping[str, Any], stack: ExitStack) -> WholeTable:
    options = {name: read[name] for name in OF_FILES if name in read}
    if path.is_dir():
        table = parts.whole_of_parts(path, lambda part: stack.enter_context(whole_table(part, **options)))
    else:
        table = stack.enter_context(whole_table(path, **options))
    if table.kind == "text" and (found := gorse_csv.kind_of(table.names)) is not None and kind in (None, found):
        return gorse.as_own(gorse_csv.rows_of(table), found)
    found = gorse.kind_of(table.names) if table.kind == "jsonl" else None
    return gorse.as_own(table, kind or found) if found is not None else table


def _of_dataset(data: Dataset) -> ImportSource:
    """Return the ratings of a data set as events, and what is known of items and users."""
    rows = data.interactions
    columns = {
        "user": rows.users.values.cast(pl.String).gather(rows.user_index),
        "item": rows.items.values.cast(pl.String).gather(rows.item_index),
    }
    if not bool((rows.values == 1).all()):
        columns["value"] = pl.Series(rows.values).cast(pl.Float64)
    if rows.times is not None:
        columns["time"] = pl.Series(rows.times)
    where = Where(data.name, "row", 1)
    tables: dict[Kind, WholeTable] = {"events": WholeTable("parquet", pl.DataFrame(columns), [], where)}
    titles = data.items["title"] == data.items["item_id"].cast(pl.String)  # ids stand where there are none
    items = data.items.with_columns(title=data.items["title"].set(titles, None))
    sides: tuple[tuple[Kind, pl.DataFrame], ...] = (("users", data.users), ("items", items))
    for kind, table in sides:
        known = [name for name in table.columns[1:] if table[name].null_count() < len(table)]
        if known:
            tables[kind] = WholeTable(
                "parquet", table.select(table.columns[0], *known), [], Where(f"the {kind}", "row", 1)
            )
    return ImportSource(tables, dataset=True, notes=data.notes)
