"""A PostgreSQL to back up."""

from store.conftest import postgres_folder  # noqa: F401 - a fixture
