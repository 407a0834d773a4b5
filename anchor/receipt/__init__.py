"""Receipts and the state proofs in them, read strictly; ``verification`` judges what they say."""
