"""Rules for telling people, as pure code: events, bodies, signatures, targets, retries, e-mail."""
