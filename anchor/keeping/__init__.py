"""Copies of originals that tenants keep: their rules, their encryption, and the object store."""
