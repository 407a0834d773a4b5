"""What is recorded about a collection: the observed machine, its clock, and the details stated."""
