"""A project's configuration, files, keys and trust policies; ``anchor.operate`` has its tasks."""
