"""The durable store of one log: rows, tiles, journal, side file; it never queries a chain."""
