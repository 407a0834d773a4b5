"""The commands of ``anchor``, one module each; what several share is one level up."""
