"""Requests on behalf of others: where they may go, and a proxy that reaches nothing else."""
