"""Database extracts: rows of one read-only snapshot as Parquet and CSV, and their database."""
