"""The registry contract as data: artifact, address, calldata, storage; no chain is read."""
