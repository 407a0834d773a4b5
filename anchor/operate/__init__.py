"""The operator's tasks: accept, anchor, prove, publish and erase evidence."""
