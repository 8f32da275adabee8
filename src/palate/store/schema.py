"""The tables of the store, as the newest migration leaves them; a test compares the two.

Every row belongs to a namespace, and every query names one. Times are microseconds since 1970 in UTC. Ids of users
and items are the caller's, as text (`1` of a namespace of integer ids is "1"); keys are the store's own numbers, and
leave it nowhere. Text is compared byte by byte in both databases.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

WAITS = 1  # microsecond: an event that is received so long after it happened, and in the future, waits until then
NEWEST = 3  # the schema that this code reads and writes; `palate store upgrade` brings older stores here

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Key = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by INTEGER alone
Exact = String().with_variant(String(collation="C"), "postgresql")  # ordered as bytes, too


_UNDO = text("withdraws IS NOT NULL")
_UNCOUNTED = text("uncounted IS NOT NULL")
_ONE_TRAINER = text("state = 'running' AND kind = 'retrain'")
_ONE_EXPERIMENT = text("ended IS NULL")


def _key() -> Column[int]:
    return Column("key", Key, primary_key=True, autoincrement=True)


def _namespace() -> Column[int]:
    return Column("namespace", Key, ForeignKey("namespaces.key"), nullable=False)


# One row: what all namespaces share.
meta = Table(
    "meta",
    metadata,
    Column("key", Integer, primary_key=True),  # 1
    Column("secret", LargeBinary, nullable=False),  # 32 random bytes: signs cursors, keys the tombstones' hashes
    Column("keys_changes", BigInteger, nullable=False),  # raised when a key is made or revoked
    Column("created", BigInteger, nullable=False),
)

namespaces = Table(
    "namespaces",
    metadata,
    _key(),
    Column("name", Exact, nullable=False, unique=True),
    Column("id_kind", String, nullable=False),  # "text" or "integer": of users and items
    Column("kinds", Text, nullable=False),  # event kinds, JSON: palate.store.kinds
    Column("settings", Text, nullable=False),  # limits and the like, JSON
    Column("changes", BigInteger, nullable=False),  # raised by activation, event kinds, settings, tombstones
    Column("catalogue", BigInteger, nullable=False),  # raised in the transaction that writes an item
    Column("created", BigInteger, nullable=False),
)

users = Table(
    "users",
    metadata,
    _key(),
    _namespace(),
    Column("id", Exact, nullable=False),
    Column("attributes", Text, nullable=False),  # JSON
    Column("counter", BigInteger, nullable=False),  # raised in each transaction that writes about this user
    Column("last_event", BigInteger, nullable=False),  # key of the newest event of this user; 0 without
    Column("hidden", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("merged_into", Key, ForeignKey("users.key"), nullable=True),
    UniqueConstraint("namespace", "id"),
    Index(None, "merged_into"),
    sqlite_autoincrement=True,  # the key of a forgotten row is never given again
)

items = Table(
    "items",
    metadata,
    _key(),
    _namespace(),
    Column("id", Exact, nullable=False),
    Column("attributes", Text, nullable=False),  # JSON
    Column("hidden", Boolean, nullable=False),
    Column("described", Boolean, nullable=False),  # written by somebody, not only met in feedback
    Column("deleted", Boolean, nullable=False),  # the log still names it; written again, it is there again
    Column("changed", BigInteger, nullable=False),  # the namespace's catalogue counter when this row was written
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    UniqueConstraint("namespace", "id"),
    Index(None, "namespace", "changed"),
    sqlite_autoincrement=True,
)

# The log: rows are added, and only forgetting and cleaning delete any. Its key is the order of receipt.
events = Table(
    "events",
    metadata,
    _key(),
    _namespace(),
    Column("user", Key, ForeignKey("users.key"), nullable=False),
    Column("item", Key, ForeignKey("items.key"), nullable=True),  # null in an undo
    Column("kind", Exact, nullable=False),  # of the namespace's kinds, or "impression" or "undo"
    Column("value", Float, nullable=True),
    Column("time", BigInteger, nullable=False),  # when it happened, by the client
    Column("received", BigInteger, nullable=False),  # of an event that waits: WAITS behind its time
    Column("source", Exact, nullable=True),
    Column("event_id", Exact, nullable=False),  # the client's, or one of ours
    Column("list_id", LargeBinary, nullable=True),  # 16 bytes: lists.list_id
    Column("place", Integer, nullable=True),  # in that list, from 1
    Column("withdraws", Key, nullable=True),  # of an undo: the event that no longer counts
    UniqueConstraint("namespace", "event_id"),
    Index(None, "user"),
    Index(None, "withdraws", sqlite_where=_UNDO, postgresql_where=_UNDO),
    sqlite_autoincrement=True,
)

# The words of items' titles, in small letters and without accents: search as you type.
item_words = Table(
    "item_words",
    metadata,
    Column("namespace", Key, ForeignKey("namespaces.key"), primary_key=True),
    Column("word", Exact, primary_key=True),
    Column("item", Key, ForeignKey("items.key"), primary_key=True),
    Index(None, "item"),
    sqlite_with_rowid=False,
)

lists = Table(
    "lists",
    metadata,
    _key(),
    _namespace(),
    Column("list_id", LargeBinary, nullable=False, unique=True),  # 16 bytes, ascending in time (UUID version 7)
    Column("user", Key, ForeignKey("users.key"), nullable=True),
    Column("time", BigInteger, nullable=False),
    Column("policy", String, nullable=False),  # "model", "popular", …
    Column("version", Key, ForeignKey("versions.key"), nullable=True),
    Column("arm", String, nullable=True),
    Column("request", Text, nullable=True),  # what was asked beyond the defaults, JSON
    Column("shown", LargeBinary, nullable=False),  # ids, scores and propensities by place: palate.store.lists
    Column("ranked", LargeBinary, nullable=True),  # the order that following pages cut: palate.store.lists
    Column("scenario", Key, ForeignKey("scenarios.key"), nullable=True),  # the revision that it was made by
    Column("experiment", Key, ForeignKey("experiments.key"), nullable=True),  # whose arm `arm` is
    Column("explored", Text, nullable=True),  # how chance took part, JSON; null: it did not
    Column("uncounted", LargeBinary, nullable=True),  # what propensities are still to be counted from; null: none are
    Index(None, "user"),
    Index(None, "experiment"),
    Index("ix_lists_uncounted", "key", sqlite_where=_UNCOUNTED, postgresql_where=_UNCOUNTED),
)

list_pages = Table(
    "list_pages",
    metadata,
    _key(),
    _namespace(),
    Column("list", Key, ForeignKey("lists.key"), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("first", Integer, nullable=False),  # place of the page's first item
    Column("shown", LargeBinary, nullable=False),
    Index(None, "list"),
)

versions = Table(
    "versions",
    metadata,
    _key(),
    _namespace(),
    Column("number", Integer, nullable=False),  # 1, 2, … in a namespace; the folder of its files
    Column("model", String, nullable=False),  # key of the class: "ials", …
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the model file
    Column("state", String, nullable=False),  # "ready", "active", "retired", "failed"
    Column("trained", BigInteger, nullable=False),
    Column("newest_event", BigInteger, nullable=True),  # time of the newest row it was trained on
    Column("trained_to", Key, nullable=True),  # key of the newest event of this log in it; null: trained elsewhere
    Column("activated", BigInteger, nullable=True),
    Column("details", Text, nullable=False),  # JSON
    UniqueConstraint("namespace", "number"),
)

keys = Table(
    "keys",
    metadata,
    _key(),
    _namespace(),
    Column("name", Exact, nullable=False),
    Column("role", String, nullable=False),  # "read", "write", "admin"; each may what those before it may
    Column("prefix", String, nullable=False, unique=True),  # shown in lists of keys, in clear in the key
    Column("hash", LargeBinary, nullable=False, unique=True),  # SHA-256 of the whole key
    Column("created", BigInteger, nullable=False),
    Column("revoked", BigInteger, nullable=True),
)

jobs = Table(
    "jobs",
    metadata,
    _key(),
    _namespace(),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False),  # "waiting", "running", "done", "failed", "cancelled"
    Column("progress", Float, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("started", BigInteger, nullable=True),
    Column("ended", BigInteger, nullable=True),
    Column("details", Text, nullable=False),  # JSON
    Column("log", Text, nullable=False),
    Column("owner", String, nullable=True),  # since schema 3: who runs it, and
    Column("beat", BigInteger, nullable=True),  # when that last said so
    Index(None, "state"),
    Index("uq_jobs_one_trainer", "namespace", unique=True, sqlite_where=_ONE_TRAINER, postgresql_where=_ONE_TRAINER),
)

# Whoever was forgotten: a keyed hash of the id and a time; what is older and comes back (a model, a backup) is dropped.
tombstones = Table(
    "tombstones",
    metadata,
    _key(),
    _namespace(),
    Column("side", String, nullable=False),  # "user" or "item"
    Column("digest", LargeBinary, nullable=False),  # HMAC-SHA-256 of namespace and id, keyed by meta.secret
    Column("time", BigInteger, nullable=False),
    UniqueConstraint("namespace", "side", "digest"),
)

# Since schema 2. Events a day, for popular and trending; what counts as positive is the kinds' rule at writing.
daily = Table(
    "daily",
    metadata,
    Column("namespace", Key, ForeignKey("namespaces.key"), primary_key=True),
    Column("day", Integer, primary_key=True),  # since 1970, by `events.time`; popular.ALL_DAYS: all of them
    Column("item", Key, ForeignKey("items.key"), primary_key=True),
    Column("positives", Integer, nullable=False),
    Column("events", Integer, nullable=False),
)

# Since schema 3. Named presets of what is asked; each change is a new row, and lists name the row they were made by.
scenarios = Table(
    "scenarios",
    metadata,
    _key(),
    _namespace(),
    Column("name", Exact, nullable=False),
    Column("revision", Integer, nullable=False),  # 1, 2, … of a name; the highest counts
    Column("preset", Text, nullable=True),  # JSON: palate.store.scenarios; null: deleted
    Column("created", BigInteger, nullable=False),
    UniqueConstraint("namespace", "name", "revision"),
)

# Since schema 3. Arms of one scenario; at most one experiment of a scenario runs.
experiments = Table(
    "experiments",
    metadata,
    _key(),
    _namespace(),
    Column("name", Exact, nullable=False),
    Column("scenario", Exact, nullable=False),  # whose requests take part
    Column("salt", LargeBinary, nullable=False),  # 16 random bytes: who is in which arm
    Column("arms", Text, nullable=False),  # JSON: names, shares, scenarios
    Column("plan", Text, nullable=False),  # JSON: what counts, fixed beforehand
    Column("looks", Text, nullable=False),  # JSON: when somebody looked, and at how many lists
    Column("started", BigInteger, nullable=False),
    Column("ended", BigInteger, nullable=True),
    UniqueConstraint("namespace", "name"),
    Index(
        "uq_experiments_one_running",
        "namespace",
        "scenario",
        unique=True,
        sqlite_where=_ONE_EXPERIMENT,
        postgresql_where=_ONE_EXPERIMENT,
    ),
)

# Since schema 3. What is done again and again; jobs are what came of it.
schedules = Table(
    "schedules",
    metadata,
    _key(),
    _namespace(),
    Column("kind", String, nullable=False),  # of its jobs: "retrain"
    Column("every", BigInteger, nullable=False),  # microseconds
    Column("due", BigInteger, nullable=False),  # the next time
    Column("details", Text, nullable=False),  # JSON: of its jobs
    Column("paused", Boolean, nullable=False),
    UniqueConstraint("namespace", "kind"),
)
