"""Talking to a chain: reading, deciding, signing, sending."""
