"""A safetensors file, written piece by piece and read by memory-map.

    8 bytes       n, the length of the header, little-endian
    n bytes       JSON {"__metadata__": {text: text}, name: {"dtype", "shape", "data_offsets": [begin, end]}, …}, padded
    the rest      the arrays, end to end, in the order of the header

Palate's own reader and writer, because the safetensors library copies every array, on the way in and out, and neither
syncs nor maps; the files are the same (a test reads ours with it). The metadata entry ``header_sha256`` seals the
header: the SHA-256 of all n bytes with that entry's 64 digits as zeros.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from palate.errors import ModelFileError
from palate.files import strict_json

DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "U8": "|u1"}
MAX_HEADER = 32 << 20  # bytes; thousands of epochs of history need one or two million
ALIGN = 64  # bytes; the arrays start on a cache line
SEAL = "header_sha256"
NO_SEAL = "0" * 64

_BEGINNINGS = {
    b"PK": "a zip archive",
    b"\x80": "a pickle, which Palate never loads",
    b"\x93NUMPY": "a NumPy array",
    b"\x1f\x8b": "a gzip file",
    b"\x89HDF": "an HDF5 file",
    b"SQLite": "an SQLite database",
}


def pieces(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    """Yield the bytes of a file: its header, then each array, uncopied where it lies in one piece.

    Raises:
        ModelFileError: an array has a dtype that the format here lacks, or the header grows past ``MAX_HEADER``.
    """
    words = {np.dtype(code): word for word, code in DTYPES.items()}
    table: dict[str, Any] = {"__metadata__": {SEAL: NO_SEAL, **metadata}}
    laid_out: list[NDArray[Any]] = []
    end = 0
    for name, array in sorted(arrays.items(), key=lambda pair: -pair[1].itemsize):  # wide first: all stay aligned
        word = words.get(array.dtype.newbyteorder("<"))
        if word is None:
            raise ModelFileError.of(
                f"array {name}", f"has dtype {array.dtype}; a model file holds {', '.join(map(str, words))}"
            )
        laid_out.append(np.ascontiguousarray(array, dtype=DTYPES[word]))
        begin, end = end, end + array.nbytes
        table[name] = {"dtype": word, "shape": list(array.shape), "data_offsets": [begin, end]}
    header = strict_json.dumps(table, "the header")
    header += b" " * (-(8 + len(header)) % ALIGN)
    if len(header) > MAX_HEADER:
        raise ModelFileError(
            f"the header would have {len(header):,} bytes; at most {MAX_HEADER:,} are admitted", subject="header"
        )
    yield len(header).to_bytes(8, "little")
    yield header.replace(NO_SEAL.encode(), seal_of(header, NO_SEAL).encode(), 1)
    yield from map(bytes_of, laid_out)


def bytes_of(array: NDArray[Any]) -> memoryview:
    """Return the bytes of an array that lies in one piece, as the file holds them."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def seal_of(header: bytes, seal: str) -> str:
    """Return the SHA-256 of a header whose seal, the first text like ``seal`` in it, counts as zeros."""
    return hashlib.sha256(header.replace(seal.encode(), NO_SEAL.encode(), 1)).hexdigest()


