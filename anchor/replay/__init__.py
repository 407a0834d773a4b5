"""Replay of a capture on this machine, by pywb, which the user installs."""
