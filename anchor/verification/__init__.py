"""Verifying evidence: ten numbered steps, policy, report; pure, the chain is a parameter."""
