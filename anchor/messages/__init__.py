"""The sentences that people read: messages with an id and operands, in English and Chinese."""
