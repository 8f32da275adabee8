"""The item table as arrays that can be kept in a file and mapped, and back: nothing is copied, nothing parsed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from palate.data.texts import Texts
from palate.errors import ModelFileError
from palate.files.arrow_interface import ArrowLayout
from palate.models.contract.derived import Keep

INLINE = 12  # bytes of a text that stand in its view
VIEW = 16  # bytes of a view
LARGEST = 1 << 30  # bytes of texts in one buffer: views count in 32 bits
FORMATS: dict[pl.DataType, str] = {
    pl.Int8(): "c",
    pl.Int16(): "s",
    pl.Int32(): "i",
    pl.Int64(): "l",
    pl.UInt8(): "C",
    pl.UInt16(): "S",
    pl.UInt32(): "I",
    pl.UInt64(): "L",
    pl.Float32(): "f",
    pl.Float64(): "g",
    pl.Boolean(): "b",
    pl.Date(): "tdD",
    pl.Datetime("ms"): "tsm:",
    pl.Datetime("us"): "tsu:",
    pl.Datetime("ns"): "tsn:",
    pl.String(): "vu",
    pl.List(pl.String()): "+L",
    pl.Null(): "n",
}


def laid_out(column: pl.Series, keep: Keep) -> dict[str, Any]:
    """Keep the buffers of a column, and return what says how it is put together, as JSON holds it."""
    kind = column.dtype
    valid = None if not column.null_count() else keep(_bits(column.is_not_null().to_numpy()))
    facts: dict[str, Any] = {"format": FORMATS[kind], "length": len(column), "nulls": column.null_count()}
    if kind == pl.Null:
        return {**facts, "buffers": []}
    if kind == pl.String:
        return {**facts, "buffers": [valid, *_texts(_texts_of(column), keep)]}
    if isinstance(kind, pl.List):
        sizes = column.list.len().fill_null(0).to_numpy()
        starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        held = column.drop_nulls().filter(column.drop_nulls().list.len() > 0).explode()
        return {**facts, "buffers": [valid, keep(starts)], "child": laid_out(held, keep)}
    if kind == pl.Boolean:
        return {**facts, "buffers": [valid, keep(_bits(column.fill_null(value=False).to_numpy()))]}
    return {**facts, "buffers": [valid, keep(column.to_physical().fill_null(0).to_numpy())]}


def integers_laid_out(name: str, length: int) -> dict[str, Any]:
    """Return what `laid_out` does, of integers that lie in a file already."""
    return {"format": "l", "length": length, "nulls": 0, "buffers": [None, name]}


def texts_laid_out(texts: Texts, name: str, keep: Keep) -> dict[str, Any]:
    """Return what `laid_out` does, of texts whose bytes lie in a file already."""
    named = {0: name} if len(texts.text) <= LARGEST else None
    return {"format": "vu", "length": len(texts), "nulls": 0, "buffers": [None, *_texts(texts, keep, named)]}


def layout_of(facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> ArrowLayout:
    """Return the column that was laid out, its buffers among the arrays.

    Raises:
        ModelFileError: one of them is not there.
    """
    try:
        child = layout_of(facts["child"], arrays) if "child" in facts else None
        buffers = [None if name is None else arrays[name] for name in facts["buffers"]]
        return ArrowLayout(facts["format"], facts["length"], facts["nulls"], buffers, child)
    except KeyError as error:
        raise ModelFileError.of("the item table", f"lacks {error.args[0]!r}") from None


def _bits(flags: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.packbits(flags, bitorder="little")


def _texts_of(column: pl.Series) -> Texts:
    texts = [b"" if text is None else text.encode() for text in column]
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in texts], dtype=np.int64)]).astype(np.int64)
    return Texts(np.frombuffer(b"".join(texts), np.uint8), offsets)


def _texts(texts: Texts, keep: Keep, named: Mapping[int, str] | None = None) -> list[str]:
    """Keep the views of texts, their bytes in buffers of which each is small enough, and the buffers' sizes."""
    starts = _buffer_starts(texts.offsets)
    ends = texts.offsets[[*starts[1:], len(texts)]]
    begins = texts.offsets[starts]
    buffers = [
        keep(texts.text[begin:end]) if named is None else named[n]
        for n, (begin, end) in enumerate(zip(begins, ends, strict=True))
    ]
    return [keep(_views(texts, starts)), *buffers, keep((ends - begins).astype(np.int64))]


def _buffer_starts(offsets: NDArray[np.int64]) -> list[int]:
    """Return at which text each buffer begins; one text is never longer than a buffer."""
    starts = [0]
    while offsets[-1] - offsets[starts[-1]] > LARGEST:
        starts.append(int(np.searchsorted(offsets, offsets[starts[-1]] + LARGEST, side="right")) - 1)
    return starts


def _views(texts: Texts, starts: list[int]) -> NDArray[np.uint8]:
    """Return (n, 16): the length, then the text where it is short, else its beginning, its buffer and place there."""
    sizes, first = np.diff(texts.offsets), texts.offsets[:-1]
    views = np.zeros((len(texts), VIEW), np.uint8)
    views[:, :4] = sizes.astype("<i4").view(np.uint8).reshape(-1, 4)
    short = sizes <= INLINE
    for k in range(INLINE):
        has = np.flatnonzero((sizes > k) & (short if k >= 4 else True))
        views[has, 4 + k] = texts.text[first[has] + k]
    far = np.flatnonzero(~short)
    buffer = np.searchsorted(starts, far, side="right") - 1
    at = first[far] - texts.offsets[starts][buffer]
    views[far, 8:] = np.stack([buffer, at], axis=1).astype("<i4").view(np.uint8).reshape(-1, 8)
    return views.reshape(-1).view("<i8")
