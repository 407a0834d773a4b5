"""What is in the test vectors, tests/vectors; scripts/build_vectors.py writes them."""
