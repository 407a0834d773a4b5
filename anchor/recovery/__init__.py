"""Backups, audits, restores and successors, for logs whose data is lost or in doubt."""
