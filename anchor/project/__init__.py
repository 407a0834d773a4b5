"""A project: configuration, files, keys, trusted policies; the work itself is in ``operate``."""
