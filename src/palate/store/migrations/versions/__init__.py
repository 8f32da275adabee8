"""One file for each schema, in Alembic's form."""
