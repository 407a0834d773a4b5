"""User-facing messages, each with an id and operands, in English and Chinese."""
