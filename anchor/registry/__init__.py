"""The registry contract as data: artifact, address, calldata, storage layout."""
