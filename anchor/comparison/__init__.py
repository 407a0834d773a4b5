"""Comparison of two web captures: texts, pictures, facts and resources."""
