"""A project: configuration, files, keys, trusted policies; its tasks are in ``operate``."""
