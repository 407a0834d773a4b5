"""The operator's work: a project, and what is done in it, step by step."""
