"""Anchor electronic evidence on Ethereum, and verify it against the chain.

Importing the package loads nothing heavy: see ``anchor.verification.verifier`` for verification and
``anchor.operate`` for running a log.
"""
