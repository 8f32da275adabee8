"""Whether the database keeps what it has acknowledged when the power fails: what its settings say.

SQLite's own settings are asserted on each connection (`palate.store.engine`). What a server or a file system was told
is not ours to change; it is read back when the service starts, and doubts are told loudly.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from palate.store.store import Store

# what must stand in PostgreSQL's settings, and what happens else
POSTGRES = {
    "fsync": (("on",), "a power cut may lose or damage the whole database"),
    "synchronous_commit": (
        ("on", "local", "remote_write", "remote_apply"),
        "a power cut may lose what was acknowledged",
    ),
    "full_page_writes": (("on",), "a power cut may damage pages, unless the file system writes them whole"),
}
NETWORK = ("9p", "afs", "ceph", "cifs", "fuse.sshfs", "glusterfs", "lustre", "nfs", "nfs4", "smb3", "smbfs")
MOUNTS = Path("/proc/self/mounts")


def doubts(store: Store) -> list[str]:
    """Return why an acknowledged write of this store might not outlive a power cut; nothing where nothing is known."""
    if store.engine.dialect.name == "sqlite":
        mounts = MOUNTS.read_text() if MOUNTS.exists() else ""  # Linux tells; elsewhere nothing is known
        return on_network(Path(str(store.engine.url.database)), mounts)
    with store.read() as connection:
        settings = {name: str(connection.execute(text(f"SHOW {name}")).scalar_one()) for name in POSTGRES}
    return of_postgres(settings)


def of_postgres(settings: Mapping[str, str]) -> list[str]:
    """Return the doubts that PostgreSQL's settings leave."""
    return [
        f"PostgreSQL runs with {name} = {settings[name]}: {otherwise}; set it to {good[0]}"
        for name, (good, otherwise) in POSTGRES.items()
        if settings[name] not in good
    ]


def on_network(file: Path, mounts: str) -> list[str]:
    """Return the doubt about a SQLite file on a network file system.

    Args:
        file: the store.
        mounts: the text of /proc/self/mounts.
    """
    places = [line.split()[1:3] for line in mounts.splitlines()]
    above = [(len(at), kind) for at, kind in places if file.is_relative_to(at.replace("\\040", " "))]
    kind = max(above, default=(0, ""))[1]
    if kind not in NETWORK:
        return []
    return [f"the SQLite store lies on a network file system ({kind}), where its log is not safe: use PostgreSQL"]
