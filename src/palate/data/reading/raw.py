"""The bytes of a file of ratings: unpacked in pieces, cut into records, and made readable for Polars.

Polars wants UTF-8 and a separator of one byte; `readable` rewrites other files on the way in.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from palate.data.reading.quotes import unescaped
from palate.errors import DataError, PalateError, ParameterError, Remedy, Set
from palate.parallel import check_table_threads

PACKED = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd"}
MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
CHUNK = 1 << 22
SPARE = ("\x1f", "\x1e", "\x1d", "\x1c", "\x01")  # separators that a text hardly ever holds


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Make what the system says against reading a file or folder a DataError.

    Raises:
        DataError: not allowed, a name too long, a broken disk.
        ForkedError: this process cannot read tables.
    """
    check_table_threads("reading a table")
    try:
        yield
    except PalateError:  # SourceError is an OSError too
        raise
    except OSError as error:
        words = f"cannot read {error.filename or path}: {error.strerror or brief(error)}"
        raise DataError(words, code="disk", subject=error.filename or path) from None


def packing(path: Path) -> str:
    """Return "gzip", "zstd" or "", by name or by the first bytes."""
    with path.open("rb") as file:
        start = file.read(4)
    if path.suffix.lower() in PACKED:
        return PACKED[path.suffix.lower()]
    return next((name for magic, name in MAGIC.items() if start.startswith(magic)), "")


def bare_suffix(path: Path) -> str:
    """Return the suffix without that of the compression, in small letters."""
    return (path.with_suffix("") if path.suffix.lower() in PACKED else path).suffix.lower()


def raw_chunks(path: Path, packed: str) -> Iterator[bytes]:
    """Yield the unpacked bytes of a file in pieces.

    Raises:
        DataError: the file is damaged, or zstd holds text that is not UTF-8.
    """
    if packed == "zstd":
        yield from zstd_chunks(path)
        return
    try:
        with gzip.open(path) if packed == "gzip" else path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError.of(path, f"is no whole gzip file: {error}; fetch or write it again", code="damaged") from None


def zstd_chunks(path: Path, n_rows: int | None = None) -> Iterator[bytes]:
    """Yield whole lines: Polars unpacks zstd, for which Python itself has nothing before 3.14."""
    schema = {"line": pl.String}
    lines = pl.scan_csv(path, has_header=False, schema=schema, separator="\x00", quote_char=None, n_rows=n_rows)
    try:
        for batch in lines.collect_batches(chunk_size=1 << 16, engine="streaming"):
            text: str = batch.select(pl.col("line").fill_null("").str.join("\n")).item()
            yield text.encode() + b"\n"
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError.of(
            path,
            f"is no whole zstd file, or its text is not UTF-8 (then unpack it first: zstd -d): {brief(error)}",
            code="damaged",
        ) from None


def brief(error: Exception) -> str:
    """Return the first line of a message; Polars' further lines advise on Polars' own options."""
    line = str(error).split("\n", 1)[0]
    return line if len(line) <= 200 else line[:200] + "…"


def check_encoding(encoding: str) -> None:
    """Raise ParameterError for an encoding that Python does not know, or that is none of text, such as base64."""
    try:
        "".encode(encoding)
    except (LookupError, ValueError, TypeError):
        raise ParameterError(
            f"unknown encoding {encoding!r}; usual are 'utf-8' and 'latin-1'", code="unknown_name", subject="encoding"
        ) from None


def is_utf8(encoding: str) -> bool:
    """Return whether text in this encoding can be read as it is."""
    return codecs.lookup(encoding).name == "utf-8"


