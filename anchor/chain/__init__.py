"""Talking to a chain: nodes and quorums, reading, signing, sending; no store and no project."""
