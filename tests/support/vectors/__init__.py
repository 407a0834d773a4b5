"""What is in the test vectors, tests/vectors/log; scripts/build_vectors.py writes them."""
