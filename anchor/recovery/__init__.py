"""Backups, audits, restores and successors, for when something is lost or doubted."""
