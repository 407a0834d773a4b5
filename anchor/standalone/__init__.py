"""A second verifier of receipts, in one file that needs only Python: ``verify.py``."""
