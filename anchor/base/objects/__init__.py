"""Object stores: their URLs, and reading and writing objects."""
