"""Certificates: what a verification found, as JSON, HTML and PDF/A from the same data."""
