"""Schema 1: the first."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
EXACT = sa.String().with_variant(sa.String(collation="C"), "postgresql")
BIG = sa.BigInteger


def key() -> sa.Column[int]:
    """Return the column of a row's number."""
    return sa.Column("key", KEY, primary_key=True, autoincrement=True)


def to(table: str, name: str, nullable: bool = False) -> sa.Column[int]:
    """Return a column that points to a row of a table."""
    return sa.Column(name, KEY, sa.ForeignKey(f"{table}.key"), nullable=nullable)


def must(name: str, kind: Any) -> sa.Column[Any]:
    """Return a column that every row fills."""
    return sa.Column(name, kind, nullable=False)


def may(name: str, kind: Any) -> sa.Column[Any]:
    """Return a column that a row may leave out."""
    return sa.Column(name, kind, nullable=True)


def upgrade() -> None:
    """Make all tables."""
    _namespaces()
    _users_and_items()
    _events()
    _models()
    _lists()
    _keys_and_jobs()


def _namespaces() -> None:
    op.create_table(
        "meta",
        sa.Column("key", sa.Integer, primary_key=True),
        must("secret", sa.LargeBinary),
        must("keys_changes", BIG),
        must("created", BIG),
    )
    op.create_table(
        "namespaces",
        key(),
        sa.Column("name", EXACT, nullable=False, unique=True),
        must("id_kind", sa.String),
        must("kinds", sa.Text),
        must("settings", sa.Text),
        must("changes", BIG),
        must("catalogue", BIG),
        must("created", BIG),
    )


def _users_and_items() -> None:
    op.create_table(
        "users",
        key(),
        to("namespaces", "namespace"),
        must("id", EXACT),
        must("attributes", sa.Text),
        must("counter", BIG),
        must("last_event", BIG),
        must("hidden", sa.Boolean),
        must("created", BIG),
        must("updated", BIG),
        to("users", "merged_into", nullable=True),
        sa.UniqueConstraint("namespace", "id"),
        sqlite_autoincrement=True,
    )
    op.create_index(None, "users", ["merged_into"])
    op.create_table(
        "items",
        key(),
        to("namespaces", "namespace"),
        must("id", EXACT),
        must("attributes", sa.Text),
        must("hidden", sa.Boolean),
        must("described", sa.Boolean),
        must("deleted", sa.Boolean),
        must("changed", BIG),
        must("created", BIG),
        must("updated", BIG),
        sa.UniqueConstraint("namespace", "id"),
        sqlite_autoincrement=True,
    )
    op.create_index(None, "items", ["namespace", "changed"])
    op.create_table(
        "item_words",
        sa.Column("namespace", KEY, sa.ForeignKey("namespaces.key"), primary_key=True),
        sa.Column("word", EXACT, primary_key=True),
        sa.Column("item", KEY, sa.ForeignKey("items.key"), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index(None, "item_words", ["item"])


def _events() -> None:
    op.create_table(
        "events",
        key(),
        to("namespaces", "namespace"),
        to("users", "user"),
        to("items", "item"),
        must("kind", EXACT),
        may("value", sa.Float),
        must("time", BIG),
        must("received", BIG),
        must("event_id", EXACT),
        may("list_id", sa.LargeBinary),
        may("place", sa.Integer),
        sa.UniqueConstraint("namespace", "event_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(None, "events", ["user"])


def _models() -> None:
    op.create_table(
        "versions",
        key(),
        to("namespaces", "namespace"),
        must("number", sa.Integer),
        must("model", sa.String),
        must("digest", sa.LargeBinary),
        must("state", sa.String),
        must("trained", BIG),
        may("newest_event", BIG),
        may("trained_to", KEY),
        may("activated", BIG),
        must("details", sa.Text),
        sa.UniqueConstraint("namespace", "number"),
    )


def _lists() -> None:
    op.create_table(
        "lists",
        key(),
        to("namespaces", "namespace"),
        sa.Column("list_id", sa.LargeBinary, nullable=False, unique=True),
        to("users", "user", nullable=True),
        must("time", BIG),
        must("policy", sa.String),
        to("versions", "version", nullable=True),
        may("arm", sa.String),
        may("request", sa.Text),
        must("shown", sa.LargeBinary),
        may("ranked", sa.LargeBinary),
    )
    op.create_index(None, "lists", ["user"])
    op.create_table(
        "list_pages",
        key(),
        to("namespaces", "namespace"),
        to("lists", "list"),
        must("time", BIG),
        must("first", sa.Integer),
        must("shown", sa.LargeBinary),
    )
    op.create_index(None, "list_pages", ["list"])


def _keys_and_jobs() -> None:
    op.create_table(
        "keys",
        key(),
        to("namespaces", "namespace"),
        must("name", EXACT),
        must("role", sa.String),
        sa.Column("prefix", sa.String, nullable=False, unique=True),
        sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
        must("created", BIG),
        may("revoked", BIG),
    )
    op.create_table(
        "jobs",
        key(),
        to("namespaces", "namespace"),
        must("kind", sa.String),
        must("state", sa.String),
        must("progress", sa.Float),
        must("created", BIG),
        may("started", BIG),
        may("ended", BIG),
        must("details", sa.Text),
        must("log", sa.Text),
    )
    op.create_table(
        "tombstones",
        key(),
        to("namespaces", "namespace"),
        must("side", sa.String),
        must("digest", sa.LargeBinary),
        must("time", BIG),
        sa.UniqueConstraint("namespace", "side", "digest"),
    )
