"""The operator's work: accept, seal, anchor, prove, publish and erase evidence."""
