"""A second verifier of receipts, in one file that needs nothing but Python: ``verify.py``."""
