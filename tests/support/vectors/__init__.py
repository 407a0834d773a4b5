"""What is in the test vectors, tests/vectors; scripts/_build/build_vectors.py writes them."""
