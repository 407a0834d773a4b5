"""Evidence: finding and hashing files, and the records written about them; not their storage."""
