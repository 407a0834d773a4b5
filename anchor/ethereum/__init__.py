"""Ethereum's data formats: hashes, RLP, tries, headers and the known chains; no I/O."""
