"""Users, items and events in and out by file: Parquet, CSV, JSON lines, Gorse's exports, and any file of ratings."""
