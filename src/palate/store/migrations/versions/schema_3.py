"""Schema 3: lists know their scenario, experiment and chance; jobs their owner; scenarios, experiments, schedules."""

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = "2"

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
EXACT = sa.String().with_variant(sa.String(collation="C"), "postgresql")
UNCOUNTED = sa.text("uncounted IS NOT NULL")
ONE_TRAINER = sa.text("state = 'running' AND kind = 'retrain'")
ONE_EXPERIMENT = sa.text("ended IS NULL")


def _key() -> "sa.Column[int]":
    return sa.Column("key", KEY, primary_key=True, autoincrement=True)


def _namespace() -> "sa.Column[int]":
    return sa.Column("namespace", KEY, sa.ForeignKey("namespaces.key"), nullable=False)


def upgrade() -> None:
    """Make the new tables, and give lists and jobs their new columns."""
    _scenarios()
    _experiments()
    op.create_table(
        "schedules",
        _key(),
        _namespace(),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("every", sa.BigInteger, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.UniqueConstraint("namespace", "kind"),
    )
    _lists_and_jobs()


def _scenarios() -> None:
    op.create_table(
        "scenarios",
        _key(),
        _namespace(),
        sa.Column("name", EXACT, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("preset", sa.Text, nullable=True),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("namespace", "name", "revision"),
    )


def _experiments() -> None:
    op.create_table(
        "experiments",
        _key(),
        _namespace(),
        sa.Column("name", EXACT, nullable=False),
        sa.Column("scenario", EXACT, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("arms", sa.Text, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("looks", sa.Text, nullable=False),
        sa.Column("started", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.BigInteger, nullable=True),
        sa.UniqueConstraint("namespace", "name"),
    )
    op.create_index(
        "uq_experiments_one_running",
        "experiments",
        ["namespace", "scenario"],
        unique=True,
        sqlite_where=ONE_EXPERIMENT,
        postgresql_where=ONE_EXPERIMENT,
    )


def _lists_and_jobs() -> None:
    with op.batch_alter_table("lists") as lists:
        lists.add_column(sa.Column("scenario", KEY, nullable=True))
        lists.add_column(sa.Column("experiment", KEY, nullable=True))
        lists.add_column(sa.Column("explored", sa.Text, nullable=True))
        lists.add_column(sa.Column("uncounted", sa.LargeBinary, nullable=True))
        lists.create_foreign_key(op.f("fk_lists_scenario"), "scenarios", ["scenario"], ["key"])
        lists.create_foreign_key(op.f("fk_lists_experiment"), "experiments", ["experiment"], ["key"])
        lists.create_index(op.f("ix_lists_experiment"), ["experiment"])
        lists.create_index("ix_lists_uncounted", ["key"], sqlite_where=UNCOUNTED, postgresql_where=UNCOUNTED)
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("owner", sa.String, nullable=True))
        jobs.add_column(sa.Column("beat", sa.BigInteger, nullable=True))
        jobs.create_index(op.f("ix_jobs_state"), ["state"])
        jobs.create_index(
            "uq_jobs_one_trainer",
            ["namespace"],
            unique=True,
            sqlite_where=ONE_TRAINER,
            postgresql_where=ONE_TRAINER,
        )
