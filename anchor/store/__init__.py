"""The durable store of one project."""
