"""The public API of ``import anchor``: thin objects over the other packages."""
