"""Certificates: the results of a verification as JSON, HTML and PDF/A from the same data."""
