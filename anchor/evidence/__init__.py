"""Evidence: finding and hashing files, and the records about them; ``store`` keeps them."""
