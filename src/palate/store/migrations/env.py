"""Alembic's entry: runs migrations in the transaction of the connection that `palate.store.upgrading` gives."""

from alembic import context

from palate.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
