"""The operator's work: accept, anchor, prove, publish and erase evidence."""
