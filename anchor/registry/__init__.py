"""The registry contract as data: artifact, address, calldata, storage layout; no chain is read."""
