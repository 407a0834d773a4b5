"""Verification of evidence: ten numbered steps, trust policy and report; no I/O of its own."""
