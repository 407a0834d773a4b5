"""Alembic migrations of the store; ``versions/`` holds one file for each released schema."""
