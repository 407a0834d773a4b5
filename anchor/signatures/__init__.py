"""Detached signatures over a record's bytes: SSHSIG and CAdES, made and verified by programs."""
