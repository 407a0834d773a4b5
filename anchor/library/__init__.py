"""What ``import anchor`` offers to Python programs: thin objects over the packages below."""
