"""Migrations of the store's schema, run by Alembic: `palate.store.upgrading`."""
