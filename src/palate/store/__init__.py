"""The store: users, items, feedback, lists shown, model versions, keys and jobs, in SQLite or PostgreSQL."""
