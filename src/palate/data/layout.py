"""How a file of ratings is written, seen from its name and start: kind, compression, separator, header, columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from palate.data.columns import ROLES, check_columns, find_columns, is_header
from palate.data.ids import shown
from palate.data.raw import (
    bare_suffix,
    check_encoding,
    decoded,
    is_utf8,
    packing,
    raw_chunks,
    split_line,
    zstd_chunks,
)
from palate.errors import DataError

Kind = Literal["text", "parquet", "jsonl"]
Columns = Mapping[str, str | int]

KINDS: dict[str, Kind] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}
SEPARATORS = {".csv": ",;\t|", ".tsv": "\t", ".tab": "\t"}
TIERS = (("::",), ("\t",), (",", ";"), ("|",), ("\x1f",), (" ",))  # a text may hold those of later tiers in its fields
HEAD = 1 << 16  # bytes looked at
INTEGER = r"^[+-]?\d+$"
LEADING_ZERO = r"^[+-]?0\d"
BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a]")


@dataclass(frozen=True)
class Layout:
    """How a file is written.

    Attributes:
        kind: "text" (separated columns), "parquet" or "jsonl".
        packed: "gzip", "zstd" or "".
        separator: of text, usually one byte.
        quoted: whether text fields may stand in double quotes.
        names: the header's names, or None where there is none.
        width: number of columns.
        skip: lines before the first row: blank ones and the header.
        sample: the first rows' fields, for text.
        roles: {role: number of the column}, for text.
    """

    kind: Kind
    packed: str = ""
    separator: str = ","
    quoted: bool = False
    names: tuple[str, ...] | None = None
    width: int = 0
    skip: int = 0
    sample: tuple[tuple[str, ...], ...] = ()
    roles: Mapping[str, int] = field(default_factory=dict)


def look_at(path: Path, encoding: str = "utf-8", columns: Columns | None = None, *, attributes: bool = False) -> Layout:
    """Return how a file of ratings is written, or one of attributes: that has a header and no roles.

    Raises:
        DataError: no such file, a folder, empty, damaged, of an unknown format, or without two columns.
        ParameterError: unknown encoding, or one of no text.
    """
    check_encoding(encoding)
    check_columns(columns, str | int)
    if path.is_dir():
        raise DataError(f"{path} is a folder; give the file of ratings in it, or open it with load_movielens(folder=…)")
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    packed = packing(path)
    head = _head(path, packed)
    if not head.strip():
        raise DataError(f"{path} is empty: there is no rating in it")
    kind = _kind(path, packed, head)
    if kind != "text":
        return Layout(kind, packed)
    text = _decoded(head, path, encoding)
    if "\r" in text and "\n" not in text:
        raise DataError(f"{path} ends its lines in carriage returns alone; write it again with usual line ends")
    return _text_layout(path, packed, text, None if attributes else columns or {})


def _head(path: Path, packed: str) -> bytes:
    """Return the first whole lines."""
    chunks = zstd_chunks(path, 1000) if packed == "zstd" else raw_chunks(path, packed)
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) > HEAD:
            break
    if len(head) > HEAD:
        return head[: head.rfind(b"\n", 0, HEAD) + 1] or head[:HEAD]
    return head


def _kind(path: Path, packed: str, head: bytes) -> Kind:
    kind = KINDS.get(bare_suffix(path))
    if kind is None:
        kind = "parquet" if head.startswith(b"PAR1") else "jsonl" if head.lstrip().startswith(b"{") else "text"
    if kind == "parquet" and packed:
        raise DataError(f"{path}: Parquet is packed inside already; unpack the file first")
    if kind == "jsonl" and head.lstrip().startswith(b"["):
        raise DataError(f"{path} is one JSON array; write one JSON object a line instead")
    if kind == "text" and head.startswith(b"PK\x03\x04"):
        raise DataError(f"{path} is a zip archive (or a workbook): unpack it, or save it as csv")
    return kind


def _decoded(head: bytes, path: Path, encoding: str) -> str:
    if is_utf8(encoding) and BINARY.search(head):
        raise DataError(
            f"{path} has an unknown format; known are csv, tsv, '::', Parquet, JSON lines, plain, gz or zst"
        )
    return "".join(decoded(iter([head]), path, encoding)).lstrip("\ufeff")


def _text_layout(path: Path, packed: str, head: str, columns: Columns | None) -> Layout:
    lines = head.split("\n")
    filled = [k for k, line in enumerate(lines) if line.strip()]
    texts = [lines[k].rstrip("\r") for k in filled]
    separator = _separator(path, texts)
    quoted = separator in (",", ";") or any(f[:1] == f[-1:] == '"' for f in texts[0].split(separator) if len(f) > 1)
    rows = [tuple(split_line(text, separator, quoted=quoted)) for text in texts]
    width = len(rows[0])
    if columns is not None and not _has_header(rows, columns):
        roles = _by_position(path, rows[0], columns)
        return Layout("text", packed, separator, quoted, None, width, filled[0], tuple(rows), roles)
    roles = {} if columns is None else _by_name(path, rows[0], columns)
    skip = filled[1] if len(filled) > 1 else filled[0] + 1
    return Layout("text", packed, separator, quoted, rows[0], width, skip, tuple(rows[1:]), roles)


def is_integers(fields: list[str]) -> bool:
    """Return whether all texts that are not empty are integers of 64 bits without a leading zero."""
    filled = [f.strip() for f in fields if f.strip()]
    return all(re.match(INTEGER, f) and not re.match(LEADING_ZERO, f) and abs(int(f)) < 1 << 63 for f in filled)


def is_numbers(fields: list[str]) -> bool:
    """Return whether all texts that are not empty are numbers."""
    return all(_is_number(f) for f in fields if f.strip())


def _separator(path: Path, texts: list[str]) -> str:
    """Return the separator that cuts the first lines into equally many fields, two at least."""
    allowed = SEPARATORS.get(bare_suffix(path))
    tiers = [[s for s in tier if allowed is None or s in allowed] for tier in TIERS]
    counts = {s: [len(split_line(t, s, quoted=s in (",", ";"))) for t in texts[:100]] for tier in tiers for s in tier}
    wide = {s: c for s, c in counts.items() if c[0] > 1}
    even = {s: c for s, c in wide.items() if len(set(c)) == 1}
    choice = even or wide
    for tier in tiers:
        if found := [s for s in tier if s in choice]:
            return max(found, key=lambda s: choice[s][0])
    words = {"\t": "tab", " ": "space", "\x1f": "\\x1f"}
    raise DataError(
        f"{path} has one column only, its first line is '{texts[0][:60]}': user and item ids are needed, separated by "
        + " or ".join(words.get(s, f"'{s}'") for s in counts)
    )


def _has_header(rows: list[tuple[str, ...]], columns: Columns) -> bool:
    first, *others = rows
    if is_header(first) or any(name in first for name in columns.values()):
        return True
    # unknown names above numbers: a header too, so that the message can ask for its columns
    numeric = [k for k in range(len(first)) if others and all(k < len(r) and _is_number(r[k]) for r in others)]
    return bool(numeric) and not any(_is_number(first[k]) for k in numeric)


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _by_name(path: Path, names: tuple[str, ...], columns: Columns) -> dict[str, int]:
    given = {role: names[n] if isinstance(n, int) and 0 <= n < len(names) else str(n) for role, n in columns.items()}
    try:
        return {role: names.index(name) for role, name in find_columns(names, given).items()}
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _by_position(path: Path, first: tuple[str, ...], columns: Columns) -> dict[str, int]:
    if not columns:
        return dict(zip(ROLES[:4], range(len(first)), strict=False))
    bad = [v for v in columns.values() if not isinstance(v, int) or isinstance(v, bool) or not 0 <= v < len(first)]
    if bad:
        line = ", ".join(map(shown, first))
        raise DataError(
            f"{path} has no header with {', '.join(map(repr, bad))}; its first line is ({line}): give the columns by "
            f"position, from 0 to {len(first) - 1}, such as columns={{'user': 0, 'item': 1}}"
        )
    if not {"user", "item"} <= set(columns) <= set(ROLES):
        raise DataError(f"columns= needs the roles user and item, and knows {', '.join(ROLES)}; got {dict(columns)}")
    return {role: int(place) for role, place in columns.items()}
