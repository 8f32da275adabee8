"""How a file of ratings is written, seen from its name and start: kind, compression, separator, header, columns."""

from __future__ import annotations

import codecs
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from palate.data.columns import Columns, check_columns, find_columns, is_usual, place_of
from palate.data.reading.header import by_position, has_header, is_number
from palate.data.reading.quotes import unescaped
from palate.data.reading.raw import (
    bare_suffix,
    check_encoding,
    decoded,
    is_utf8,
    packing,
    raw_chunks,
    split_line,
    zstd_chunks,
)
from palate.errors import DataError, ParameterError, Remedy, Set

log = logging.getLogger(__name__)

FileKind = Literal["text", "parquet", "jsonl"]
QuoteAs = Literal["auto", "none", "backslash"]
Header = bool | Literal["auto"]

KINDS: dict[str, FileKind] = {
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
class FileForm:
    """What the caller says on how a text file is written, see `read_ratings`; and what messages call the file."""

    encoding: str = "utf-8"
    header: Header = "auto"
    quote: QuoteAs = "auto"
    name: str = "the file"

    def check(self) -> None:
        """Raise ParameterError for a word that is none of those above."""
        check_encoding(self.encoding)
        if self.header != "auto" and not isinstance(self.header, bool):
            raise ParameterError.outside("header", "'auto', True or False", self.header)
        if self.quote not in ("auto", "none", "backslash"):
            raise ParameterError.outside("quote", "'auto', 'none' or 'backslash'", self.quote)


@dataclass(frozen=True)
class Layout:
    """How a file is written.

    Attributes:
        kind: "text" (separated columns), "parquet" or "jsonl".
        packed: "gzip", "zstd" or "".
        separator: of text, usually one byte.
        quoted: whether fields stand in double quotes, as far as the first lines show.
        quotable: whether they may.
        names: the header's names, or None where there is none.
        width: number of columns.
        skip: lines before the first row: blank ones and the header.
        sample: the first rows' fields, for text.
        roles: {role: number of the column}, for text.
        escaped: whether a backslash before a quote makes it a letter.
        encoding: of the text.
    """

    kind: FileKind
    packed: str = ""
    separator: str = ","
    quoted: bool = False
    quotable: bool = False
    names: tuple[str, ...] | None = None
    width: int = 0
    skip: int = 0
    sample: tuple[tuple[str, ...], ...] = ()
    roles: Mapping[str, int] = field(default_factory=dict)
    escaped: bool = False
    encoding: str = "utf-8"


def look_at(path: Path, form: FileForm, columns: Columns | None = None, *, attributes: bool = False) -> Layout:
    """Return how a file of ratings is written, or one of attributes: that has a header and no roles.

    Raises:
        DataError: no such file, a folder, empty, damaged, of an unknown format, or without two columns.
        ParameterError: an option of the form is unknown.
    """
    form.check()
    check_columns(columns)
    if path.is_dir():
        raise DataError.of(
            path, "is a folder; give the file of ratings in it, or open it with load_movielens(folder=…)", code="format"
        )
    if not path.is_file():
        raise no_file(path)
    packed = packing(path)
    head = _head(path, packed)
    if not head.strip():
        raise DataError.of(path, "is empty: there is no rating in it", code="empty")
    if is_utf8(form.encoding) and head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        form = replace(form, encoding="utf-16")  # these two bytes begin no UTF-8
        head = head[: len(head) // 2 * 2]
    kind = _kind(path, packed, head)
    if kind != "text":
        return Layout(kind, packed)
    if _reads_as_utf8(head) and not form.encoding.lower().startswith(("utf", "ascii")):
        log.warning(
            "%s reads like UTF-8, and is taken for %s: leave out encoding= if letters are wrong",
            form.name,
            form.encoding,
        )
    text = _decoded(head, path, form.encoding)
    if "\r" in text and "\n" not in text:
        raise DataError.of(
            path, "ends its lines in carriage returns alone; write it again with usual line ends", code="format"
        )
    return _text_layout(path, packed, text, form, None if attributes else columns or {})


def _reads_as_utf8(head: bytes) -> bool:
    """Return whether bytes hold letters beyond ASCII, and all as UTF-8 writes them."""
    try:
        return not head.isascii() and bool(head.decode())
    except UnicodeDecodeError:
        return False


def no_file(path: Path) -> DataError:
    """Return the error for a name that is no file."""
    if path.exists():
        return DataError.of(
            path, "is no regular file; give its rows on standard input: '-' in place of the name", code="format"
        )
    return DataError(f"there is no file {path}", code="not_found", subject=path)


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


def _kind(path: Path, packed: str, head: bytes) -> FileKind:
    kind = KINDS.get(bare_suffix(path))
    if kind is None:
        kind = "parquet" if head.startswith(b"PAR1") else "jsonl" if head.lstrip().startswith(b"{") else "text"
    if kind == "parquet" and packed:
        raise DataError.of(path, ": Parquet is packed inside already; unpack the file first", code="format")
    if kind == "jsonl" and head.lstrip().startswith(b"["):
        raise DataError.of(path, "is one JSON array; write one JSON object a line instead", code="format")
    if kind == "text" and head.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        raise DataError.of(path, "is a web page, no data: fetch the file that the page leads to", code="format")
    if kind == "text" and head.startswith(b"%%MatrixMarket"):
        raise DataError.of(
            path,
            "is a matrix in the Matrix Market format: Interactions.from_scipy(scipy.io.mmread(…)) takes it, or "
            "write one row a rating without its lines of sizes",
            code="format",
        )
    if kind == "text" and head.startswith(b"PK\x03\x04"):
        raise DataError.of(path, "is a zip archive (or a workbook): unpack it, or save it as csv", code="format")
    return kind


def _decoded(head: bytes, path: Path, encoding: str) -> str:
    stray = BINARY.search(head) if is_utf8(encoding) else None
    if stray and _is_text(head):
        line = head.count(b"\n", 0, stray.start()) + 1
        raise DataError.of(
            path, f"holds the control character \\x{stray[0][0]:02x} in line {line}: take it out", code="format"
        )
    if stray:
        raise DataError(
            f"{path} has an unknown format; known are csv, tsv, '::', Parquet, JSON lines, plain, gz or zst",
            Remedy(" (text of two bytes a letter needs ", Set("encoding", "utf-16-le"), " or 'utf-16-be')"),
            code="format",
            subject=path,
        )
    return "".join(decoded(iter([head]), path, encoding)).lstrip("\ufeff")


def _is_text(head: bytes) -> bool:
    """Return whether bytes are UTF-8 with a control character here and there, no binary format."""
    try:
        head.decode()
    except UnicodeDecodeError:
        return False
    return len(BINARY.findall(head)) * 10 < len(head)


def _text_layout(path: Path, packed: str, head: str, form: FileForm, columns: Columns | None) -> Layout:
    lines = head.split("\n")
    if form.quote == "backslash":
        lines = [unescaped(line.encode()).decode() for line in lines]
    filled = [k for k, line in enumerate(lines) if line.strip()]
    named = re.fullmatch(r'"?sep=(.)"?\r?', lines[filled[0]])  # Excel's first line
    filled = _without_comments(lines, filled[1:] if named else filled, form)
    texts = [lines[k].rstrip("\r") for k in filled]
    if not texts:
        raise DataError.of(path, "is empty: there is no rating in it", code="empty")
    separator = named[1] if named else _separator(path, texts, form.quote != "none")
    quotable = form.quote != "none" and (
        separator in (",", ";") or any(f[:1] == f[-1:] == '"' for f in texts[0].split(separator) if len(f) > 1)
    )
    rows = [tuple(split_line(text, separator, quoted=quotable)) for text in texts]
    named_columns = columns is None or (has_header(form.name, rows, columns) if form.header == "auto" else form.header)
    skip = filled[0] if not named_columns else filled[1] if len(filled) > 1 else filled[0] + 1
    return Layout(
        *("text", packed, separator, quotable and any('"' in text for text in texts), quotable),
        names=rows[0] if named_columns else None,
        width=len(rows[0]),
        skip=skip,
        sample=tuple(rows[1:] if named_columns else rows),
        roles={} if columns is None else _roles(form.name, rows, separator, columns, header=named_columns),
        escaped=form.quote == "backslash",
        encoding=form.encoding,
    )


def _without_comments(lines: list[str], filled: list[int], form: FileForm) -> list[int]:
    """Leave out the lines before the rows that begin with # or %, as networks are published with, and say so."""
    first = next((n for n, k in enumerate(filled) if lines[k].lstrip()[:1] not in ("#", "%")), len(filled))
    later = any(lines[k].lstrip()[:1] in ("#", "%") for k in filled[first:])
    if not first or first == len(filled) or later or form.header != "auto":
        return filled
    if any(is_usual(word) for word in re.split(r"[,;\t| ]+", lines[filled[first - 1]])[:2]):
        first -= 1  # a header that begins with #
    if first:
        log.warning(
            "%s: left out are %d lines of comment before the rows, that begin with %s; %s reads them",
            *(form.name, first, lines[filled[0]].strip()[0], Set("header", False)),
        )
    return filled[first:]


def _roles(
    source: str, rows: list[tuple[str, ...]], separator: str, columns: Columns, *, header: bool
) -> dict[str, int]:
    if not header:
        return by_position(source, rows, columns)
    names, sample = rows[0], rows[1:]
    fields = {name: [r[k] for r in sample if k < len(r)] for k, name in enumerate(names)}
    numeric = {name for name, texts in fields.items() if is_numbers(texts, separator) or is_truth(texts)}
    by_role = find_columns(names, columns, numeric=numeric if sample else (), source=source)
    places = {role: names.index(name) for role, name in by_role.items()}
    by_number = {r: place_of(c, len(names)) for r, c in columns.items() if c is not None and c not in names}
    return places | {role: place for role, place in by_number.items() if place is not None}


def is_integers(fields: list[str]) -> bool:
    """Return whether all texts that are not empty are integers of 64 bits without a leading zero."""
    filled = [f.strip() for f in fields if f.strip()]
    return all(re.match(INTEGER, f) and not re.match(LEADING_ZERO, f) and abs(int(f)) < 1 << 63 for f in filled)


def is_numbers(fields: list[str], separator: str = ",") -> bool:
    """Return whether all texts that are not empty are numbers, with a comma in them where no comma separates."""
    return all(is_number(f if separator == "," else f.replace(",", ".", 1)) for f in fields if f.strip())


def is_truth(fields: list[str]) -> bool:
    """Return whether all texts that are not empty are true or false."""
    return all(f.strip().lower() in ("true", "false") for f in fields if f.strip())


def _separator(path: Path, texts: list[str], quotes: bool) -> str:
    """Return the separator that cuts the first lines into equally many fields, two at least."""
    allowed = SEPARATORS.get(bare_suffix(path))
    tiers = [[s for s in tier if allowed is None or s in allowed] for tier in TIERS]
    counts = {
        s: [len(split_line(t, s, quoted=quotes and s in (",", ";"))) for t in texts[:100]]
        for tier in tiers
        for s in tier
    }
    wide = {s: c for s, c in counts.items() if c[0] > 1}
    even = {s: c for s, c in wide.items() if len(set(c)) == 1}
    choice = even or wide
    for tier in tiers:
        if fitting := [s for s in tier if s in choice]:
            return max(fitting, key=lambda s: choice[s][0])
    if re.fullmatch(r"\d+:", texts[0]):
        raise DataError.of(
            path,
            f"has its first line '{texts[0]}' before the rows of one item, as the Netflix prize: write one row "
            "a rating, with the item in it",
            code="format",
        )
    words = {"\t": "tab", " ": "space", "\x1f": "\\x1f"}
    raise DataError.of(
        f"{path}",
        f"has one column only, its first line is '{texts[0][:60]}': user and item ids are needed, separated by "
        + " or ".join(words.get(s, f"'{s}'") for s in counts),
        code="columns",
    )
