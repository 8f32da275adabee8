"""The facts of a folder of partitioned Parquet, and its files; see `palate.files.partitioned`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import polars as pl

from palate.data.reading.bounds import check_bounds
from palate.errors import DataError, ModelFileError
from palate.files import strict_json
from palate.files.checks import check_names, class_of
from palate.files.header import HEADER
from palate.models.contract.learned import Shape

FORMAT_VERSION = 1
FACTS = "facts"
PARTS = ("users", "items", "arrays", "seen", "item_table")
SIDES = {"users": ("n_users", "n_users_with_features"), "items": ("n_items",)}  # first axes of arrays with a row each
DTYPES = {"float32": pl.Float32, "float64": pl.Float64, "int32": pl.Int32, "int64": pl.Int64}

_FACTS: dict[str, tuple[type, ...]] = {
    **{name: (kind,) for name, kind in HEADER.items()},
    "n_users": (int,),
    "n_items": (int,),
    "n_seen": (int, NoneType),
    "weights": (bool,),
    "rated": (bool,),
    "arrays": (dict,),
    "files": (dict,),
}


@dataclass(frozen=True)
class Stated:
    """What the facts say of an array.

    Attributes:
        dtype: its name.
        shape: of the whole array.
        part: which part of the folder holds it.
    """

    dtype: str
    shape: tuple[int, ...]
    part: str

    @classmethod
    def of(cls, kind: Mapping[str, Shape], name: str, dtype: str, shape: Iterable[int]) -> Stated:
        """Return it of an array of a model that learns these."""
        shape, axes = tuple(shape), kind[name].axes
        part = next((side for side, first in SIDES.items() if axes[:1] and axes[0] in first), "arrays")
        return cls(dtype, shape, part if np.prod(shape, dtype=object) else "arrays")

    @property
    def width(self) -> int:
        """How many numbers a row has."""
        return int(np.prod(self.shape[1:], dtype=object))

    @property
    def column(self) -> pl.DataType:
        """The type of its column in the table of a side."""
        number = DTYPES[self.dtype]()
        return number if len(self.shape) == 1 else pl.List(number)


def is_folder_of_model(path: Path) -> bool:
    """Return whether a folder is, or was to be, one of these."""
    return (path / FACTS).is_dir() or all((path / side).is_dir() for side in SIDES)


def facts_in(folder: Path) -> dict[str, Any]:
    """Return the facts, their version, names and types checked.

    Raises:
        ModelFileError: they are missing, damaged or too new.
    """
    parts = _parts_in(folder / FACTS)
    table = _read(parts[0], parts[0].read_bytes()) if parts else pl.DataFrame()
    if is_folder_of_model(folder) and (not parts or table.columns == ["json"]):  # Spark marks what is not whole yet
        raise ModelFileError(
            "it is half written: the facts, which are written last, are not there; save the model again",
            code="damaged",
            subject=folder,
        )
    if not parts:
        raise ModelFileError.of("it", "holds no model: a folder of a model has facts/, users/ and items/")
    if len(parts) > 1 or table.schema != {"json": pl.String, "sha256": pl.String} or table.shape != (1, 2):
        raise ModelFileError.of(FACTS, "must be one row of json and sha256, in one file")
    text, digest = table.row(0)
    if text is None or digest is None or hashlib.sha256(text.encode()).hexdigest() != digest:
        raise ModelFileError.of(FACTS, "do not fit their checksum: they are damaged")
    facts = strict_json.loads(text.encode(), "the facts")
    _check_facts(facts)
    return dict(facts)


def _check_facts(facts: Any) -> None:
    if not isinstance(facts, dict) or type(facts.get("format_version")) is not int:
        raise ModelFileError.of("the facts", "give no format_version", code="version")
    found = facts["format_version"]
    if found != FORMAT_VERSION:
        raise ModelFileError.of(
            "the facts",
            f"have format version {found}, this Palate reads {FORMAT_VERSION}; pip install --upgrade palate",
            code="version",
        )
    check_names("the facts", "key", set(facts), set(_FACTS) | ({"log"} & set(facts)))
    odd = [name for name, kinds in _FACTS.items() if type(facts[name]) not in kinds]
    odd += [name for name in ("n_users", "n_items", "n_seen") if (facts[name] or 0) < 0] if not odd else []
    odd += [side for side in SIDES if not odd and facts[side] not in ("integer", "text")]
    if odd:
        raise ModelFileError.of("the facts", f": '{odd[0]}' has a wrong type or value")


def arrays_of(facts: Mapping[str, Any]) -> dict[str, Stated]:
    """Return what the facts say of each array, checked.

    Raises:
        ModelFileError: an array is unknown, or has another number of rows than its side.
    """
    kind = class_of(facts["model"]).learned_.kind.ARRAYS
    arrays = {}
    for name, given in facts["arrays"].items():
        if name not in kind:
            raise ModelFileError.of("the facts", f"tell of the unknown array '{name[:40]}'")
        if not (isinstance(given, list) and len(given) == 2 and given[0] in DTYPES and _is_shape(given[1])):
            raise ModelFileError.of(f"the facts' {name}", "must be a dtype and a shape")
        stated = Stated.of(kind, name, *given)
        if stated.part in SIDES and stated.shape[0] != facts[f"n_{stated.part}"]:
            n = facts[f"n_{stated.part}"]
            raise ModelFileError.of(f"the facts' {name}", f"has {stated.shape[0]} rows for {n} {stated.part}")
        arrays[name] = stated
    return arrays


def _is_shape(given: Any) -> bool:
    return isinstance(given, list) and len(given) > 0 and all(type(n) is int and n >= 0 for n in given)


class PartFiles:
    """The files of a folder, as many as the facts name and no others."""

    def __init__(self, folder: Path, stated: Mapping[str, Any]) -> None:
        self.folder, self.stated = folder, stated
        there = {f"{part}/{path.name}" for part in PARTS for path in _parts_in(folder / part)}
        for what, names in (("lacks the file", set(stated) - there), ("has the further file", there - set(stated))):
            if names:
                raise ModelFileError.of("it", f"{what} {min(names)[:80]}: write or copy it again", code="damaged")

    def paths(self, part: str) -> list[Path]:
        """Return the files of a part."""
        return [self.folder / name for name in sorted(self.stated) if name.split("/")[0] == part]

    def tables(self, part: str, columns: Mapping[str, pl.DataType | type[pl.DataType]]) -> Iterator[pl.DataFrame]:
        """Return the tables of a part, one a file, their bytes, columns and types checked; nothing is missing."""
        for path in self.paths(part):
            table = self._table(part, path)
            check_names(f"{part}/", "column", set(table.columns), set(columns))
            for name, kind in columns.items():
                if table.schema[name] != kind:
                    raise ModelFileError.of(f"{part}/ column '{name}'", f"holds {table.schema[name]}, not {kind}")
                if table[name].null_count():
                    raise ModelFileError.of(f"{part}/ column '{name}'", "has missing values")
            yield table

    def any_tables(self, part: str) -> list[pl.DataFrame]:
        """Return the tables of a part whose columns are its own matter."""
        return [self._table(part, path) for path in self.paths(part)]

    def n_rows(self, part: str) -> int:
        """Return how many rows a part has, by the ends of its files."""
        return sum(_n_rows(path) for path in self.paths(part))

    def _table(self, part: str, path: Path) -> pl.DataFrame:
        data, stated = path.read_bytes(), self.stated[f"{part}/{path.name}"]
        if stated != [len(data), hashlib.sha256(data).hexdigest()]:
            raise ModelFileError.of(f"{part}/{path.name}", "does not fit its checksum: the file is damaged")
        return _read(path, data)


def _parts_in(folder: Path) -> list[Path]:
    """Return the files of a part; those whose names begin with "_" or "." are Spark's own."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in paths if path.name[0] not in "_." and path.is_file()]


def _read(path: Path, data: bytes) -> pl.DataFrame:
    try:
        check_bounds(path)
        return pl.read_parquet(data, hive_partitioning=False)
    except DataError as error:
        raise error.within(f"{path.parent.name}/{path.name}: ", kind=ModelFileError) from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:  # a damaged page makes Polars panic
        raise ModelFileError.of(f"{path.parent.name}/{path.name}", f"is not a valid Parquet file: {error}") from None


def _n_rows(path: Path) -> int:
    try:
        return int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise ModelFileError.of(f"{path.parent.name}/{path.name}", f"is not a valid Parquet file: {error}") from None
