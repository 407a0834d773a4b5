"""Watched pages: captured again and again, and recorded only when they have changed."""
