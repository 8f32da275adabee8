"""Schema 2: feedback can be undone and says which client sent it; events are counted by day."""

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
EXACT = sa.String().with_variant(sa.String(collation="C"), "postgresql")
UNDO = sa.text("withdraws IS NOT NULL")
DAY = 86_400_000_000  # microseconds


def upgrade() -> None:
    """Let an event have no item, add the new columns, and count events; which are positive, `upgrade` finds out."""
    with op.batch_alter_table("events", table_kwargs={"sqlite_autoincrement": True}) as events:
        events.alter_column("item", existing_type=KEY, nullable=True)
        events.add_column(sa.Column("source", EXACT, nullable=True))
        events.add_column(sa.Column("withdraws", KEY, nullable=True))
        events.create_index(op.f("ix_events_withdraws"), ["withdraws"], sqlite_where=UNDO, postgresql_where=UNDO)
    op.create_table(
        "daily",
        sa.Column("namespace", KEY, sa.ForeignKey("namespaces.key"), primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True),
        sa.Column("item", KEY, sa.ForeignKey("items.key"), primary_key=True),
        sa.Column("positives", sa.Integer, nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
    )
    op.execute(
        f"INSERT INTO daily (namespace, day, item, positives, events) "  # noqa: S608 - constants
        f"SELECT namespace, time / {DAY}, item, 0, count(*) FROM events WHERE kind <> 'impression' GROUP BY 1, 2, 3"
    )
