"""Anchor electronic evidence on Ethereum, and verify it against the chain.

Importing the package loads nothing heavy: see ``anchor.verify`` for verification and
``anchor.pipeline`` for running a log.
"""