def decoded(chunks: Iterator[bytes], path: Path, encoding: str) -> Iterator[str]:
    """Yield text for bytes.

    Raises:
        DataError: bytes that the encoding does not have, with their line.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    try:
        for chunk in chunks:
            text = decoder.decode(chunk)
            line += text.count("\n")
            yield text
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        line += bytes(error.object).count(b"\n", 0, error.start)
        windows = b"\x80" <= error.object[error.start : error.start + 1] < b"\xa0"
        raise not_encoded(path, encoding, line, windows=windows) from None
    except UnicodeError as error:  # UTF-16 without its first mark
        raise DataError.of(path, f"is not {encoding}: {brief(error)}; give its true encoding=", code="format") from None


def not_encoded(path: Path, encoding: str, line: int, *, windows: bool = False) -> DataError:
    """Return the error for bytes that the encoding does not have; ``windows`` where Latin-1 has no letter for them."""
    if is_utf8(encoding):
        likely, name = ("Windows-1252", "cp1252") if windows else ("Latin-1", "latin-1")
        remedy = Remedy(f"; if it is {likely}, say ", Set("encoding", name))
        return DataError.of(path, f"is not UTF-8 in line {line}", remedy, code="format", rows=[line])
    words = f"is not {encoding} in line {line}; give its true encoding="
    return DataError.of(path, words, code="format", value=encoding, rows=[line])


def split_line(line: str, separator: str, *, quoted: bool) -> list[str]:
    """Return the fields of one record."""
    if len(separator) > 1 or not quoted:
        return line.split(separator)
    try:
        return next(csv.reader(line.splitlines(keepends=True), delimiter=separator), [""])
    except csv.Error as error:
        raise DataError(
            f"cannot cut a line into fields: {error}: '{line[:60]}'", subject="line", code="format"
        ) from None


def records(path: Path, packed: str, skip: int, *, quoted: bool) -> Iterator[tuple[int, bytes]]:
    """Yield each record after the first ``skip`` lines, with the number from 1 of the line where it starts.

    A record is a line, or several where a quoted field holds line ends.
    """
    number = start = 0
    pending, rest = b"", b""
    for chunk in raw_chunks(path, packed):
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        for line in lines:
            number += 1
            if number <= skip:
                continue
            pending, start = (pending + b"\n" + line, start) if pending else (line, number)
            if quoted and pending.count(b'"') % 2:
                continue
            yield start, pending.rstrip(b"\r")
            pending = b""
    if rest or pending:
        yield (start, pending + b"\n" + rest) if pending else (number + 1, rest)


@contextmanager
def readable(
    path: Path, packed: str, separator: str, encoding: str, *, escaped: bool = False
) -> Iterator[tuple[Path, str, str]]:
    """Yield path, packing and separator of a text that Polars can read: the file, or a copy that lives meanwhile.

    Raises:
        DataError: the text is not in this encoding.
    """
    if len(separator) == 1 and is_utf8(encoding) and not escaped:
        yield path, packed, separator
        return
    with tempfile.TemporaryDirectory(prefix="palate-") as folder:
        copy = Path(folder) / "ratings.txt"
        for spare in SPARE if len(separator) > 1 else (separator,):
            if _rewritten(path, packed, (separator, spare), encoding, copy, escaped=escaped):
                break
        else:
            raise DataError.of(
                path,
                f"holds every control character that could stand for '{separator}'; rewrite it as csv",
                code="format",
            )
        yield copy, "", spare


def _rewritten(
    path: Path, packed: str, separators: tuple[str, str], encoding: str, copy: Path, *, escaped: bool
) -> bool:
    """Write the text as UTF-8 with the second separator for the first; return False where the second stands in it."""
    old, new = (s.encode() for s in separators)
    chunks = raw_chunks(path, packed)
    if not is_utf8(encoding):
        chunks = (text.encode() for text in decoded(chunks, path, encoding))

    def changed(text: bytes) -> bytes:
        text = text if old == new else text.replace(old, new)
        return unescaped(text) if escaped else text

    rest = b""
    with copy.open("wb") as file:
        for chunk in chunks:
            if old != new and new in chunk:
                return False
            head, end, rest = (rest + chunk).rpartition(b"\n")  # a separator must not be cut
            file.write(changed(head) + end)
        file.write(changed(rest))
    return True


def json_fault(path: Path, packed: str) -> DataError | None:
    """Return the error for the first line that is no JSON object, or None."""
    for number, line in records(path, packed, 0, quoted=False):
        if not line.strip():
            continue
        try:
            if not isinstance(json.loads(line, parse_constant=no_constant), dict):
                return DataError(
                    f'{path}: line {number} is no JSON object, such as {{"user": 1, "item": 2}}',
                    code="format",
                    subject=path,
                )
        except ValueError as error:
            return DataError.of(
                path, f": line {number} is no JSON: {brief(error)}; one JSON object a line is needed", code="format"
            )
        except RecursionError:
            return DataError.of(
                path, f": line {number} is nested too deep; write one flat JSON object a line", code="format"
            )
    return None


def no_constant(word: str) -> None:
    """Refuse NaN and Infinity, which Python's reader would take.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{word} is no number in JSON; leave it out or write null")