@dataclass(frozen=True)
class MappedFile:
    """A file whose pages a model reads, as it was when it was mapped.

    A file replaced by a rename, as `save` does, leaves the old pages to their readers. One written over in place
    changes a model under the hands of its users, and one cut short ends the process: `check` finds either before an
    answer is computed, unless it happens just then.
    """

    path: Path
    device: int
    inode: int
    size: int
    changed: int

    @classmethod
    def of(cls, path: Path, status: os.stat_result) -> MappedFile:
        """Return what is known of an opened file."""
        return cls(path.absolute(), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)

    def check(self) -> None:
        """Refuse to go on where the file was changed in place.

        Raises:
            ModelFileError: another size or time of change.
        """
        try:
            now = MappedFile.of(self.path, self.path.stat())
        except OSError:
            return  # removed: the pages stay as they are
        if (now.device, now.inode) == (self.device, self.inode) and now != self:
            raise ModelFileError.of(
                self.path,
                "was changed in place since this model was loaded from it: load it again. palate.save "
                "and mv replace a file without harm, cp and open(…, 'w') do not; palate.load(path, copy=True) reads a "
                "model into memory, where no file can change it",
            )

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Be None in a pickle and in a deep copy: their arrays are in memory."""
        return type(None), ()


@dataclass(frozen=True)
class Container:
    """An opened file: the header parsed, nothing of the arrays read yet.

    Attributes:
        header: the n bytes of the header.
        metadata: the header's ``__metadata__``.
        table: the header's other entries, not checked yet.
        bytes: the whole file, mapped read-only; processes share its pages, and arrays keep it open. Or a copy of it.
        mapped: the mapped file as it was when opened; None for a copy.
    """

    header: bytes
    metadata: dict[str, str]
    table: dict[str, Any]
    bytes: mmap.mmap | bytes
    mapped: MappedFile | None = None

    @classmethod
    def open(cls, path: Path, *, copy: bool = False) -> Container:
        """Map a file, or read it into memory, and parse its header.

        Raises:
            ModelFileError: not a safetensors file, truncated, or a header that is too long or no valid JSON.
            OSError: the file cannot be read.
        """
        if not stat.S_ISREG(path.stat().st_mode):
            raise ModelFileError("it is not an ordinary file", subject=path)
        with path.open("rb") as file:
            start = file.read(9)
            if len(start) < 9:
                raise ModelFileError(f"truncated: {len(start)} bytes are no model", subject=path)
            mapped_file = MappedFile.of(path, os.fstat(file.fileno()))
            mapped = start + file.read() if copy else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        n = int.from_bytes(start[:8], "little")
        if n > MAX_HEADER or start[8:] != b"{":
            raise ModelFileError(_not_safetensors(mapped[:16], n), subject=path)
        if 8 + n > len(mapped):
            raise ModelFileError(
                f"truncated: the header claims {n:,} bytes, the whole file has {len(mapped):,}", subject="header"
            )
        header = mapped[8 : 8 + n]
        table = strict_json.loads(header, "the header")
        metadata = table.pop("__metadata__", {})
        if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
            raise ModelFileError.of("the header's __metadata__", "does not map text to text")
        return cls(header, metadata, table, mapped, None if copy else mapped_file)

    def check_seal(self) -> None:
        """Verify the header's own checksum.

        Raises:
            ModelFileError: there is none, or it does not fit.
        """
        seal = self.metadata.get(SEAL, "")
        if len(seal) != len(NO_SEAL) or seal_of(self.header, seal) != seal:
            raise ModelFileError.of("the header", f"does not fit its checksum {SEAL}: the file is damaged")

    def let_go(self) -> None:
        """Hold none of the pages that were read so far; they come back from the system's cache when they are needed."""
        if isinstance(self.bytes, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            self.bytes.madvise(mmap.MADV_DONTNEED)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all arrays, read-only views of the mapped file.

        Raises:
            ModelFileError: an entry has a wrong form, dtype or size, or arrays overlap, leave a gap or pass the end.
        """
        data_start, data_size = 8 + len(self.header), len(self.bytes) - 8 - len(self.header)
        arrays: dict[str, NDArray[Any]] = {}
        expected = 0
        for name, entry in self.table.items():
            dtype, shape, begin, end = _parsed(name, entry)
            if begin != expected:
                raise ModelFileError.of(
                    f"array {name}", f"starts at {begin}, not at {expected}: arrays overlap or leave a gap"
                )
            if end > data_size:
                raise ModelFileError(
                    f"truncated: array {name} ends at {end:,}, the file's arrays at {data_size:,}", subject=name
                )
            if (data_start + begin) % dtype.itemsize:
                raise ModelFileError.of(f"array {name}", f"is not aligned to its {dtype.itemsize}-byte numbers")
            expected = end
            count = (end - begin) // dtype.itemsize
            flat = np.frombuffer(self.bytes, dtype, count, data_start + begin) if count else np.empty(0, dtype)
            try:
                arrays[name] = flat.reshape(shape)
            except ValueError:
                raise ModelFileError.of(f"array {name}", f"has the impossible shape {shape}") from None
        if expected != data_size:
            raise ModelFileError(
                f"the arrays end at {expected:,}, but the file goes on to {data_size:,}", subject="arrays"
            )
        return arrays


def _not_safetensors(start: bytes, n: int) -> str:
    for beginning, kind in _BEGINNINGS.items():
        if start.startswith(beginning):
            return f"not a safetensors file: it begins like {kind}"
    if start.isascii() and start.decode().isprintable():
        return "not a safetensors file: it begins like a text"
    if n > MAX_HEADER and start[8:9] == b"{":
        return f"it claims a header of {n:,} bytes; at most {MAX_HEADER:,} are admitted"
    return "not a safetensors file: no header begins at its ninth byte"


def _parsed(name: str, entry: Any) -> tuple[np.dtype[Any], list[int], int, int]:
    """Return dtype, shape, begin and end of an entry of the header."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ModelFileError.of(f"array {name}", ": the header must give dtype, shape and data_offsets, nothing else")
    word, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(word, str) or word not in DTYPES:
        raise ModelFileError.of(f"array {name}", f"has the unknown dtype {word!r}; known are {', '.join(DTYPES)}")
    if not _whole(shape) or not _whole(offsets) or len(offsets) != 2:
        raise ModelFileError.of(f"array {name}", ": shape and data_offsets must be lists of whole numbers from 0")
    dtype = np.dtype(DTYPES[word])
    begin, end = offsets
    if math.prod(shape) * dtype.itemsize != end - begin:
        raise ModelFileError.of(f"array {name}", f": shape {shape} of {word} does not fill bytes {begin} to {end}")
    return dtype, shape, begin, end


def _whole(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)
