"""Receipts and the state proofs in them, parsed strictly; ``verification`` judges them."""
