"""API keys: 256 random bits, kept as their SHA-256 alone, shown once.

A key reads ``palate_PREFIX_SECRET``: the prefix (10 letters and digits, in clear in the store) tells keys apart in a
list; the secret is 32 random bytes in base64url. A key belongs to one namespace and has one role. Of 256 random bits
nothing can be guessed, so an unsalted hash keeps them; a key is looked up by its hash, in an index: what the time of
that tells is of the hash, which nobody can choose.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from sqlalchemy import Connection, func, insert, select, update

from palate.errors import NotFoundError, ParameterError, shown
from palate.store.records import IdKind, Namespace, Role
from palate.store.schema import keys, meta, namespaces
from palate.store.times import now as time_now

if TYPE_CHECKING:
    from palate.store.store import Store

ROLES: tuple[Role, ...] = get_args(Role)  # each may what those before it may
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # none that looks like another
PREFIX_LENGTH = 10
LONGEST_NAME = 100
LONGEST_KEY = 200  # of what is looked at: a key has 61 characters


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What the store knows of a key; not the key itself.

    Attributes:
        prefix: by which it is named.
        namespace: the name of its namespace.
        name: what it is for.
        role: "read", "write" or "admin".
        created, revoked: microseconds; None while it is good.
    """

    prefix: str
    namespace: str
    name: str
    role: Role
    created: int
    revoked: int | None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a good key allows.

    Attributes:
        namespace: the only one that it opens.
        role: what it may do there.
        key: the key's number in the store, for limits.
        prefix: by which people name it.
    """

    namespace: Namespace
    role: Role
    key: int
    prefix: str

    def may(self, role: Role) -> bool:
        """Return whether this key may do what a role may."""
        return ROLES.index(self.role) >= ROLES.index(role)


def create(store: Store, ns: Namespace, role: Role, name: str = "") -> tuple[ApiKey, str]:
    """Make a key, and return what is known of it, and the key: it is not in the store, and cannot be shown again.

    Args:
        store, ns: where.
        role: "read", "write" or "admin".
        name: what it is for, for people.

    Raises:
        ParameterError: the role or the name is none.
    """
    if role not in ROLES:
        raise ParameterError.outside("role", "'read', 'write' or 'admin'", role)
    if not isinstance(name, str) or len(name) > LONGEST_NAME or not (name.isprintable() or not name):
        raise ParameterError(
            f"name must be up to {LONGEST_NAME} printable characters, got {shown(name)}", subject="name"
        )
    prefix = "".join(secrets.choice(LETTERS) for _ in range(PREFIX_LENGTH))
    secret = f"palate_{prefix}_{secrets.token_urlsafe(32)}"
    made = ApiKey(prefix, ns.name, name, role, time_now(), None)
    row = {"namespace": ns.key, "name": name, "role": role, "prefix": prefix, "hash": hash_of(secret)}
    with store.write() as conn:
        conn.execute(insert(keys).values(**row, created=made.created))
        _raise_counter(conn)
    return made, secret


def listed(conn: Connection, ns: Namespace | None = None) -> list[ApiKey]:
    """Return all keys of a namespace, or of all, revoked ones too, the oldest first."""
    query = select(keys, namespaces.c.name.label("of")).join(namespaces, namespaces.c.key == keys.c.namespace)
    if ns is not None:
        query = query.where(keys.c.namespace == ns.key)
    rows = conn.execute(query.order_by(keys.c.key))
    return [ApiKey(row.prefix, row.of, row.name, row.role, row.created, row.revoked) for row in rows]


def revoke(store: Store, ns: Namespace, prefix: str) -> ApiKey:
    """Revoke a key for good; one that was revoked before stays as it is.

    Args:
        store, ns: where.
        prefix: of the key, or the whole key.

    Raises:
        NotFoundError: the namespace has no key of this prefix.
    """
    wanted = prefix_of(prefix)
    with store.write() as conn:
        of = (keys.c.namespace == ns.key, keys.c.prefix == wanted)
        row = conn.execute(select(keys).where(*of)).one_or_none()
        if row is None:
            raise NotFoundError(
                f"the namespace '{ns.name}' has no key '{wanted}': palate keys list shows them", subject="key"
            )
        revoked = row.revoked
        if revoked is None:
            revoked = time_now()
            conn.execute(update(keys).where(*of).values(revoked=revoked))
            _raise_counter(conn)
    return ApiKey(row.prefix, ns.name, row.name, row.role, row.created, revoked)


def find(conn: Connection, key: str) -> Grant | None:
    """Return what a key allows, None for one that is not there or was revoked."""
    if len(key) > LONGEST_KEY:
        return None
    wanted = hash_of(key)
    query = select(keys.c.key, keys.c.role, keys.c.hash, keys.c.prefix, keys.c.revoked, keys.c.namespace).add_columns(
        namespaces.c.name, namespaces.c.id_kind
    )
    query = query.join(namespaces, namespaces.c.key == keys.c.namespace).where(keys.c.hash == wanted)
    row = conn.execute(query).one_or_none()
    if row is None or row.revoked is not None or not hmac.compare_digest(bytes(row.hash), wanted):
        return None
    kind: IdKind = row.id_kind
    return Grant(Namespace(row.namespace, row.name, kind), row.role, row.key, row.prefix)


def any_made(conn: Connection) -> bool:
    """Return whether a key was ever made, revoked ones too: since then none is answered without."""
    return bool(conn.execute(select(func.count()).select_from(keys)).scalar_one())


def changes(conn: Connection) -> int:
    """Return the counter that each key made or revoked raises: while it is the same, so is what a worker kept."""
    return int(conn.execute(select(meta.c.keys_changes)).scalar_one())


def hash_of(key: str) -> bytes:
    """Return what the store keeps of a key."""
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()


def prefix_of(key: str) -> str:
    """Return the prefix of a key, or of what is one already."""
    parts = key.split("_", 2)
    return parts[1] if len(parts) == 3 and parts[0] == "palate" else key


def _raise_counter(conn: Connection) -> None:
    conn.execute(update(meta).values(keys_changes=meta.c.keys_changes + 1))
