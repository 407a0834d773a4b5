"""The Merkle log (RFC 9162, C2SP): trees, tiles, checkpoints, publications; not its database."""
