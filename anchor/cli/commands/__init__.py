"""The commands of ``anchor``, one module each; code that several share is one level up."""
