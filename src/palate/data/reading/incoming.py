"""Where ratings come from: a file, or an open file or buffer, whose rows are kept in a temporary file meanwhile."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from palate.data.reading.raw import CHUNK
from palate.errors import DataError

Incoming = str | Path | IO[bytes] | IO[str]
ADDRESS = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:/{1,2}[^/\\]")  # more than one letter: C:/ is a disk


def path_of(given: Any) -> Path:
    """Return the path that a caller gave.

    Raises:
        DataError: an address in the network, or no path at all.
    """
    if not isinstance(given, str | os.PathLike):
        raise DataError(f"a file is given by its name, or open; got {type(given).__name__}", subject="path")
    if ADDRESS.match(os.fspath(given)):
        raise DataError.of(given, "is an address: fetch it first, and give the file", code="not_found")
    return Path(given)


LONGEST_NAME = 200  # bytes; file systems take 255


@contextmanager
def as_file(given: Incoming, encoding: str) -> Iterator[tuple[Path, str, str]]:
    """Yield a file that holds what is given, its encoding, and its name for messages; no error names a temporary file.

    Raises:
        DataError: an address, or what is neither a name nor open for reading.
    """
    if not hasattr(given, "read"):
        path = path_of(given)
        yield path, encoding, str(path)
        return
    label = getattr(given, "name", None)
    name = Path(label).name if isinstance(label, str) else ""
    if name in ("", "..") or "\0" in name or len(name.encode()) > LONGEST_NAME:
        name = "buffer"
    name = {"<stdin>": "standard input"}.get(name, name)
    with tempfile.TemporaryDirectory(prefix="palate-") as folder:
        path = Path(folder) / name
        is_text = _spooled(given, path, name)
        try:
            yield path, "utf-8" if is_text else encoding, name
        except DataError as error:
            raise error.renamed(str(path), name) from None


def _spooled(source: Any, path: Path, name: str) -> bool:
    """Write what is left of an open file; return whether it gave text."""
    is_text = False
    with path.open("wb") as file:
        try:
            while chunk := source.read(CHUNK):
                is_text = isinstance(chunk, str)
                file.write(chunk.encode() if isinstance(chunk, str) else chunk)
        except (OSError, ValueError, TypeError) as error:
            raise DataError(f"cannot read {name}: {error}; open it for reading", subject=name, code="disk") from None
    return is_text
