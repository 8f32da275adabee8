"""A recorded disk: what a power cut would leave, at any moment of what a program did to a folder.

A process started with `environment()` has each write, cut, sync, new name, removed name and renaming below a folder
written down by recorded_disk.c. `Disk` replays that log: a file keeps what was synced, a folder keeps the names that
were there when it was synced, as POSIX promises and no more. `Disk.after_power_cut` builds the folder that is left.
"""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HEAD = struct.Struct("<IIQQc")  # size of this head, bytes of the path, offset, bytes of the data, what was done
SECTOR = 512


def compiled(folder: Path) -> Path | None:
    """Return the shared library, or None where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    library, source = folder / "recorded_disk.so", Path(__file__).with_suffix(".c")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    library.chmod(0o755)
    return library


def environment(library: Path, folder: Path, log: Path) -> dict[str, str]:
    """Return the variables under which a process is recorded; a file beside the log orders faults: see `faulty`."""
    return {
        "LD_PRELOAD": str(library),
        "RECORDED_FOLDER": str(folder),
        "RECORDED_LOG": str(log),
        "RECORDED_FAULT": str(log.with_suffix(".fault")),
    }


@contextmanager
def faulty(log: Path, what: str, code: int) -> Iterator[None]:
    """Let what recorded processes do fail: "w"(riting), "s"(yncing), "o"(pening for writing), with an errno."""
    order = log.with_suffix(".fault")
    order.with_suffix(".new").write_text(f"{what}{code}")
    order.with_suffix(".new").rename(order)
    yield
    order.unlink()


@dataclass(frozen=True)
class Record:
    """One thing done: w(rite), t(runcate), s(ync), c(reate), u(nlink), r(ename), d (a folder is made)."""

    what: str
    path: str
    offset: int
    data: bytes


def records(log: Path) -> Iterator[Record]:
    """Read the log in order."""
    data, at = log.read_bytes(), 0
    while at < len(data):
        size, path, offset, length, what = HEAD.unpack_from(data, at)
        at += size
        yield Record(what.decode(), os.fsdecode(data[at : at + path]), offset, data[at + path : at + path + length])
        at += path + length


def change(content: bytearray, offset: int, data: bytes | None) -> None:
    """Write, or cut (and fill with zeros) where there is no data."""
    if data is None:
        del content[offset:]
    content.extend(bytes(max(0, offset - len(content))))
    if data is not None:
        content[offset : offset + len(data)] = data


@dataclass(eq=False)
class File:
    """What was synced, and what was done since."""

    kept: bytearray
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def sync(self) -> None:
        for offset, data in self.pending:
            change(self.kept, offset, data)
        self.pending.clear()

    def left(self, chance: random.Random | None) -> bytes:
        """Return what a power cut leaves: without a chance nothing unsynced, else any sectors of it."""
        content = bytearray(self.kept)
        for offset, data in self.pending if chance else ():
            if data is None:
                if chance.random() < 0.5:
                    change(content, offset, None)
                continue
            for start in range(0, len(data), SECTOR):
                if chance.random() < 0.5:
                    change(content, offset + start, data[start : start + SECTOR])
        return bytes(content)


@dataclass(eq=False)
class Folder:
    """The names that programs see, and those that were synced."""

    now: dict[str, File | Folder] = field(default_factory=dict)
    kept: dict[str, File | Folder] = field(default_factory=dict)

    def sync(self) -> None:
        self.kept = dict(self.now)

    def left(self, chance: random.Random | None) -> Mapping[str, File | Folder]:
        return self.now if chance and chance.random() < 0.5 else self.kept


def read(folder: Path) -> Folder:
    """Take a folder as it is; all of it is on the disk."""
    names: dict[str, File | Folder] = {
        path.name: read(path) if path.is_dir() else File(bytearray(path.read_bytes())) for path in folder.iterdir()
    }
    return Folder(dict(names), names)


class Disk:
    """A folder as it was, and what was done to it since."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.top = read(root)

    def _folder(self, path: str) -> tuple[Folder, str]:
        *folders, name = Path(path).relative_to(self.root).parts
        at = self.top
        for part in folders:
            found = at.now[part]
            assert isinstance(found, Folder)
            at = found
        return at, name

    def find(self, path: str) -> File | Folder:
        """Return what stands under a path now."""
        if Path(path) == self.root:
            return self.top
        folder, name = self._folder(path)
        return folder.now[name]

    def do(self, record: Record) -> None:
        """Replay one record."""
        match record.what:
            case "c" | "d":
                folder, name = self._folder(record.path)
                folder.now[name] = File(bytearray()) if record.what == "c" else Folder()
            case "u":
                folder, name = self._folder(record.path)
                folder.now.pop(name, None)
            case "r":
                folder, name = self._folder(record.path)
                to, new = self._folder(os.fsdecode(record.data))
                if name in folder.now:  # else written by C's own streams, which are not recorded: caches of PostgreSQL
                    to.now[new] = folder.now.pop(name)
            case "s":
                self.find(record.path).sync()
            case "w" | "t":
                file = self.find(record.path)
                assert isinstance(file, File)
                file.pending.append((record.offset, record.data if record.what == "w" else None))

    def unsynced(self, folder: Folder | None = None) -> Iterator[str]:
        """Yield the names of files that have unsynced writes."""
        for name, node in (folder or self.top).now.items():
            if isinstance(node, Folder):
                yield from self.unsynced(node)
            elif node.pending:
                yield name

    def after_power_cut(self, to: Path, chance: random.Random | None = None, folder: Folder | None = None) -> None:
        """Build the folder that a power cut at this moment leaves."""
        to.mkdir(parents=True)
        for name, node in (folder or self.top).left(chance).items():
            if isinstance(node, Folder):
                self.after_power_cut(to / name, chance, node)
            else:
                (to / name).write_bytes(node.left(chance))
