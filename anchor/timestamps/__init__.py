"""Timestamps by a timestamping authority (RFC 3161) over the log's signed checkpoints."""
