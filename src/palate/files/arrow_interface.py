"""Arrays as Polars columns, uncopied, by the Arrow C data interface.

Polars reads Arrow files into memory of its own; a column made here reads the arrays where they lie, in a mapped file
for example, and keeps them as long as it needs them. https://arrow.apache.org/docs/format/CDataInterface.html
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import polars as pl
from numpy.typing import NDArray

NULLABLE = 2  # ARROW_FLAG_NULLABLE


class _Schema(ctypes.Structure):
    """ArrowSchema."""

    held: Any


class _Array(ctypes.Structure):
    """ArrowArray."""

    held: Any


_OfSchema = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Schema))
_OfArray = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Array))
_Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_char_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_Schema))),
    ("dictionary", ctypes.c_void_p),
    ("release", _OfSchema),
    ("private_data", ctypes.c_void_p),
]
_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
    ("dictionary", ctypes.c_void_p),
    ("release", _OfArray),
    ("private_data", ctypes.c_void_p),
]
_held: dict[int, Any] = {}  # by number: what a column reads, until it says that it is done
_numbers = count(1)


def _forget_schema(schema: Any) -> None:
    schema.contents.release = _OfSchema(0)


def _forget_array(array: Any) -> None:
    _held.pop(array.contents.private_data, None)
    array.contents.release = _OfArray(0)


_release_schema, _release_array = _OfSchema(_forget_schema), _OfArray(_forget_array)
_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
for _function in (_release_schema, _release_array):  # a column may be dropped when this module is gone already
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(_function))


@dataclass(frozen=True, eq=False)
class ArrowLayout:
    """A column as Arrow lays it out.

    Attributes:
        format: its type in Arrow's words: "l" for int64, "vu" for text, "+L" for lists, …
        length: how many values.
        nulls: how many of them are missing.
        buffers: in Arrow's order; None where there is none.
        child: of lists, the column of what they hold.
    """

    format: str
    length: int
    nulls: int
    buffers: Sequence[NDArray[Any] | None]
    child: ArrowLayout | None = None

    def column(self, name: str) -> pl.Series:
        """Return it as a column of Polars, which reads the buffers where they lie."""
        return pl.Series(name, _Given(self))


@dataclass(frozen=True, eq=False)
class _Given:
    """What `polars.Series` takes; it lives until the column is made, and schemas are needed no longer."""

    layout: ArrowLayout
    schemas: list[_Schema] = field(default_factory=list)

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[Any, Any]:
        """Return the capsules of schema and array."""
        array = _array(self.layout)
        array.private_data = number = next(_numbers)
        _held[number] = array
        self.schemas.append(_schema(self.layout))
        return (
            _new_capsule(ctypes.addressof(self.schemas[-1]), b"arrow_schema", None),
            _new_capsule(ctypes.addressof(array), b"arrow_array", None),
        )


def _schema(layout: ArrowLayout) -> _Schema:
    """Return the type of a column; what it points to lives as long as it does."""
    schema = _Schema(format=layout.format.encode(), name=b"", flags=NULLABLE, release=_release_schema)
    if layout.child is not None:
        child = _schema(layout.child)
        schema.held = pointers = (ctypes.POINTER(_Schema) * 1)(ctypes.pointer(child))
        schema.n_children, schema.children = 1, ctypes.cast(pointers, ctypes.POINTER(ctypes.POINTER(_Schema)))
    return schema


def _array(layout: ArrowLayout) -> _Array:
    """Return the buffers of a column, which live as long as what is returned."""
    addresses = [None if array is None else array.ctypes.data for array in layout.buffers]
    buffers = (ctypes.c_void_p * len(addresses))(*addresses)
    array = _Array(length=layout.length, null_count=layout.nulls, n_buffers=len(addresses), release=_release_array)
    array.buffers = ctypes.cast(buffers, ctypes.POINTER(ctypes.c_void_p))
    array.held = [buffers, layout.buffers]
    if layout.child is not None:
        pointers = (ctypes.POINTER(_Array) * 1)(ctypes.pointer(_array(layout.child)))
        array.n_children, array.children = 1, ctypes.cast(pointers, ctypes.POINTER(ctypes.POINTER(_Array)))
        array.held.append(pointers)
    return array
